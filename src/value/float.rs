//! PURE. `real` and `double precision`: decimal numbers, rounded as IEEE 754 says.
//!
//! `strtof` and `strtod`, which the server asks, and Rust both give the nearest value for any number of digits. What is
//! too large or too small to be a normal number is left to the server, as are words such as `infinity`.

use std::str::FromStr;

use crate::document::content::{Content, Number};
use crate::document::decimal;

pub trait Float: FromStr + Copy {
    fn of_integer(value: i64) -> Self;
    fn is_normal(self) -> bool;
    fn is_zero(self) -> bool;
    fn abs(self) -> Self;
}

macro_rules! float {
    ($($float:ty)*) => { $(
        impl Float for $float {
            fn of_integer(value: i64) -> Self {
                value as $float
            }
            fn is_normal(self) -> bool {
                self.is_normal()
            }
            fn is_zero(self) -> bool {
                self == 0.0
            }
            fn abs(self) -> Self {
                self.abs()
            }
        }
    )* };
}
float!(f32 f64);

pub fn decode<F: Float>(scalar: &Content<'_>) -> Option<F> {
    match scalar {
        Content::Number(Number::Text(text)) => parse(text).map(without_sign_of_zero),
        Content::Number(Number::Numeric(bytes)) => match decimal::integer(bytes) {
            Some(value) => Some(F::of_integer(value)),
            None => scalar.with_text(parse),
        },
        _ => scalar.with_text(parse),
    }
}

/// A number of JSON has been a numeric, where zero has no sign.
fn without_sign_of_zero<F: Float>(value: F) -> F {
    if value.is_zero() { value.abs() } else { value }
}

fn parse<F: Float>(text: &str) -> Option<F> {
    let is_number = |byte: u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    if !text.bytes().all(is_number) {
        return None;
    }
    let value: F = text.parse().ok()?;
    (value.is_normal() || value.is_zero() && is_zero(text)).then_some(value)
}

/// Whether a number has no digit but 0 before its exponent.
fn is_zero(number: &str) -> bool {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    !mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
}
