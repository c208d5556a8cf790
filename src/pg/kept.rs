//! Prepared statements that outlive their call, and news of the tables they were made for.

use std::cell::{Cell, RefCell};

use pgrx::pg_sys;

use super::spi::{Plan, Spi};

/// A prepared statement of the session. The server plans it anew where that is needed.
pub struct Kept {
    plan: pg_sys::SPIPlanPtr,
    /// The table that it is about, if it reads or writes one.
    relation: Option<pg_sys::Oid>,
}

impl Kept {
    /// A statement about a table, with parameters of these types.
    pub fn prepare(spi: &Spi, relation: pg_sys::Oid, sql: &[u8], types: &[pg_sys::Oid]) -> Self {
        Kept { relation: Some(relation), ..Kept::of(spi.prepare_of(sql, types)) }
    }

    /// A plan that is about no table.
    pub fn of(plan: Plan) -> Self {
        let plan = plan.into_pointer();
        // SAFETY: the plan has just been prepared, for this one owner.
        unsafe { pg_sys::SPI_keepplan(plan) };
        Kept { plan, relation: None }
    }

    pub fn plan<'s>(&self, spi: &'s Spi) -> Plan<'s> {
        spi.of_kept(self.plan, self.relation)
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

/// Counts changes of the table's definition, and of schemas, from here on.
pub fn watch(table: pg_sys::Oid) {
    if !REGISTERED.replace(true) {
        let (schemas, none) =
            (pg_sys::SysCacheIdentifier::NAMESPACEOID as i32, pg_sys::Datum::null());
        // SAFETY: the callbacks are functions of this library, which is never unloaded.
        unsafe {
            pg_sys::CacheRegisterRelcacheCallback(Some(changed), none);
            pg_sys::CacheRegisterSyscacheCallback(schemas, Some(renamed), none);
        }
    }
    WATCHED.with_borrow_mut(|watched| {
        if !watched.contains(&table) {
            watched.push(table);
        }
    });
}

/// How often a watched table or a schema may have changed, as far as the session has heard. A session that has locked a
/// table has heard of all its changes.
pub fn changes() -> u64 {
    CHANGES.get()
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn changed(_argument: pg_sys::Datum, table: pg_sys::Oid) {
    // No OID stands for all tables.
    let watched = table == pg_sys::InvalidOid || WATCHED.with_borrow(|all| all.contains(&table));
    CHANGES.set(CHANGES.get() + u64::from(watched));
}

/// A schema may have another name now. Statements name their tables by it.
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn renamed(_argument: pg_sys::Datum, _cache: i32, _hash: u32) {
    CHANGES.set(CHANGES.get() + 1);
}
