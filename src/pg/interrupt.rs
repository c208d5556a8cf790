//! Cancel, statement_timeout and termination, seen without acting on them, and acted on.

use pgrx::pg_sys;

use super::memory;

/// Whether the session is asked to end what it does. Barriers and other interrupts that end nothing do not count.
pub fn pending() -> bool {
    // SAFETY: reads flags that signal handlers set; they are `sig_atomic_t`, read anew each time.
    unsafe {
        std::ptr::addr_of!(pg_sys::QueryCancelPending).read_volatile() != 0
            || std::ptr::addr_of!(pg_sys::ProcDiePending).read_volatile() != 0
            || std::ptr::addr_of!(pg_sys::ClientConnectionLost).read_volatile() != 0
            || transaction_timeout()
    }
}

#[cfg(any(feature = "pg17", feature = "pg18"))]
fn transaction_timeout() -> bool {
    // SAFETY: as in `pending`.
    unsafe { std::ptr::addr_of!(pg_sys::TransactionTimeoutPending).read_volatile() != 0 }
}

#[cfg(any(feature = "pg15", feature = "pg16"))]
fn transaction_timeout() -> bool {
    false
}

/// Raises the server's error for memory that cannot be had.
pub fn out_of_memory() {
    pgrx::ereport!(ERROR, pgrx::PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY, "out of memory");
}

/// Acts on a pending interrupt: raises the server's own error, or ends the session. No pool may be running. The same
/// where the memory of a load has run short.
pub fn check() {
    pgrx::check_for_interrupts!();
    if memory::is_short() {
        out_of_memory();
    }
}
