//! Settings of the extension, as far as pgrx does not define them.

use std::ffi::CStr;

use pgrx::pg_sys;

/// Makes the server refuse settings of this prefix that nobody has defined.
pub fn reserve_prefix(prefix: &'static CStr) {
    // SAFETY: a static string; called from _PG_init after the settings are defined.
    unsafe { pg_sys::MarkGUCPrefixReserved(prefix.as_ptr()) };
}
