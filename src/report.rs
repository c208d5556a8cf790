//! What a caller sees: the SQLSTATE, DETAIL and HINT of each fault, and the report of the last load.
//!
//! Which fault has which SQLSTATE is known here alone. Faults that Postgres has too carry its codes.

use std::cell::RefCell;
use std::fmt;
use std::time::Instant;

use pgrx::PgSqlErrorCode::{self, *};
use pgrx::pg_sys::panic::ErrorReport;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::document::find::Resource;
use crate::error::{Fault, LoadError, SqlType, excerpt};
use crate::mapping::fault::{MappingFault, Problem};
use crate::options::OnConflict;
use crate::pg::encoding;
use crate::pg::error::{ServerError, raise, sqlstate_text};

/// Why a load ended without a result.
#[derive(Debug)]
pub enum Failure {
    /// A fault of the document, and the start of the record it is in.
    Load { error: LoadError, record: Option<String> },
    /// An error of the server, and the record it is about.
    Server { error: ServerError, about: Option<String> },
    /// An argument of the call, or a table that it cannot load into.
    Refused { code: PgSqlErrorCode, message: String, hint: Option<String> },
}

/// What is wrong with an argument of a call.
#[derive(Debug)]
pub enum BadArgument<'a> {
    Null,
    NotPositive(i64),
    Negative(i32),
    /// It has a meaning with `on_error => 'ignore'` only.
    WithoutIgnore,
    /// Not one of these words, which stand in quotes.
    NoneOf {
        choices: &'a [String],
        found: &'a str,
    },
}

impl fmt::Display for BadArgument<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadArgument::Null => write!(f, "must not be null"),
            BadArgument::NotPositive(value) => {
                write!(f, "must be greater than zero, not {value}")
            }
            BadArgument::Negative(value) => write!(f, "must not be negative, but is {value}"),
            BadArgument::WithoutIgnore => write!(f, "needs on_error => 'ignore'"),
            BadArgument::NoneOf { choices, found } => {
                write!(f, "must be one of {}, not '{}'", choices.join(", "), excerpt(found))
            }
        }
    }
}

impl Failure {
    pub fn load(error: LoadError) -> Self {
        Failure::Load { error, record: None }
    }

    pub fn argument(name: &str, problem: BadArgument) -> Self {
        let code = match problem {
            BadArgument::Null => ERRCODE_NULL_VALUE_NOT_ALLOWED,
            BadArgument::NotPositive(_)
            | BadArgument::Negative(_)
            | BadArgument::WithoutIgnore
            | BadArgument::NoneOf { .. } => ERRCODE_INVALID_PARAMETER_VALUE,
        };
        Failure::Refused { code, message: format!("{name} {problem}"), hint: None }
    }

    pub fn sqlstate(&self) -> String {
        match self {
            Failure::Load { error, .. } => fault_sqlstate(&error.fault),
            Failure::Server { error, .. } => error.sqlstate(),
            Failure::Refused { code, .. } => sqlstate_text(*code as i32),
        }
    }

    /// A session of a parallel load, counted from 1, that is gone without a word.
    pub fn session_ended(session: usize) -> Self {
        Failure::Refused {
            code: ERRCODE_ADMIN_SHUTDOWN,
            message: format!("session {session} of the load ended before the load did"),
            hint: Some("The server log says why. Nothing has been written.".into()),
        }
    }

    /// A session of a parallel load that does not end when it is told to.
    pub fn session_lives() -> Self {
        Failure::Refused {
            code: ERRCODE_OBJECT_IN_USE,
            message: "a parallel session of the load does not end".into(),
            hint: Some(
                "Nothing has been written. pg_stat_activity shows what it waits for.".into(),
            ),
        }
    }

    /// In one phase, a session that could not commit when others had.
    pub fn in_part(session: usize, mut error: ServerError) -> Self {
        error.hint = Some(encoding::for_message(
            "The rows of other sessions are committed; loading the document again completes the load.",
        ));
        let line = format!("commit of session {session} of the load");
        error.with_context(encoding::for_message(&line)).into()
    }

    /// A session that waits, through the processes of `path`, for one that waits for all sessions.
    pub fn deadlock(session: usize, path: &[i32]) -> Self {
        let path: Vec<String> = path.iter().map(ToString::to_string).collect();
        let detail =
            format!("Session {session} waits, each process for the next: {}.", path.join(", "));
        ServerError {
            code: ERRCODE_T_R_DEADLOCK_DETECTED as i32,
            message: encoding::for_message("deadlock detected"),
            detail: Some(encoding::for_message(&detail)),
            ..ServerError::default()
        }
        .into()
    }

    /// The same with the hint of an advice, if the server has given none.
    pub fn advised(self, advice: Option<Advice>) -> Self {
        match (self, advice) {
            (Failure::Server { mut error, about }, Some(advice)) if error.hint.is_none() => {
                error.hint = advice.hint(&error).map(encoding::for_message);
                Failure::Server { error, about }
            }
            (failure, _) => failure,
        }
    }

