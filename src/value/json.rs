//! PURE. `json` and `jsonb`, which take any value of JSON as it is.
//!
//! The oracle reads the record as jsonb, so `json` too has a value's text as jsonb is written.

use std::borrow::Cow;

use super::Encoding;
use crate::document::content::Content;
use crate::document::jsonb::{print, write};
use crate::document::{Image, Value};
use crate::error::Fault;

/// The longest text of a container that is read here, in bytes, so that a thread hears soon that it is to stop, and
/// needs little memory for it. The server takes longer ones.
const LONGEST_TEXT: usize = 16 << 20;

/// The value as jsonb is stored, without the varlena header; `None` if the server is to make it.
pub fn image<'a, V: Value<'a>>(
    value: V,
    content: &Content<'a>,
    encoding: Encoding,
) -> Result<Option<Cow<'a, [u8]>>, Fault> {
    let mut jsonb = vec![];
    let written = match content {
        Content::Container => match value.image() {
            Image::Container(bytes) => return Ok(Some(Cow::Borrowed(bytes))),
            Image::Text(text) => {
                let has_room = text.len() <= LONGEST_TEXT;
                has_room && is_encoded(&text, encoding) && write::append(&text, &mut jsonb)?
            }
        },
        Content::String(text) if encoding == Encoding::Other && !text.is_ascii() => false,
        scalar => write::append_scalar(scalar, &mut jsonb)?,
    };
    Ok(written.then_some(Cow::Owned(jsonb)))
}

/// Whether the strings of a JSON text are the same in UTF-8 and in the database's encoding.
fn is_encoded(json: &str, encoding: Encoding) -> bool {
    encoding == Encoding::Utf8
        || json.is_ascii() && memchr::memmem::find(json.as_bytes(), b"\\u").is_none()
}

/// The value as jsonb is written out; `None` if the server is to make it.
pub fn text<'a, V: Value<'a>>(
    value: V,
    content: &Content<'a>,
    encoding: Encoding,
) -> Result<Option<Vec<u8>>, Fault> {
    let mut text = vec![];
    let written = match content {
        Content::Container => match image(value, content, encoding)? {
            Some(jsonb) => jsonb.len() <= LONGEST_TEXT && print::append(&jsonb, &mut text)?,
            None => false,
        },
        scalar => print::append_scalar(scalar, &mut text)?,
    };
    Ok((written && (encoding == Encoding::Utf8 || text.is_ascii())).then_some(text))
}
