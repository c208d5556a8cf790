//! PURE. JSON text as a list of nodes, each container before what it holds.
//!
//! All of the text is checked, also members that a later one of the same key replaces, as `jsonb_in` does.

use std::borrow::Cow;

use super::DEEPEST;
use crate::document::content::{Content, Number};
use crate::document::text::{self, Text, syntax};
use crate::document::{Value, push, with_room};
use crate::error::Fault;

/// The most values and keys of a text: 2 MB of nodes.
const MOST_NODES: usize = 1 << 16;

/// A value or a key.
pub enum Node<'t> {
    Null,
    Boolean(bool),
    /// As the text has it.
    Number(&'t str),
    String(Cow<'t, str>),
    Container {
        object: bool,
        /// The place of the node that follows all that the container holds.
        behind: usize,
    },
}

pub struct Nodes<'t> {
    pub list: Vec<Node<'t>>,
}

/// What may come next.
#[derive(Clone, Copy, PartialEq)]
enum Next {
    Value,
    /// An element, or the end of an array.
    FirstElement,
    /// A key, or the end of an object.
    FirstKey,
    Key,
    Behind,
}

impl<'t> Nodes<'t> {
    /// A fault if the text is no JSON; `None` if it is deeper than [`DEEPEST`], or has more than [`MOST_NODES`].
    pub fn read(text: &'t str) -> Result<Option<Self>, Fault> {
        let mut list = with_room((text.len() / 8 + 1).min(MOST_NODES))?;
        // The places of the containers around.
        let mut open: Vec<usize> = vec![];
        let mut next = Next::Value;
        let mut at = text::skip_blanks(text, 0);
        let wrong = || syntax::fault(text, "The brackets do not match");
        loop {
            if open.is_empty() && next == Next::Behind {
                return if at == text.len() { Ok(Some(Nodes { list })) } else { Err(wrong()) };
            }
            if list.len() >= MOST_NODES {
                return Ok(None);
            }
            let byte = *text.as_bytes().get(at).ok_or_else(wrong)?;
            let end = match (next, byte) {
                (Next::FirstElement | Next::Behind, b']') => {
                    close(&mut list, &mut open, false).ok_or_else(wrong)?;
                    next = Next::Behind;
                    at + 1
                }
                (Next::FirstKey | Next::Behind, b'}') => {
                    close(&mut list, &mut open, true).ok_or_else(wrong)?;
                    next = Next::Behind;
                    at + 1
                }
                (Next::Behind, b',') => {
                    let around = open.last().map(|&place| &list[place]);
                    next = match around {
                        Some(Node::Container { object: true, .. }) => Next::Key,
                        _ => Next::Value,
                    };
                    at + 1
                }
                (Next::FirstKey | Next::Key, b'"') => {
                    let (string, end) = string(text, at)?;
                    push(&mut list, Node::String(string))?;
                    let colon = text::skip_blanks(text, end);
                    if text.as_bytes().get(colon) != Some(&b':') {
                        return Err(wrong());
                    }
                    next = Next::Value;
                    colon + 1
                }
                (Next::Value | Next::FirstElement, b'[' | b'{') => {
                    if open.len() == DEEPEST {
                        return Ok(None);
                    }
                    let object = byte == b'{';
                    open.push(list.len());
                    push(&mut list, Node::Container { object, behind: 0 })?;
                    next = if object { Next::FirstKey } else { Next::FirstElement };
                    at + 1
                }
                (Next::Value | Next::FirstElement, _) => {
                    let (node, end) = scalar(text, at)?;
                    push(&mut list, node)?;
                    next = Next::Behind;
                    end
                }
                _ => return Err(wrong()),
            };
            at = text::skip_blanks(text, end);
        }
    }

    /// The place behind the value at this one.
    pub fn behind(&self, place: usize) -> usize {
        match self.list[place] {
            Node::Container { behind, .. } => behind,
            _ => place + 1,
        }
    }
}

/// Ends the innermost container, if it is of this kind.
fn close(list: &mut [Node<'_>], open: &mut Vec<usize>, an_object: bool) -> Option<()> {
    let end = list.len();
    match list.get_mut(open.pop()?)? {
        Node::Container { object, behind } if *object == an_object => *behind = end,
        _ => return None,
    }
    Some(())
}

/// The string whose quote stands here, and where it ends.
fn string(text: &str, at: usize) -> Result<(Cow<'_, str>, usize), Fault> {
    let end = text::string_end(text.as_bytes(), at)
        .ok_or_else(|| syntax::fault(text, "The brackets do not match"))?;
    match Text::span(&text[at..end]).content()? {
        Content::String(string) => Ok((string, end)),
        _ => Err(syntax::fault(text, "Token is invalid")),
    }
}

/// The scalar that starts here, and where it ends.
fn scalar(text: &str, at: usize) -> Result<(Node<'_>, usize), Fault> {
    if text.as_bytes()[at] == b'"' {
        return string(text, at).map(|(string, end)| (Node::String(string), end));
    }
    let is_end = |byte: &u8| {
        matches!(
            byte,
            b' ' | b'\t' | b'\n' | b'\r' | b'"' | b',' | b':' | b'[' | b']' | b'{' | b'}'
        )
    };
    let rest = &text.as_bytes()[at..];
    let end = at + rest.iter().position(is_end).unwrap_or(rest.len());
    let node = match Text::span(&text[at..end]).content()? {
        Content::Null => Node::Null,
        Content::Boolean(value) => Node::Boolean(value),
        Content::Number(Number::Text(number)) => Node::Number(number),
        _ => return Err(syntax::fault(text, "Token is invalid")),
    };
    Ok((node, end))
}