    /// A table that is no longer the one it was.
    pub fn replaced(table: &str) -> Self {
        Failure::Refused {
            code: ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            message: format!("relation \"{table}\" was replaced meanwhile"),
            hint: None,
        }
    }
}

impl From<MappingFault> for Failure {
    fn from(fault: MappingFault) -> Self {
        let code = match fault.problem {
            Problem::Malformed(_)
            | Problem::Repeated
            | Problem::Unexpected { .. }
            | Problem::NoPath { .. }
            | Problem::Twice { .. }
            | Problem::NotTogether(_) => ERRCODE_INVALID_PARAMETER_VALUE,
            Problem::NoColumn(_) => ERRCODE_UNDEFINED_COLUMN,
            Problem::Generated(_) => ERRCODE_GENERATED_ALWAYS,
            Problem::NotJsonb(_) => ERRCODE_DATATYPE_MISMATCH,
            Problem::NoKey(_) => ERRCODE_INVALID_COLUMN_REFERENCE,
        };
        Failure::Refused { code, message: fault.to_string(), hint: None }
    }
}

/// What may be behind an error of the server, as far as a load knows its table and its records.
#[derive(Clone, Copy)]
pub enum Advice {
    /// No record has a value for a column.
    NoValues,
    /// The caller lacks privileges that this policy needs.
    Privileges(OnConflict),
}

impl Advice {
    fn hint(self, error: &ServerError) -> Option<&'static str> {
        let code = error.sqlstate();
        match self {
            Advice::NoValues => ["22", "23"].contains(&&code[..2]).then_some(
                "No record has a value for any column. Members are matched by the names of the columns; a mapping may say where else they are.",
            ),
            Advice::Privileges(on_conflict) => {
                let denied = code == sqlstate_text(ERRCODE_INSUFFICIENT_PRIVILEGE as i32);
                denied.then_some(needed_privileges(on_conflict))
            }
        }
    }
}

/// The hint of an error for lack of a privilege.
pub fn needed_privileges(on_conflict: OnConflict) -> &'static str {
    match on_conflict {
        OnConflict::Update => "on_conflict => 'update' needs INSERT, SELECT and UPDATE.",
        OnConflict::Skip => "on_conflict => 'skip' needs INSERT and SELECT.",
        OnConflict::Error => "on_conflict => 'error' needs INSERT.",
    }
}

/// The kind of a load's records, and the function that loads them.
pub fn function_of(resource: Resource) -> (&'static str, &'static str) {
    match resource {
        Resource::Composers => ("composers", "load_composers"),
        Resource::Works => ("works", "load_works"),
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Failure::load(LoadError::document(fault))
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        Failure::Server { error, about: None }
    }
}

impl From<Failure> for ServerError {
    fn from(failure: Failure) -> Self {
        let text = |text: &str| Some(encoding::for_message(text));
        match failure {
            Failure::Load { error, record } => ServerError {
                code: sqlstate(&error.fault) as i32,
                message: encoding::for_message(&error.to_string()),
                detail: detail(&error, record).as_deref().and_then(text),
                hint: hint(&error).and_then(text),
                ..ServerError::default()
            },
            Failure::Server { error, about } => {
                let error = error.with_short_context();
                match about.as_deref().and_then(text) {
                    Some(about) => error.with_context(about),
                    None => error,
                }
            }
            Failure::Refused { code, message, hint } => ServerError {
                code: code as i32,
                message: encoding::for_message(&message),
                hint: hint.as_deref().and_then(text),
                ..ServerError::default()
            },
        }
    }
}

impl From<Failure> for ErrorReport {
    fn from(failure: Failure) -> Self {
        raise(failure.into())
    }
}

/// The code of a fault.
fn sqlstate(fault: &Fault) -> PgSqlErrorCode {
    match fault {
        Fault::Malformed(_) | Fault::LoneSurrogate => ERRCODE_INVALID_TEXT_REPRESENTATION,
        Fault::NumberOverflow => ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
        Fault::Corrupt => ERRCODE_DATA_CORRUPTED,
        Fault::NoUtf8 => ERRCODE_INVALID_TEXT_REPRESENTATION,
        Fault::NullCharacter => ERRCODE_UNTRANSLATABLE_CHARACTER,
        Fault::Untranslatable => ERRCODE_UNTRANSLATABLE_CHARACTER,
        Fault::UnknownShape(_) | Fault::NoRecords(_) | Fault::UnexpectedMember(_) => {
            ERRCODE_INVALID_PARAMETER_VALUE
        }
        Fault::SeveralValues => ERRCODE_MORE_THAN_ONE_SQL_JSON_ITEM,
        Fault::SourceError(_) => ERRCODE_DATA_EXCEPTION,
        Fault::NotAnObject(_) => ERRCODE_SQL_JSON_OBJECT_NOT_FOUND,
        Fault::Missing => ERRCODE_NOT_NULL_VIOLATION,
        Fault::WrongType { .. } => ERRCODE_DATATYPE_MISMATCH,
        Fault::WrongRecord { .. } => ERRCODE_INVALID_PARAMETER_VALUE,
        Fault::Invalid { expected: SqlType::Date, .. } => ERRCODE_INVALID_DATETIME_FORMAT,
        Fault::Invalid { .. } => ERRCODE_INVALID_TEXT_REPRESENTATION,
        Fault::OutOfRange { .. } => ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
        Fault::NoSuchDate(_) => ERRCODE_DATETIME_FIELD_OVERFLOW,
        Fault::UnknownComposer(_) => ERRCODE_FOREIGN_KEY_VIOLATION,
        Fault::Another(_) | Fault::Duplicate { .. } => ERRCODE_UNIQUE_VIOLATION,
        Fault::TooManyRejected { .. } => ERRCODE_DATA_EXCEPTION,
        Fault::OutOfMemory => ERRCODE_OUT_OF_MEMORY,
        Fault::OverBudget { .. } => ERRCODE_PROGRAM_LIMIT_EXCEEDED,
        Fault::Stopped => ERRCODE_QUERY_CANCELED,
        Fault::Internal(_) => ERRCODE_INTERNAL_ERROR,
    }
}

