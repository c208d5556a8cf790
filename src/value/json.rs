//! PURE. `json` and `jsonb`, which take any value of JSON as it is.
//!
//! The oracle reads the record as jsonb, so `json` too has a value's text as jsonb is written.

use std::borrow::Cow;

use super::{Encoding, LARGE};
use crate::document::content::Content;
use crate::document::jsonb::{print, write};
use crate::document::{Image, Value};
use crate::error::Fault;

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
                let is_small = text.len() <= LARGE;
                is_small && is_encoded(&text, encoding) && write::append(&text, &mut jsonb)?
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
            Some(jsonb) => jsonb.len() <= LARGE && print::append(&jsonb, &mut text)?,
            None => false,
        },
        scalar => print::append_scalar(scalar, &mut text)?,
    };
    Ok((written && (encoding == Encoding::Utf8 || text.is_ascii())).then_some(text))
}
