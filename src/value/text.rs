//! PURE. `text`, `varchar(n)` and `character(n)`: strings as they are, other values as JSON.
//!
//! What is longer than its column goes to the server, which refuses it, or cuts blanks at its end.

use std::borrow::Cow;

use super::{Encoding, VARLENA_HEADER, json};
use crate::document::content::Content;
use crate::document::{Value, with_room};
use crate::error::Fault;

/// How many characters a column takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Length {
    /// `text`.
    Any,
    /// `varchar`: so many or fewer.
    Varying(Option<usize>),
    /// `character`: so many, with blanks in the place of those that are missing.
    BlankPadded(Option<usize>),
}

impl Length {
    pub fn varying(typmod: i32) -> Option<Self> {
        Some(Length::Varying(characters(typmod)?))
    }

    pub fn blank_padded(typmod: i32) -> Option<Self> {
        Some(Length::BlankPadded(characters(typmod)?))
    }
}

/// The most characters, if there is a limit. `None` for modifiers that no column has.
fn characters(typmod: i32) -> Option<Option<usize>> {
    match typmod {
        super::NO_TYPMOD => Some(None),
        _ => usize::try_from(typmod.checked_sub(VARLENA_HEADER)?).ok().map(Some),
    }
}

pub fn decode<'a, 'c, V: Value<'a>>(
    value: V,
    content: &'c Content<'a>,
    length: Length,
    encoding: Encoding,
) -> Result<Option<Cow<'c, [u8]>>, Fault> {
    let text = match content {
        Content::String(text) => Some(Cow::Borrowed(text.as_bytes())),
        Content::Container => json::text(value, content, encoding)?.map(Cow::Owned),
        scalar => scalar.with_text(|text| Some(Cow::Owned(text.as_bytes().to_vec()))),
    };
    let text = text.filter(|text| encoding == Encoding::Utf8 || text.is_ascii());
    text.map_or(Ok(None), |text| fit(text, length))
}

fn fit(text: Cow<'_, [u8]>, length: Length) -> Result<Option<Cow<'_, [u8]>>, Fault> {
    Ok(match length {
        Length::Varying(Some(most)) => {
            (text.len() <= most || characters_in(&text) <= most).then_some(text)
        }
        Length::BlankPadded(Some(most)) => match most.checked_sub(characters_in(&text)) {
            Some(missing) => {
                let mut padded = with_room(text.len() + missing)?;
                padded.extend_from_slice(&text);
                padded.resize(text.len() + missing, b' ');
                Some(Cow::Owned(padded))
            }
            None => None,
        },
        _ => Some(text),
    })
}

/// How many characters a text of UTF-8 has: each begins with a byte that continues none.
fn characters_in(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}
