//! PURE, tests only: what is made of values. That it is what the server makes is compared in pg_test.

mod arrays;
mod numbers;
mod texts;
mod times;

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
    let made = decoder.put(value, &mut former).unwrap();
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
fn what_is_large_is_the_servers() {
    let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
    none_is_made(oid::JSONB, NO_TYPMOD, &[&deep]);
    let many = format!("[{}1]", "1,".repeat(70_000));
    none_is_made(oid::JSONB, NO_TYPMOD, &[&many]);
    let long = format!("[{}1]", " ".repeat(2 << 20));
    assert_eq!(put(decoder(oid::JSONB, NO_TYPMOD), Text::span(&long)).0, Made::Server);
    assert_eq!(put(decoder(oid::TEXT, NO_TYPMOD), Text::span(&long)).0, Made::Server);
}

#[test]
fn malformed_json_is_a_fault() {
    let put = |type_oid, json| {
        let mut former = Former::new(as_utf8);
        decoder(type_oid, NO_TYPMOD).put(Text::span(json), &mut former)
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
