//! The memory of one row: what expressions allocate is gone when the next one comes.

use pgrx::pg_sys;

/// The memory that is emptied after each row.
///
/// SAFETY: the state is alive.
pub unsafe fn per_tuple(state: *mut pg_sys::EState) -> pg_sys::MemoryContext {
    // SAFETY: the caller's promise.
    unsafe { (*expression_context(state)).ecxt_per_tuple_memory }
}

pub unsafe fn expression_context(state: *mut pg_sys::EState) -> *mut pg_sys::ExprContext {
    // SAFETY: GetPerTupleExprContext() of executor.h.
    unsafe {
        match (*state).es_per_tuple_exprcontext.is_null() {
            true => pg_sys::MakePerTupleExprContext(state),
            false => (*state).es_per_tuple_exprcontext,
        }
    }
}

pub unsafe fn reset_per_tuple(state: *mut pg_sys::EState) {
    // SAFETY: nothing of the last row is looked at any more.
    unsafe { pg_sys::MemoryContextReset(per_tuple(state)) };
}
