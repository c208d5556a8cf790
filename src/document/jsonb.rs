//! PURE. jsonb in its on-disk form, read in place: a [`Value`] and a `serde::Deserializer` over `&[u8]`.
//!
//! Nothing is copied but numbers; strings borrow the document. Safe on any bytes: a wrong length, offset or text is
//! an error, never a panic or a read beyond the slice. The bytes come from the same machine, so they are read in its
//! byte order.
//!
//! Source of the format: `src/include/utils/jsonb.h` of PostgreSQL. A container is a header word (a count and three
//! flags), one entry word a child (an object has all its keys first, then all its values), then the children's bytes.
//! An entry holds the child's type and either its length or, every 32 entries, the offset of its end. Numbers and
//! containers start at the next multiple of 4 from the start of the children's bytes; the padding is counted to them.
//!
//! [`write`] makes it of JSON text, [`print`] makes text of it, each as the server does.
//!
//! Values are skipped by their length, so depth costs nothing and no stack is used for what nobody reads.

mod arriving;
mod de;
mod excerpt;
pub mod print;
pub mod write;

use std::borrow::Cow;

use serde::Deserialize;

pub use self::arriving::Arriving;
use super::content::{Content, Number};
use super::{Elements, Image, Kind, Value, Watch, number, with_room};
use crate::error::Fault;

const COUNT_MASK: u32 = 0x0FFF_FFFF;
const IS_SCALAR: u32 = 0x1000_0000;
const IS_OBJECT: u32 = 0x2000_0000;
const IS_ARRAY: u32 = 0x4000_0000;

const ENTRY_LENGTH_MASK: u32 = 0x0FFF_FFFF;
const ENTRY_TYPE_MASK: u32 = 0x7000_0000;
const ENTRY_HAS_OFFSET: u32 = 0x8000_0000;
const ENTRY_STRING: u32 = 0x0000_0000;
const ENTRY_NUMERIC: u32 = 0x1000_0000;
const ENTRY_FALSE: u32 = 0x2000_0000;
const ENTRY_TRUE: u32 = 0x3000_0000;
const ENTRY_NULL: u32 = 0x4000_0000;
const ENTRY_CONTAINER: u32 = 0x5000_0000;

const WORD: usize = 4;

/// The key under which serde_json, with `arbitrary_precision`, hands a number's text to a visitor's `visit_map`. This
/// reader does the same, so one visitor serves both.
pub const NUMBER_TOKEN: &str = "$serde_json::private::Number";

/// One value in a jsonb document.
#[derive(Clone, Copy, Debug)]
pub enum Jsonb<'a> {
    Null,
    Boolean(bool),
    /// A numeric with its varlena header.
    Number(&'a [u8]),
    String(&'a [u8]),
    /// A string that has been checked together with its neighbours.
    Text(&'a str),
    /// An array or object, not yet looked at: whoever finds the records has no need of their bytes.
    Container(&'a [u8]),
}

/// An array or object: its header word and all behind it.
#[derive(Clone, Copy)]
struct Container<'a> {
    bytes: &'a [u8],
    header: u32,
}

/// Bytes that are no jsonb: disk corruption, or a format this reader does not know.
fn corrupt() -> Fault {
    Fault::Corrupt
}

impl<'a> Jsonb<'a> {
    /// A document from the bytes behind its varlena header.
    pub fn document(bytes: &'a [u8]) -> Result<Self, Fault> {
        let container = Container::new(bytes)?;
        // A document of one scalar is stored as an array of it.
        if container.header & IS_SCALAR == 0 {
            return Ok(Jsonb::Container(bytes));
        }
        container.children().next().ok_or_else(corrupt)?
    }

    /// An object, or an array, as its caller knows it to be.
    fn container(self, object: bool) -> Result<Container<'a>, Fault> {
        match self {
            Jsonb::Container(bytes) => Some(Container::new(bytes)?),
            _ => None,
        }
        .filter(|container| container.is_object() == object)
        .ok_or_else(corrupt)
    }
}

impl<'a> Container<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, Fault> {
        let (header, rest) = bytes.split_first_chunk().ok_or_else(corrupt)?;
        let header = u32::from_ne_bytes(*header);
        let container = Container { bytes, header };
        let one_kind = container.is_object() != (header & IS_ARRAY != 0);
        if !one_kind || WORD * container.entries() > rest.len() {
            return Err(corrupt());
        }
        Ok(container)
    }

    fn is_object(self) -> bool {
        self.header & IS_OBJECT != 0
    }

    fn count(self) -> usize {
        (self.header & COUNT_MASK) as usize
    }

    /// The entry words of the children, and the children's bytes.
    fn parts(self) -> (&'a [Entry], &'a [u8]) {
        let (entries, data) = self.bytes[WORD..].split_at(WORD * self.entries());
        (entries.as_chunks().0, data)
    }

    fn entries(self) -> usize {
        if self.is_object() { 2 * self.count() } else { self.count() }
    }

    /// The children in storage order: an array's elements; an object's keys, then its values.
    fn children(self) -> Children<'a> {
        let (entries, data) = self.parts();
        Children { entries, data, start: 0 }
    }

    /// The members of an object: key and value walked side by side.
    fn members(self) -> Result<Members<'a>, Fault> {
        let (entries, data) = self.parts();
        let (keys, values) = entries.split_at(self.count());
        let keys = Children { entries: keys, data, start: 0 };
        let mut walk = keys.clone();
        while let Some(entry) = walk.advance() {
            entry?;
        }
        let values = Children { entries: values, ..walk };
        // Strings that lie side by side are checked in one go, which is faster than each by itself.
        let mut walk = values.clone();
        let mut end = values.start;
        while let Some(Ok((ENTRY_STRING, _, string_end))) = walk.advance() {
            end = string_end;
        }
        let text = simdutf8::basic::from_utf8(&data[..end]).unwrap_or_default();
        Ok(Members { keys, values, text })
    }
}