/// What the fault says of itself, and the record that it is in.
fn detail(error: &LoadError, record: Option<String>) -> Option<String> {
    let record = record.map(|record| format!("The record begins with: {record}"));
    let parts: Vec<String> = error.fault.detail().into_iter().chain(record).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// The five characters of a fault's code.
pub fn fault_sqlstate(fault: &Fault) -> String {
    sqlstate_text(sqlstate(fault) as i32)
}

/// What to do about a work whose composer is not there.
pub const UNKNOWN_COMPOSER_HINT: &str =
    "Load the composers first, or set create_composers => true, or set on_error => 'ignore'.";

fn hint(error: &LoadError) -> Option<&'static str> {
    match &error.fault {
        Fault::Malformed(malformed) if malformed.is_array_literal => Some(
            "This is how Postgres writes an array. A JavaScript array is to be passed through JSON.stringify().",
        ),
        Fault::UnknownShape(_) => Some(
            "Expected a list or page of IMSLP, a list or dump of Open Opus, or newline-delimited records.",
        ),
        Fault::WrongRecord { .. } => {
            Some("Composers are loaded by load_composers(), works by load_works().")
        }
        Fault::UnknownComposer(_) => Some(UNKNOWN_COMPOSER_HINT),
        Fault::OverBudget { .. } => {
            Some("Load the document in parts. Many bad records are refused early by reject_limit.")
        }
        Fault::Another(another) => Some(match &*another.noun {
            "composer" => {
                "If they are one, set the id to null in the row or in the document. If not, give one of them another name in the document: keys are made of names."
            }
            _ => "If they are one, set the id to NULL in the row.",
        }),
        Fault::Duplicate { .. } => {
            Some("Set on_conflict => 'update' to keep the last one, or 'skip' to keep the first.")
        }
        _ if error.ordinal.is_some() => Some(
            "Set on_error => 'ignore' to put such records into rejected_records and load the others.",
        ),
        _ => None,
    }
}

/// What `last_load()` tells.
#[derive(Clone, Debug)]
pub struct LoadReport {
    /// None until somebody asks, if nothing else has it.
    pub load_id: Option<Uuid>,
    /// The name of the table.
    pub kind: String,
    pub source: &'static str,
    pub received: u64,
    pub counts: Counts,
    pub sessions: i32,
    pub sessions_reason: String,
    pub decode_threads: i32,
    pub foreign_key_check: String,
    pub write_method: String,
    pub decode_ms: f64,
    pub write_ms: f64,
    pub total_ms: f64,
}

/// What became of the records; with `received`, the sum of all.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    pub inserted: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub duplicate: u64,
    pub rejected: u64,
}

impl std::ops::Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Counts {
            inserted: self.inserted + other.inserted,
            updated: self.updated + other.updated,
            unchanged: self.unchanged + other.unchanged,
            duplicate: self.duplicate + other.duplicate,
            rejected: self.rejected + other.rejected,
        }
    }
}

thread_local! {
    static LAST: RefCell<Option<LoadReport>> = const { RefCell::new(None) };
}

impl LoadReport {
    /// Makes this the session's last load; the number of rows written.
    pub fn keep(self) -> i64 {
        let written = self.counts.inserted + self.counts.updated;
        LAST.with(|last| last.replace(Some(self)));
        written as i64
    }

    /// A load begins: whatever becomes of it, the one before is not the last.
    pub fn forget() {
        LAST.with(|last| last.replace(None));
    }

    /// The last load of this session, if it came to its end.
    pub fn last() -> Option<Self> {
        LAST.with_borrow_mut(|last| {
            let load = last.as_mut()?;
            load.load_id.get_or_insert_with(Uuid::new_v4);
            Some(load.clone())
        })
    }
}

/// Milliseconds since `start`, in microseconds' steps.
pub fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_micros() as f64 / 1000.0
}

/// Names a record that the server refused, as COPY names a line.
pub fn about(function: &str, ordinal: u32, path: &str, record: Option<String>) -> String {
    let record = record.map(|record| format!(": {}", excerpt(&record))).unwrap_or_default();
    format!("{function}, record {ordinal}, {path}{record}")
}
