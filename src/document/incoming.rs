//! PURE. A text of any length that comes in pieces, and leaves in parts that are loaded one after the other.
//!
//! No more of it is held than a part, the piece that has come last, and one record, or one document that cannot be cut.
//! A text that is no longer than a part leaves whole, and is read as any other.

use super::Watch;
use super::split::{Span, Splitter};
use super::text::{syntax, unexpected, utf8};
use crate::error::{Fault, Position};

/// What is held of the text.
pub struct Incoming {
    text: Vec<u8>,
    takes_elements: bool,
    splitter: Splitter,
    /// How much makes a part, and how much must be there before one is looked for. In bytes.
    size: usize,
    wanted: usize,
    /// Where what is held begins.
    start: Position,
    /// Documents that have gone, and elements of the array that goes on.
    documents: u64,
    elements: u64,
    /// What is held begins within the array, behind an element.
    in_array: bool,
    /// Nothing has gone.
    is_whole: bool,
    ended: bool,
}

/// Documents, or elements of an array, that are loaded together.
#[derive(Clone, Copy)]
pub struct Part<'s> {
    pub text: &'s [u8],
    /// None if the text is the whole document, whatever it is.
    pub spans: Option<Spans<'s>>,
    /// Where the text begins in the input.
    pub start: Position,
    /// Documents before the first of these, or before the array; elements before the first.
    pub documents: u64,
    pub elements: u64,
    /// Nothing comes behind it.
    pub is_last: bool,
}

#[derive(Clone, Copy)]
pub enum Spans<'s> {
    Documents(&'s [Span]),
    Elements(&'s [Span]),
}

/// What a part takes away.
struct Taken {
    kind: Kind,
    spans: Vec<Span>,
    /// The array ends with these elements.
    ends: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Whole,
    Documents,
    Elements,
}

impl Incoming {
    /// In parts of about `size` bytes; `takes_elements` if records are the elements of a document that is an array.
    pub fn new(size: usize, takes_elements: bool) -> Self {
        Incoming {
            text: vec![],
            takes_elements,
            splitter: Splitter::new(takes_elements),
            size,
            wanted: size,
            start: Position::default(),
            documents: 0,
            elements: 0,
            in_array: false,
            is_whole: true,
            ended: false,
        }
    }

    pub fn push(&mut self, piece: &[u8]) -> Result<(), Fault> {
        if self.text.capacity() - self.text.len() < piece.len() {
            self.text.try_reserve(piece.len()).map_err(|_| Fault::OutOfMemory)?;
        }
        self.text.extend_from_slice(piece);
        Ok(())
    }

    /// Whether there is enough for a part.
    pub fn is_full(&self) -> bool {
        self.text.len() >= self.wanted
    }

    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Hands the next part to `load`; `false` if there is none yet, or none any more.
    pub fn part<E: From<Fault>>(
        &mut self,
        watch: &Watch,
        load: impl FnOnce(Part<'_>) -> Result<(), E>,
    ) -> Result<bool, E> {
        let Some(Taken { kind, spans, ends }) = self.take(watch)? else { return Ok(false) };
        let end = match (kind, spans.last()) {
            (Kind::Whole, _) => self.text.len(),
            (_, last) => last.map_or(0, |last| last.end),
        };
        let part = Part {
            text: &self.text[..end],
            spans: match kind {
                Kind::Whole => None,
                Kind::Documents => Some(Spans::Documents(&spans)),
                Kind::Elements => Some(Spans::Elements(&spans)),
            },
            start: self.start,
            documents: self.documents,
            elements: self.elements,
            is_last: self.ended && self.text[end..].iter().all(|byte| b" \t\r\n]".contains(byte)),
        };
        load(part)?;
        self.start = self.start.behind(&self.text[..end]);
        match kind {
            Kind::Documents => self.documents += spans.len() as u64,
            Kind::Elements => self.elements += spans.len() as u64,
            Kind::Whole => {}
        }
        if ends {
            (self.documents, self.elements) = (self.documents + 1, 0);
        }
        self.text.drain(..end);
        match kind {
            Kind::Whole => self.splitter = Splitter::new(self.takes_elements),
            Kind::Documents | Kind::Elements => self.splitter.forget(end),
        }
        (self.is_whole, self.in_array) = (false, kind == Kind::Elements);
        Ok(true)
    }

    fn take(&mut self, watch: &Watch) -> Result<Option<Taken>, Fault> {
        if self.ended && self.is_whole {
            return Ok(Some(Taken { kind: Kind::Whole, spans: vec![], ends: false }));
        }
        match self.ended {
            true => self.splitter.finish(&self.text, watch)?,
            false => self.splitter.scan(&self.text, watch)?,
        }
        let splitter = &mut self.splitter;
        let taken = |kind, spans, ends| Ok(Some(Taken { kind, spans, ends }));
        self.wanted = self.size;
        if let Some(elements) = splitter.last_elements.take() {
            if elements.is_empty() {
                (self.documents, self.elements) = (self.documents + 1, 0);
            } else {
                return taken(Kind::Elements, elements, true);
            }
        }
        if splitter.is_settled() && !splitter.documents.is_empty() {
            return taken(Kind::Documents, std::mem::take(&mut splitter.documents), false);
        }
        if !splitter.elements.is_empty() {
            let elements = std::mem::take(&mut splitter.elements);
            splitter.cut_array();
            return taken(Kind::Elements, elements, false);
        }
        if let Some(at) = splitter.mistake() {
            return Err(self.mistake(at, watch));
        }
        // One record, or a document that is not cut, is longer.
        self.wanted = self.text.len() + self.size.max(self.text.len() / 2);
        Ok(None)
    }

    /// What is wrong in the text that is held, which can no longer be split at a byte.
    fn mistake(&self, at: usize, watch: &Watch) -> Fault {
        // It may be cut within a character.
        let end = at + self.text[at..].iter().take_while(|byte| byte.is_ascii()).count();
        let text = match utf8(&self.text[..end]) {
            Ok(text) => text,
            Err(fault) => return fault.located_behind(&self.text, self.start),
        };
        let found = match self.in_array {
            true => syntax::mistake_within_array(text, watch),
            false => syntax::mistake(text, true, watch),
        };
        let fault = match found {
            Ok(Some(mistake)) => Fault::Malformed(Box::new(mistake)),
            Ok(None) => unexpected(text, at),
            Err(fault) => fault,
        };
        fault.located_behind(&self.text, self.start)
    }
}
