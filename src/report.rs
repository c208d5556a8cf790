//! What a caller sees: the SQLSTATE, DETAIL and HINT of each fault, and the report of the last load.
//!
//! Which fault has which SQLSTATE is known here alone. Faults that Postgres has too carry its codes.

mod fault;
mod last_load;

use std::fmt;

use pgrx::PgSqlErrorCode::{self, *};
use pgrx::pg_sys::panic::ErrorReport;

pub use self::fault::{UNKNOWN_COMPOSER_HINT, fault_sqlstate};
use self::fault::{detail, hint, sqlstate};
pub use self::last_load::{Counts, INSERT, LoadReport, NO_ROW, milliseconds};
use crate::document::find::Resource;
use crate::error::{Fault, LoadError, excerpt};
use crate::mapping::fault::{MappingFault, Problem};
use crate::options::OnConflict;
use crate::pg::encoding;
use crate::pg::error::{ServerError, raise, sqlstate_text};
use crate::prepare::Places;

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

    /// The catalogue has a later version of the extension than the library that the session has loaded.
    pub fn old_library(library: &str, installed: &str) -> Self {
        Failure::Refused {
            code: ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            message: format!(
                "the database has pg_opus {installed}, this session the library of {library}"
            ),
            hint: Some(format!(
                "Start a new session; with pg_opus in shared_preload_libraries, restart the server. If that does not help, \
                 install the files of {installed}."
            )),
        }
    }

    /// The catalogue has an earlier version of the extension, which lacks what the load needs.
    pub fn old_catalogue(library: &str, installed: &str) -> Self {
        Failure::Refused {
            code: ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            message: format!("the database has pg_opus {installed}, which cannot load this table"),
            hint: Some(format!("ALTER EXTENSION pg_opus UPDATE brings {library}.")),
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

/// Names a record that the server refused, as COPY names a line.
pub fn about(function: &str, places: &dyn Places, ordinal: u32, path: &str) -> String {
    let record = places.excerpt(ordinal);
    let (number, line) = (places.number(ordinal), places.line(ordinal));
    let line = line.map(|line| format!("line {line}, ")).unwrap_or_default();
    let record = record.map(|record| format!(": {}", excerpt(&record))).unwrap_or_default();
    format!("{function}, record {number}, {line}{path}{record}")
}
