//! PURE, tests only: what is made of values. That it is what the server makes is compared in pg_test.

use std::borrow::Cow;

use super::*;
use crate::document::jsonb::{Jsonb, write};
use crate::document::text::Text;
use crate::tuple::{as_utf8, columns};

/// The data of a tuple of one column, made of a JSON text with this decoder; the same for text and for jsonb.
fn made_by(decoder: Decoder, json: &str) -> (Made, Vec<u8>) {
    let text = Text::span(json);
    let mut bytes = vec![];
    let written = match text.content().unwrap() {
        Content::Container => write::append(json, &mut bytes).unwrap(),
        scalar => write::append_scalar(&scalar, &mut bytes).unwrap(),
    };
    let of_text = put(decoder, text);
    if written {
        let of_jsonb = put(decoder, Jsonb::document(&bytes).unwrap());
        assert_eq!(of_jsonb, of_text, "{json}");
    }
    of_text
}

fn put<'a, V: Value<'a>>(decoder: Decoder, value: V) -> (Made, Vec<u8>) {
    let mut former = Former::new(as_utf8);
    let made = decoder.put(value, &mut former, &Watch::default()).unwrap();
    let mut tuple = vec![];
    assert!(former.finish(&mut tuple));
    // A column is put, or none is.
    let natts = u16::from_ne_bytes([tuple[18], tuple[19]]);
    assert_eq!(natts, u16::from(made != Made::Server));
    (made, columns(&tuple).to_vec())
}

fn decoder(type_oid: u32, typmod: i32) -> Decoder {
    Decoder::of(type_oid, typmod, Encoding::Utf8).unwrap()
}

fn made(type_oid: u32, typmod: i32, json: &str) -> (Made, Vec<u8>) {
    made_by(decoder(type_oid, typmod), json)
}

/// Each gives a value of these bytes.
fn all_give(type_oid: u32, typmod: i32, values: &[(&str, &[u8])]) {
    for (json, bytes) in values {
        let (made, found) = made(type_oid, typmod, json);
        assert_eq!((made, &*found), (Made::Value, *bytes), "{json} as {type_oid} ({typmod})");
    }
}

/// Each is left to the server.
fn none_is_made(type_oid: u32, typmod: i32, values: &[&str]) {
    for json in values {
        let (made, _) = made(type_oid, typmod, json);
        assert_eq!(made, Made::Server, "{json} as {type_oid} ({typmod})");
    }
}

