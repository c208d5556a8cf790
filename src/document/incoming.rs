//! PURE. A text of any length that comes in pieces, and leaves in parts that are loaded one after the other.
//!
//! No more of it is held than a part and one record, or one document that cannot be cut, if no piece is longer than
//! what is [missing](Incoming::missing).
//! A text that is one part leaves whole, and is read as any other.

use std::mem;

use super::Watch;
use super::split::{Span, Splitter, Units};
use super::text::{syntax, unexpected, utf8};
use crate::error::{Fault, Malformed, Position};

/// A part has no more objects than if each were so long, in bytes: what is made of a record takes memory, however short
/// it is.
const SHORTEST: usize = 64;

/// What is held of the text.
pub struct Incoming {
    text: Vec<u8>,
    /// Where the text goes when this is full. Large pieces of memory that come and go, the C library keeps.
    room: Vec<u8>,
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
pub struct Part {
    pub text: Vec<u8>,
    /// None if the text is the whole document, whatever it is.
    pub spans: Option<Spans>,
    /// Where the text begins in the input.
    pub start: Position,
    /// Documents before the first of these, or before the array; elements before the first.
    pub documents: u64,
    pub elements: u64,
    /// Nothing comes behind it.
    pub is_last: bool,
}

pub enum Spans {
    Documents(Vec<Span>),
    Elements(Vec<Span>),
}

/// What makes the next part.
struct Next {
    spans: Option<Spans>,
    /// The array ends with these elements.
    ends: bool,
}

impl Incoming {
    /// In parts of about `size` bytes; `takes_elements` if records are the elements of a document that is an array.
    pub fn new(size: usize, takes_elements: bool) -> Self {
        let most = (size / SHORTEST).max(1);
        Incoming {
            text: vec![],
            room: vec![],
            splitter: Splitter::new(takes_elements, most),
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
        push_all(&mut self.text, piece)
    }

    /// Takes the text of a part back, once it is no longer needed, for one of the next parts.
    pub fn reuse(&mut self, mut text: Vec<u8>) {
        text.clear();
        self.room = text;
    }

    /// Whether there is enough for a part.
    pub fn is_full(&self) -> bool {
        self.missing() == 0
    }

    /// How many bytes are missing until there is.
    pub fn missing(&self) -> usize {
        self.wanted.saturating_sub(self.text.len())
    }

    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Takes the next part away; none if there is none yet, or none any more.
    pub fn part(&mut self, watch: &Watch) -> Result<Option<Part>, Fault> {
        let Some(Next { spans, ends }) = self.next(watch)? else { return Ok(None) };
        let (end, documents, elements) = match &spans {
            None => (self.text.len(), 0, 0),
            Some(Spans::Documents(spans)) => (end_of(spans), spans.len() as u64, 0),
            Some(Spans::Elements(spans)) => (end_of(spans), 0, spans.len() as u64),
        };
        let mut rest = mem::take(&mut self.room);
        if !self.ended {
            rest.try_reserve(self.size + self.size / 8).map_err(|_| Fault::OutOfMemory)?;
        }
        push_all(&mut rest, &self.text[end..])?;
        self.text.truncate(end);
        let part = Part {
            text: mem::replace(&mut self.text, rest),
            spans,
            start: self.start,
            documents: self.documents,
            elements: self.elements,
            is_last: self.ended && self.text.iter().all(|byte| b" \t\r\n]".contains(byte)),
        };
        self.start = self.start.behind(&part.text);
        self.documents += documents;
        self.elements += elements;
        if ends {
            (self.documents, self.elements) = (self.documents + 1, 0);
        }
        match part.spans {
            // Nothing comes behind it, and what was wrong in it has gone.
            None => self.splitter = Splitter::new(false, usize::MAX),
            Some(_) => self.splitter.forget(end),
        }
        self.is_whole = false;
        self.in_array = matches!(part.spans, Some(Spans::Elements(_)));
        Ok(Some(part))
    }

    fn next(&mut self, watch: &Watch) -> Result<Option<Next>, Fault> {
        match self.ended {
            true => self.splitter.finish(&self.text, watch)?,
            false => self.splitter.scan(&self.text, watch)?,
        }
        let splitter = &mut self.splitter;
        let is_one_part = splitter.is_at_end(&self.text) || splitter.mistake().is_some();
        if self.ended && self.is_whole && is_one_part {
            return Ok(Some(Next { spans: None, ends: false }));
        }
        let next = |spans, ends| Ok(Some(Next { spans: Some(spans), ends }));
        self.wanted = self.size;
        if let Some(Units { spans, .. }) = splitter.last_elements.take() {
            if !spans.is_empty() {
                return next(Spans::Elements(spans), true);
            }
            (self.documents, self.elements) = (self.documents + 1, 0);
        }
        // A document that is the only one leaves whole.
        let may_be_all = self.is_whole && !self.ended && splitter.is_at_second(&self.text);
        if splitter.is_settled() && !splitter.documents.spans.is_empty() && !may_be_all {
            return next(Spans::Documents(mem::take(&mut splitter.documents).spans), false);
        }
        if !splitter.elements.spans.is_empty() {
            splitter.cut_array();
            return next(Spans::Elements(mem::take(&mut splitter.elements).spans), false);
        }
        if let Some(at) = splitter.mistake() {
            return Err(self.mistake(at, watch));
        }
        if splitter.holds_blanks(&self.text) {
            self.start = self.start.behind(&self.text);
            splitter.forget(self.text.len());
            self.text.clear();
            self.in_array = false;
            return Ok(None);
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
        // That the text ends is a mistake only where it does.
        let is_there =
            |mistake: &Malformed| !mistake.is_behind(text) || self.ended && end == self.text.len();
        let begins = self.is_whole && text[..at].bytes().all(|byte| byte.is_ascii_whitespace());
        let is_bracket = self.text.get(at).is_some_and(|byte| b"[]{}".contains(byte));
        let found = match found {
            Ok(found) => found.filter(is_there),
            Err(fault) => return fault,
        };
        let found = match found {
            // A word or a number is a document if it is all there is.
            None if begins => syntax::mistake(text, false, watch).map(|it| it.filter(is_there)),
            None if !is_bracket => Ok(syntax::more(text, at)),
            found => Ok(found),
        };
        let fault = match found {
            Ok(Some(mistake)) => Fault::Malformed(Box::new(mistake)),
            Ok(None) => unexpected(text, at),
            Err(fault) => fault,
        };
        fault.located_behind(&self.text, self.start)
    }
}

fn push_all(text: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Fault> {
    text.try_reserve(bytes.len()).map_err(|_| Fault::OutOfMemory)?;
    text.extend_from_slice(bytes);
    Ok(())
}

fn end_of(spans: &[Span]) -> usize {
    spans.last().map_or(0, |last| last.end)
}
