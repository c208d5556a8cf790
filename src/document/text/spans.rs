//! PURE. The spans of JSON values, found by matching brackets.
//!
//! Only brackets, strings and the commas between values are looked at, at the speed of memory: what a span holds may
//! prove to be no JSON when it is read.

use memchr::memchr2;

use crate::error::{Fault, Malformed};

pub fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Where the blanks at `at` end, in a text or in bytes that should be one.
pub fn skip_blanks(text: &(impl AsRef<[u8]> + ?Sized), at: usize) -> usize {
    let blanks = text.as_ref()[at..].iter().take_while(|&&byte| is_blank(char::from(byte)));
    at + blanks.count()
}

/// A mistake in the text that is seen from here. What it is, and where exactly, is found out when it is told.
pub fn unexpected(text: &str, at: usize) -> Fault {
    let reason = "The brackets do not match".into();
    Fault::Malformed(Box::new(Malformed::new(reason, text.as_ptr() as usize + at)))
}

/// How often a long value looks whether it is to stop.
const BRACKETS_BETWEEN_CHECKS: u32 = 1 << 16;

/// Where the value that starts at `at` ends: behind its last bracket or quote; a number or word ends where a comma,
/// bracket, colon or blank stands.
pub fn extent(
    text: &str,
    at: usize,
    check: &dyn Fn() -> Result<(), Fault>,
) -> Result<usize, Fault> {
    let bytes = text.as_bytes();
    let mut depth = 0usize;
    let mut brackets = 0u32;
    let mut here = at;
    while let Some(&byte) = bytes.get(here) {
        match byte {
            b'"' => {
                here = string_end(bytes, here).ok_or_else(|| unexpected(text, text.len()))?;
                if depth == 0 {
                    return Ok(here);
                }
                continue;
            }
            b'[' | b'{' => {
                depth += 1;
                brackets += 1;
                if brackets.is_multiple_of(BRACKETS_BETWEEN_CHECKS) {
                    check()?;
                }
            }
            b']' | b'}' if depth == 0 => return Ok(here),
            b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Ok(here + 1);
                }
            }
            b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return Ok(here),
            _ => {}
        }
        here += 1;
    }
    if depth > 0 { Err(unexpected(text, text.len())) } else { Ok(here) }
}

/// Where the string whose quote stands at `at` ends, behind its other quote.
pub fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut here = at + 1;
    loop {
        here += memchr2(b'"', b'\\', bytes.get(here..)?)?;
        if bytes[here] == b'"' {
            return Some(here + 1);
        }
        here += 2;
    }
}

/// The spans between the brackets of an array or object, split at the commas, without the blanks around them.
pub struct Items<'a> {
    span: &'a str,
    /// The bracket that ends them.
    end: u8,
    /// Where the next one starts; `None` behind the last.
    at: Option<usize>,
}

impl<'a> Items<'a> {
    pub fn of(span: &'a str) -> Self {
        let at = skip_blanks(span, 1);
        let end = if span.starts_with('{') { b'}' } else { b']' };
        let empty = at + 1 == span.len() && span.as_bytes()[at] == end;
        Items { span, end, at: (!empty).then_some(at) }
    }

    /// The elements of an array, from a span that begins within the brackets, at an element.
    pub fn from_first(span: &'a str) -> Self {
        Items { span, end: b']', at: Some(skip_blanks(span, 0)) }
    }

    /// Where the next item starts, if there is one.
    pub fn next_start(&self) -> Option<usize> {
        self.at
    }

    fn take(&mut self, at: usize) -> Result<&'a str, Fault> {
        let end = item_end(self.span, at)?;
        self.at = match self.span.as_bytes().get(end) {
            Some(b',') => Some(skip_blanks(self.span, end + 1)),
            Some(byte) if *byte == self.end && end + 1 == self.span.len() => None,
            _ => return Err(unexpected(self.span, end)),
        };
        Ok(self.span[at..end].trim_end_matches(is_blank))
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<&'a str, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.take(self.at?);
        if item.is_err() {
            self.at = None;
        }
        Some(item)
    }
}

/// Where the item that starts at `at` ends: at the comma or bracket behind it, whatever stands between.
fn item_end(span: &str, at: usize) -> Result<usize, Fault> {
    let mut here = at;
    loop {
        here = extent(span, here, &|| Ok(()))?;
        match span.as_bytes().get(here) {
            Some(b',' | b']' | b'}') => return Ok(here),
            Some(b'"' | b'[' | b'{') => {}
            Some(_) => here += 1,
            None => return Err(unexpected(span, here)),
        }
    }
}
