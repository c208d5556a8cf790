//! PURE, tests only: texts and what is written as one.

use std::borrow::Cow;

use super::*;

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
