//! What can be wrong with a document: pure, with the record's place and the path in it.
//!
//! Nothing here knows SQLSTATEs or Postgres; `report.rs` turns a [`LoadError`] into what a client sees.

mod malformed;

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::malformed::{Malformed, Position, TextPlaces};
use crate::document::Kind;

/// The most bytes of a user's value that an error shows.
pub const EXCERPT_BYTES: usize = 100;

/// A fault with its place. `ordinal` counts records from 0 and is `None` when the document as a whole is wrong;
/// `path` is an SQL/JSON path from the document's root (from the line's, for newline-delimited JSON). `line` is where
/// the record begins in a document that comes in pieces, from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadError {
    pub ordinal: Option<u64>,
    pub line: Option<u64>,
    pub path: String,
    pub fault: Fault,
}

impl LoadError {
    pub fn document(fault: Fault) -> Self {
        LoadError { ordinal: None, line: None, path: "$".into(), fault }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ordinal {
            Some(ordinal) => {
                write!(f, "record {ordinal}")?;
                if let Some(line) = self.line {
                    write!(f, ", line {line}")?;
                }
                write!(f, ": {} at {}", self.fault, self.path)
            }
            None => write!(f, "{}", self.fault),
        }
    }
}

/// A fault of a record as it is kept until it is told: the path is made then. A document may have millions of these.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordFault {
    pub ordinal: u32,
    pub place: Place,
    pub fault: Fault,
}

/// Where in a record a fault is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In this field of the record, a path from the record; empty for the record as a whole.
    Field(&'static str),
    /// In this field of the composer that the record belongs to.
    Composer(&'static str),
    /// At the end of this path from the record, such as `.a[0]`.
    Path(Box<str>),
}

/// A type of SQL that a field's value should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlType {
    Boolean,
    Date,
    Integer,
    Bigint,
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SqlType::Boolean => "type boolean",
            SqlType::Date => "type date",
            SqlType::Integer => "type integer",
            SqlType::Bigint => "type bigint",
        })
    }
}

/// The kind of record that a load is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    Person,
    Work,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Expected::Person => "a person (type 1)",
            Expected::Work => "a work (type 2)",
        })
    }
}

/// Two things with one key: the ids that the source gives to them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Another {
    /// A composer, say.
    pub noun: Box<str>,
    pub key: Box<str>,
    pub column: Box<str>,
    /// The id of the row that is there, or of an earlier record; none if the caller may not read it.
    pub there: Option<i64>,
    pub found: i64,
}

impl fmt::Display for Another {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Another { column, there, found, .. } = self;
        match there {
            Some(there) => write!(f, "The {column} of that one is {there}, of this one {found}."),
            None => write!(f, "The {column} of that one is not {found}, as of this one."),
        }
    }
}

const BYTES_IN_MB: u64 = 1 << 20;

/// What is wrong. The texts carry no place: [`LoadError`] adds it.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// No JSON.
    Malformed(Box<Malformed>),
    /// A number that is JSON and that Postgres's numeric does not hold.
    NumberOverflow,
    /// jsonb in no form that is known.
    Corrupt,
    /// A text of a database that takes any bytes (SQL_ASCII).
    NoUtf8,
    /// `\u0000`, which is JSON and yet no text in Postgres.
    NullCharacter,
    /// A character that the database's encoding does not have.
    Untranslatable,
    /// Half of a surrogate pair.
    LoneSurrogate,
    /// The document is JSON of a shape that no source has.
    UnknownShape(Box<str>),
    /// There are no records where the mapping says, or where they are without one.
    NoRecords(Box<str>),
    /// A record has a member that no column takes: its name in quotes.
    UnexpectedMember(Box<str>),
    /// A path leads to more than one value.
    SeveralValues,
    /// An answer that says it is an error, with its text.
    SourceError(Box<str>),
    NotAnObject(Kind),
    Missing,
    WrongType {
        expected: &'static str,
        found: Kind,
    },
    /// A record of another kind than the load is for.
    WrongRecord {
        expected: Expected,
        found: Box<str>,
    },
    /// No value of that type.
    Invalid {
        expected: SqlType,
        value: Box<str>,
    },
    OutOfRange {
        expected: SqlType,
        value: Box<str>,
    },
    /// A date such as 1685-13-45: of the right form, yet in no calendar.
    NoSuchDate(Box<str>),
    UnknownComposer(Box<str>),
    /// The key belongs to a record or row about another thing.
    Another(Box<Another>),
    /// The same key earlier in the document.
    Duplicate {
        key: Box<str>,
        first: u32,
    },
    /// More records were set aside than the caller allowed.
    TooManyRejected {
        limit: u64,
    },
    /// An allocation failed.
    OutOfMemory,
    /// The records, rows and faults of the document need more memory than a load may take, in bytes.
    OverBudget {
        most: u64,
    },
    /// The load was asked to stop; the server's own interrupt says why.
    Stopped,
    /// A defect of this program.
    Internal(Box<str>),
}

