//! PURE. A text, whole or still coming, split into documents and the elements of arrays as far as it is there.
//!
//! [`Splitter::scan`] goes on where it stopped: a text may be cut anywhere, within a string or a character too. Only
//! brackets, strings, commas and newlines are looked at. What a span holds may prove to be no JSON when it is read.
//!
//! Documents are lines if the first line is a whole object. Then a document that is broken ends with its line, and the
//! next line begins another: what is wrong in one is no matter of the others. They are lines too if the first line is
//! broken for certain and the second is a whole object. Documents of any other form have no place where a broken one
//! ends: what is wrong with their brackets is wrong with the whole text.

mod held;
mod lines;
mod open;

use std::mem;
use std::ops::Range;

use memchr::memchr;

use self::open::{Array, Line, Open, ends_value, is_blank};
use super::text::BYTE_ORDER_MARK;
use super::{Watch, push};
use crate::error::Fault;

pub type Span = Range<usize>;

/// Where the scan stands. Places are bytes of the text that is held.
pub struct Splitter {
    /// Whether the elements of an array are wanted one by one.
    takes_elements: bool,
    /// Once so many objects wait, the scan stops before the next document or element.
    most: usize,
    /// What is before it has been looked at.
    at: usize,
    state: State,
    lines: Lines,
    /// Those that have ended; see [`Splitter::is_settled`].
    pub documents: Units,
    /// Of the array that is open.
    pub elements: Units,
    /// Where lines begin that are known to be broken, the last one first.
    broken: Vec<Line>,
    /// The most lines that have been noted at a time: so much memory counts.
    most_noted: usize,
    /// The last elements of an array whose first ones are gone: they come before all documents.
    pub last_elements: Option<Units>,
}

/// Documents or elements that wait until they are taken away.
#[derive(Default)]
pub struct Units {
    pub spans: Vec<Span>,
    /// Objects in them, each of which may be a record; as one counts what has none.
    pub objects: usize,
}

impl Units {
    fn push(&mut self, span: Span, objects: usize) -> Result<(), Fault> {
        self.objects += objects.max(1);
        push(&mut self.spans, span)
    }
}

/// Whether documents are lines.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lines {
    /// The first line has not ended.
    Unknown,
    /// The first line is broken. The second decides.
    Perhaps,
    Yes,
    No,
}

enum State {
    /// Nothing has been seen yet, not even a byte order mark.
    Begin,
    /// Between documents.
    Between,
    Within(Open),
    /// A document with so many objects has ended. What stands behind it on its line may spoil it.
    Behind(Span, usize),
    /// From here to the end of the line stands no document.
    Stray(usize),
    /// Here the text can no longer be split.
    Mistake(usize),
}

impl Splitter {
    pub fn new(takes_elements: bool, most: usize) -> Self {
        Splitter {
            takes_elements,
            most,
            at: 0,
            state: State::Begin,
            lines: Lines::Unknown,
            documents: Units::default(),
            elements: Units::default(),
            broken: vec![],
            most_noted: 0,
            last_elements: None,
        }
    }

    /// Looks at what has come, until there is enough of it. `watch` counts the documents.
    pub fn scan(&mut self, text: &[u8], watch: &Watch) -> Result<(), Fault> {
        while self.step(text, false, watch)? {}
        Ok(())
    }

    /// There is no more. What has not ended ends here.
    pub fn finish(&mut self, text: &[u8], watch: &Watch) -> Result<(), Fault> {
        while self.step(text, true, watch)? {}
        Ok(())
    }

    /// Goes on to the next state; `false` if what is needed for that has not come, or there is no more.
    fn step(&mut self, text: &[u8], has_ended: bool, watch: &Watch) -> Result<bool, Fault> {
        match &self.state {
            State::Begin => Ok(self.begin(text, has_ended)),
            State::Between => self.between(text, has_ended),
            State::Within(_) => self.within(text, has_ended, watch),
            State::Behind(span, objects) => {
                let (span, objects) = (span.clone(), *objects);
                self.behind(text, (span, objects), has_ended, watch)
            }
            State::Stray(start) => {
                let start = *start;
                let end = memchr(b'\n', &text[self.at..]).map(|ahead| self.at + ahead);
                self.at = end.unwrap_or(text.len());
                match end.is_some() || has_ended {
                    true => self.bad_line(text, start..self.at, watch),
                    false => Ok(false),
                }
            }
            State::Mistake(_) => Ok(false),
        }
    }

    fn begin(&mut self, text: &[u8], has_ended: bool) -> bool {
        let mark = BYTE_ORDER_MARK.as_bytes();
        if text.len() < mark.len() && mark.starts_with(text) && !has_ended {
            return false;
        }
        self.at = if text.starts_with(mark) { mark.len() } else { 0 };
        self.state = State::Between;
        true
    }