/// A short varlena.
fn short(bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len() as u8 + 1;
    let header = if cfg!(target_endian = "little") { (length << 1) | 1 } else { length | 0x80 };
    [&[header], bytes].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

const ALL: [u32; 17] = [
    oid::BOOLEAN,
    oid::BYTEA,
    oid::BIGINT,
    oid::SMALLINT,
    oid::INTEGER,
    oid::TEXT,
    oid::JSON,
    oid::REAL,
    oid::DOUBLE_PRECISION,
    oid::BPCHAR,
    oid::VARCHAR,
    oid::DATE,
    oid::TIMESTAMP,
    oid::TIMESTAMPTZ,
    oid::NUMERIC,
    oid::UUID,
    oid::JSONB,
];

#[test]
fn null_is_null_for_every_type() {
    let arrays = oid::ARRAYS.iter().map(|(array, _)| *array);
    for type_oid in ALL.into_iter().chain(arrays) {
        assert_eq!(made(type_oid, NO_TYPMOD, "null"), (Made::Null, vec![]), "{type_oid}");
    }
}

#[test]
fn each_type_has_its_array() {
    for (array, element) in oid::ARRAYS {
        assert!(ALL.contains(&element));
        let of_array = decoder(array, NO_TYPMOD);
        assert_eq!((of_array.is_array, of_array.scalar.oid()), (true, element));
    }
}

#[test]
fn other_types_are_the_servers() {
    // name, money, interval, inet, an array of inet, citext or any other of a user's.
    for type_oid in [19, 790, 1186, 869, 1041, 16_384] {
        assert_eq!(Decoder::of(type_oid, NO_TYPMOD, Encoding::Utf8), None);
    }
    // Modifiers that no column has.
    for (type_oid, typmod) in [
        (oid::INTEGER, 4),
        (oid::TEXT, 5),
        (oid::TIMESTAMP, 7),
        (oid::VARCHAR, 3),
        (oid::NUMERIC, 3),
        (oid::NUMERIC, 4 + (5 << 16) + 1000),
    ] {
        assert_eq!(Decoder::of(type_oid, typmod, Encoding::Utf8), None, "{type_oid} {typmod}");
    }
}

#[test]
fn booleans_are_words() {
    let words = ["true", r#""t""#, r#""YES""#, r#""On""#, "1", r#""1""#];
    words.iter().for_each(|json| all_give(oid::BOOLEAN, NO_TYPMOD, &[(json, &[1])]));
    let words = ["false", r#""F""#, r#""no""#, r#""off""#, "0", "-0", "0e5"];
    words.iter().for_each(|json| all_give(oid::BOOLEAN, NO_TYPMOD, &[(json, &[0])]));
    let strange = [r#"" true""#, r#""tr""#, r#""o""#, r#""""#, "2", "1.0", "[true]", "{}"];
    none_is_made(oid::BOOLEAN, NO_TYPMOD, &strange);
}

#[test]
fn integers_are_whole_and_in_range() {
    for (json, value) in [
        ("0", 0),
        ("-0", 0),
        ("32767", i16::MAX),
        (r#""-32768""#, i16::MIN),
        (r#""+7""#, 7),
        (r#""007""#, 7),
        ("1.5e1", 15),
        ("3e2", 300),
    ] {
        all_give(oid::SMALLINT, NO_TYPMOD, &[(json, &value.to_ne_bytes())]);
        all_give(oid::INTEGER, NO_TYPMOD, &[(json, &i32::from(value).to_ne_bytes())]);
        all_give(oid::BIGINT, NO_TYPMOD, &[(json, &i64::from(value).to_ne_bytes())]);
    }
    for value in [i64::MIN, i64::MAX, -1, 9_999, 10_000, 100_000_000, 123_400_000_000] {
        all_give(oid::BIGINT, NO_TYPMOD, &[(&value.to_string(), &value.to_ne_bytes())]);
    }
    none_is_made(oid::SMALLINT, NO_TYPMOD, &["32768", "-32769", r#""32768""#]);
    none_is_made(oid::INTEGER, NO_TYPMOD, &["2147483648", "-2147483649", "1e10"]);
    let out_of_range = ["9223372036854775808", "-9223372036854775809", "1e30"];
    none_is_made(oid::BIGINT, NO_TYPMOD, &out_of_range);
    for type_oid in [oid::SMALLINT, oid::INTEGER, oid::BIGINT] {
        let strange = ["1.0", "0.5", r#"" 1""#, r#""1_000""#, r#""0x10""#, r#""""#, "true", "[1]"];
        none_is_made(type_oid, NO_TYPMOD, &strange);
    }
}

#[test]
fn floats_are_the_nearest() {
    for (json, value) in [
        ("0", 0.0),
        ("-0", 0.0),
        ("-0.00", 0.0),
        (r#""-0""#, -0.0),
        ("0.1", 0.1),
        ("-1.5e-7", -1.5e-7),
        ("1e22", 1e22),
        ("9007199254740993", 9_007_199_254_740_992.0),
        (r#""1.7976931348623157e308""#, f64::MAX),
        (r#""2.2250738585072014e-308""#, f64::MIN_POSITIVE),
        ("0.1000000000000000055511151231257827021181583404541015625", 0.1),
    ] {
        all_give(oid::DOUBLE_PRECISION, NO_TYPMOD, &[(json, &f64::to_ne_bytes(value))]);
    }
    // Rounded once: through a double it would be 1.
    let halfway = "1.00000005960464477539062500000000000000001";
    all_give(oid::REAL, NO_TYPMOD, &[(halfway, &1.000_000_1f32.to_ne_bytes())]);
    all_give(oid::REAL, NO_TYPMOD, &[("16777217", &16_777_216f32.to_ne_bytes())]);
    let strange = [r#""1e-310""#, r#""1e309""#, r#""1e-400""#, r#""Infinity""#, r#""NaN""#];
    none_is_made(oid::DOUBLE_PRECISION, NO_TYPMOD, &strange);
    none_is_made(oid::DOUBLE_PRECISION, NO_TYPMOD, &[r#"" 1""#, r#""0x1p3""#, r#""1 ""#, "true"]);
    none_is_made(oid::REAL, NO_TYPMOD, &["1e39", "1e-40", r#""""#, "[]"]);
}

/// A numeric in its short form.
fn numeric(sign: u16, scale: u16, weight: i16, digits: &[u16]) -> Vec<u8> {
    let header = 0x8000 | sign | (scale << 7) | (weight as u16 & 0x7F);
    let words = [header].into_iter().chain(digits.iter().copied());
    short(&words.flat_map(|word| word.to_ne_bytes()).collect::<Vec<_>>())
}

const NEGATIVE: u16 = 0x2000;

#[test]
fn numerics_are_stored_as_the_server_stores_them() {
    for (json, bytes) in [
        ("0", numeric(0, 0, 0, &[])),
        ("-0.00", numeric(0, 2, 0, &[])),
        ("1", numeric(0, 0, 0, &[1])),
        ("9999", numeric(0, 0, 0, &[9999])),
        ("10000", numeric(0, 0, 1, &[1])),
        ("-12345.670", numeric(NEGATIVE, 3, 1, &[1, 2345, 6700])),
        ("0.0001", numeric(0, 4, -1, &[1])),
        ("0.00012", numeric(0, 5, -1, &[1, 2000])),
        ("1e6", numeric(0, 0, 1, &[100])),
        ("1.5e-3", numeric(0, 4, -1, &[15])),
        (r#""+0012.30""#, numeric(0, 2, 0, &[12, 3000])),
    ] {
        all_give(oid::NUMERIC, NO_TYPMOD, &[(json, &bytes)]);
    }
    let strange = [r#""NaN""#, r#"" 1""#, r#""1.""#, r#"".5""#, r#""1_0""#, r#""""#, "true", "{}"];
    none_is_made(oid::NUMERIC, NO_TYPMOD, &strange);
}

#[test]
fn numerics_are_rounded_to_their_columns() {
    let typmod = |precision: i32, scale: i32| 4 + ((precision << 16) | (scale & 0x7FF));
    for (precision, scale, json, bytes) in [
        (5, 2, "1.005", numeric(0, 2, 0, &[1, 100])),
        (5, 2, "-1.005", numeric(NEGATIVE, 2, 0, &[1, 100])),
        (5, 2, "1.0049", numeric(0, 2, 0, &[1])),
        (5, 2, "999.994", numeric(0, 2, 0, &[999, 9900])),
        (5, 2, "0.004", numeric(0, 2, 0, &[])),
        (5, 2, "-0.004", numeric(0, 2, 0, &[])),
        (5, 2, "7", numeric(0, 2, 0, &[7])),
        (2, -3, "12345", numeric(0, 0, 1, &[1, 2000])),
        (2, -3, "499", numeric(0, 0, 0, &[])),
        (2, -3, "500", numeric(0, 0, 0, &[1000])),
        (2, 4, "0.00995", numeric(0, 4, -1, &[100])),
        (6, 0, "9999.5", numeric(0, 0, 1, &[1])),
    ] {
        if json == "0.00995" {
            // One digit more than there is room for, after rounding.
            none_is_made(oid::NUMERIC, typmod(precision, scale), &[json]);
        } else {
            all_give(oid::NUMERIC, typmod(precision, scale), &[(json, &bytes)]);
        }
    }
    none_is_made(oid::NUMERIC, typmod(5, 2), &["1000", "999.995", "1e5"]);
    none_is_made(oid::NUMERIC, typmod(2, -3), &["99500"]);
    none_is_made(oid::NUMERIC, typmod(2, 4), &["0.01"]);
}

#[test]
fn texts_are_strings_or_json() {
    for (json, text) in [
        (r#""""#, ""),
        (r#""Dvo\u0159\u00e1k \"x\"""#, "Dvořák \"x\""),
        (r#""  blanks  ""#, "  blanks  "),
        ("true", "true"),
        ("1.50", "1.50"),
        ("-0", "0"),
        ("12e1", "120"),
        (
            r#"{"bb":[1,{}],"a":"é\n\u0001\u007f","bb":2e1}"#,
            "{\"a\": \"é\\n\\u0001\u{7f}\", \"bb\": 20}",
        ),
        ("[ ]", "[]"),
    ] {
        all_give(oid::TEXT, NO_TYPMOD, &[(json, &short(text.as_bytes()))]);
        all_give(oid::VARCHAR, NO_TYPMOD, &[(json, &short(text.as_bytes()))]);
        all_give(oid::BPCHAR, NO_TYPMOD, &[(json, &short(text.as_bytes()))]);
    }
}

#[test]
fn texts_with_a_length_count_characters() {
    let four = 4 + VARLENA_HEADER;
    for json in [r#""abcd""#, r#""éééé""#, r#""🎵""#, "1234", "true", r#"" ""#] {
        let text: Cow<'_, str> = json.trim_matches('"').into();
        all_give(oid::VARCHAR, four, &[(json, &short(text.as_bytes()))]);
        let padded = format!("{text}{}", " ".repeat(4 - text.chars().count()));
        all_give(oid::BPCHAR, four, &[(json, &short(padded.as_bytes()))]);
    }
    for type_oid in [oid::VARCHAR, oid::BPCHAR] {
        none_is_made(type_oid, four, &[r#""abcde""#, r#""ééééé""#, r#""abcd ""#, "12345", "[1,2]"]);
    }
}

#[test]
fn other_encodings_have_ascii_alone() {
    let other = |type_oid, json| {
        let decoder = Decoder::of(type_oid, NO_TYPMOD, Encoding::Other).unwrap();
        put(decoder, Text::span(json)).0
    };
    for type_oid in [oid::TEXT, oid::VARCHAR, oid::BPCHAR, oid::JSON, oid::JSONB] {
        for json in [r#""plain""#, r#"{"a":["b"]}"#, "1"] {
            assert_eq!(other(type_oid, json), Made::Value, "{json}");
        }
        for json in [r#""é""#, r#""\u00e9""#, r#"{"a":["é"]}"#, r#"{"\u00e9":1}"#] {
            assert_eq!(other(type_oid, json), Made::Server, "{json} as {type_oid}");
        }
    }
    assert_eq!(other(oid::BYTEA, r#""é""#), Made::Server);
    assert_eq!(other(1009, r#"["a", "é"]"#), Made::Server);
    assert_eq!(other(1009, r#"["a", "e"]"#), Made::Value);
}

#[test]
fn byteas_are_digits_or_themselves() {
    for (json, bytes) in [
        (r#""\\x""#, &b""[..]),
        (r#""\\x00fFa1""#, b"\x00\xFF\xA1"),
        (r#""abc é""#, "abc é".as_bytes()),
        (r#""xff""#, b"xff"),
        ("12", b"12"),
        ("false", b"false"),
    ] {
        all_give(oid::BYTEA, NO_TYPMOD, &[(json, &short(bytes))]);
    }
    let strange = [r#""\\x0""#, r#""\\x0g""#, r#""\\x00 11""#, r#""a\\000""#, r#""\\X00""#, "[]"];
    none_is_made(oid::BYTEA, NO_TYPMOD, &strange);
}

#[test]
fn uuids_are_digits() {
    let bytes: [u8; 16] = std::array::from_fn(|i| 0x11 * i as u8);
    for json in [
        r#""00112233-4455-6677-8899-aabbccddeeff""#,
        r#""00112233-4455-6677-8899-AABBCCDDEEFF""#,
        r#""00112233445566778899aabbccddeeff""#,
    ] {
        all_give(oid::UUID, NO_TYPMOD, &[(json, &bytes)]);
    }
    none_is_made(
        oid::UUID,
        NO_TYPMOD,
        &[
            r#""{00112233-4455-6677-8899-aabbccddeeff}""#,
            r#""0011-2233-4455-6677-8899-aabb-ccdd-eeff""#,
            r#""00112233-4455-6677-8899-aabbccddeefg""#,
            r#""001122334-455-6677-8899-aabbccddeeff""#,
            r#""""#,
            "1",
        ],
    );
}

const DAY: i64 = 86_400_000_000;

#[test]
fn dates_are_of_iso_8601() {
    for (json, days) in [
        (r#""2000-01-01""#, 0),
        (r#""1999-12-31""#, -1),
        (r#""0001-01-01""#, -730_119),
        (r#""9999-12-31""#, 2_921_939),
        (r#""2000-02-29""#, 59),
        (r#""2000-01-02T23:59:59Z""#, 1),
        (r#""2000-01-02 23:59:59.999999-08""#, 1),
    ] {
        all_give(oid::DATE, NO_TYPMOD, &[(json, &i32::to_ne_bytes(days))]);
    }
    let strange = [
        "2000-1-1",
        "1900-02-29",
        "2000-13-01",
        "2000-00-01",
        "2000-01-00",
        "0000-01-01",
        "20000101",
        "01/02/2000",
        "infinity",
        "today",
        "2000-01-01 BC",
        " 2000-01-01",
        "2000-01-01 ",
        "2000-01-01T",
        "2000-01-01Z",
        "",
        "10000-01-01",
        "2000-01-01T24:00:00",
        "2000-01-01T23:59:60",
        "2000-01-01T10",
        "2000-01-01T10:00:0",
        "2000-01-01T10:00.5",
        "2000-01-01T10:00:00.",
        "2000-01-01T10:00:00z",
        "2000-01-01T10:00:00 Z",
        "2000-01-01T10:00:00+16:00",
        "2000-01-01T10:00:00+05:60",
        "2000-01-01T10:00:00+5",
        "2000-01-01T10:00:00 UTC",
        "2000-01-01T10:00:00.9999999",
    ];
    for text in strange {
        let json = format!("\"{text}\"");
        for type_oid in [oid::DATE, oid::TIMESTAMP, oid::TIMESTAMPTZ] {
            none_is_made(type_oid, NO_TYPMOD, &[&json]);
        }
    }
}

#[test]
fn timestamps_are_microseconds() {
    for (text, local, zone) in [
        ("2000-01-01", 0, None),
        ("2000-01-01T00:00", 0, None),
        ("2000-01-02 01:02:03", DAY + 3_723_000_000, None),
        ("1999-12-31T23:59:59.9", -100_000, None),
        ("2000-01-01T00:00:00.000001Z", 1, Some(0)),
        ("2000-01-01T00:00:00.1234564Z", 123_456, Some(0)),
        ("2000-01-01T00:00:00.123456789Z", 123_457, Some(0)),
        ("2000-01-01T10:00:00+05:30", 36_000_000_000, Some(19_800)),
        ("2000-01-01T10:00:00-0800", 36_000_000_000, Some(-28_800)),
        ("2000-01-01T10:00-08", 36_000_000_000, Some(-28_800)),
    ] {
        let json = format!("\"{text}\"");
        all_give(oid::TIMESTAMP, NO_TYPMOD, &[(&json, &i64::to_ne_bytes(local))]);
        match zone {
            Some(zone) => {
                let utc: i64 = local - zone * 1_000_000;
                all_give(oid::TIMESTAMPTZ, NO_TYPMOD, &[(&json, &utc.to_ne_bytes())]);
            }
            None => none_is_made(oid::TIMESTAMPTZ, NO_TYPMOD, &[&json]),
        }
    }
    for (digits, text, value) in [
        (0, "2000-01-01T00:00:00.5", 1_000_000),
        (0, "2000-01-01T00:00:00.499999", 0),
        (0, "1999-12-31T23:59:59.5", -1_000_000),
        (3, "2000-01-01T00:00:00.0005", 1_000),
        (6, "2000-01-01T00:00:00.000001", 1),
    ] {
        all_give(oid::TIMESTAMP, digits, &[(&format!("\"{text}\""), &i64::to_ne_bytes(value))]);
    }
}

#[test]
fn json_is_written_as_jsonb_is() {
    for (json, text) in [
        (r#""\u00e9\/\t""#, r#""é/\t""#),
        ("1e2", "100"),
        ("true", "true"),
        (r#"{"b":1,"a":[null, "x"]}"#, r#"{"a": [null, "x"], "b": 1}"#),
    ] {
        all_give(oid::JSON, NO_TYPMOD, &[(json, &short(text.as_bytes()))]);
    }
}

#[test]
fn what_is_large_is_the_servers() {
    let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
    none_is_made(oid::JSONB, NO_TYPMOD, &[&deep]);
    let long = format!("[{}1]", " ".repeat(17 << 20));
    assert_eq!(put(decoder(oid::JSONB, NO_TYPMOD), Text::span(&long)).0, Made::Server);
    assert_eq!(put(decoder(oid::TEXT, NO_TYPMOD), Text::span(&long)).0, Made::Server);
}

#[test]
fn arrays_have_one_dimension() {
    // dimensions, no nulls, type, elements, lower bound
    let header = |element, count| words(&[1, 0, element, count, 1]);
    let numbers = [header(oid::SMALLINT, 2), vec![7, 0, 0xFF, 0xFF]].concat();
    let empty = words(&[0, 0, oid::SMALLINT]);
    if cfg!(target_endian = "little") {
        let values: [(&str, &[u8]); 2] =
            [("[7, -1]", &short(&numbers)), (" [ ] ".trim(), &short(&empty))];
        all_give(1005, NO_TYPMOD, &values);
    }
    // A bitmap, and what fills it up to a multiple of 8.
    let nulls = [words(&[1, 32, oid::BOOLEAN, 3, 1]), vec![0b101, 0, 0, 0, 0, 0, 0, 0], vec![1, 0]];
    all_give(1000, NO_TYPMOD, &[("[true, null, false]", &short(&nulls.concat()))]);
    // Each text has a long header, and what fills it up to a multiple of 4.
    let length = |bytes: u32| if cfg!(target_endian = "little") { bytes << 2 } else { bytes };
    let texts = [
        header(oid::TEXT, 2),
        words(&[length(5)]),
        b"a\0\0\0".to_vec(),
        words(&[length(7)]),
        b"[1]\0".to_vec(),
    ];
    all_give(1009, NO_TYPMOD, &[(r#"["a", [1]]"#, &short(&texts.concat()))]);
    let strange =
        ["[[1]]", "[[], 1]", r#""{1,2}""#, "1", "{}", "[1, {}]", "[1, [2]]", "[1, 99999]"];
    none_is_made(1005, NO_TYPMOD, &strange);
}

/// Nine elements need two bytes of bitmap, and long arrays of 8 bytes each begin at a multiple of 8.
#[test]
fn long_arrays_are_aligned() {
    let json = "[1,null,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]";
    let mut former = Former::new(as_utf8);
    Decoder::of(oid::BOOLEAN, NO_TYPMOD, Encoding::Utf8)
        .map(|decoder| decoder.put(Text::span("true"), &mut former, &Watch::default()));
    let made = decoder(1016, NO_TYPMOD).put(Text::span(json), &mut former, &Watch::default());
    assert_eq!(made, Ok(Made::Value));
    let mut tuple = vec![];
    former.finish(&mut tuple);
    let data = columns(&tuple);
    assert_eq!(data[..8], [1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(data.len(), 8 + 32 + 16 * 8);
    assert_eq!(data[32..35], [0b1111_1101, 0xFF, 1]);
    assert_eq!(data[40..48], 1i64.to_ne_bytes());
}

#[test]
fn malformed_json_is_a_fault() {
    let put = |type_oid, json| {
        let mut former = Former::new(as_utf8);
        decoder(type_oid, NO_TYPMOD).put(Text::span(json), &mut former, &Watch::default())
    };
    for (type_oid, json) in [
        (oid::TEXT, r#""a"#),
        (oid::TEXT, "tru"),
        (oid::INTEGER, "01"),
        (oid::INTEGER, "1 2"),
        (oid::NUMERIC, "1e999999"),
        (oid::TEXT, r#""\u0000""#),
        (oid::TEXT, r#""\ud800""#),
        (oid::JSONB, "[1,]"),
        (oid::JSONB, r#"{"a":1,"a":x}"#),
        (1007, "[1,,2]"),
        (1007, "[1"),
    ] {
        assert!(put(type_oid, json).is_err(), "{json}");
    }
}

#[test]
fn a_load_that_is_stopped_makes_no_array() {
    let watch = Watch::default();
    watch.stop();
    let mut former = Former::new(as_utf8);
    let made = decoder(1007, NO_TYPMOD).put(Text::span("[1]"), &mut former, &watch);
    assert_eq!(made, Err(Fault::Stopped));
}
