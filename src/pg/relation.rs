//! Tables found as any unqualified name is found, and locked in the same step.

use std::ffi::CString;

use pgrx::pg_sys;

/// What a load needs of a table while it runs.
#[derive(Clone, Copy)]
pub enum Lock {
    /// As INSERT takes: no trigger, index or constraint comes or goes until the transaction ends.
    Insert,
    /// As SELECT FOR KEY SHARE takes.
    Share,
    /// None: the table may be gone a moment later.
    No,
}

/// The table's OID, or none where the search_path has no such table. The lock is held to the transaction's end.
pub fn find(name: &str, lock: Lock) -> Option<pg_sys::Oid> {
    let name = CString::new(name).ok()?;
    let lock = match lock {
        Lock::Insert => pg_sys::RowExclusiveLock,
        Lock::Share => pg_sys::RowShareLock,
        Lock::No => pg_sys::NoLock,
    };
    // SAFETY: the RangeVar and its copy of the name live in the current memory context, longer than the call.
    let oid = unsafe {
        let name = pg_sys::pstrdup(name.as_ptr());
        let range = pg_sys::makeRangeVar(std::ptr::null_mut(), name, -1);
        let flags = pg_sys::RVROption::RVR_MISSING_OK;
        pg_sys::RangeVarGetRelidExtended(
            range,
            lock as pg_sys::LOCKMODE,
            flags,
            None,
            std::ptr::null_mut(),
        )
    };
    (oid != pg_sys::InvalidOid).then_some(oid)
}

/// Raises the server's error where the transaction is read-only.
pub fn refuse_read_only(function: &str) {
    let Ok(name) = CString::new(format!("{function}()")) else { return };
    // SAFETY: the name is a NUL-terminated string; its value is copied into the message.
    unsafe { pg_sys::PreventCommandIfReadOnly(name.as_ptr()) };
}

/// Whether each statement of the transaction sees what has been committed before it.
pub fn reads_committed() -> bool {
    // SAFETY: reads a variable of the backend.
    unsafe { pg_sys::XactIsoLevel <= pg_sys::XACT_READ_COMMITTED as i32 }
}

/// Whether an extension wants to hear of the permissions that each statement asks for.
pub fn permissions_are_watched() -> bool {
    // SAFETY: reads a variable of the backend.
    let hook = unsafe { pg_sys::ExecutorCheckPerms_hook };
    hook.is_some()
}
