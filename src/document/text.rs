//! PURE. JSON text: [`spans`] found by matching brackets, then read by serde_json.
//!
//! What a span holds is checked when it is read, in parallel. Two checks that serde_json does not make for values nobody
//! reads, and that jsonb makes everywhere, are here: `\u0000` and halves of surrogate pairs (RFC 8259 section 7).

pub mod arriving;
mod spans;
pub mod syntax;

use std::borrow::Cow;
use std::cmp::Reverse;

use memchr::memmem;
use serde::Deserialize;

use self::spans::{Items, is_blank};
pub use self::spans::{skip_blanks, string_end, unexpected};
use super::content::{Content, Number};
use super::split::Splitter;
use super::{Arrival, Elements, Image, Kind, Value, Watch, number, push};
use crate::error::{Fault, Malformed, excerpt};

/// One value of a JSON text, without the blanks around it. It may prove to be no JSON when it is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Text<'a>(&'a str);

/// Bytes as the text that they should be.
pub fn utf8(bytes: &[u8]) -> Result<&str, Fault> {
    simdutf8::compat::from_utf8(bytes).map_err(|error| {
        let address = bytes.as_ptr() as usize + error.valid_up_to();
        Fault::Malformed(Box::new(Malformed::new("The text is no UTF-8".into(), address)))
    })
}

/// A byte order mark, which RFC 8259 section 8.1 lets a reader pass over.
pub const BYTE_ORDER_MARK: &str = "\u{FEFF}";

impl<'a> Text<'a> {
    /// The members of an object. What is wrong is seen in passing only.
    fn all_members(self, watch: &Watch) -> Result<Vec<(Cow<'a, str>, Self)>, Fault> {
        let mut members: Vec<(Cow<'a, str>, Self)> = vec![];
        for item in Items::of(self.0) {
            watch.check()?;
            if members.len() == members.capacity() && members.len() >= MANY_MEMBERS {
                watch.room_for(2 * size_of_val(&members[..]))?;
            }
            let item = item?;
            let key_end = string_end(item.as_bytes(), 0)
                .filter(|_| item.starts_with('"'))
                .ok_or_else(|| unexpected(item, 0))?;
            let key: Cow<'a, str> = Text(&item[..key_end]).read::<Key>()?.0;
            let colon = skip_blanks(item, key_end);
            if item.as_bytes().get(colon) != Some(&b':') {
                return Err(unexpected(item, colon));
            }
            push(&mut members, (key, Text(&item[skip_blanks(item, colon + 1)..])))?;
        }
        // Of equal keys the last of the text comes first, and stays.
        let order = |(key, value): &(Cow<'a, str>, Self)| (key.len(), Reverse(value.0.as_ptr()));
        members.sort_unstable_by(|a, b| {
            let ((a_length, a_place), (b_length, b_place)) = (order(a), order(b));
            a_length.cmp(&b_length).then_with(|| a.0.cmp(&b.0)).then_with(|| a_place.cmp(&b_place))
        });
        let mut wrong = Ok(());
        members.dedup_by(|(key, value), kept| {
            let repeated = *key == kept.0;
            if repeated && wrong.is_ok() {
                wrong = value.check();
            }
            repeated
        });
        wrong.map(|()| members)
    }

    /// One value, without blanks around it.
    pub fn span(span: &'a str) -> Self {
        Text(span)
    }

    /// The values of a whole document: one, or several for newline-delimited or concatenated JSON. If the reader
    /// `takes_elements` of an array, whether others follow that is seen at its end.
    pub fn documents(
        text: &'a str,
        takes_elements: bool,
        watch: &Watch,
    ) -> Result<Vec<Self>, Fault> {
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        let trimmed = Text(text.trim_matches(is_blank));
        match trimmed.0.as_bytes().first() {
            None => Err(unexpected(text, text.len())),
            Some(b'[') if takes_elements => Ok(vec![trimmed]),
            Some(b'[' | b'{') => split(trimmed.0, watch),
            Some(_) => match split(trimmed.0, watch) {
                // It is one scalar, or nothing.
                Err(Fault::Malformed(_)) => trimmed.check().map(|()| vec![trimmed]),
                values => values,
            },
        }
    }

    /// The values of a document that begins with an array and does not end with it.
    pub fn several(text: &'a str, watch: &Watch) -> Option<Vec<Self>> {
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        split(text.trim_matches(is_blank), watch).ok().filter(|values| values.len() > 1)
    }

    /// The first mistake in the syntax of a document, which may be several; none if that is what it should be.
    pub fn mistake(text: &'a str, watch: &Watch) -> Result<(), Fault> {
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        match syntax::mistake(text, true, watch)? {
            Some(mistake) => Err(Fault::Malformed(Box::new(mistake))),
            None => check_escapes(text),
        }
    }
}

/// Arrays and objects one after the other, as a text that comes in pieces is split.
fn split<'a>(text: &'a str, watch: &Watch) -> Result<Vec<Text<'a>>, Fault> {
    let mut splitter = Splitter::new(false, usize::MAX);
    splitter.finish(text.as_bytes(), watch)?;
    if let Some(at) = splitter.mistake() {
        return Err(unexpected(text, at));
    }
    // A list of spans becomes one of texts in place: both are of one size. See test_memory.py.
    Ok(splitter.documents.spans.into_iter().map(|span| Text(&text[span])).collect())
}

