//! PURE, tests only: jsonb.

use super::*;
use crate::document::build::jsonb;
use serde_json::{Value as Json, json};

fn read(bytes: &[u8]) -> Result<Json, Fault> {
    Jsonb::document(bytes)?.read()
}

fn round_trip(document: Json) {
    assert_eq!(read(&jsonb(&document)), Ok(document));
}

#[test]
fn documents_are_read_back() {
    round_trip(json!([]));
    round_trip(json!({}));
    round_trip(json!([null, true, false, "", "é\n", [[]], {"a": {"b": [1]}}]));
    round_trip(json!("a scalar"));
    round_trip(json!(42));
    round_trip(json!([0, -1, 12345678, 10000, 1637322]));
}

/// More than 32 entries, so that some hold offsets and some lengths, with padding in between.
#[test]
fn offsets_and_padding_are_followed() {
    let elements: Vec<Json> = (0..200).map(|i| json!([i, "x".repeat(i % 5), {"k": i}])).collect();
    round_trip(Json::Array(elements));
    let members = (0..100).map(|i| (format!("key{i}"), json!([i, "y".repeat(i % 7)])));
    round_trip(Json::Object(members.collect()));
}

#[test]
fn members_come_by_length_then_bytes() {
    let bytes = jsonb(&json!({"bb": 1, "a": 2, "ab": 3}));
    let members = Jsonb::document(&bytes).unwrap().members(&Watch::default()).unwrap();
    let keys: Vec<&str> = members.iter().map(|(key, _)| &**key).collect();
    assert_eq!(keys, ["a", "ab", "bb"]);
}

/// Every cut and every flipped bit of a document gives a value or an error.
#[test]
fn damaged_bytes_are_no_panic() {
    let bytes = jsonb(&json!([{"id": "x", "n": 12.5, "deep": [[["é"]], null, true]}, 7, "s"]));
    for length in 0..bytes.len() {
        let _ = read(&bytes[..length]);
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            let _ = read(&damaged);
        }
    }
}

#[test]
fn text_that_is_no_utf8_is_an_error() {
    let mut bytes = jsonb(&json!(["ab"]));
    let at = bytes.len() - 1;
    bytes[at] = 0xFF;
    assert!(matches!(read(&bytes), Err(Fault::Malformed(_))));
}
