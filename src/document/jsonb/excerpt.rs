//! PURE. The beginning of a jsonb value as JSON text, for a message.
//!
//! The walk keeps its own stack and ends as soon as there is enough text. So neither depth nor size of the value matter.

use std::fmt::Write;

use super::{Children, Container, Jsonb, number_text, text};
use crate::error::{EXCERPT_BYTES, Fault, excerpt};

/// Objects with more members are shown in jsonb's order, which takes no look at all of them.
const MOST_SORTED: usize = EXCERPT_BYTES;

/// What is still to be written of an array or an object.
enum Open<'a> {
    Array(Children<'a>),
    Object(Members<'a>),
}

/// At most [`EXCERPT_BYTES`] bytes, with an ellipsis if there are more.
pub fn beginning(value: Jsonb<'_>) -> Result<String, Fault> {
    let mut json = String::new();
    let mut open: Vec<Open<'_>> = vec![];
    let mut next = Some(value);
    while json.len() <= EXCERPT_BYTES {
        if let Some(value) = next.take() {
            open.extend(begin(value, &mut json)?);
        }
        let Some(last) = open.last_mut() else { break };
        let first = json.ends_with(['[', '{']);
        let (key, value, end) = match last {
            Open::Array(children) => (None, children.next().transpose()?, ']'),
            Open::Object(members) => match members.next().transpose()? {
                Some((key, value)) => (Some(key), Some(value), '}'),
                None => (None, None, '}'),
            },
        };
        match value {
            None => {
                json.push(end);
                open.pop();
            }
            Some(_) if !first => json.push(','),
            Some(_) => {}
        }
        if let Some(key) = key {
            string(key, &mut json)?;
            json.push(':');
        }
        next = value;
    }
    Ok(excerpt(&json).into_owned())
}

/// Writes a scalar, or the bracket with which an array or object begins.
fn begin<'a>(value: Jsonb<'a>, json: &mut String) -> Result<Option<Open<'a>>, Fault> {
    match value {
        Jsonb::Null => json.push_str("null"),
        Jsonb::Boolean(value) => json.push_str(if value { "true" } else { "false" }),
        Jsonb::Number(bytes) => json.push_str(&number_text(bytes)?),
        Jsonb::String(bytes) => string(bytes, json)?,
        Jsonb::Text(text) => string(text.as_bytes(), json)?,
        Jsonb::Container(bytes) => {
            let container = Container::new(bytes)?;
            json.push(if container.is_object() { '{' } else { '[' });
            return Ok(Some(match container.is_object() {
                true => Open::Object(members(container)?),
                false => Open::Array(container.children()),
            }));
        }
    }
    Ok(None)
}

type Members<'a> = Box<dyn Iterator<Item = Result<(&'a [u8], Jsonb<'a>), Fault>> + 'a>;

fn members(container: Container<'_>) -> Result<Members<'_>, Fault> {
    let members = container.members()?;
    if container.count() > MOST_SORTED {
        return Ok(Box::new(members));
    }
    let mut sorted = members.collect::<Result<Vec<_>, _>>()?;
    sorted.sort_unstable_by_key(|(key, _)| *key);
    Ok(Box::new(sorted.into_iter().map(Ok)))
}

/// Writes the beginning of a string, escaped.
fn string(bytes: &[u8], json: &mut String) -> Result<(), Fault> {
    let most = bytes.len().min(EXCERPT_BYTES + 1);
    let beginning = match std::str::from_utf8(&bytes[..most]) {
        // Cut within a character.
        Err(error) if error.error_len().is_none() => text(&bytes[..error.valid_up_to()])?,
        _ => text(&bytes[..most])?,
    };
    let _ = write!(json, "{}", serde_json::Value::from(beginning));
    Ok(())
}
