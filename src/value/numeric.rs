//! PURE. `numeric` and `numeric(precision, scale)`. Source: `numeric_in` and `apply_typmod` of `numeric.c`.

use super::VARLENA_HEADER;
use crate::document::content::Content;
use crate::document::decimal::{Decimal, MOST, Numeric};

/// What `numeric(precision, scale)` says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Precision {
    /// Digits in all.
    precision: i32,
    /// Digits behind the decimal point; below zero, zeros before it.
    scale: i32,
}

impl Precision {
    /// `None` for scales with more digits than are decoded.
    pub fn of(typmod: i32) -> Option<Self> {
        let packed = typmod.checked_sub(VARLENA_HEADER).filter(|packed| *packed >= 0)?;
        let precision = (packed >> 16) & 0xFFFF;
        // 11 bits with a sign.
        let scale = ((packed & 0x7FF) ^ 0x400) - 0x400;
        (scale.unsigned_abs() as usize <= MOST).then_some(Precision { precision, scale })
    }
}

pub fn decode(scalar: &Content<'_>, precision: Option<Precision>) -> Option<Numeric> {
    let mut number = match scalar {
        Content::Number(number) => number.decimal(),
        Content::String(text) => Decimal::from_text(text),
        _ => None,
    }?;
    if let Some(Precision { precision, scale }) = precision {
        number.round(scale);
        if !number.is_zero() && number.point() > precision - scale {
            return None;
        }
    }
    Some(number.numeric())
}
