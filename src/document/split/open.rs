//! PURE. A document that is being looked through.

use memchr::{memchr2, memchr3};

/// A document whose end has not been seen.
pub struct Open {
    pub start: usize,
    /// Brackets that are open.
    pub depth: usize,
    pub in_string: bool,
    /// Objects in it; in an array, in the element that has not ended.
    pub objects: usize,
    escaped: bool,
    /// The last byte outside strings that is no blank.
    pub last: u8,
    /// Where the first of its lines ends.
    pub line_end: Option<usize>,
    /// Nothing but blanks has been seen since a newline.
    pub begins_line: bool,
    /// Brackets that begin a line and have not ended, the first one first.
    pub inner: Vec<Line>,
    pub array: Option<Array>,
}

/// A line that begins with a bracket: where that stands, and how many brackets are open around it.
pub struct Line {
    pub start: usize,
    pub depth: usize,
}

/// Where the next element begins, if the document is an array; and whether elements of it have gone.
pub struct Array {
    pub element: usize,
    pub any: bool,
    pub cut: bool,
}

impl Open {
    /// Behind the bracket that begins it.
    pub fn new(bracket: u8, start: usize, is_array: bool) -> Self {
        Open {
            start,
            depth: 1,
            in_string: false,
            objects: usize::from(bracket == b'{'),
            escaped: false,
            last: bracket,
            line_end: None,
            begins_line: false,
            inner: vec![],
            array: is_array.then_some(Array { element: start + 1, any: false, cut: false }),
        }
    }

    /// Goes to the end of a string; `false` if that is not there, or a newline is found that ends a line within it.
    pub fn skip_string(&mut self, text: &[u8], at: &mut usize, is_lines: bool) -> bool {
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
                    (self.in_string, self.last) = (false, b'"');
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
pub fn ends_value(byte: u8) -> bool {
    !matches!(byte, b',' | b':' | b'{' | b'[')
}

pub fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
