//! PURE. The spans of JSON values, found by matching brackets.
//!
//! Only brackets, strings and the commas between values are looked at, at the speed of memory: what a span holds may
//! prove to be no JSON when it is read. The elements of a long array are found on all threads of a pool. Where one
//! thread is to begin is a guess: the start of an object behind another one. It is right exactly where the thread
//! before it, which began at an element, comes to an element there too; where a guess was wrong, one thread goes
//! through all of the array.

use memchr::{memchr_iter, memchr2};
use rayon::prelude::*;

use super::super::Watch;
use crate::error::{Fault, excerpt};

/// How many bytes of an array a thread takes at a time.
const PART: usize = 1 << 21;

pub fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

pub fn skip_blanks(text: &str, at: usize) -> usize {
    let blanks = text.as_bytes()[at..].iter().take_while(|&&byte| is_blank(char::from(byte)));
    at + blanks.count()
}

pub fn unexpected(text: &str, at: usize) -> Fault {
    let rest = text.get(at..).unwrap_or_default();
    match rest.is_empty() {
        true => Fault::Malformed("the document ends too early".into()),
        false => Fault::Malformed(format!("unexpected text at byte {at}: {}", excerpt(rest))),
    }
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
pub struct Items<'a, 'w> {
    span: &'a str,
    watch: &'w Watch,
    /// Where the next one starts; `None` behind the last.
    at: Option<usize>,
}

impl<'a, 'w> Items<'a, 'w> {
    pub fn of(span: &'a str, watch: &'w Watch) -> Self {
        let at = skip_blanks(span, 1);
        let empty = at + 1 == span.len() && matches!(span.as_bytes()[at], b']' | b'}');
        Items { span, watch, at: (!empty).then_some(at) }
    }

    fn take(&mut self, at: usize) -> Result<&'a str, Fault> {
        self.watch.check()?;
        let end = item_end(self.span, at)?;
        self.at = match self.span.as_bytes().get(end) {
            Some(b',') => Some(skip_blanks(self.span, end + 1)),
            Some(b']' | b'}') if end + 1 == self.span.len() => None,
            _ => return Err(unexpected(self.span, end)),
        };
        Ok(self.span[at..end].trim_end_matches(is_blank))
    }
}

impl<'a> Iterator for Items<'a, '_> {
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

/// The spans of an array's elements.
pub fn elements<'a>(span: &'a str, watch: &Watch) -> Result<Vec<&'a str>, Fault> {
    // Outside a pool rayon would start one of its own.
    let parallel = rayon::current_thread_index().is_some() && rayon::current_num_threads() > 1;
    match parallel.then(|| elements_in_parts(span, PART, watch)).flatten() {
        Some(elements) => Ok(elements),
        None => Items::of(span, watch).collect(),
    }
}

/// The same, found from several places at once; `None` where a guess was wrong, or something else is.
fn elements_in_parts<'a>(span: &'a str, part: usize, watch: &Watch) -> Option<Vec<&'a str>> {
    let guesses = (part..span.len()).step_by(part).filter_map(|at| object_in(span, at, at + part));
    let starts: Vec<usize> = Items::of(span, watch).at.into_iter().chain(guesses).collect();
    let ends = starts.iter().skip(1).copied().map(Some).chain([None]);
    let parts: Vec<_> = starts.iter().copied().zip(ends).collect();
    let found: Option<Vec<Vec<&str>>> = parts
        .into_par_iter()
        .map(|(start, end)| elements_between(span, start, end, watch))
        .collect();
    found.map(|parts| parts.concat())
}

/// Where the first object that follows another one begins, if that one ends between `from` and `to`.
fn object_in(span: &str, from: usize, to: usize) -> Option<usize> {
    let bytes = span.as_bytes();
    let behind = |at: usize, wanted: u8| {
        let at = skip_blanks(span, at);
        (bytes.get(at) == Some(&wanted)).then_some(at)
    };
    let mut ends = memchr_iter(b'}', &bytes[from..to.min(bytes.len())]);
    ends.find_map(|end| behind(behind(from + end + 1, b',')? + 1, b'{'))
}

/// The elements from the one at `start` to that at `end`, or to the last; `None` where none starts at `end`.
fn elements_between<'a>(
    span: &'a str,
    start: usize,
    end: Option<usize>,
    watch: &Watch,
) -> Option<Vec<&'a str>> {
    let mut items = Items { span, watch, at: Some(start) };
    let mut elements = vec![];
    while items.at < end || (end.is_none() && items.at.is_some()) {
        elements.push(items.next()?.ok()?);
    }
    (items.at == end).then_some(elements)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequential(span: &str) -> Result<Vec<&str>, Fault> {
        elements(span, &Watch::default())
    }

    fn in_parts(span: &str, part: usize) -> Option<Vec<&str>> {
        elements_in_parts(span, part, &Watch::default())
    }

    #[test]
    fn parts_give_the_same_elements() {
        let records = [r#"{"a":"},{"}"#, r#"{"b":[{"c":1},{"d":2}]}"#, "{ }", r#"{"e":"\\"}"#, "7"];
        let between = [",", " ,\n ", ",\t"];
        let mut split = 0;
        for length in 0..40 {
            let mut span = String::from("[");
            for index in 0..length {
                span.push_str(if index == 0 { " " } else { between[index % 3] });
                span.push_str(records[(index * index + length) % records.len()]);
            }
            span.push(']');
            let expected = sequential(&span).unwrap();
            assert_eq!(expected.len(), length);
            for part in 1..span.len() {
                let found = in_parts(&span, part);
                split += usize::from(found.is_some() && part < span.len() / 2);
                assert!(found.is_none_or(|found| found == expected), "{part} of {span}");
            }
        }
        assert!(split > 100, "{split}");
    }

    #[test]
    fn objects_side_by_side_are_found_in_parts() {
        let span = format!("[{}]", vec![r#"{"id":"1"}"#; 1000].join(" , "));
        assert_eq!(in_parts(&span, 100), sequential(&span).ok());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let large = format!("[{}]", vec![r#"{"id":"1"}"#; PART / 4].join(","));
        assert_eq!(pool.install(|| sequential(&large)), sequential(&large));
    }

    #[test]
    fn nothing_wrong_is_found_in_parts() {
        let records = vec![r#"{"id":"1"}"#; 100].join(",");
        for end in ["", "]]", "] 1", "}", ",", ",{]", ",\"]"] {
            let span = format!("[{records}{end}");
            assert!(sequential(&span).is_err() || end == "}", "{end}");
            assert_eq!(in_parts(&span, 64).is_some(), end == "}", "{end}");
        }
    }
}
