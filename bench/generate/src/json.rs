//! Flat JSON arrays with one record a line, in two spellings.
//!
//! `[`, a newline, the records with `,` and a newline between them, a newline, `]`, a newline.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

/// How strings are written.
#[derive(Clone, Copy, Debug)]
pub enum Spelling {
    /// Non-ASCII as it is, in UTF-8.
    Raw,
    /// Non-ASCII as `\uXXXX`, in surrogate pairs where needed, and `/` as `\/`: what PHP's json_encode writes.
    Ascii,
}

/// An array that is being written.
pub struct Array<W> {
    out: W,
    spelling: Spelling,
    empty: bool,
}

impl<W: Write> Array<W> {
    pub fn begin(mut out: W, spelling: Spelling) -> io::Result<Self> {
        out.write_all(b"[\n")?;
        Ok(Self { out, spelling, empty: true })
    }

    pub fn push(&mut self, record: &impl Serialize) -> io::Result<()> {
        if !self.empty {
            self.out.write_all(b",\n")?;
        }
        self.empty = false;
        match self.spelling {
            Spelling::Raw => record
                .serialize(&mut Serializer::with_formatter(&mut self.out, CompactFormatter))?,
            Spelling::Ascii => {
                record.serialize(&mut Serializer::with_formatter(&mut self.out, AsciiFormatter))?
            }
        }
        Ok(())
    }

    pub fn end(mut self) -> io::Result<()> {
        self.out.write_all(if self.empty { b"]\n" } else { b"\n]\n" })?;
        self.out.flush()
    }
}

struct AsciiFormatter;

impl Formatter for AsciiFormatter {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(place) = rest.find(|c: char| !c.is_ascii() || c == '/') {
            let (plain, special) = rest.split_at(place);
            out.write_all(plain.as_bytes())?;
            let mut chars = special.chars();
            match chars.next() {
                Some('/') => out.write_all(b"\\/")?,
                Some(c) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        write!(out, "\\u{unit:04x}")?;
                    }
                }
                None => {}
            }
            rest = chars.as_str();
        }
        out.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Spelling};

    fn written(spelling: Spelling, records: &[&str]) -> String {
        let mut out = Vec::new();
        let mut array = Array::begin(&mut out, spelling).expect("a Vec takes all");
        for record in records {
            array.push(record).expect("a Vec takes all");
        }
        array.end().expect("a Vec takes all");
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn one_record_a_line() {
        assert_eq!(written(Spelling::Raw, &[]), "[\n]\n");
        assert_eq!(written(Spelling::Raw, &["a"]), "[\n\"a\"\n]\n");
        assert_eq!(written(Spelling::Raw, &["a", "é/\\"]), "[\n\"a\",\n\"é/\\\\\"\n]\n");
    }

    #[test]
    fn ascii_escapes() {
        assert_eq!(
            written(Spelling::Ascii, &["é/\"𝄞\\x"]),
            "[\n\"\\u00e9\\/\\\"\\ud834\\udd1e\\\\x\"\n]\n"
        );
    }
}
