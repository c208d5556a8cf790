//! Memory contexts of our own, with the sizes of ALLOCSET_DEFAULT_SIZES.

use std::ffi::CStr;

use pgrx::pg_sys;

/// A child of `parent`: freed with it at the latest.
///
/// SAFETY: the parent is a memory context that is alive.
pub unsafe fn child(parent: pg_sys::MemoryContext, name: &'static CStr) -> pg_sys::MemoryContext {
    // SAFETY: the caller's promise; the name is kept as it is, and lives as long as the program.
    unsafe {
        pg_sys::AllocSetContextCreateInternal(
            parent,
            name.as_ptr(),
            pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        )
    }
}
