//! PURE. Decimal numbers in the form that Postgres's `numeric_out` gives them.
//!
//! Both readers bring every number into this form, so that a number has the same text whichever way the document
//! came. Source of the on-disk form: `numeric.c` of PostgreSQL (NumericShort, NumericLong).

use std::cell::Cell;

use crate::error::EXCERPT_BYTES;

/// The most digits that are written out; numbers of a catalogue have a dozen. Of more, a last digit tells whether what is
/// left out is zero.
const MOST_DIGITS: usize = 2 * EXCERPT_BYTES;

const SIGN_MASK: u16 = 0xC000;
const NEGATIVE: u16 = 0x4000;
const SHORT: u16 = 0x8000;
const SPECIAL: u16 = 0xC000;
const SHORT_NEGATIVE: u16 = 0x2000;
const SHORT_SCALE_MASK: u16 = 0x1F80;
const SHORT_SCALE_SHIFT: u16 = 7;
const SHORT_WEIGHT_SIGN: u16 = 0x0040;
const SHORT_WEIGHT_MASK: u16 = 0x003F;
const LONG_SCALE_MASK: u16 = 0x3FFF;
const DIGITS_PER_WORD: usize = 4;

/// A numeric's digits as text; `bytes` is the value behind its varlena header. `None` for no such number.
pub fn from_numeric(bytes: &[u8]) -> Option<String> {
    let word = |at: usize| Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let header = word(0)?;
    let (negative, scale, weight, digits_at) = match header & SIGN_MASK {
        SPECIAL => return None,
        SHORT => {
            let low = (header & SHORT_WEIGHT_MASK) as i16;
            let weight = if header & SHORT_WEIGHT_SIGN != 0 {
                low - (SHORT_WEIGHT_MASK as i16 + 1)
            } else {
                low
            };
            let scale = (header & SHORT_SCALE_MASK) >> SHORT_SCALE_SHIFT;
            (header & SHORT_NEGATIVE != 0, scale, weight, 2)
        }
        sign => (sign == NEGATIVE, header & LONG_SCALE_MASK, word(2)? as i16, 4),
    };
    let words = bytes[digits_at..].chunks_exact(2).map(|w| u16::from_ne_bytes([w[0], w[1]]));
    let mut digits = String::with_capacity(DIGITS_PER_WORD * words.len());
    for word in words {
        if word > 9999 {
            return None;
        }
        digits.push_str(&format!("{word:04}"));
    }
    let point = (i64::from(weight) + 1) * DIGITS_PER_WORD as i64;
    Some(plain(negative, &digits, point, usize::from(scale)))
}

/// JSON's number (RFC 8259 section 6) in plain notation: `1.5e3` is `1500`, `1e-2` is `0.01`, `-0` is `0`.
pub fn from_json(number: &str) -> String {
    if may_overflow(number) {
        leave_unseen();
    }
    let (negative, rest) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], exponent(&rest[at + 1..])),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let scale = (fraction.len() as i64).saturating_sub(exponent).max(0);
    let point = (whole.len() as i64).saturating_add(exponent);
    let digits = [whole, fraction].concat();
    plain(negative, &digits, point, usize::try_from(scale).unwrap_or(MOST_DIGITS))
}

/// The most digits before the decimal point (weights of 4 digits each in 16 bits) and behind it (`NUMERIC_DSCALE_MAX`).
const MOST_BEFORE: i64 = 131_072;
const MOST_BEHIND: i64 = 16_383;

/// Numbers without exponent that are shorter hold no more digits than that.
const SHORT_ENOUGH: usize = MOST_BEHIND as usize;

