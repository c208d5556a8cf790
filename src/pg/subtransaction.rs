//! Work that is undone when it fails, as a block with an exception handler in PL/pgSQL is.

use std::ptr;

use pgrx::pg_sys;

use super::error::{ServerError, catch};

/// Runs `work` in a subtransaction: committed when it returns, rolled back when it raises an ERROR.
pub fn within<T>(work: impl FnOnce() -> T) -> Result<T, ServerError> {
    run(work, true)
}

/// Runs `work` in a subtransaction that is rolled back: the locks that it takes are given back.
pub fn undone<T>(work: impl FnOnce() -> T) -> Result<T, ServerError> {
    run(work, false)
}

fn run<T>(work: impl FnOnce() -> T, commit: bool) -> Result<T, ServerError> {
    // SAFETY: the calls and their order are those of exec_stmt_block() in pl_exec.c; memory context and resource owner
    // are put back after each of them.
    unsafe {
        let context = pg_sys::CurrentMemoryContext;
        let owner = pg_sys::CurrentResourceOwner;
        pg_sys::BeginInternalSubTransaction(ptr::null());
        pg_sys::MemoryContextSwitchTo(context);
        let outcome = catch(work);
        match outcome {
            Ok(_) if commit => pg_sys::ReleaseCurrentSubTransaction(),
            _ => pg_sys::RollbackAndReleaseCurrentSubTransaction(),
        }
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
        outcome
    }
}
