//! PURE. JSON text as jsonb in its on-disk form, byte for byte as `jsonb_in` of the server makes it.
//!
//! First the text is read into a list of nodes ([`nodes`]), checked as RFC 8259 and jsonb want it. Then the nodes are
//! written from the outermost inwards, as `convertJsonbValue` of `jsonb_util.c` does. What is large or deep is left to
//! the server, so the recursion has a bound.

mod nodes;

use self::nodes::{Node, Nodes};
use super::{
    ENTRY_CONTAINER, ENTRY_FALSE, ENTRY_HAS_OFFSET, ENTRY_NULL, ENTRY_NUMERIC, ENTRY_STRING,
    ENTRY_TRUE, IS_ARRAY, IS_OBJECT, IS_SCALAR, WORD,
};
use crate::document::content::{Content, Number};
use crate::document::decimal::Decimal;
use crate::document::with_room;
use crate::error::Fault;

/// The most containers in one another. The server takes thousands, as far as its stack goes.
pub const DEEPEST: usize = 256;

/// The longest container, in bytes: an entry has no room for more.
pub const LONGEST: usize = 0x0FFF_FFFF;

/// Every so many entries, one has the offset of its end in place of its length (`JB_OFFSET_STRIDE`).
const OFFSET_STRIDE: usize = 32;

/// Appends the array or object that `text` is; `false`, and nothing is appended, if that is left to the server.
pub fn append(text: &str, out: &mut Vec<u8>) -> Result<bool, Fault> {
    let Some(nodes) = Nodes::read(text)? else { return Ok(false) };
    let start = out.len();
    out.try_reserve(text.len() + WORD * nodes.list.len()).map_err(|_| Fault::OutOfMemory)?;
    let members = with_room(nodes.list.len())?;
    let mut writer = Writer { nodes: &nodes, out, start, members };
    let written = writer.container(0)?.is_some();
    if !written {
        out.truncate(start);
    }
    Ok(written)
}

/// Appends a scalar: an array of one element, marked. `false`, and nothing is appended, if that is left to the server.
pub fn append_scalar(scalar: &Content<'_>, out: &mut Vec<u8>) -> Result<bool, Fault> {
    let decimal;
    let (kind, bytes) = match scalar {
        Content::Null => (ENTRY_NULL, &[][..]),
        Content::Boolean(value) => (if *value { ENTRY_TRUE } else { ENTRY_FALSE }, &[][..]),
        Content::String(text) => (ENTRY_STRING, text.as_bytes()),
        Content::Number(Number::Numeric(bytes)) => (ENTRY_NUMERIC, *bytes),
        Content::Number(Number::Text(text)) => match Decimal::from_text(text) {
            Some(number) => {
                decimal = number.numeric();
                (ENTRY_NUMERIC, decimal.bytes())
            }
            None => return Ok(false),
        },
        Content::Container => return Ok(false),
    };
    if bytes.len() > LONGEST - WORD {
        return Ok(false);
    }
    let header = if kind == ENTRY_NUMERIC { WORD } else { 0 };
    push(out, &(IS_ARRAY | IS_SCALAR | 1).to_ne_bytes())?;
    push(out, &(kind | ENTRY_HAS_OFFSET | (header + bytes.len()) as u32).to_ne_bytes())?;
    if kind == ENTRY_NUMERIC {
        push(out, &varlena_header(bytes.len()))?;
    }
    push(out, bytes)?;
    Ok(true)
}

struct Writer<'n, 't> {
    nodes: &'n Nodes<'t>,
    out: &'n mut Vec<u8>,
    /// Where the outermost container starts.
    start: usize,
    /// The members of the objects that are being written, by their keys' places in the list.
    members: Vec<usize>,
}

