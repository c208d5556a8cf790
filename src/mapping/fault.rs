//! PURE. What can be wrong with a mapping: the place in it, what was found there and what was expected.

use std::fmt;

use super::path::PathFault;
use crate::document::Kind;
use crate::error::quoted;

/// A fault and its place in the mapping, an SQL/JSON path.
#[derive(Clone, Debug, PartialEq)]
pub struct MappingFault {
    pub path: String,
    pub problem: Problem,
}

/// The kinds of fault, with the server's own codes for them, which [`crate::report`] gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    /// No JSON (22023).
    Malformed(String),
    /// A member that its object has already (22023).
    Repeated,
    /// Another value than can stand there (22023).
    Unexpected { expected: String, found: String },
    /// No path (22023).
    NoPath { text: String, fault: PathFault },
    /// A path, field or column that stands at another place of the mapping too (22023).
    Twice { what: String, first: String },
    /// Members that exclude each other (22023).
    NotTogether(&'static str),
    /// The table has no such column (42703).
    NoColumn(String),
    /// A column that the server writes itself: generated, or identity that is always its own (428C9).
    Generated(String),
    /// The column for other members is no jsonb (42804).
    NotJsonb(String),
    /// No unique index fits these columns (42P10). Raised by those who know the indexes.
    NoKey(Vec<String>),
}

impl MappingFault {
    pub fn new(path: impl Into<String>, problem: Problem) -> Self {
        MappingFault { path: path.into(), problem }
    }

    pub fn unexpected(
        path: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        let (expected, found) = (expected.into(), found.into());
        MappingFault::new(path, Problem::Unexpected { expected, found })
    }
}

impl fmt::Display for MappingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match &self.problem {
            Problem::Malformed(reason) => write!(f, "the mapping is not valid JSON: {reason}"),
            Problem::Repeated => write!(f, "invalid mapping: {path} is there twice"),
            Problem::Unexpected { expected, found } => {
                write!(f, "invalid mapping: expected {expected}, found {found} at {path}")
            }
            Problem::NoPath { text, fault } => {
                let PathFault { reason, column } = fault;
                let text = quoted(text);
                write!(
                    f,
                    "invalid path {text} in mapping: {reason}, at character {column} of {path}"
                )
            }
            Problem::Twice { what, first } => {
                write!(f, "invalid mapping: {what} is at {first} already, and at {path}")
            }
            Problem::NotTogether(other) => {
                write!(f, "invalid mapping: {path} cannot be given together with {other}")
            }
            Problem::NoColumn(column) => {
                write!(f, "column {} of mapping {path} does not exist", quoted(column))
            }
            Problem::Generated(column) => {
                write!(f, "column {} of mapping {path} can only be generated", quoted(column))
            }
            Problem::NotJsonb(column) => {
                write!(f, "column {} of mapping {path} is not of type jsonb", quoted(column))
            }
            Problem::NoKey(columns) => {
                let columns: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
                let columns = columns.join(", ");
                write!(f, "there is no unique index on the columns {columns} of mapping {path}")
            }
        }
    }
}

/// For a message: a value by its kind, and by its text where that says more.
pub fn found(value: &serde_json::Value) -> String {
    let kind = match value {
        serde_json::Value::String(text) => return quoted(text),
        serde_json::Value::Null => Kind::Null,
        serde_json::Value::Bool(_) => Kind::Boolean,
        serde_json::Value::Number(_) => Kind::Number,
        serde_json::Value::Array(_) => Kind::Array,
        serde_json::Value::Object(_) => Kind::Object,
    };
    kind.to_string()
}
