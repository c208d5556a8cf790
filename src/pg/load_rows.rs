//! Rows of the program as the result of a function, `load_rows(number)`: for an INSERT that an extension plans, and whose
//! executor knows no named tuplestore. The function gives the rows of its own session, and none anywhere else.

use std::cell::{Cell, RefCell};

use pgrx::{PgSqlErrorCode, pg_guard, pg_sys};

use super::batch::{descriptor, put_tuples};
use super::relcache::attribute_of;
use crate::record::Column;

/// The rows of one statement after the other, of the same columns.
pub struct LoadRows {
    number: i32,
    columns: Vec<Column>,
}

/// Rows that a statement is reading.
struct Given {
    number: i32,
    columns: *const [Column],
    tuples: *const [&'static [u8]],
}

thread_local! {
    static NUMBERS: Cell<i32> = const { Cell::new(0) };
    /// The innermost at the end: a trigger of a load's statement may load something else.
    static GIVEN: RefCell<Vec<Given>> = const { RefCell::new(vec![]) };
}

impl LoadRows {
    pub fn new(columns: &[Column]) -> Self {
        let number = NUMBERS.get().wrapping_add(1);
        NUMBERS.set(number);
        LoadRows { number, columns: columns.to_vec() }
    }

    /// The argument by which the function knows the rows.
    pub fn number(&self) -> i32 {
        self.number
    }

    /// Runs `work`, in which the function gives these rows, formed as heap tuples of the columns.
    pub fn with<T>(&self, tuples: &[&[u8]], work: impl FnOnce() -> T) -> T {
        struct Taken(i32);
        impl Drop for Taken {
            fn drop(&mut self) {
                GIVEN.with_borrow_mut(|all| all.retain(|given| given.number != self.0));
            }
        }
        let tuples = std::ptr::slice_from_raw_parts(tuples.as_ptr().cast(), tuples.len());
        let given = Given { number: self.number, columns: &raw const *self.columns, tuples };
        GIVEN.with_borrow_mut(|all| all.push(given));
        let _taken = Taken(self.number);
        work()
    }
}

#[pg_guard]
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn load_rows(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: the server calls it, with one argument that is not null. The result is made as that of any function which
    // gives all of its rows at once: a tuplestore and a descriptor in the memory of the query. What is given is there until
    // the statement that calls the function has ended, as `LoadRows::with` sees to.
    unsafe {
        let number = (*fcinfo).args.as_slice(1)[0].value.value() as i32;
        let result = (*fcinfo).resultinfo.cast::<pg_sys::ReturnSetInfo>();
        let takes_rows = !result.is_null()
            && (*result).type_ == pg_sys::NodeTag::T_ReturnSetInfo
            && (*result).allowedModes as u32 & pg_sys::SetFunctionReturnMode::SFRM_Materialize != 0
            && !(*result).expectedDesc.is_null();
        let given = GIVEN.with_borrow(|all| {
            let given = all.iter().rev().find(|given| given.number == number)?;
            Some((given.columns, given.tuples))
        });
        let given =
            given.filter(|(columns, _)| takes_rows && are(&**columns, (*result).expectedDesc));
        let Some((_, tuples)) = given else {
            pgrx::ereport!(
                ERROR,
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "load_rows() was called by no load"
            );
        };
        let before = pg_sys::MemoryContextSwitchTo((*(*result).econtext).ecxt_per_query_memory);
        let state = pg_sys::tuplestore_begin_heap(false, false, pg_sys::work_mem);
        put_tuples(state, (*tuples).iter().copied());
        (*result).returnMode = pg_sys::SetFunctionReturnMode::SFRM_Materialize;
        (*result).setResult = state;
        (*result).setDesc = pg_sys::CreateTupleDescCopy((*result).expectedDesc);
        pg_sys::MemoryContextSwitchTo(before);
        (*fcinfo).isnull = true;
        pg_sys::Datum::null()
    }
}

#[unsafe(no_mangle)]
extern "C" fn pg_finfo_load_rows() -> *const pg_sys::Pg_finfo_record {
    static VERSION_1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &VERSION_1
}

/// Whether the statement expects tuples of these columns.
///
/// SAFETY: the descriptor is alive.
unsafe fn are(columns: &[Column], expected: pg_sys::TupleDesc) -> bool {
    // SAFETY: both descriptors have as many columns as they say.
    unsafe {
        let own = descriptor(columns);
        let count = (*own).natts;
        (*expected).natts == count
            && (0..count).all(|place| {
                (*attribute_of(own, place)).atttypid == (*attribute_of(expected, place)).atttypid
            })
    }
}