/// An entry word, in the machine's byte order.
type Entry = [u8; WORD];

/// Walks the entries of a container, keeping the running offset that the entries' lengths imply.
#[derive(Clone)]
struct Children<'a> {
    /// Those to come.
    entries: &'a [Entry],
    data: &'a [u8],
    start: usize,
}

impl<'a> Children<'a> {
    /// The next entry's type and its bytes from and to; its end is where the one after it starts.
    #[inline]
    fn advance(&mut self) -> Option<Result<(u32, usize, usize), Fault>> {
        let (kind, end) = self.upcoming()?;
        let start = self.start;
        if end < start || end > self.data.len() {
            self.entries = &[];
            return Some(Err(corrupt()));
        }
        (self.entries, self.start) = (&self.entries[1..], end);
        Some(Ok((kind, start, end)))
    }

    /// The next entry's type and the end of its bytes, as it says.
    #[inline]
    fn upcoming(&self) -> Option<(u32, usize)> {
        let entry = u32::from_ne_bytes(*self.entries.first()?);
        let length = (entry & ENTRY_LENGTH_MASK) as usize;
        let end = if entry & ENTRY_HAS_OFFSET != 0 { length } else { self.start + length };
        Some((entry & ENTRY_TYPE_MASK, end))
    }

    /// The value of an entry that is no string.
    #[inline]
    fn other(&self, kind: u32, start: usize, end: usize) -> Result<Jsonb<'a>, Fault> {
        let aligned = self.data.get(start.next_multiple_of(WORD)..end);
        match (kind, aligned) {
            (ENTRY_NULL, _) => Ok(Jsonb::Null),
            (ENTRY_FALSE, _) => Ok(Jsonb::Boolean(false)),
            (ENTRY_TRUE, _) => Ok(Jsonb::Boolean(true)),
            (ENTRY_NUMERIC, Some(bytes)) => Ok(Jsonb::Number(bytes)),
            (ENTRY_CONTAINER, Some(bytes)) => Ok(Jsonb::Container(bytes)),
            _ => Err(corrupt()),
        }
    }
}

impl<'a> Iterator for Children<'a> {
    type Item = Result<Jsonb<'a>, Fault>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.advance()? {
            Ok((ENTRY_STRING, start, end)) => Ok(Jsonb::String(&self.data[start..end])),
            Ok((kind, start, end)) => self.other(kind, start, end),
            Err(fault) => Err(fault),
        })
    }
}