/// Whether jsonb's input refuses a number of JSON: "value overflows numeric format".
pub fn overflows(number: &str) -> bool {
    if !may_overflow(number) {
        return false;
    }
    let number = number.strip_prefix('-').unwrap_or(number);
    let (mantissa, exponent) = match number.find(['e', 'E']) {
        Some(at) => (&number[..at], exponent(&number[at + 1..])),
        None => (number, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let scale = (fraction.len() as i64).saturating_sub(exponent);
    let digits = || whole.bytes().chain(fraction.bytes());
    let before = digits()
        .position(|digit| digit != b'0')
        .map(|zeros| (whole.len() as i64 - zeros as i64).saturating_add(exponent));
    scale > MOST_BEHIND || before.is_some_and(|before| before > MOST_BEFORE)
}

fn may_overflow(number: &str) -> bool {
    number.len() > SHORT_ENOUGH || memchr::memchr2(b'e', b'E', number.as_bytes()).is_some()
}

thread_local! {
    static UNSEEN: Cell<bool> = const { Cell::new(false) };
}

/// Notes that the value being read has a part whose numbers nobody has looked at.
pub fn leave_unseen() {
    UNSEEN.set(true);
}

/// Whether there has been such a part since this was last asked.
pub fn take_unseen() -> bool {
    UNSEEN.replace(false)
}

fn exponent(text: &str) -> i64 {
    let magnitude = text.trim_start_matches(['+', '-']).parse().unwrap_or(i64::from(i32::MAX));
    if text.starts_with('-') { -magnitude } else { magnitude }
}

/// Writes digits with the decimal point before digit `point` and `scale` digits behind it.
fn plain(negative: bool, digits: &str, point: i64, scale: usize) -> String {
    let digits = digits.as_bytes();
    let digit = |place: i64| {
        usize::try_from(place).ok().and_then(|place| digits.get(place)).copied().unwrap_or(b'0')
    };
    let mut text = String::new();
    let first = (0..point).find(|&place| place >= digits.len() as i64 || digit(place) != b'0');
    match first {
        Some(first) if first < digits.len() as i64 => {
            let end = point.min(first.saturating_add(MOST_DIGITS as i64));
            text.extend((first..end).map(|place| char::from(digit(place))));
        }
        _ => text.push('0'),
    }
    if scale > 0 {
        text.push('.');
        let end = point.saturating_add(scale.min(MOST_DIGITS) as i64);
        text.extend((point..end).map(|place| char::from(digit(place))));
        let left_out = usize::try_from(end.max(0)).ok().and_then(|end| digits.get(end..));
        if scale > MOST_DIGITS && left_out.is_some_and(|rest| rest.iter().any(|d| *d != b'0')) {
            text.push('1');
        }
    }
    if negative && text.bytes().any(|byte| matches!(byte, b'1'..=b'9')) {
        text.insert(0, '-');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_numbers_are_written_as_numeric_out_does() {
        for (json, plain) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "0.0"),
            ("12", "12"),
            ("1.50", "1.50"),
            ("1.5e1", "15"),
            ("1e-3", "0.001"),
            ("-1.5E+3", "-1500"),
            ("10.25e1", "102.5"),
            ("0.00e2", "0"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
        ] {
            assert_eq!(from_json(json), plain, "{json}");
        }
    }

    #[test]
    fn a_huge_exponent_stays_short() {
        assert_eq!(from_json("1e400").len(), MOST_DIGITS);
        assert!(from_json("1e-99999999999999999999").starts_with("0.000"));
    }

    #[test]
    fn a_tiny_number_is_not_zero() {
        let tiny = from_json("1e-400");
        assert!(tiny.starts_with("0.000") && tiny.ends_with('1') && tiny.len() < 300, "{tiny}");
        assert!(from_json("0e-400").bytes().all(|byte| matches!(byte, b'0' | b'.')));
        assert!(from_json("-1e-400").starts_with('-'));
    }

    /// Each asked of the server: SELECT '…'::jsonb.
    #[test]
    fn what_numeric_does_not_hold_overflows() {
        let long = |digits: usize| "7".repeat(digits);
        for number in [
            "1e131072",
            "1e200000",
            "-1E+200000",
            "1e99999999999999999999",
            "123e-10000000",
            "1e-16384",
            "0e-16384",
            "0.1e-16383",
            &long(131_073),
            &format!("0.{}", long(16_384)),
            &format!("{}e31073", long(100_000)),
        ] {
            assert!(overflows(number), "{}", &number[..number.len().min(40)]);
        }
        for number in [
            "0",
            "1e131071",
            "0e200000",
            "0.01e131073",
            "1e-16383",
            "12.5e-10",
            &long(131_072),
            &format!("0.{}", long(16_383)),
            &format!("{}e31072", long(100_000)),
        ] {
            assert!(!overflows(number), "{}", &number[..number.len().min(40)]);
        }
    }

    /// Words as numeric.c stores them: short form, weight 1, scale 2: 1 2345.67
    #[test]
    fn a_short_numeric_is_read() {
        let header: u16 = SHORT | (2 << SHORT_SCALE_SHIFT) | 1;
        let words = [header, 1, 2345, 6700];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        assert_eq!(from_numeric(&bytes).as_deref(), Some("12345.67"));
    }

    #[test]
    fn a_numeric_below_one_and_a_long_one_are_read() {
        // -0.0001: weight -1, scale 4
        let header = SHORT | SHORT_NEGATIVE | (4 << SHORT_SCALE_SHIFT) | SHORT_WEIGHT_SIGN | 0x3F;
        let bytes: Vec<u8> = [header, 1].iter().flat_map(|word| word.to_ne_bytes()).collect();
        assert_eq!(from_numeric(&bytes).as_deref(), Some("-0.0001"));
        let bytes: Vec<u8> = [NEGATIVE, 1, 5].iter().flat_map(|word| word.to_ne_bytes()).collect();
        assert_eq!(from_numeric(&bytes).as_deref(), Some("-50000"));
    }

    #[test]
    fn no_bytes_are_too_strange() {
        for length in 0..8 {
            let _ = from_numeric(&vec![0xFF; length]);
            let _ = from_numeric(&vec![0x00; length]);
            let _ = from_numeric(&vec![0x80; length]);
        }
    }
}
