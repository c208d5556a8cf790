//! The write-ahead log of a running load, written by the server's WAL writer while the load goes on.

use pgrx::pg_sys;

/// Wakes the WAL writer for what this transaction has logged so far, as an asynchronous commit does.
///
/// Without it a session that fills the WAL buffers writes them out itself, and flushes at the end what is left.
pub fn write_behind() {
    // SAFETY: both are the server's own: the end of this session's last record, zero where there is none, and the
    // call of an asynchronous commit (xact.c). WAL may be written earlier than it has to be.
    unsafe {
        if pg_sys::XactLastRecEnd != 0 {
            pg_sys::XLogSetAsyncXactLSN(pg_sys::XactLastRecEnd);
        }
    }
}
