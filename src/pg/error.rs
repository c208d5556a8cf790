//! A server error as a value, with every field that a client may ask for, and back.
//!
//! pgrx turns an ERROR into a panic and keeps its code (where it knows it), message, detail and hint. Clients also
//! read the constraint, table and column, a trigger's own SQLSTATE, and the context: [`catch`] keeps them by looking
//! at the error while it is being raised, from an error context callback, and [`raise`] puts them back in the same
//! way.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

use pgrx::pg_sys;
use pgrx::pg_sys::panic::{CaughtError, ErrorReport, ErrorReportWithLevel};
use pgrx::{PgLogLevel, PgSqlErrorCode, pg_guard};
use serde::{Deserialize, Serialize};

use super::{encoding, memory_context};
use crate::error::excerpt;

/// An ERROR of the server, or one that is to look like it. Texts are in the database's encoding: converting them while
/// an error is being handled could fail.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ServerError {
    /// As the server packs the five characters (`MAKE_SQLSTATE` of `elog.h`).
    pub code: i32,
    pub message: Vec<u8>,
    pub detail: Option<Vec<u8>>,
    pub hint: Option<Vec<u8>>,
    /// Lines from the innermost to the outermost.
    pub context: Option<Vec<u8>>,
    pub schema: Option<Vec<u8>>,
    pub table: Option<Vec<u8>>,
    pub column: Option<Vec<u8>>,
    pub datatype: Option<Vec<u8>>,
    pub constraint: Option<Vec<u8>>,
}

impl ServerError {
    /// The five characters.
    pub fn sqlstate(&self) -> String {
        sqlstate_text(self.code)
    }

    /// What is kept of a record that is set aside: the code and the message.
    pub fn in_brief(self) -> Self {
        let ServerError { code, message, .. } = self;
        ServerError { code, message, ..ServerError::default() }
    }

    /// Adds a line of context, outside those that are there.
    pub fn with_context(mut self, line: Vec<u8>) -> Self {
        let lines: Vec<Vec<u8>> = self.context.take().into_iter().chain([line]).collect();
        self.context = Some(lines.join(&b'\n'));
        self
    }

    /// With no more than the beginning of the outermost line of context: the load's own statement names all columns.
    pub fn with_short_context(mut self) -> Self {
        let Some(context) = &mut self.context else { return self };
        let line = context.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if context.len() - line > LONGEST_CONTEXT {
            let quote = context.ends_with(b"\"");
            let text = encoding::of_message(&context[line..]);
            context.truncate(line);
            context.extend(encoding::for_message(&excerpt(&text)));
            context.extend(quote.then_some(b'"'));
        }
        self
    }

    fn of_report(report: &ErrorReportWithLevel) -> Self {
        ServerError {
            code: report.sql_error_code() as i32,
            message: report.message().into(),
            detail: report.detail().map(Into::into),
            hint: report.hint().map(Into::into),
            ..ServerError::default()
        }
    }

    /// pgrx has kept the message, with what is no UTF-8 replaced.
    fn is_same(&self, seen: &ServerError) -> bool {
        self.message == String::from_utf8_lossy(&seen.message).as_bytes()
    }

    /// SAFETY: `data` must be a valid copy of the server's error data.
    pub unsafe fn of_data(data: &pg_sys::ErrorData) -> Self {
        let text = |text: *const c_char| {
            // SAFETY: the server's strings end with NUL.
            (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_bytes().to_vec())
        };
        ServerError {
            code: data.sqlerrcode,
            message: text(data.message).unwrap_or_default(),
            detail: text(data.detail),
            hint: text(data.hint),
            context: text(data.context),
            schema: text(data.schema_name),
            table: text(data.table_name),
            column: text(data.column_name),
            datatype: text(data.datatype_name),
            constraint: text(data.constraint_name),
        }
    }
}

/// In bytes.
const LONGEST_CONTEXT: usize = 160;

/// The five characters of a code, six bits each (`PGUNSIXBIT` of `elog.h`).
pub fn sqlstate_text(code: i32) -> String {
    (0..5).map(|place| char::from((((code >> (6 * place)) & 0x3F) as u8) + b'0')).collect()
}

/// Runs `work` and returns the ERROR that it raises. The transaction is then as an ERROR leaves it: the caller rolls
/// back a subtransaction of its own, or raises the error again. A panic of Rust goes on its way.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, ServerError> {
    let mut seen: Option<ServerError> = None;
    // SAFETY: the callback and what it points to live on this frame, and are unlinked before the frame ends, whether
    // `work` returns or unwinds.
    let outcome = unsafe {
        let mut callback = pg_sys::ErrorContextCallback {
            previous: pg_sys::error_context_stack,
            callback: Some(look),
            arg: ptr::from_mut(&mut seen).cast(),
        };
        let previous = callback.previous;
        pg_sys::error_context_stack = &mut callback;
        let outcome = catch_unwind(AssertUnwindSafe(work));
        pg_sys::error_context_stack = previous;
        outcome
    };
    let payload = match outcome {
        Ok(value) => return Ok(value),
        Err(payload) => payload,
    };
    let raised = match payload.downcast_ref::<CaughtError>() {
        Some(CaughtError::PostgresError(report) | CaughtError::ErrorReport(report)) => {
            Some(ServerError::of_report(report))
        }
        Some(CaughtError::RustPanic { .. }) => None,
        None => payload.downcast_ref::<ErrorReportWithLevel>().map(ServerError::of_report),
    };
    match (raised, seen) {
        // An error that is thrown on is not shown to callbacks again: what was seen may be another one.
        (Some(raised), Some(seen)) if raised.is_same(&seen) => Err(seen),
        (Some(raised), _) => Err(raised),
        (None, _) => resume_unwind(payload),
    }
}