/// The members of an object; its keys are checked by who needs them as text.
struct Members<'a> {
    keys: Children<'a>,
    values: Children<'a>,
    /// The keys, and the values that are strings up to the first that is none; empty where they are not all text.
    text: &'a str,
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<(&'a [u8], Jsonb<'a>), Fault>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let key = match self.keys.advance()? {
            Ok((ENTRY_STRING, start, end)) => &self.keys.data[start..end],
            Ok(_) => return Some(Err(corrupt())),
            Err(fault) => return Some(Err(fault)),
        };
        let value = match self.values.advance() {
            Some(Ok((ENTRY_STRING, start, end))) => match self.text.get(start..end) {
                Some(text) => Jsonb::Text(text),
                None => Jsonb::String(&self.values.data[start..end]),
            },
            Some(Ok((kind, start, end))) => match self.values.other(kind, start, end) {
                Ok(value) => value,
                Err(fault) => return Some(Err(fault)),
            },
            Some(Err(fault)) => return Some(Err(fault)),
            None => return Some(Err(corrupt())),
        };
        Some(Ok((key, value)))
    }
}

fn text(bytes: &[u8]) -> Result<&str, Fault> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| Fault::NoUtf8)
}

/// A numeric without its varlena header of 4 bytes, or of 1 where it came from a table as it was stored.
fn numeric(varlena: &[u8]) -> Result<&[u8], Fault> {
    let first = *varlena.first().ok_or_else(corrupt)?;
    let short = if cfg!(target_endian = "little") { first & 1 == 1 } else { first & 0x80 != 0 };
    let header = if short { 1 } else { WORD };
    varlena.get(header..).ok_or_else(corrupt)
}

fn number_text(varlena: &[u8]) -> Result<String, Fault> {
    number::from_numeric(numeric(varlena)?).ok_or_else(corrupt)
}

impl<'a> Value<'a> for Jsonb<'a> {
    fn kind(self) -> Result<Kind, Fault> {
        Ok(match self {
            Jsonb::Null => Kind::Null,
            Jsonb::Boolean(_) => Kind::Boolean,
            Jsonb::Number(_) => Kind::Number,
            Jsonb::String(_) | Jsonb::Text(_) => Kind::String,
            Jsonb::Container(bytes) if Container::new(bytes)?.is_object() => Kind::Object,
            Jsonb::Container(_) => Kind::Array,
        })
    }

    fn content(self) -> Result<Content<'a>, Fault> {
        Ok(match self {
            Jsonb::Null => Content::Null,
            Jsonb::Boolean(value) => Content::Boolean(value),
            Jsonb::Number(bytes) => Content::Number(Number::Numeric(numeric(bytes)?)),
            Jsonb::String(bytes) => Content::String(Cow::Borrowed(text(bytes)?)),
            Jsonb::Text(text) => Content::String(Cow::Borrowed(text)),
            Jsonb::Container(_) => Content::Container,
        })
    }

    fn elements(self) -> Result<Elements<'a, Self>, Fault> {
        Ok(Box::new(self.container(false)?.children()))
    }

    fn members(self, watch: &Watch) -> Result<Vec<(Cow<'a, str>, Self)>, Fault> {
        watch.check()?;
        let container = self.container(true)?;
        let mut members = with_room(container.count())?;
        for member in container.members()? {
            let (key, value) = member?;
            members.push((Cow::Borrowed(text(key)?), value));
        }
        Ok(members)
    }

    fn read<T: Deserialize<'a>>(self) -> Result<T, Fault> {
        T::deserialize(self).map_err(Fault::from)
    }

    fn size(self) -> usize {
        match self {
            Jsonb::Null | Jsonb::Boolean(_) => 0,
            Jsonb::Number(bytes) | Jsonb::String(bytes) | Jsonb::Container(bytes) => bytes.len(),
            Jsonb::Text(text) => text.len(),
        }
    }

    fn image(self) -> Image<'a> {
        let json = match self {
            Jsonb::Container(bytes) => return Image::Container(bytes),
            Jsonb::Null => "null".into(),
            Jsonb::Boolean(value) => value.to_string(),
            Jsonb::Number(bytes) => number_text(bytes).unwrap_or_default(),
            Jsonb::String(bytes) => {
                serde_json::Value::from(String::from_utf8_lossy(bytes)).to_string()
            }
            Jsonb::Text(text) => serde_json::Value::from(text).to_string(),
        };
        Image::Text(Cow::Owned(json))
    }

    fn excerpt(self) -> Option<String> {
        excerpt::beginning(self).ok()
    }

    /// The server checked it when it made the jsonb.
    fn check(self) -> Result<(), Fault> {
        Ok(())
    }
}

#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod tests;
