//! Prepared statements that outlive their call, and news of the tables they were made for.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::ptr;

use pgrx::pg_sys;

use super::spi::{Plan, Row, Spi};

/// A prepared statement of the session. The server plans it anew where that is needed.
pub struct Kept {
    plan: pg_sys::SPIPlanPtr,
    /// The table that it is about, if it reads or writes one.
    relation: Option<pg_sys::Oid>,
}

impl Kept {
    pub fn prepare(spi: &Spi, relation: pg_sys::Oid, sql: &[u8]) -> Self {
        Kept { relation: Some(relation), ..Kept::of(spi.prepare(sql)) }
    }

    /// A plan that is about no table.
    pub fn of(plan: Plan) -> Self {
        let plan = plan.into_pointer();
        // SAFETY: the plan has just been prepared, for this one owner.
        unsafe { pg_sys::SPI_keepplan(plan) };
        Kept { plan, relation: None }
    }

    /// The statement with its parameter: see [`Spi::prepare_with_empty_row`].
    pub fn plan_with_empty_row<'s>(&self, spi: &'s Spi, row_type: pg_sys::Oid) -> Plan<'s> {
        spi.of_kept(self.plan, self.relation).with_empty_row(row_type)
    }

    /// Executes the statement and hands each of its rows to `read`.
    pub fn rows<T>(&self, spi: &Spi, read: impl FnMut(&Row) -> T) -> Vec<T> {
        spi.of_kept(self.plan, self.relation).rows(read)
    }

    /// Frees the plan. That is no matter of `Drop`: what a session has when it ends goes with the session.
    pub fn free(self) {
        // SAFETY: nobody else has the plan, and no execution of it is under way.
        unsafe { pg_sys::SPI_freeplan(self.plan) };
    }
}

thread_local! {
    static WATCHED: RefCell<Vec<pg_sys::Oid>> = const { RefCell::new(vec![]) };
    static CHANGES: Cell<u64> = const { Cell::new(0) };
    static REGISTERED: Cell<bool> = const { Cell::new(false) };
}

/// Counts changes of the table's definition from here on.
pub fn watch(table: pg_sys::Oid) {
    if !REGISTERED.replace(true) {
        // SAFETY: the callback is a function of this library, which is never unloaded.
        unsafe { pg_sys::CacheRegisterRelcacheCallback(Some(changed), pg_sys::Datum::null()) };
    }
    WATCHED.with_borrow_mut(|watched| {
        if !watched.contains(&table) {
            watched.push(table);
        }
    });
}

/// How often a watched table may have changed, as far as the session has heard. A session that has locked a table has
/// heard of all its changes.
pub fn changes() -> u64 {
    CHANGES.get()
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn changed(_argument: pg_sys::Datum, table: pg_sys::Oid) {
    // No OID stands for all tables.
    let watched = table == pg_sys::InvalidOid || WATCHED.with_borrow(|all| all.contains(&table));
    CHANGES.set(CHANGES.get() + u64::from(watched));
}

/// The schema's and the table's name, as they are now.
pub fn name(table: pg_sys::Oid) -> Option<(Vec<u8>, Vec<u8>)> {
    // SAFETY: both look-ups give a copy, or a null pointer where there is nothing of that OID.
    unsafe {
        let copy = |name: *mut std::ffi::c_char| {
            (!ptr::eq(name, ptr::null())).then(|| CStr::from_ptr(name).to_bytes().to_vec())
        };
        let schema = pg_sys::get_namespace_name(pg_sys::get_rel_namespace(table));
        Some((copy(schema)?, copy(pg_sys::get_rel_name(table))?))
    }
}