/// Error context callback: keeps a copy of the error being raised.
#[pg_guard]
unsafe extern "C-unwind" fn look(seen: *mut c_void) {
    // SAFETY: `seen` is the Option of `catch`, whose frame is below this one. errfinish() calls this in ErrorContext,
    // where CopyErrorData() must not allocate. FreeErrorData() leaves some of what that copies: the copy has a context of
    // its own, which lasts as long.
    unsafe {
        let seen = &mut *seen.cast::<Option<ServerError>>();
        let copies = memory_context::child(pg_sys::TopMemoryContext, c"pg_opus error");
        let context = pg_sys::MemoryContextSwitchTo(copies);
        let data = pg_sys::CopyErrorData();
        if (*data).elevel == PgLogLevel::ERROR as i32 {
            *seen = Some(ServerError::of_data(&*data));
        }
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::MemoryContextDelete(copies);
    }
}

// What pgrx keeps to itself of elog.h.
unsafe extern "C-unwind" {
    fn errcode(sqlstate: c_int) -> c_int;
    fn errmsg(format: *const c_char, ...) -> c_int;
    fn errdetail(format: *const c_char, ...) -> c_int;
    fn errhint(format: *const c_char, ...) -> c_int;
    fn errcontext_msg(format: *const c_char, ...) -> c_int;
    fn set_errcontext_domain(domain: *const c_char) -> c_int;
    fn err_generic_string(field: c_int, text: *const c_char) -> c_int;
}

/// The error that [`amend`] completes, and its link in the server's chain of callbacks.
struct Pending {
    error: Option<ServerError>,
    callback: pg_sys::ErrorContextCallback,
}

static mut PENDING: Pending = Pending {
    error: None,
    callback: pg_sys::ErrorContextCallback {
        previous: ptr::null_mut(),
        callback: None,
        arg: ptr::null_mut(),
    },
};

/// Makes the error ready to be raised by pgrx, as the last thing before a function returns it. A [`catch`] has what pgrx's
/// report carries; all else is put in its place while the server raises it, and all texts in the database's encoding.
pub fn raise(error: ServerError) -> ErrorReport {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (code, message) = (PgSqlErrorCode::from(error.code), text(&error.message));
    let mut report = ErrorReport::new(code, message, "pg_opus");
    if let Some(detail) = &error.detail {
        report = report.set_detail(text(detail));
    }
    if let Some(hint) = &error.hint {
        report = report.set_hint(text(hint));
    }
    // SAFETY: one thread. The link is static; whoever catches the error resets the chain to its own, as every
    // sigsetjmp of the server does, so the link is gone from it once the error is raised.
    unsafe {
        let pending = &mut *ptr::addr_of_mut!(PENDING);
        pending.error = Some(error);
        pending.callback.previous = pg_sys::error_context_stack;
        pending.callback.callback = Some(amend);
        pg_sys::error_context_stack = &mut pending.callback;
    }
    report
}

/// Error context callback: adds to the error being raised what [`raise`] left for it.
unsafe extern "C-unwind" fn amend(_: *mut c_void) {
    // SAFETY: called by errfinish() for the error on top of its stack; the functions change that one. The strings are
    // copied before they are freed.
    unsafe {
        let Some(error) = (*ptr::addr_of_mut!(PENDING)).error.take() else { return };
        errcode(error.code);
        if let Some(message) = c_string(&Some(error.message)) {
            errmsg(c"%s".as_ptr(), message.as_ptr());
        }
        if let Some(detail) = c_string(&error.detail) {
            errdetail(c"%s".as_ptr(), detail.as_ptr());
        }
        if let Some(hint) = c_string(&error.hint) {
            errhint(c"%s".as_ptr(), hint.as_ptr());
        }
        for (field, text) in [
            (pg_sys::PG_DIAG_SCHEMA_NAME, &error.schema),
            (pg_sys::PG_DIAG_TABLE_NAME, &error.table),
            (pg_sys::PG_DIAG_COLUMN_NAME, &error.column),
            (pg_sys::PG_DIAG_DATATYPE_NAME, &error.datatype),
            (pg_sys::PG_DIAG_CONSTRAINT_NAME, &error.constraint),
        ] {
            if let Some(text) = c_string(text) {
                err_generic_string(c_int::from(field), text.as_ptr());
            }
        }
        if let Some(context) = c_string(&error.context) {
            set_errcontext_domain(ptr::null());
            errcontext_msg(c"%s".as_ptr(), context.as_ptr());
        }
    }
}

fn c_string(text: &Option<Vec<u8>>) -> Option<CString> {
    CString::new(text.as_deref()?).ok()
}
