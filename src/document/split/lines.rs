//! PURE. Where a document ends, and whether documents are lines.

use std::mem;

use memchr::memchr;

use super::{Lines, Span, Splitter, State, Units, trimmed};
use crate::document::Watch;
use crate::error::Fault;

impl Splitter {
    pub(super) fn behind(
        &mut self,
        text: &[u8],
        (span, objects): (Span, usize),
        has_ended: bool,
        watch: &Watch,
    ) -> Result<bool, Fault> {
        self.at += text[self.at..].iter().take_while(|byte| b" \t\r".contains(byte)).count();
        let next = match text.get(self.at) {
            Some(byte) => *byte,
            None if has_ended => b'\n',
            None => return Ok(false),
        };
        if !self.is_settled() {
            let is_line = memchr(b'\n', &text[span.clone()]).is_none();
            match (self.lines, is_line, next) {
                (_, true, b'\n') => self.lines = Lines::Yes,
                (Lines::Perhaps, ..) => return Ok(self.give_up()),
                (_, false, _) | (_, _, b'{' | b'[') => self.lines = Lines::No,
                // Something is behind the object: it is a bad line.
                _ => {}
            }
        }
        match (next, self.lines) {
            (b'\n' | b'{' | b'[', _) => self.document(text, span, objects, watch),
            (_, Lines::No) => {
                self.document(text, span, objects, watch)?;
                let at = self.at;
                Ok(self.mistaken(at))
            }
            _ => {
                self.state = State::Stray(span.start);
                Ok(true)
            }
        }
    }

    fn document(
        &mut self,
        text: &[u8],
        span: Span,
        objects: usize,
        watch: &Watch,
    ) -> Result<bool, Fault> {
        watch.check()?;
        watch.take(size_of::<Span>())?;
        self.state = State::Between;
        self.documents.push(trimmed(text, span), objects)?;
        Ok(true)
    }

    /// A line that is no document, or a broken one: among lines it is a document, whatever it is.
    pub(super) fn bad_line(
        &mut self,
        text: &[u8],
        span: Span,
        watch: &Watch,
    ) -> Result<bool, Fault> {
        match self.lines {
            Lines::Unknown => self.lines = Lines::Perhaps,
            Lines::Perhaps => return Ok(self.give_up()),
            Lines::Yes => {}
            Lines::No => return Ok(self.mistaken(text.len())),
        }
        self.at = span.end;
        self.document(text, span, 0, watch)
    }

    /// The open document is broken. Among lines it ends with its first one, and the scan goes on behind that. What begins
    /// on its other lines and has not ended would break off at the same place.
    pub(super) fn break_off(&mut self, text: &[u8], watch: &Watch) -> Result<bool, Fault> {
        let State::Within(open) = &mut self.state else { return Ok(false) };
        let (start, end) = (open.start, open.line_end);
        if !open.inner.is_empty() {
            self.broken = mem::take(&mut open.inner);
            self.broken.reverse();
        }
        match (end, self.lines) {
            (Some(end), _) => self.bad_line(text, start..end, watch),
            (None, Lines::Yes) => {
                self.state = State::Stray(start);
                Ok(true)
            }
            (None, Lines::Perhaps) => Ok(self.give_up()),
            (None, _) => Ok(self.mistaken(text.len())),
        }
    }

    /// The second line is no whole object either: documents are no lines, and are looked for anew.
    pub(super) fn give_up(&mut self) -> bool {
        self.documents = Units::default();
        (self.at, self.state, self.lines) = (0, State::Begin, Lines::No);
        true
    }
}
