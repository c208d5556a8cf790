//! What can be wrong with a document: pure, with the record's place and the path in it.
//!
//! Nothing here knows SQLSTATEs or Postgres; `report.rs` turns a [`LoadError`] into what a client sees.

use std::borrow::Cow;
use std::fmt;

use crate::document::Kind;

/// The most bytes of a user's value that an error shows.
pub const EXCERPT_BYTES: usize = 100;

/// A fault with its place. `ordinal` counts records from 0 and is `None` when the document as a whole is wrong;
/// `path` is an SQL/JSON path from the document's root (from the line's, for newline-delimited JSON).
#[derive(Clone, Debug, PartialEq)]
pub struct LoadError {
    pub ordinal: Option<u32>,
    pub path: String,
    pub fault: Fault,
}

impl LoadError {
    pub fn document(fault: Fault) -> Self {
        LoadError { ordinal: None, path: "$".into(), fault }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ordinal {
            Some(ordinal) => write!(f, "record {ordinal}: {} at {}", self.fault, self.path),
            None => write!(f, "{}", self.fault),
        }
    }
}

/// What is wrong. The texts carry no place: [`LoadError`] adds it.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// No JSON, with the parser's reason.
    Malformed(String),
    /// `\u0000`, which is JSON and yet no text in Postgres.
    NullCharacter,
    /// A character that the database's encoding does not have.
    Untranslatable,
    /// Half of a surrogate pair.
    LoneSurrogate,
    /// The document is JSON of a shape that no source has.
    UnknownShape(String),
    /// An answer that says it is an error, with its text.
    SourceError(String),
    NotAnObject(Kind),
    Missing,
    WrongType {
        expected: &'static str,
        found: Kind,
    },
    /// A record of another kind than the load is for.
    WrongRecord {
        expected: &'static str,
        found: String,
    },
    /// No value of that type: `expected` names it.
    Invalid {
        expected: &'static str,
        value: String,
    },
    OutOfRange {
        expected: &'static str,
        value: String,
    },
    /// A date such as 1685-13-45: of the right form, yet in no calendar.
    NoSuchDate(String),
    UnknownComposer(String),
    /// The same key earlier in the document.
    Duplicate {
        key: String,
        first: u32,
    },
    /// More records were set aside than the caller allowed.
    TooManyRejected {
        limit: u64,
    },
    /// The load was asked to stop; the server's own interrupt says why.
    Stopped,
    /// A defect of this program.
    Internal(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Malformed(reason) => write!(f, "invalid JSON: {reason}"),
            Fault::NullCharacter => write!(f, "unsupported Unicode escape sequence \\u0000"),
            Fault::Untranslatable => {
                write!(f, "a character has no equivalent in the database's encoding")
            }
            Fault::LoneSurrogate => {
                write!(f, "invalid JSON: Unicode surrogate without its other half")
            }
            Fault::UnknownShape(what) => write!(f, "{what}"),
            Fault::SourceError(text) => {
                write!(f, "the document is an error answer: {}", excerpt(text))
            }
            Fault::NotAnObject(kind) => write!(f, "expected an object, found {kind}"),
            Fault::Missing => write!(f, "missing value"),
            Fault::WrongType { expected, found } => write!(f, "expected {expected}, found {found}"),
            Fault::WrongRecord { expected, found } => {
                write!(f, "expected {expected}, found {found}")
            }
            Fault::Invalid { expected, value } => {
                write!(f, "invalid value for {expected}: {value}")
            }
            Fault::OutOfRange { expected, value } => {
                write!(f, "value out of range for {expected}: {value}")
            }
            Fault::NoSuchDate(value) => write!(f, "date out of range: {value}"),
            Fault::UnknownComposer(key) => write!(f, "unknown composer {}", quoted(key)),
            Fault::Duplicate { key, first } => {
                write!(f, "key {} is already that of record {first}", quoted(key))
            }
            Fault::TooManyRejected { limit } => {
                write!(f, "more than reject_limit ({limit}) records are rejected")
            }
            Fault::Stopped => write!(f, "the load was stopped"),
            Fault::Internal(what) => write!(f, "internal error: {what}"),
        }
    }
}

/// The first [`EXCERPT_BYTES`] bytes of a user's value, cut at a character, with an ellipsis when cut.
pub fn excerpt(value: &str) -> Cow<'_, str> {
    if value.len() <= EXCERPT_BYTES {
        return Cow::Borrowed(value);
    }
    let end = value.floor_char_boundary(EXCERPT_BYTES - "...".len());
    Cow::Owned(format!("{}...", &value[..end]))
}

/// [`excerpt`] of a string value, in the quotes of JSON.
pub fn quoted(value: &str) -> String {
    let short = excerpt(value);
    serde_json::to_string(&*short).unwrap_or_else(|_| short.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_cut_at_a_character() {
        assert_eq!(excerpt("short"), "short");
        let long = "é".repeat(80);
        let cut = excerpt(&long);
        assert!(cut.len() <= EXCERPT_BYTES && cut.ends_with("é..."), "{cut}");
    }

    #[test]
    fn an_error_names_its_record_and_path() {
        let error = LoadError {
            ordinal: Some(17),
            path: "$[17].intvals.pageid".into(),
            fault: Fault::Invalid { expected: "type bigint", value: quoted("abc") },
        };
        assert_eq!(
            error.to_string(),
            "record 17: invalid value for type bigint: \"abc\" at $[17].intvals.pageid"
        );
    }
}
