//! PURE. `uuid`: 32 digits, with hyphens as RFC 9562 has them or without.

use uuid::Uuid;

use crate::document::content::Content;

const WITH_HYPHENS: usize = 36;
const WITHOUT_HYPHENS: usize = 32;

pub fn decode(scalar: &Content<'_>) -> Option<[u8; 16]> {
    scalar.with_text(|text| match text.len() {
        WITH_HYPHENS | WITHOUT_HYPHENS => Uuid::try_parse(text).ok().map(Uuid::into_bytes),
        _ => None,
    })
}
