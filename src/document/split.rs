//! PURE. A text that is still coming, split into documents and the elements of arrays as far as it is there.
//!
//! [`Splitter::scan`] goes on where it stopped: a text may be cut anywhere, within a string or a character too. Only
//! brackets, strings, commas and newlines are looked at. What a span holds may prove to be no JSON when it is read.
//!
//! A document that does not end where its brackets say is lost in what follows it. Among lines it ends with its line: if
//! the first document of a text is an object on a line of its own, each line that is no whole document and is not
//! continued by the lines behind it is a bad document, and no more.

use std::ops::Range;

use memchr::{memchr, memchr2, memchr3};

use super::push;
use super::text::BYTE_ORDER_MARK;
use crate::error::Fault;

pub type Span = Range<usize>;

/// Where the scan stands. Places are bytes of the text that is held.
pub struct Splitter {
    /// Whether the elements of an array are wanted one by one.
    takes_elements: bool,
    /// What is before it has been looked at.
    at: usize,
    state: State,
    /// Whether documents are lines; not known before the first has ended.
    lines: Option<bool>,
    /// Those that have ended.
    pub documents: Vec<Span>,
    /// Of the array that is open.
    pub elements: Vec<Span>,
    /// The last elements of an array whose first ones are gone: they come before all documents.
    pub last_elements: Option<Vec<Span>>,
}

enum State {
    /// Nothing has been seen yet, not even a byte order mark.
    Begin,
    /// Between documents.
    Between,
    Within(Open),
    /// A document has ended. What stands behind it on its line may spoil it.
    Behind(Span),
    /// From here to the end of the line stands no document.
    Stray(usize),
    /// A bracket closes what is not open.
    Mismatch(usize),
}

/// A document whose end has not been seen.
struct Open {
    start: usize,
    /// Brackets that are open.
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// Where the first of its lines ends.
    line_end: Option<usize>,
    /// Nothing but blanks has been seen since a newline that stands behind a whole value.
    begins_line: bool,
    array: Option<Array>,
}

/// Where the next element begins, if the document is an array; and whether elements of it have gone.
struct Array {
    element: usize,
    any: bool,
    cut: bool,
}

impl Splitter {
    pub fn new(takes_elements: bool) -> Self {
        Splitter {
            takes_elements,
            at: 0,
            state: State::Begin,
            lines: None,
            documents: vec![],
            elements: vec![],
            last_elements: None,
        }
    }

