//! PURE, tests only: bytes that never were jsonb, and jsonb of which anything has been changed. Whoever reads them gets a
//! value or a fault, in time and memory for no more than the bytes stand for.

use serde_json::Value as Json;

use super::*;
use crate::document::find::{Resource, find};
use crate::mapping::{Mapping, records};
use crate::random::{Random, for_seeds};
use crate::record::scalar::{List, Nested, Scalar};
use crate::source::{imslp, open_opus};

const ROUNDS: u64 = 20_000;

impl Random {
    /// Words as jsonb has them, of which little fits together.
    fn words(&mut self) -> Vec<u8> {
        let mut bytes = vec![];
        for _ in 0..1 + self.below(12) {
            let flags = match self.below(3) {
                0 => self.pick(&[IS_ARRAY, IS_OBJECT, IS_ARRAY | IS_SCALAR, IS_OBJECT | IS_SCALAR]),
                _ => {
                    let kind = self.pick(&[
                        ENTRY_STRING,
                        ENTRY_NUMERIC,
                        ENTRY_TRUE,
                        ENTRY_NULL,
                        ENTRY_CONTAINER,
                        0x6000_0000,
                        0x7000_0000,
                    ]);
                    kind | self.pick(&[0, 0, ENTRY_HAS_OFFSET])
                }
            };
            let size = match self.below(12) {
                0 => COUNT_MASK,
                1 => self.below(1 << 28) as u32,
                _ => self.pick(&[0, 1, 2, 3, 4, 8, 12, 16, 20, 40]),
            };
            bytes.extend((flags | size).to_ne_bytes());
            if self.one_in(3) {
                bytes.extend((0..self.below(9)).map(|_| self.below(256) as u8));
            }
        }
        bytes
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..1 + self.below(4) {
            if bytes.is_empty() {
                return;
            }
            let at = self.below(bytes.len());
            match self.below(5) {
                0 => bytes[at] = self.below(256) as u8,
                1 => bytes[at] ^= 1 << self.below(8),
                2 => bytes.truncate(at),
                3 => bytes.extend_from_within(at..),
                _ => {
                    // A word of another place.
                    let (from, to) = (at / WORD * WORD, self.below(bytes.len()) / WORD * WORD);
                    if from.max(to) + WORD <= bytes.len() {
                        bytes.copy_within(from..from + WORD, to);
                    }
                }
            }
        }
    }
}

/// All ways in which anything reads jsonb.
fn read_in_all_ways(bytes: &[u8]) {
    let watch = Watch::default();
    let mut text = vec![];
    if let Ok(true) = print::append(bytes, &mut text) {
        // What is printed is JSON, but for texts that no server would have stored.
        assert!(
            serde_json::from_slice::<Json>(&text).is_ok() || std::str::from_utf8(&text).is_err()
        );
    }
    let Ok(value) = Jsonb::document(bytes) else { return };
    let _ = (value.kind(), value.size(), value.image(), value.excerpt(), value.check());
    let _ = value.content().map(|content| content.with_text(|_| Some(())));
    let _ = value.elements().map(|elements| elements.map(|element| element?.kind()).count());
    let _ = value.members(&watch).map(|members| members.len());
    let _ = value.read::<Json>();
    let _ = value.read::<Scalar>();
    let _ = value.read::<List>();
    let _ = value.read::<Nested<imslp::Piece>>();
    let _ = value.read::<Nested<open_opus::Piece>>();
    for resource in [Resource::Composers, Resource::Works] {
        if let Ok((_, records)) = find(vec![value], resource, &watch) {
            records.for_each(drop);
        }
    }
    for mapping in [r#"{"records": "$[*]"}"#, r#"{"records": ["$.a[*]", "$.b"]}"#] {
        let mapping = Mapping::parse(mapping).unwrap();
        if let Ok((_, records)) = records::find(vec![value], &mapping.records, &watch) {
            records.for_each(|record| _ = record.map(|record| record.value.image()));
        }
    }
}

#[test]
fn any_bytes_are_read_or_refused() {
    for_seeds(ROUNDS, |random| {
        read_in_all_ways(&random.words());
        let any: Vec<u8> = (0..random.below(60)).map(|_| random.below(256) as u8).collect();
        read_in_all_ways(&any);
    });
}

#[test]
fn damaged_documents_are_read_or_refused() {
    for_seeds(ROUNDS, |random| {
        let text = random.json(4);
        let mut bytes = vec![];
        if let Ok(true) = write::append(&text, &mut bytes) {
            read_in_all_ways(&bytes);
            random.damage(&mut bytes);
            read_in_all_ways(&bytes);
        }
    });
}
