//! Work that is undone when it fails, as a block with an exception handler in PL/pgSQL is.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

use pgrx::pg_sys;

use super::error::{ServerError, catch};

/// Runs `work` in a subtransaction: committed when it returns, rolled back when it raises an ERROR, and when it panics.
pub fn within<T>(work: impl FnOnce() -> T) -> Result<T, ServerError> {
    within_unless(|_| false, work)
}

/// The same, rolled back also when it returns what `is_undone` says it of.
pub fn within_unless<T>(
    is_undone: impl FnOnce(&T) -> bool,
    work: impl FnOnce() -> T,
) -> Result<T, ServerError> {
    // SAFETY: the calls and their order are those of exec_stmt_block() in pl_exec.c; memory context and resource owner
    // are put back after each of them.
    unsafe {
        let context = pg_sys::CurrentMemoryContext;
        let owner = pg_sys::CurrentResourceOwner;
        pg_sys::BeginInternalSubTransaction(ptr::null());
        pg_sys::MemoryContextSwitchTo(context);
        let outcome = catch_unwind(AssertUnwindSafe(|| catch(work)));
        match outcome {
            Ok(Ok(ref value)) if !is_undone(value) => pg_sys::ReleaseCurrentSubTransaction(),
            _ => pg_sys::RollbackAndReleaseCurrentSubTransaction(),
        }
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
        outcome.unwrap_or_else(|panic| resume_unwind(panic))
    }
}