impl Fault {
    /// Whether the record is no JSON, or no text of Postgres: no jsonb can hold it.
    pub fn is_malformed(&self) -> bool {
        matches!(
            self,
            Fault::Malformed(_)
                | Fault::NullCharacter
                | Fault::LoneSurrogate
                | Fault::NumberOverflow
        )
    }

    /// More than the message says, as a sentence.
    pub fn detail(&self) -> Option<String> {
        match self {
            Fault::Malformed(malformed) => Some(malformed.to_string()),
            Fault::Another(another) => Some(another.to_string()),
            _ => None,
        }
    }

    /// The fault, with the place in the document that it is in.
    pub fn located(self, document: &[u8]) -> Self {
        self.located_behind(document, Position::default())
    }

    /// The same for a text whose places are these.
    pub fn located_at(mut self, places: &TextPlaces) -> Self {
        if let Fault::Malformed(malformed) = &mut self {
            malformed.locate(places);
        }
        self
    }

    /// The same for a text that begins at `start` of the document.
    pub fn located_behind(self, text: &[u8], start: Position) -> Self {
        self.located_at(&TextPlaces::new(text, start))
    }

    /// The memory that the fault takes beside itself, in bytes.
    pub fn heap(&self) -> usize {
        match self {
            Fault::Malformed(malformed) => size_of::<Malformed>() + malformed.reason.len(),
            Fault::UnknownShape(text)
            | Fault::NoRecords(text)
            | Fault::UnexpectedMember(text)
            | Fault::SourceError(text)
            | Fault::Invalid { value: text, .. }
            | Fault::OutOfRange { value: text, .. }
            | Fault::WrongRecord { found: text, .. }
            | Fault::NoSuchDate(text)
            | Fault::UnknownComposer(text)
            | Fault::Duplicate { key: text, .. }
            | Fault::Internal(text) => text.len(),
            Fault::Another(another) => size_of::<Another>() + another.key.len(),
            _ => 0,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Malformed(_) => write!(f, "invalid input syntax for type json"),
            Fault::NumberOverflow => write!(f, "value overflows numeric format"),
            Fault::Corrupt => write!(f, "the jsonb value is corrupt"),
            Fault::NoUtf8 => write!(f, "a text is not valid UTF-8"),
            Fault::NullCharacter => write!(f, "unsupported Unicode escape sequence \\u0000"),
            Fault::Untranslatable => {
                write!(f, "a character has no equivalent in the database's encoding")
            }
            Fault::LoneSurrogate => {
                write!(
                    f,
                    "invalid input syntax for type json: a Unicode surrogate without its other half"
                )
            }
            Fault::UnknownShape(what) | Fault::NoRecords(what) => write!(f, "{what}"),
            Fault::UnexpectedMember(name) => write!(f, "no column takes the member {name}"),
            Fault::SeveralValues => write!(f, "the path leads to more than one value"),
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
            Fault::Another(another) => {
                write!(
                    f,
                    "key {} is already that of another {}",
                    quoted(&another.key),
                    another.noun
                )
            }
            Fault::Duplicate { key, first } => {
                write!(f, "key {} is already that of record {first}", quoted(key))
            }
            Fault::TooManyRejected { limit } => {
                write!(f, "more than reject_limit ({limit}) records are rejected")
            }
            Fault::OutOfMemory => write!(f, "out of memory"),
            Fault::OverBudget { most } => write!(
                f,
                "the records of the document need more than {} MB of memory",
                most / BYTES_IN_MB
            ),
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
mod tests;
