//! The transactions of a session of its own: begun, prepared, committed.

use std::ffi::{CStr, CString, c_char};

use pgrx::pg_sys;

// What pgrx leaves out of twophase.h.
unsafe extern "C-unwind" {
    fn FinishPreparedTransaction(gid: *const c_char, is_commit: bool);
}

/// Begins a transaction block, as BEGIN does, and takes a snapshot for what is not yet a statement.
pub fn begin() {
    // SAFETY: the session is in no transaction; the calls and their order are those of exec_simple_query() for BEGIN.
    unsafe {
        pg_sys::StartTransactionCommand();
        pg_sys::BeginTransactionBlock();
        pg_sys::CommitTransactionCommand();
        pg_sys::StartTransactionCommand();
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
    }
}

/// Rolls back whatever has been begun.
pub fn abort() {
    // SAFETY: may be called in any state.
    unsafe { pg_sys::AbortOutOfAnyTransaction() };
}

/// Commits the block.
pub fn commit() {
    // SAFETY: the session is in the block that `begin` has opened, with one snapshot on the stack.
    unsafe {
        pg_sys::PopActiveSnapshot();
        pg_sys::EndTransactionBlock(false);
        pg_sys::CommitTransactionCommand();
    }
}

/// Ends the block as PREPARE TRANSACTION does.
pub fn prepare(gid: &str) {
    let gid = CString::new(gid).unwrap_or_default();
    // SAFETY: as in `commit`.
    unsafe {
        pg_sys::PopActiveSnapshot();
        pg_sys::PrepareTransactionBlock(gid.as_ptr());
        pg_sys::CommitTransactionCommand();
    }
}

/// COMMIT PREPARED or ROLLBACK PREPARED, in a session that is in no transaction.
pub fn finish_prepared(gid: &str, commit: bool) {
    // SAFETY: as `exec_simple_query` has it around the utility statement.
    unsafe {
        pg_sys::StartTransactionCommand();
        finish_prepared_here(gid, commit);
        pg_sys::CommitTransactionCommand();
    }
}

/// The same from within a transaction that has written nothing: it does not belong to that one, and stays whatever
/// becomes of it.
pub fn finish_prepared_here(gid: &str, commit: bool) {
    let gid = CString::new(gid).unwrap_or_default();
    // SAFETY: the gid is a NUL-terminated string. The boundary makes a panic of an ERROR, as pgrx does for what it binds.
    unsafe {
        pg_sys::ffi::pg_guard_ffi_boundary(|| FinishPreparedTransaction(gid.as_ptr(), commit));
    }
}

/// Raises the server's error for a statement that must not run in a transaction block, or in a function; else the
/// server commits when the statement is done, before the next one of a pipeline.
pub fn prevent_in_block(nested: bool, statement: &CStr) {
    // SAFETY: the name is a NUL-terminated string.
    unsafe { pg_sys::PreventInTransactionBlock(!nested, statement.as_ptr()) };
}

/// Has the server commit when the client's statement is done, before the next one of a pipeline: what parallel sessions
/// have committed is not rolled back with it.
pub fn commit_at_once() {
    // SAFETY: a flag of the running transaction, as PreventInTransactionBlock() sets it.
    unsafe { pg_sys::MyXactFlags |= pg_sys::XACT_FLAGS_NEEDIMMEDIATECOMMIT as i32 };
}

/// Whether an id, with its epoch, has been given to a transaction.
pub fn exists(id: u64) -> bool {
    // SAFETY: reads a counter of shared memory.
    id < unsafe { pg_sys::ReadNextFullTransactionId() }.value
}

/// Runs `work` in a transaction of its own.
pub fn within<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: the session is in no transaction.
    unsafe {
        pg_sys::StartTransactionCommand();
        let value = work();
        pg_sys::CommitTransactionCommand();
        value
    }
}

/// The transaction's id, with its epoch; assigns one.
pub fn id() -> u64 {
    // SAFETY: the session is in a transaction.
    unsafe { pg_sys::GetCurrentFullTransactionId().value }
}

/// Puts off cancel and termination until [`allow_interrupts`].
pub fn hold_interrupts() {
    // SAFETY: a counter of the backend (HOLD_INTERRUPTS of miscadmin.h).
    unsafe { pg_sys::InterruptHoldoffCount += 1 };
}

/// Forgets a cancel that has come too late to undo anything, as the server's own commit does.
pub fn forget_cancel() {
    // SAFETY: a flag of the backend; the next statement starts without it anyway.
    unsafe { pg_sys::QueryCancelPending = 0 };
}

pub fn allow_interrupts() {
    // SAFETY: paired with `hold_interrupts`; an ERROR in between has set the counter to zero.
    unsafe {
        pg_sys::InterruptHoldoffCount = pg_sys::InterruptHoldoffCount.saturating_sub(1);
    }
}
