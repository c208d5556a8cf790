//! PURE. jsonb as text, as the server writes it: `JsonbToCString` of `jsonb.c`, `escape_json` of `json.c`.
//!
//! The walk keeps its own stack, of at most [`DEEPEST`] containers.

use super::write::DEEPEST;
use super::{Children, Container, Jsonb, Members};
use crate::document::Value;
use crate::document::content::Content;
use crate::error::Fault;

/// What is still to be written of an array or an object.
enum Open<'a> {
    Array(Children<'a>),
    Object(Members<'a>),
}

/// Appends a container, given as stored, as text; `false` if that is left to the server, and then the text may have a
/// part of it.
pub fn append(container: &[u8], out: &mut Vec<u8>) -> Result<bool, Fault> {
    out.try_reserve(container.len()).map_err(|_| Fault::OutOfMemory)?;
    let mut open: Vec<Open<'_>> = vec![];
    let mut next = Some(Jsonb::Container(container));
    let mut first = true;
    loop {
        if let Some(value) = next.take() {
            let Some(opened) = begin(value, out)? else { return Ok(false) };
            first = opened.is_some();
            open.extend(opened);
            if open.len() > DEEPEST {
                return Ok(false);
            }
        }
        let Some(last) = open.last_mut() else { return Ok(true) };
        let (key, value, end) = match last {
            Open::Array(children) => (None, children.next().transpose()?, b']'),
            Open::Object(members) => match members.next().transpose()? {
                Some((key, value)) => (Some(key), Some(value), b'}'),
                None => (None, None, b'}'),
            },
        };
        if value.is_none() {
            push(out, &[end])?;
            open.pop();
            first = false;
            continue;
        }
        if !first {
            push(out, b", ")?;
        }
        if let Some(key) = key {
            append_string(key, out)?;
            push(out, b": ")?;
        }
        next = value;
    }
}

/// Writes a scalar, or the bracket with which a container begins; `None` if the server does it.
fn begin<'a>(value: Jsonb<'a>, out: &mut Vec<u8>) -> Result<Option<Option<Open<'a>>>, Fault> {
    let Jsonb::Container(bytes) = value else {
        // Strings need not be UTF-8 to be written.
        if let Jsonb::String(bytes) = value {
            append_string(bytes, out)?;
        } else if !append_scalar(&value.content()?, out)? {
            return Ok(None);
        }
        return Ok(Some(None));
    };
    let container = Container::new(bytes)?;
    push(out, if container.is_object() { b"{" } else { b"[" })?;
    Ok(Some(Some(match container.is_object() {
        true => Open::Object(container.members()?),
        false => Open::Array(container.children()),
    })))
}

/// Appends a scalar as JSON text; `false`, and nothing is appended, if that is left to the server.
pub fn append_scalar(scalar: &Content<'_>, out: &mut Vec<u8>) -> Result<bool, Fault> {
    match scalar {
        Content::Null => push(out, b"null")?,
        Content::Boolean(value) => push(out, if *value { b"true" } else { b"false" })?,
        Content::String(text) => append_string(text.as_bytes(), out)?,
        Content::Number(_) => {
            let written = scalar.with_text(|text| Some(push(out, text.as_bytes())));
            return written.map_or(Ok(false), |pushed| pushed.map(|()| true));
        }
        Content::Container => return Ok(false),
    }
    Ok(true)
}

/// Appends a string in quotes, escaped.
fn append_string(string: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    push(out, b"\"")?;
    let mut rest = string;
    while let Some(at) = rest.iter().position(|&byte| byte < b' ' || matches!(byte, b'"' | b'\\')) {
        push(out, &rest[..at])?;
        match rest[at] {
            b'\x08' => push(out, b"\\b")?,
            b'\x0C' => push(out, b"\\f")?,
            b'\n' => push(out, b"\\n")?,
            b'\r' => push(out, b"\\r")?,
            b'\t' => push(out, b"\\t")?,
            quoted @ (b'"' | b'\\') => push(out, &[b'\\', quoted])?,
            control => push(out, format!("\\u{control:04x}").as_bytes())?,
        }
        rest = &rest[at + 1..];
    }
    push(out, rest)?;
    push(out, b"\"")
}

fn push(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Fault> {
    out.try_reserve(bytes.len()).map_err(|_| Fault::OutOfMemory)?;
    out.extend_from_slice(bytes);
    Ok(())
}
