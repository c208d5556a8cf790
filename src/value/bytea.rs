//! PURE. `bytea`: `\x` and digits, two a byte, or a text without a backslash, which stands for its own bytes.

use std::borrow::Cow;

use super::Encoding;
use crate::document::content::Content;

pub fn decode<'c>(scalar: &'c Content<'_>, encoding: Encoding) -> Option<Cow<'c, [u8]>> {
    let Content::String(text) = scalar else {
        return scalar.with_text(|text| Some(Cow::Owned(text.as_bytes().to_vec())));
    };
    match text.as_bytes() {
        [b'\\', b'x', digits @ ..] => bytes(digits).map(Cow::Owned),
        text if memchr::memchr(b'\\', text).is_some() => None,
        text => (encoding == Encoding::Utf8 || text.is_ascii()).then_some(Cow::Borrowed(text)),
    }
}

fn bytes(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_chunks() else { return None };
    let mut bytes = vec![];
    bytes.try_reserve_exact(pairs.len()).ok()?;
    for [high, low] in pairs {
        bytes.push((digit(*high)? << 4) | digit(*low)?);
    }
    Some(bytes)
}

fn digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
