//! PURE, tests only: jsonb.

use super::*;
use crate::document::build::jsonb;
use crate::document::on_a_small_stack;
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

fn excerpt_of(document: &Json) -> String {
    Jsonb::document(&jsonb(document)).unwrap().excerpt().unwrap()
}

#[test]
fn an_excerpt_is_the_beginning_of_the_json() {
    for document in [
        json!([]),
        json!({}),
        json!({"b": [1, -2.50, []], "aa": {"x": null, "": true}, "c": "é\"\n\u{1}"}),
        json!([[], {}, [[]], [{}], "", 0]),
        json!("scalar"),
        json!({"intvals": {"pageid": 1, "composer": "x".repeat(60), "worktitle": "y".repeat(60)}}),
        json!(vec!["é"; 100]),
        json!(["é".repeat(200)]),
        json!("\n".repeat(99)),
    ] {
        assert_eq!(excerpt_of(&document), crate::error::excerpt(&document.to_string()));
    }
    let many: serde_json::Map<_, _> = (0..1000).map(|i| (format!("k{i}"), json!(i))).collect();
    assert!(excerpt_of(&Json::Object(many)).starts_with(r#"{"k0":0,"k1":1,"k2":2,"#));
}

/// Arrays or objects with one child each, so many in one another.
fn nested(depth: usize, object: bool) -> Vec<u8> {
    let level = if object { 16 } else { 8 };
    let mut bytes = Vec::with_capacity(depth * level + 4);
    for inner in (0..depth).rev() {
        let kind = if object { IS_OBJECT } else { IS_ARRAY };
        bytes.extend((kind | 1).to_ne_bytes());
        let inside = (inner * level + 4) as u32;
        if object {
            // A key of four bytes, so that no padding is needed.
            bytes.extend((ENTRY_STRING | ENTRY_HAS_OFFSET | 4).to_ne_bytes());
            bytes.extend((ENTRY_CONTAINER | inside).to_ne_bytes());
            bytes.extend(b"deep");
        } else {
            bytes.extend((ENTRY_CONTAINER | ENTRY_HAS_OFFSET | inside).to_ne_bytes());
        }
    }
    bytes.extend(IS_ARRAY.to_ne_bytes());
    bytes
}

#[test]
fn depth_takes_no_stack() {
    use crate::document::find::Resource;
    use crate::record::scalar::{List, Nested, Scalar};
    use crate::source::{imslp, open_opus};

    assert_eq!(read(&nested(2, false)), Ok(json!([[[]]])));
    assert_eq!(read(&nested(2, true)), Ok(json!({"deep": {"deep": []}})));
    on_a_small_stack(|| {
        for object in [false, true] {
            let bytes = nested(1_000_000, object);
            let value = Jsonb::document(&bytes).unwrap();
            let excerpt = value.excerpt().unwrap();
            let beginning = if object { r#"{"deep":{"deep":{"deep""# } else { "[[[[[[[[[" };
            assert!(excerpt.starts_with(beginning) && excerpt.ends_with("..."), "{excerpt}");
            assert_eq!(value.check(), Ok(()));
            let kind = if object { Scalar::Object } else { Scalar::Array };
            assert_eq!(value.read::<Scalar>(), Ok(kind));
            assert!(value.read::<List>().is_ok());
            assert!(value.read::<Nested<imslp::Piece>>().is_ok());
            assert!(value.read::<Nested<open_opus::Piece>>().is_ok());
            for resource in [Resource::Composers, Resource::Works] {
                let found = crate::document::find::find(vec![value], resource, &Watch::default());
                if let Ok((_, records)) = found {
                    records.for_each(|record| assert!(record.is_ok()));
                }
            }
        }
    });
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
    assert!(matches!(read(&bytes), Err(Fault::NoUtf8)));
}
