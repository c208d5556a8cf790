//! Prepared statements that outlive their call, and news of the tables they were made for.

use std::cell::{Cell, RefCell};

use pgrx::pg_sys;

use super::spi::{Plan, Spi};

/// A prepared statement of the session. The server plans it anew where that is needed.
pub struct Kept {
    plan: pg_sys::SPIPlanPtr,
    /// The table that it is about.
    relation: pg_sys::Oid,
}

impl Kept {
    /// A statement about a table, with parameters of these types.
    pub fn prepare(spi: &Spi, relation: pg_sys::Oid, sql: &[u8], types: &[pg_sys::Oid]) -> Self {
        let plan = spi.prepare_of(sql, types).into_pointer();
        // SAFETY: the plan has just been prepared, for this one owner.
        unsafe { pg_sys::SPI_keepplan(plan) };
        Kept { plan, relation }
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
    /// Of types, the hashes by which the server tells that one has changed.
    static TYPES: RefCell<Vec<u32>> = const { RefCell::new(vec![]) };
    static CHANGES: Cell<u64> = const { Cell::new(0) };
    static NEWS: Cell<u64> = const { Cell::new(0) };
    static REGISTERED: Cell<bool> = const { Cell::new(false) };
}

/// How often the session has heard of a change of any table, type, function or schema. What has been read while this stays
/// the same is all of one time.
pub fn news() -> u64 {
    use pg_sys::SysCacheIdentifier::{NAMESPACEOID, PROCOID, TYPEOID};
    if !REGISTERED.replace(true) {
        let none = pg_sys::Datum::null();
        // SAFETY: the callbacks are functions of this library, which is never unloaded.
        unsafe {
            pg_sys::CacheRegisterRelcacheCallback(Some(changed), none);
            pg_sys::CacheRegisterSyscacheCallback(TYPEOID as i32, Some(type_changed), none);
            for cache in [NAMESPACEOID, PROCOID] {
                pg_sys::CacheRegisterSyscacheCallback(cache as i32, Some(any_changed), none);
            }
        }
    }
    NEWS.get()
}

/// Counts changes of the table's definition and of its columns' types from here on, and those of schemas and functions. Of a
/// domain's default, a type's name and a default's function no table is told. Whoever has asked for [`news`] watches.
pub fn watch(table: pg_sys::Oid, types: impl Iterator<Item = u32>) {
    let none = pg_sys::Datum::null();
    // SAFETY: computes a hash of an OID.
    let hash = |oid: u32| unsafe {
        pg_sys::GetSysCacheHashValue(
            pg_sys::SysCacheIdentifier::TYPEOID as i32,
            pg_sys::Oid::from(oid).into(),
            none,
            none,
            none,
        )
    };
    WATCHED.with_borrow_mut(|watched| add(watched, table));
    TYPES.with_borrow_mut(|watched| types.for_each(|oid| add(watched, hash(oid))));
}

fn add<T: PartialEq>(all: &mut Vec<T>, one: T) {
    if !all.contains(&one) {
        all.push(one);
    }
}

/// How often what is watched may have changed, as far as the session has heard. A session that has locked a table has heard
/// of all its changes.
pub fn changes() -> u64 {
    CHANGES.get()
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn changed(_argument: pg_sys::Datum, table: pg_sys::Oid) {
    // No OID stands for all tables.
    hear(table == pg_sys::InvalidOid || WATCHED.with_borrow(|all| all.contains(&table)));
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn type_changed(_argument: pg_sys::Datum, _cache: i32, hash: u32) {
    // No hash stands for all types.
    hear(hash == 0 || TYPES.with_borrow(|all| all.contains(&hash)));
}

/// A schema may have another name now, by which statements name their tables; a function may do something else.
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn any_changed(_argument: pg_sys::Datum, _cache: i32, _hash: u32) {
    hear(true);
}

fn hear(watched: bool) {
    NEWS.set(NEWS.get() + 1);
    CHANGES.set(CHANGES.get() + u64::from(watched));
}
