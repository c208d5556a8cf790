//! PURE. A mistake in JSON, and where it is.

use std::cell::Cell;
use std::fmt;

/// A mistake in a text that should be JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Malformed {
    /// A sentence without its full stop, as the server has it.
    pub(super) reason: String,
    /// Where in memory the mistake is: the place in the document is counted when it is told. Never read through.
    address: usize,
    position: Option<Position>,
    /// The text looks like an array as Postgres writes one, not like JSON.
    pub is_array_literal: bool,
}

/// A place in a document, counted from 0: lines, the characters of its line before it, and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    pub line: u64,
    pub column: u64,
    pub byte: u64,
}

impl Position {
    /// The place behind a text that begins here.
    pub fn behind(self, text: &[u8]) -> Position {
        let newlines = memchr::memchr_iter(b'\n', text).count() as u64;
        let line_start = memchr::memrchr(b'\n', text).map_or(0, |newline| newline + 1);
        // Every byte of UTF-8 but those that continue a character begins one.
        let is_start = |byte: &&u8| **byte & 0xC0 != 0x80;
        let characters = text[line_start..].iter().filter(is_start).count() as u64;
        let column = if newlines == 0 { self.column + characters } else { characters };
        Position { line: self.line + newlines, column, byte: self.byte + text.len() as u64 }
    }
}

/// Finds places of a text. Those that are asked for in their order are counted from one to the next.
pub struct TextPlaces<'t> {
    text: &'t [u8],
    /// Where the text begins.
    start: Position,
    /// The last one, and its place in the text.
    last: Cell<(usize, Position)>,
}

impl<'t> TextPlaces<'t> {
    pub fn new(text: &'t [u8], start: Position) -> Self {
        TextPlaces { text, start, last: Cell::new((0, start)) }
    }

    /// The place of what stands here in memory; none if that is not in the text.
    pub fn of(&self, address: usize) -> Option<Position> {
        let byte = address.wrapping_sub(self.text.as_ptr() as usize);
        let (last, place) = match self.last.get() {
            (last, place) if last <= byte => (last, place),
            _ => (0, self.start),
        };
        let place = place.behind(self.text.get(last..byte)?);
        self.last.set((byte, place));
        Some(place)
    }
}

impl Malformed {
    pub fn new(reason: String, address: usize) -> Self {
        Malformed { reason, address, position: None, is_array_literal: false }
    }

    /// Whether the mistake is that a text ends, which begins where this one does.
    pub fn is_behind(&self, text: &str) -> bool {
        self.address == text.as_bytes().as_ptr_range().end as usize
    }

    pub(super) fn locate(&mut self, places: &TextPlaces) {
        self.position = places.of(self.address).or(self.position);
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        if let Some(Position { line, column, byte }) = self.position {
            let (line, column) = (line + 1, column + 1);
            write!(f, " at line {line}, column {column} (byte {byte}, counted from 0)")?;
        }
        write!(f, ".")
    }
}
