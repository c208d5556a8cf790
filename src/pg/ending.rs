//! The ends of transactions and subtransactions, for who keeps something from statement to statement.

use std::cell::Cell;
use std::ffi::c_void;

use pgrx::{pg_guard, pg_sys};

/// A transaction or subtransaction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It is about to commit: an error aborts it.
    BeforeCommit,
    Abort,
}

/// Told of each end: of a subtransaction by its id. On an abort it raises no error.
pub type Listener = fn(End, pg_sys::SubTransactionId);

/// What the id of the transaction itself is; those of its subtransactions are greater (`xact.h`).
const TOP: pg_sys::SubTransactionId = 1;

thread_local! {
    static LISTENER: Cell<Option<Listener>> = const { Cell::new(None) };
}

/// The innermost transaction or subtransaction that is open.
pub fn current() -> pg_sys::SubTransactionId {
    // SAFETY: reads the backend's own state.
    unsafe { pg_sys::GetCurrentSubTransactionId() }
}

/// From the first call on, `listener` is told.
pub fn listen(listener: Listener) {
    if LISTENER.replace(Some(listener)).is_none() {
        // SAFETY: the callbacks are functions of this library, which is never unloaded.
        unsafe {
            pg_sys::RegisterXactCallback(Some(of_transaction), std::ptr::null_mut());
            pg_sys::RegisterSubXactCallback(Some(of_subtransaction), std::ptr::null_mut());
        }
    }
}

fn tell(end: End, id: pg_sys::SubTransactionId) {
    if let Some(listener) = LISTENER.get() {
        listener(end, id);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn of_transaction(event: pg_sys::XactEvent::Type, _argument: *mut c_void) {
    use pg_sys::XactEvent::*;
    match event {
        XACT_EVENT_PRE_COMMIT | XACT_EVENT_PRE_PREPARE => tell(End::BeforeCommit, TOP),
        XACT_EVENT_ABORT => tell(End::Abort, TOP),
        _ => {}
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn of_subtransaction(
    event: pg_sys::SubXactEvent::Type,
    id: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _argument: *mut c_void,
) {
    use pg_sys::SubXactEvent::*;
    match event {
        SUBXACT_EVENT_PRE_COMMIT_SUB => tell(End::BeforeCommit, id),
        SUBXACT_EVENT_ABORT_SUB => tell(End::Abort, id),
        _ => {}
    }
}
