//! PURE. The elements of an array whose text is still arriving, each as soon as it is there.
//!
//! The text is seen through a window, from the next element to the last byte that has arrived. What is wrong in it may
//! just not be whole yet; what is still wrong when all has arrived is told as of the whole text.

use std::ops::Range;

use super::spans::{Items, is_blank, skip_blanks};
use super::{Arrival, BYTE_ORDER_MARK, Text, utf8};
use crate::error::Fault;

pub struct Arriving<'a> {
    arrival: &'a dyn Arrival<'a>,
    /// Those of the window.
    items: Items<'a>,
    /// In bytes of the text.
    window: Range<usize>,
}

impl<'a> Arriving<'a> {
    /// `None` where the text does not begin with an array and an element of it.
    pub fn array(arrival: &'a dyn Arrival<'a>) -> Result<Option<Self>, Fault> {
        let mark = BYTE_ORDER_MARK.len();
        let bytes = arrival.wait(mark)?;
        let marked = bytes.starts_with(BYTE_ORDER_MARK.as_bytes());
        let bracket = skip_blanks(bytes, if marked { mark } else { 0 });
        if bytes.get(bracket) != Some(&b'[') {
            return Ok(None);
        }
        let first = skip_blanks(bytes, bracket + 1);
        if bytes.get(first).is_none_or(|&byte| byte == b']') {
            return Ok(None);
        }
        let mut elements = Arriving { arrival, items: Items::from_first(""), window: first..first };
        elements.open(first, bytes)?;
        Ok(Some(elements))
    }

    /// Opens the window from a byte on.
    fn open(&mut self, from: usize, bytes: &'a [u8]) -> Result<(), Fault> {
        self.window = from..bytes.len();
        let bytes = &bytes[from..];
        let text = match simdutf8::compat::from_utf8(bytes) {
            // The last character is not whole yet.
            Err(error) if error.error_len().is_none() && !self.is_complete() => {
                utf8(&bytes[..error.valid_up_to()])
            }
            text => text.map_err(|_| self.in_whole(Fault::Stopped)),
        }?;
        self.items = Items::from_first(match self.is_complete() {
            true => text.trim_end_matches(is_blank),
            false => text,
        });
        Ok(())
    }

    /// Waits for as much again as the window has, and opens it from one of its places on.
    fn widen(&mut self, start: usize) -> Result<(), Fault> {
        let from = self.window.start + start;
        let wanted = self.window.end + (self.window.end - from).max(1);
        self.open(from, self.arrival.wait(wanted)?)
    }

    fn is_complete(&self) -> bool {
        self.window.end == self.arrival.size()
    }

    /// What is wrong, in the words of one who reads the whole text.
    fn in_whole(&self, fault: Fault) -> Fault {
        let whole = self.arrival.wait(self.arrival.size()).and_then(utf8);
        match whole {
            Ok(text) => {
                let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
                Items::of(text.trim_matches(is_blank)).find_map(Result::err).unwrap_or(fault)
            }
            Err(fault) => fault,
        }
    }
}

impl<'a> Iterator for Arriving<'a> {
    type Item = Result<Text<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = self.items.next_start()?;
            let item = self.items.next()?;
            // A bracket that ends the window may not end the text.
            let is_last = self.items.next_start().is_none();
            let outcome = match item {
                Ok(item) if !is_last || self.is_complete() => return Some(Ok(Text(item))),
                Err(fault) if self.is_complete() => Err(self.in_whole(fault)),
                _ => self.widen(start),
            };
            if let Err(fault) = outcome {
                return Some(Err(fault));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::build::Slowly;

    /// The elements as they arrive; `None` where the text is not seen to be an array with elements.
    fn arriving(text: &[u8], step: usize) -> Option<Result<Vec<String>, Fault>> {
        let arrival = Slowly::new(text, step);
        let elements = match Arriving::array(&arrival) {
            Ok(elements) => elements?,
            Err(fault) => return Some(Err(fault)),
        };
        Some(elements.map(|element| element.map(|element| element.0.to_owned())).collect())
    }

    fn at_once(text: &[u8]) -> Result<Vec<String>, Fault> {
        let text = utf8(text)?.trim_matches(is_blank);
        Items::of(text).map(|item| item.map(str::to_owned)).collect()
    }

    #[test]
    fn elements_are_the_same_however_they_arrive() {
        let texts = [
            r#" [ {"a":"},]"} , [1,[2]],"é\"" ,-1e5,{},"ab",null ] "#,
            "[1,,2,]",
            "[{} {}, 3]\n",
            "[[]]",
            "[\"\u{1F3B5}\",\"\u{1F3B5}\u{1F3B5}\"]",
        ];
        for text in texts {
            let text = text.as_bytes();
            let mut seen = 0;
            for step in 1..=text.len() {
                if let Some(elements) = arriving(text, step) {
                    assert_eq!(elements, at_once(text), "{step}");
                    seen += 1;
                }
            }
            assert!(seen > text.len() / 2);
        }
    }

    #[test]
    fn faults_are_told_as_of_the_whole_text() {
        let texts: [&[u8]; 8] = [
            b"[{\"a\":1}, {\"b\":2}] x",
            b"[{\"a\":1}, {\"b\":2}]]",
            b"[1",
            b"[1, {\"a\":\"",
            b"[1, {\"a\":[}, 2",
            b"[1,2}   ,3",
            b"[\"a\", \"\xFF\", 3]",
            b"[\"a\", \"\xC3",
        ];
        for text in texts {
            let expected = at_once(text);
            assert!(expected.is_err());
            for step in 1..=text.len() {
                if let Some(elements) = arriving(text, step) {
                    assert_eq!(elements, expected, "{step} {}", text.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn other_texts_are_no_array() {
        for text in ["", "  ", "{}", "[", "[]", " [ ] ", "7"] {
            assert_eq!(arriving(text.as_bytes(), 100), None, "{text}");
        }
    }

    #[test]
    fn a_text_that_stops_is_a_fault() {
        struct Stopped;
        impl Arrival<'static> for Stopped {
            fn size(&self) -> usize {
                100
            }
            fn wait(&self, least: usize) -> Result<&'static [u8], Fault> {
                if least <= 8 { Ok(b"[1, 2, 3") } else { Err(Fault::Stopped) }
            }
            fn fetch(&self) -> bool {
                false
            }
            fn stop(&self) {}
        }
        let elements = Arriving::array(&Stopped).unwrap().unwrap();
        let elements: Vec<_> = elements.map(|element| element.map(|text| text.0)).collect();
        assert_eq!(elements, [Ok("1"), Ok("2"), Err(Fault::Stopped)]);
    }
}