impl Writer<'_, '_> {
    /// Writes the container at this place of the list. `None` if it is too long; then a part of it is written.
    fn container(&mut self, place: usize) -> Result<Option<()>, Fault> {
        let Node::Container { object, behind } = self.nodes.list[place] else {
            return Ok(None);
        };
        let members = self.members.len();
        if object {
            self.sort_members(place + 1, behind)?;
        } else {
            let mut child = place + 1;
            while child < behind {
                self.remember(child)?;
                child = self.nodes.behind(child);
            }
        }
        let children = self.members.len() - members;
        let (flag, entries) = if object { (IS_OBJECT, 2 * children) } else { (IS_ARRAY, children) };
        if children > LONGEST {
            return Ok(None);
        }
        push(self.out, &(flag | children as u32).to_ne_bytes())?;
        let entries_at = self.out.len();
        self.out.try_reserve(WORD * entries).map_err(|_| Fault::OutOfMemory)?;
        self.out.resize(entries_at + WORD * entries, 0);
        let data_at = self.out.len();
        for index in 0..entries {
            let child = match self.members[members + index % children.max(1)] {
                key if object && index >= children => key + 1,
                child => child,
            };
            let child_at = self.out.len();
            let Some(kind) = self.child(child)? else { return Ok(None) };
            if self.out.len() - self.start > LONGEST {
                return Ok(None);
            }
            let entry = match index % OFFSET_STRIDE {
                0 => kind | ENTRY_HAS_OFFSET | (self.out.len() - data_at) as u32,
                _ => kind | (self.out.len() - child_at) as u32,
            };
            let entry_at = entries_at + WORD * index;
            self.out[entry_at..entry_at + WORD].copy_from_slice(&entry.to_ne_bytes());
        }
        self.members.truncate(members);
        Ok(Some(()))
    }

    /// Writes a child, and gives the type for its entry.
    fn child(&mut self, place: usize) -> Result<Option<u32>, Fault> {
        Ok(Some(match &self.nodes.list[place] {
            Node::Null => ENTRY_NULL,
            Node::Boolean(false) => ENTRY_FALSE,
            Node::Boolean(true) => ENTRY_TRUE,
            Node::String(text) => {
                push(self.out, text.as_bytes())?;
                ENTRY_STRING
            }
            Node::Number(text) => {
                let Some(number) = Decimal::from_text(text) else { return Ok(None) };
                let numeric = number.numeric();
                self.align()?;
                push(self.out, &varlena_header(numeric.bytes().len()))?;
                push(self.out, numeric.bytes())?;
                ENTRY_NUMERIC
            }
            Node::Container { .. } => {
                self.align()?;
                match self.container(place)? {
                    Some(()) => ENTRY_CONTAINER,
                    None => return Ok(None),
                }
            }
        }))
    }

    /// Remembers the members between two places as jsonb orders them: by the key's length, then bytes; the last of
    /// equal keys.
    fn sort_members(&mut self, from: usize, behind: usize) -> Result<(), Fault> {
        let first = self.members.len();
        let mut key = from;
        while key < behind {
            self.remember(key)?;
            key = self.nodes.behind(key + 1);
        }
        let text = |place: usize| match &self.nodes.list[place] {
            Node::String(text) => text.as_bytes(),
            _ => &[],
        };
        let members = &mut self.members[first..];
        // Of equal keys the last of the text comes first, and stays.
        members.sort_unstable_by(|&a, &b| {
            let (a_text, b_text) = (text(a), text(b));
            a_text.len().cmp(&b_text.len()).then_with(|| a_text.cmp(b_text)).then(b.cmp(&a))
        });
        let mut kept = 0;
        for index in 0..members.len() {
            if index == 0 || text(members[index]) != text(members[kept - 1]) {
                members[kept] = members[index];
                kept += 1;
            }
        }
        self.members.truncate(first + kept);
        Ok(())
    }

    fn remember(&mut self, place: usize) -> Result<(), Fault> {
        self.members.try_reserve(1).map_err(|_| Fault::OutOfMemory)?;
        self.members.push(place);
        Ok(())
    }

    fn align(&mut self) -> Result<(), Fault> {
        let length = self.out.len() - self.start;
        push(self.out, &[0; WORD][..length.next_multiple_of(WORD) - length])
    }
}

/// The header of a varlena of so many bytes behind it.
fn varlena_header(length: usize) -> [u8; WORD] {
    let length = (length + WORD) as u32;
    if cfg!(target_endian = "little") { (length << 2).to_ne_bytes() } else { length.to_ne_bytes() }
}

fn push(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Fault> {
    out.try_reserve(bytes.len()).map_err(|_| Fault::OutOfMemory)?;
    out.extend_from_slice(bytes);
    Ok(())
}
