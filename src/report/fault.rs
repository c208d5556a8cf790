//! The SQLSTATE, DETAIL and HINT of each fault of a document. Faults that Postgres has too carry its codes.

use pgrx::PgSqlErrorCode::{self, *};

use crate::error::{Fault, LoadError, SqlType};
use crate::pg::error::sqlstate_text;

/// The code of a fault.
pub fn sqlstate(fault: &Fault) -> PgSqlErrorCode {
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
pub fn detail(error: &LoadError, record: Option<String>) -> Option<String> {
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

pub fn hint(error: &LoadError) -> Option<&'static str> {
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