    /// Looks at what has come.
    pub fn scan(&mut self, text: &[u8]) -> Result<(), Fault> {
        loop {
            let goes_on = match &mut self.state {
                State::Begin => self.begin(text),
                State::Between => self.between(text),
                State::Within(_) => self.within(text)?,
                State::Behind(_) => self.behind(text)?,
                State::Stray(start) => {
                    let start = *start;
                    match memchr(b'\n', &text[self.at..]) {
                        Some(ahead) => self.stray(text, start, self.at + ahead)?,
                        None => {
                            self.at = text.len();
                            false
                        }
                    }
                }
                State::Mismatch(_) => false,
            };
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// There is no more. What has not ended ends here.
    pub fn finish(&mut self, text: &[u8]) -> Result<(), Fault> {
        loop {
            self.scan(text)?;
            match &self.state {
                State::Begin if self.at < text.len() => self.state = State::Between,
                State::Begin | State::Between | State::Mismatch(_) => return Ok(()),
                State::Behind(span) => {
                    let span = span.clone();
                    self.document(text, span)?;
                }
                State::Stray(start) => {
                    let start = *start;
                    self.stray(text, start, text.len())?;
                }
                State::Within(open) => match (self.lines, &open.array) {
                    (Some(true), _) => self.break_line(text)?,
                    (_, Some(_)) => return Ok(()),
                    _ => {
                        let start = open.start;
                        self.elements = vec![];
                        self.stray(text, start, text.len())?;
                    }
                },
            }
        }
    }

    /// Where the brackets of an array do not match, or the text has ended within it: it is no record that could say so.
    pub fn mistake(&self, text: &[u8], has_ended: bool) -> Option<usize> {
        match &self.state {
            State::Mismatch(at) => Some(*at),
            State::Within(Open { array: Some(_), .. }) if has_ended => Some(text.len()),
            _ => None,
        }
    }

    /// The elements of the open array are taken away.
    pub fn cut_array(&mut self) {
        if let State::Within(Open { array: Some(array), .. }) = &mut self.state {
            (array.cut, self.elements) = (true, vec![]);
        }
    }

    /// The text is held from this byte on.
    pub fn forget(&mut self, gone: usize) {
        let back = |place: &mut usize| *place = place.saturating_sub(gone);
        let shift = |span: &mut Span| (span.start, span.end) = (span.start - gone, span.end - gone);
        back(&mut self.at);
        match &mut self.state {
            State::Within(open) => {
                back(&mut open.start);
                open.line_end.as_mut().map(back);
                if let Some(array) = &mut open.array {
                    array.element = array.element.saturating_sub(gone);
                }
            }
            State::Behind(span) => shift(span),
            State::Stray(at) | State::Mismatch(at) => back(at),
            State::Begin | State::Between => {}
        }
        self.documents.iter_mut().for_each(shift);
        self.elements.iter_mut().for_each(shift);
        self.last_elements.iter_mut().flatten().for_each(shift);
    }

    fn begin(&mut self, text: &[u8]) -> bool {
        let mark = BYTE_ORDER_MARK.as_bytes();
        if text.len() < mark.len() && mark.starts_with(text) {
            return false;
        }
        self.at = if text.starts_with(mark) { mark.len() } else { 0 };
        self.state = State::Between;
        true
    }

    fn between(&mut self, text: &[u8]) -> bool {
        self.skip_blanks(text);
        let start = self.at;
        let Some(&byte) = text.get(start) else { return false };
        if !matches!(byte, b'{' | b'[') {
            self.state = State::Stray(start);
            return true;
        }
        // Among lines, an array that does not end is a bad line: its elements wait for its end.
        let is_array = byte == b'[' && self.takes_elements && self.lines != Some(true);
        self.at = start + 1;
        self.state = State::Within(Open {
            start,
            depth: 1,
            in_string: false,
            escaped: false,
            line_end: None,
            begins_line: false,
            array: is_array.then_some(Array { element: start + 1, any: false, cut: false }),
        });
        true
    }

    fn skip_blanks(&mut self, text: &[u8]) {
        self.at += text[self.at..].iter().take_while(|byte| is_blank(**byte)).count();
    }

    fn within(&mut self, text: &[u8]) -> Result<bool, Fault> {
        let is_lines = self.lines == Some(true);
        let State::Within(open) = &mut self.state else { return Ok(false) };
        while self.at < text.len() {
            if open.in_string {
                if !open.skip_string(text, &mut self.at, is_lines) {
                    if open.in_string && self.at < text.len() {
                        return self.break_line(text).map(|()| true);
                    }
                    return Ok(false);
                }
                continue;
            }
            let byte = text[self.at];
            if open.begins_line && !is_blank(byte) {
                if matches!(byte, b'{' | b'[') {
                    return self.break_line(text).map(|()| true);
                }
                open.begins_line = false;
            }
            match byte {
                b'"' => open.in_string = true,
                b'{' | b'[' => open.depth += 1,
                b'}' | b']' => {
                    if open.depth == 1
                        && let Some(array) = &open.array
                    {
                        if byte == b'}' {
                            self.state = State::Mismatch(self.at);
                            return Ok(false);
                        }
                        let element = trimmed(text, array.element..self.at);
                        if array.any || !element.is_empty() {
                            push(&mut self.elements, element)?;
                        }
                    }
                    open.depth -= 1;
                    if open.depth == 0 {
                        self.at += 1;
                        self.end();
                        return Ok(true);
                    }
                }
                b',' if open.depth == 1 => {
                    if let Some(array) = &mut open.array {
                        push(&mut self.elements, trimmed(text, array.element..self.at))?;
                        (array.element, array.any) = (self.at + 1, true);
                    }
                }
                b'\n' if is_lines => {
                    open.line_end.get_or_insert(self.at);
                    let before = text[..self.at].iter().rev().find(|byte| !is_blank(**byte));
                    open.begins_line = before.is_some_and(|&byte| ends_value(byte));
                }
                _ => {}
            }
            self.at += 1;
        }
        Ok(false)
    }

    /// The open document has ended.
    fn end(&mut self) {
        let State::Within(open) = std::mem::replace(&mut self.state, State::Between) else {
            return;
        };
        let elements = std::mem::take(&mut self.elements);
        match open.array {
            Some(Array { cut: true, .. }) => self.last_elements = Some(elements),
            _ => self.state = State::Behind(open.start..self.at),
        }
    }

    fn behind(&mut self, text: &[u8]) -> Result<bool, Fault> {
        let State::Behind(span) = &self.state else { return Ok(false) };
        let span = span.clone();
        while let Some(&byte) = text.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\n' | b'{' | b'[' => {
                    self.lines.get_or_insert_with(|| {
                        let whole = &text[span.clone()];
                        byte == b'\n' && whole[0] == b'{' && memchr(b'\n', whole).is_none()
                    });
                    self.document(text, span)?;
                    return Ok(true);
                }
                _ => {
                    let start = if self.lines == Some(true) { span.start } else { self.at };
                    if start == self.at {
                        self.document(text, span)?;
                    }
                    self.state = State::Stray(start);
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn document(&mut self, text: &[u8], span: Span) -> Result<(), Fault> {
        self.state = State::Between;
        push(&mut self.documents, trimmed(text, span))
    }

    /// What stands from `start` to the end of a line is a document, whatever it is.
    fn stray(&mut self, text: &[u8], start: usize, end: usize) -> Result<bool, Fault> {
        self.at = end;
        self.document(text, start..end)?;
        Ok(true)
    }

    /// The open document is broken: it ends with its first line, and the scan goes on behind that.
    fn break_line(&mut self, text: &[u8]) -> Result<(), Fault> {
        let State::Within(open) = &self.state else { return Ok(()) };
        let (start, end) = (open.start, open.line_end.unwrap_or(text.len()));
        self.elements = vec![];
        self.stray(text, start, end).map(|_| ())
    }
}

impl Open {
    /// Goes to the end of a string; `false` if that is not there, or a newline is found that ends a line within it.
    fn skip_string(&mut self, text: &[u8], at: &mut usize, is_lines: bool) -> bool {
        // The quote that begins it has been seen.
        loop {
            if self.escaped {
                if *at >= text.len() {
                    return false;
                }
                self.escaped = false;
                // A newline is no character that may be escaped.
                if text[*at] != b'\n' {
                    *at += 1;
                }
            }
            let rest = &text[*at..];
            let found = match is_lines {
                true => memchr3(b'"', b'\\', b'\n', rest),
                false => memchr2(b'"', b'\\', rest),
            };
            let Some(ahead) = found else {
                *at = text.len();
                return false;
            };
            *at += ahead;
            match text[*at] {
                b'"' => {
                    self.in_string = false;
                    *at += 1;
                    return true;
                }
                b'\\' => {
                    self.escaped = true;
                    *at += 1;
                }
                _ => {
                    self.line_end.get_or_insert(*at);
                    return false;
                }
            }
        }
    }
}

/// Whether a byte is the last one of a value.
fn ends_value(byte: u8) -> bool {
    !matches!(byte, b',' | b':' | b'{' | b'[')
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn trimmed(text: &[u8], span: Span) -> Span {
    let inside = &text[span.clone()];
    let start = inside.iter().take_while(|byte| is_blank(**byte)).count();
    let end = inside[start..].iter().rev().take_while(|byte| is_blank(**byte)).count();
    span.start + start..span.end - end
}

#[cfg(test)]
mod tests;