/// Refuses `\u0000` and halves of surrogate pairs in all strings of `span`.
fn check_escapes(span: &str) -> Result<(), Fault> {
    let bytes = span.as_bytes();
    if memmem::find(bytes, b"\\u").is_none() {
        return Ok(());
    }
    let unit = |at: usize| {
        let digits = bytes.get(at + 2..at + 6)?;
        (bytes.get(at..at + 2)? == b"\\u").then_some(())?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut here = 0;
    while let Some(ahead) = memchr::memchr(b'\\', &bytes[here..]) {
        here += ahead;
        match unit(here) {
            None => here = (here + 2).min(bytes.len()),
            Some(0) => return Err(Fault::NullCharacter),
            Some(0xD800..=0xDBFF) => match unit(here + 6) {
                Some(0xDC00..=0xDFFF) => here += 12,
                _ => return Err(Fault::LoneSurrogate),
            },
            Some(0xDC00..=0xDFFF) => return Err(Fault::LoneSurrogate),
            Some(_) => here += 6,
        }
    }
    Ok(())
}

/// Refuses numbers that jsonb refuses, in all of `span`, which is JSON.
fn check_numbers(span: &str) -> Result<(), Fault> {
    let bytes = span.as_bytes();
    let mut here = 0;
    while let Some(&byte) = bytes.get(here) {
        match byte {
            b'"' => here = string_end(bytes, here).unwrap_or(bytes.len()),
            b'-' | b'0'..=b'9' => {
                let is_part =
                    |b: &&u8| matches!(**b, b'+' | b'-' | b'.' | b'e' | b'E' | b'0'..=b'9');
                let end = here + bytes[here..].iter().take_while(is_part).count();
                if number::overflows(&span[here..end]) {
                    return Err(Fault::NumberOverflow);
                }
                here = end;
            }
            _ => here += 1,
        }
    }
    Ok(())
}

impl<'a> Text<'a> {
    /// A string, borrowed if it has no escapes.
    fn string(self) -> Result<Cow<'a, str>, Fault> {
        let inside = &self.0.as_bytes()[1..];
        let end = memchr::memchr2(b'"', b'\\', inside).filter(|&end| inside[end] == b'"');
        match end {
            Some(end) if end + 1 == inside.len() && !has_control(&inside[..end]) => {
                Ok(Cow::Borrowed(&self.0[1..=end]))
            }
            _ => Ok(self.read::<Key>()?.0),
        }
    }
}

/// Whether a number of JSON is written as `numeric_out` writes it: without an exponent, and zero without a sign.
pub fn is_plain(number: &str) -> bool {
    let bytes = number.as_bytes();
    memchr::memchr2(b'e', b'E', bytes).is_none()
        && (bytes.first() != Some(&b'-') || bytes.iter().any(|byte| matches!(byte, b'1'..=b'9')))
}

/// Whether a character stands there that JSON has only as an escape. Looks at every byte, so that the compiler does it
/// for many at once.
fn has_control(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |found, &byte| found | (byte < b' '))
}

impl<'a> Value<'a> for Text<'a> {
    fn kind(self) -> Result<Kind, Fault> {
        match self.0.as_bytes().first() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Boolean),
            Some(b'n') => Ok(Kind::Null),
            Some(_) => Err(syntax::fault(self.0, "Token is invalid")),
            None => Err(syntax::missing(self.0)),
        }
    }

    fn content(self) -> Result<Content<'a>, Fault> {
        match self.0.as_bytes() {
            [b'{' | b'[', ..] => Ok(Content::Container),
            [b'"', ..] => self.string().map(Content::String),
            [b'-' | b'0'..=b'9', ..] => {
                if syntax::number(self.0, 0) != Some(self.0.len()) {
                    Err(syntax::fault(self.0, "Token is invalid"))
                } else if number::overflows(self.0) {
                    Err(Fault::NumberOverflow)
                } else {
                    Ok(Content::Number(Number::Text(self.0)))
                }
            }
            b"true" => Ok(Content::Boolean(true)),
            b"false" => Ok(Content::Boolean(false)),
            b"null" => Ok(Content::Null),
            b"" => Err(syntax::missing(self.0)),
            _ => Err(syntax::fault(self.0, "Token is invalid")),
        }
    }

    fn elements(self) -> Result<Elements<'a, Self>, Fault> {
        Ok(Box::new(Items::of(self.0).map(|item| item.map(Text))))
    }

    fn members(self, watch: &Watch) -> Result<Vec<(Cow<'a, str>, Self)>, Fault> {
        self.all_members(watch).map_err(|fault| syntax::told(self.0, fault, watch))
    }

    fn read<T: Deserialize<'a>>(self) -> Result<T, Fault> {
        check_escapes(self.0)?;
        number::take_unseen();
        let value = serde_json::from_str(self.0)
            .map_err(|error| syntax::fault(self.0, &error.to_string()))?;
        if number::take_unseen() {
            check_numbers(self.0)?;
        }
        Ok(value)
    }

    fn check(self) -> Result<(), Fault> {
        self.read::<serde::de::IgnoredAny>()?;
        check_numbers(self.0)
    }

    fn size(self) -> usize {
        self.0.len()
    }

    fn image(self) -> Image<'a> {
        Image::Text(Cow::Borrowed(self.0))
    }

    fn excerpt(self) -> Option<String> {
        Some(excerpt(self.0).into_owned())
    }
}

/// Objects of fewer members do not count as memory.
const MANY_MEMBERS: usize = 1024;

/// An object's key.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests;
