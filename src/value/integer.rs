//! PURE. `smallint`, `integer` and `bigint`: decimal digits with or without a sign.

use crate::document::content::{Content, Number};
use crate::document::decimal;

pub fn decode<T: TryFrom<i64>>(scalar: &Content<'_>) -> Option<T> {
    let value = match scalar {
        Content::Number(Number::Numeric(bytes)) => decimal::integer(bytes),
        Content::Number(Number::Text(text)) => digits(text).or_else(|| scalar.with_text(digits)),
        _ => scalar.with_text(digits),
    };
    T::try_from(value?).ok()
}

/// What Rust takes for a number, an optional sign and digits, the server's input functions take too.
fn digits(text: &str) -> Option<i64> {
    text.parse().ok()
}