    fn between(&mut self, text: &[u8], has_ended: bool) -> Result<bool, Fault> {
        self.at += text[self.at..].iter().take_while(|byte| is_blank(**byte)).count();
        let start = self.at;
        let Some(&byte) = text.get(start) else {
            // There is no second line.
            return Ok(has_ended && self.lines == Lines::Perhaps && self.give_up());
        };
        if self.has_enough() {
            return Ok(false);
        }
        if self.broken.pop_if(|line| line.start == start).is_some() {
            self.state = State::Stray(start);
            return Ok(true);
        }
        match (byte, self.lines) {
            (b'{', _) | (b'[', Lines::Yes | Lines::No) => {}
            (b'[', Lines::Unknown) => self.lines = Lines::No,
            (_, Lines::Perhaps) => return Ok(self.give_up()),
            (_, Lines::Unknown | Lines::Yes) => {
                self.state = State::Stray(start);
                return Ok(true);
            }
            (_, Lines::No) => return Ok(self.mistaken(start)),
        }
        // Among lines, an array that does not end is a bad line, and has no elements before its end.
        let is_array = byte == b'[' && self.lines == Lines::No;
        self.at = start + 1;
        self.state = State::Within(Open::new(byte, start, is_array));
        Ok(true)
    }

    fn within(&mut self, text: &[u8], has_ended: bool, watch: &Watch) -> Result<bool, Fault> {
        let State::Within(open) = &mut self.state else { return Ok(false) };
        let lines = self.lines;
        let mut has_enough = false;
        while self.at < text.len() && !has_enough {
            if open.in_string {
                match open.skip_string(text, &mut self.at, lines != Lines::No) {
                    true => continue,
                    false if self.at < text.len() => return self.break_off(text, watch),
                    false => break,
                }
            }
            let byte = text[self.at];
            match byte {
                b'"' => open.in_string = true,
                b'{' | b'[' => {
                    let breaks_off = match lines {
                        Lines::Yes => true,
                        Lines::Unknown | Lines::Perhaps => open.begins_line,
                        Lines::No => false,
                    };
                    if breaks_off && ends_value(open.last) {
                        return self.break_off(text, watch);
                    }
                    if open.begins_line && lines == Lines::Yes {
                        push(&mut open.inner, Line { start: self.at, depth: open.depth })?;
                        if open.inner.len() + self.broken.len() > self.most_noted {
                            self.most_noted += 1;
                            watch.take(size_of::<Line>())?;
                        }
                    }
                    open.depth += 1;
                    open.objects += usize::from(byte == b'{');
                }
                b'}' | b']' => {
                    if open.depth == 1
                        && let Some(array) = &open.array
                    {
                        if byte == b'}' {
                            let at = self.at;
                            return Ok(self.mistaken(at));
                        }
                        let element = trimmed(text, array.element..self.at);
                        if self.takes_elements && (array.any || !element.is_empty()) {
                            self.elements.push(element, open.objects)?;
                        }
                    }
                    open.depth -= 1;
                    open.inner.pop_if(|line| line.depth >= open.depth);
                    if open.depth == 0 {
                        self.at += 1;
                        self.end();
                        return Ok(true);
                    }
                }
                b',' if open.depth == 1 && self.takes_elements => {
                    if let Some(array) = &mut open.array {
                        let objects = mem::take(&mut open.objects);
                        self.elements.push(trimmed(text, array.element..self.at), objects)?;
                        (array.element, array.any) = (self.at + 1, true);
                        has_enough = self.documents.objects + self.elements.objects >= self.most;
                    }
                }
                b'\n' if lines == Lines::Perhaps => return Ok(self.give_up()),
                b'\n' if lines != Lines::No => {
                    open.line_end.get_or_insert(self.at);
                    open.begins_line = true;
                }
                _ => {}
            }
            if !is_blank(byte) {
                (open.last, open.begins_line) = (byte, false);
            }
            self.at += 1;
        }
        match has_ended && !has_enough {
            true => self.break_off(text, watch),
            false => Ok(false),
        }
    }

    /// The open document has ended.
    fn end(&mut self) {
        let State::Within(open) = mem::replace(&mut self.state, State::Between) else { return };
        let elements = mem::take(&mut self.elements);
        match open.array {
            Some(Array { cut: true, .. }) => self.last_elements = Some(elements),
            _ => {
                self.state = State::Behind(open.start..self.at, open.objects.max(elements.objects));
            }
        }
    }

    fn mistaken(&mut self, at: usize) -> bool {
        self.state = State::Mistake(at);
        false
    }
}

fn trimmed(text: &[u8], span: Span) -> Span {
    let inside = &text[span.clone()];
    let start = inside.iter().take_while(|byte| is_blank(**byte)).count();
    let end = inside[start..].iter().rev().take_while(|byte| is_blank(**byte)).count();
    span.start + start..span.end - end
}

#[cfg(test)]
mod tests;
