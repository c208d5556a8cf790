//! What became of a transaction.

use pgrx::pg_sys;

/// As `pg_xact_status()` tells: committed, aborted, in progress; `None` where it is too long ago.
pub fn status(id: u64) -> Option<String> {
    // SAFETY: pg_xact_status takes an xid8, which is passed by value, and returns a text or null.
    unsafe {
        pgrx::direct_function_call::<String>(
            pg_sys::pg_xact_status,
            &[Some(pg_sys::Datum::from(id))],
        )
    }
}
