//! PURE. From a field as it stands in the document to a column's value: the rules of the transform.
//!
//! Texts are trimmed and runs of blanks become one space; an empty text is no value. Numbers may come as strings, and
//! booleans as "0" and "1". What is left over is a [`Fault`]; the caller adds the path.

use std::borrow::Cow;

use super::date;
use super::scalar::{List, Scalar};
use crate::document::Kind;
use crate::error::{Fault, SqlType, excerpt, quoted};

/// A fault and the field it is in, as a path from the record.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldFault {
    pub field: &'static str,
    pub fault: Fault,
}

/// Adds the field to a fault.
pub trait In<T> {
    fn field(self, field: &'static str) -> Result<T, FieldFault>;
}

impl<T> In<T> for Result<T, Fault> {
    fn field(self, field: &'static str) -> Result<T, FieldFault> {
        self.map_err(|fault| FieldFault { field, fault })
    }
}

/// Trims and collapses blanks, borrowing where there is nothing to do.
pub fn clean(text: Cow<'_, str>) -> Cow<'_, str> {
    if is_clean(&text) {
        return text;
    }
    let mut cleaned = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !cleaned.is_empty() {
            cleaned.push(' ');
        }
        cleaned.push_str(word);
    }
    Cow::Owned(cleaned)
}

/// How many bytes are looked at together.
const LANES: usize = 16;

/// What Unicode's blanks beyond ASCII begin with in UTF-8: this byte, and these and the two behind it.
const BLANK_LEADS: [u8; 2] = [0xC2, 0xE1];

/// Whether there is no blank but single spaces within the text. Looks at every byte and its neighbour, whatever it finds,
/// so that the compiler does it for all lanes at once; the last lanes overlap those before.
fn is_clean(text: &str) -> bool {
    let ends = [text.as_bytes().first(), text.as_bytes().last()];
    if ends.into_iter().flatten().any(|end| matches!(end, b'\t'..=b'\r' | b' ')) {
        return false;
    }
    let mut short = [b'x'; LANES + 1];
    let bytes = match text.len() {
        length @ ..=LANES => {
            short[..length].copy_from_slice(text.as_bytes());
            &short
        }
        _ => text.as_bytes(),
    };
    let (before_last, behind_first) = (&bytes[..bytes.len() - 1], &bytes[1..]);
    let (mut blank, mut lead) = ([0; LANES], [0; LANES]);
    let mut look = |bytes: &[u8; LANES], next: &[u8; LANES]| {
        for lane in 0..LANES {
            let byte = bytes[lane];
            let double = (byte == b' ') & (next[lane] == b' ');
            blank[lane] |= u8::from(matches!(byte, b'\t'..=b'\r') | double);
            lead[lane] |=
                u8::from((byte == BLANK_LEADS[0]) | (byte.wrapping_sub(BLANK_LEADS[1]) < 3));
        }
    };
    let pairs = before_last.as_chunks().0.iter().zip(behind_first.as_chunks().0);
    pairs.for_each(|(bytes, next)| look(bytes, next));
    if let (Some(bytes), Some(next)) = (before_last.last_chunk(), behind_first.last_chunk()) {
        look(bytes, next);
    }
    let none = |lanes| u128::from_ne_bytes(lanes) == 0;
    none(blank) && (none(lead) || !text.chars().any(|c| !c.is_ascii() && c.is_whitespace()))
}

fn wrong(expected: &'static str, found: Option<Kind>) -> Fault {
    found.map_or(Fault::Missing, |found| Fault::WrongType { expected, found })
}

/// A text, or none where the field is missing, null or empty.
pub fn text(field: Scalar<'_>) -> Result<Option<Cow<'_, str>>, Fault> {
    match field {
        Scalar::Missing | Scalar::Null => Ok(None),
        Scalar::String(text) => Ok(Some(clean(text)).filter(|text| !text.is_empty())),
        other => Err(wrong("a string", other.kind())),
    }
}

/// A text that must be there.
pub fn required_text(field: Scalar<'_>) -> Result<Cow<'_, str>, Fault> {
    text(field)?.ok_or(Fault::Missing)
}

/// A text, or a number in its place: identifiers.
pub fn identifier(field: Scalar<'_>) -> Result<Option<Cow<'_, str>>, Fault> {
    match field {
        Scalar::Number(number) => Ok(Some(Cow::Owned(number))),
        Scalar::Boolean(_) | Scalar::Array | Scalar::Object => {
            Err(wrong("a string or number", field.kind()))
        }
        other => text(other),
    }
}

/// "0", "1", 0, 1, true, false; none where missing, null or empty.
pub fn boolean(field: Scalar<'_>) -> Result<Option<bool>, Fault> {
    let invalid =
        |value: String| Err(Fault::Invalid { expected: SqlType::Boolean, value: value.into() });
    match field {
        Scalar::Missing | Scalar::Null => Ok(None),
        Scalar::Boolean(value) => Ok(Some(value)),
        Scalar::Number(number) => match &*number {
            "0" => Ok(Some(false)),
            "1" => Ok(Some(true)),
            other => invalid(excerpt(other).into_owned()),
        },
        Scalar::String(text) => match text.trim() {
            "" => Ok(None),
            "0" | "false" => Ok(Some(false)),
            "1" | "true" => Ok(Some(true)),
            other => invalid(quoted(other)),
        },
        other => Err(wrong("a boolean", other.kind())),
    }
}

/// An integer column, by its type in SQL.
pub trait Integer: TryFrom<i64> {
    const SQL: SqlType;
}

impl Integer for i32 {
    const SQL: SqlType = SqlType::Integer;
}

impl Integer for i64 {
    const SQL: SqlType = SqlType::Bigint;
}

/// An integer, as number or string; none where missing, null or empty.
pub fn integer<T: Integer>(field: Scalar<'_>) -> Result<Option<T>, Fault> {
    match &field {
        Scalar::Missing | Scalar::Null => Ok(None),
        Scalar::Number(number) => whole(number, || excerpt(number).into_owned()).map(Some),
        Scalar::String(text) => match text.trim() {
            "" => Ok(None),
            number => whole(number, || quoted(number)).map(Some),
        },
        other => Err(wrong("an integer", other.kind())),
    }
}

/// An id that a source gives. 0 is what some programs write for one that they do not have.
pub fn id<T: Integer + PartialEq + Default>(field: Scalar<'_>) -> Result<Option<T>, Fault> {
    Ok(integer(field)?.filter(|id| *id != T::default()))
}

fn whole<T: Integer>(number: &str, shown: impl Fn() -> String) -> Result<T, Fault> {
    if let Some(value) = number.parse().ok().and_then(|value: i64| T::try_from(value).ok()) {
        return Ok(value);
    }
    let digits = number.strip_prefix(['-', '+']).unwrap_or(number);
    let (digits, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |part: &str, allowed: fn(&u8) -> bool| {
        !part.is_empty() && part.as_bytes().iter().all(allowed)
    };
    if !all(digits, u8::is_ascii_digit) || !all(fraction, |&digit| digit == b'0') {
        return Err(Fault::Invalid { expected: T::SQL, value: shown().into() });
    }
    let value = number.split('.').next().unwrap_or_default().parse::<i64>().ok();
    value
        .and_then(|value| T::try_from(value).ok())
        .ok_or_else(|| Fault::OutOfRange { expected: T::SQL, value: shown().into() })
}

/// A date, as days since 2000-01-01; none where missing, null, empty or zero.
pub fn date(field: Scalar<'_>) -> Result<Option<i32>, Fault> {
    match field {
        // A bare year.
        Scalar::Number(year) => date::parse(&year),
        other => text(other)?.map_or(Ok(None), |text| date::parse(&text)),
    }
}

/// Texts separated by commas, or a list of texts; none where nothing is left.
pub fn terms(field: List<'_>) -> Result<Option<Vec<Cow<'_, str>>>, Fault> {
    let mut terms = vec![];
    match field {
        List::Scalar(scalar) => {
            if let Some(text) = text(scalar)? {
                match text {
                    Cow::Borrowed(text) => {
                        split_terms(text, |term| terms.push(Cow::Borrowed(term)))
                    }
                    Cow::Owned(text) => {
                        split_terms(&text, |term| terms.push(Cow::Owned(term.to_owned())))
                    }
                }
            }
        }
        List::Elements(elements) => {
            for element in elements {
                terms.extend(text(element)?);
            }
        }
    }
    Ok(Some(terms).filter(|terms| !terms.is_empty()))
}

fn split_terms<'t>(text: &'t str, take: impl FnMut(&'t str)) {
    text.split(',').map(str::trim).filter(|term| !term.is_empty()).for_each(take);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> Scalar<'_> {
        Scalar::String(Cow::Borrowed(text))
    }

    #[test]
    fn texts_are_cleaned_and_borrowed_where_clean() {
        for (dirty, expected) in [
            (" a", "a"),
            ("a ", "a"),
            ("a  b", "a b"),
            ("a\tb\nc", "a b c"),
            ("\u{a0}a\u{3000}\u{2003}b", "a b"),
            ("  ", ""),
        ] {
            assert_eq!(clean(Cow::Borrowed(dirty)), expected, "{dirty:?}");
        }
        for tidy in ["", "a", "a b c", "Dvořák – “Á”", "Â ā"] {
            assert!(matches!(clean(Cow::Borrowed(tidy)), Cow::Borrowed(text) if text == tidy));
        }
        assert_eq!(text(string("  ")), Ok(None));
        assert_eq!(required_text(string("  ")), Err(Fault::Missing));
        assert_eq!(required_text(Scalar::Missing), Err(Fault::Missing));
        let wrong = Fault::WrongType { expected: "a string", found: Kind::Number };
        assert_eq!(required_text(Scalar::Number("5".into())), Err(wrong));
    }

    #[test]
    fn a_blank_is_found_wherever_it_stands() {
        let blanks =
            (0..=char::MAX as u32).filter_map(char::from_u32).filter(|c| c.is_whitespace());
        for blank in blanks.filter(|&c| c != ' ') {
            for length in 0..70 {
                let text = format!("{}{blank}{}", "é".repeat(length / 2), "b".repeat(length % 7));
                assert!(!is_clean(&text), "{text:?}");
            }
        }
        for length in 0..70 {
            let text = "x".repeat(length);
            assert!(is_clean(&text) && is_clean(&format!("{text}b c{text}")));
            for double in [format!("{text}b  c{text}"), format!(" {text}"), format!("{text} ")] {
                assert!(!is_clean(&double), "{double:?}");
            }
        }
    }

    #[test]
    fn integers_come_as_numbers_and_strings() {
        assert_eq!(integer::<i64>(string(" 1637322 ")), Ok(Some(1_637_322)));
        assert_eq!(integer::<i64>(Scalar::Number("1637322.00".into())), Ok(Some(1_637_322)));
        assert_eq!(integer::<i32>(Scalar::Number("-7".into())), Ok(Some(-7)));
        assert_eq!(integer::<i32>(string("")), Ok(None));
        for text in ["abc", "1.5", "1e5", "-", "1.", "--1"] {
            assert!(matches!(integer::<i64>(string(text)), Err(Fault::Invalid { .. })), "{text}");
        }
        let out_of_range = |field| matches!(integer::<i32>(field), Err(Fault::OutOfRange { .. }));
        assert!(out_of_range(string("2147483648")));
        assert!(out_of_range(Scalar::Number("9".repeat(40))));
    }

    #[test]
    fn booleans_come_in_many_forms() {
        for (field, value) in [
            (string("0"), Some(false)),
            (string("1"), Some(true)),
            (Scalar::Number("1".into()), Some(true)),
            (Scalar::Boolean(false), Some(false)),
            (Scalar::Null, None),
            (string(""), None),
        ] {
            assert_eq!(boolean(field), Ok(value));
        }
        assert!(boolean(string("yes")).is_err());
        assert!(boolean(Scalar::Array).is_err());
    }

    #[test]
    fn terms_are_split_and_cleaned() {
        let expected = Some(vec!["a b".into(), "c".into()]);
        assert_eq!(terms(List::Scalar(string(" a  b ,, c,"))), Ok(expected.clone()));
        assert_eq!(
            terms(List::Elements(vec![string("a b"), string(" "), string("c ")])),
            Ok(expected)
        );
        assert_eq!(terms(List::Scalar(string(", ,"))), Ok(None));
        assert_eq!(terms(List::Elements(vec![])), Ok(None));
        assert!(terms(List::Elements(vec![Scalar::Object])).is_err());
    }
}
