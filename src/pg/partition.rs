//! Partitions: whose they are, and which a table has.

use pgrx::{PgList, pg_sys};

use super::relation::Lock;

// What pgrx leaves out of pg_inherits.h and partition.h.
unsafe extern "C-unwind" {
    fn find_all_inheritors(
        parent: pg_sys::Oid,
        lock: pg_sys::LOCKMODE,
        counts: *mut *mut pg_sys::List,
    ) -> *mut pg_sys::List;

    fn get_partition_ancestors(partition: pg_sys::Oid) -> *mut pg_sys::List;
}

/// A table and its partitions, which are locked so; no others where it has none.
pub fn family(table: pg_sys::Oid, lock: Lock) -> Vec<u32> {
    // SAFETY: looks at the system cache and at pg_inherits. The boundary makes a panic of an ERROR, as pgrx does for what
    // it binds. The list is a copy.
    unsafe {
        if pg_sys::get_rel_relkind(table) as u8 != pg_sys::RELKIND_PARTITIONED_TABLE {
            return vec![table.to_u32()];
        }
        let list = pg_sys::ffi::pg_guard_ffi_boundary(|| {
            find_all_inheritors(table, lock.mode(), std::ptr::null_mut())
        });
        PgList::<pg_sys::Oid>::from_pg(list).iter_oid().map(|oid| oid.to_u32()).collect()
    }
}

/// The tables that a table is a partition of, the nearest first.
pub fn ancestors(table: pg_sys::Oid) -> Vec<u32> {
    // SAFETY: as in `family`.
    unsafe {
        if !pg_sys::get_rel_relispartition(table) {
            return vec![];
        }
        let list = pg_sys::ffi::pg_guard_ffi_boundary(|| get_partition_ancestors(table));
        PgList::<pg_sys::Oid>::from_pg(list).iter_oid().map(|oid| oid.to_u32()).collect()
    }
}

/// Locks the tables that a table is a partition of, as each statement does that asks for its bounds. Before the partition
/// itself: so does who attaches, detaches or drops it, and the other order is a deadlock.
pub fn lock_ancestors(table: pg_sys::Oid) {
    for ancestor in ancestors(table).into_iter().rev() {
        let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
        // SAFETY: a table that is gone is locked for nothing.
        unsafe { pg_sys::LockRelationOid(pg_sys::Oid::from(ancestor), lock) };
    }
}
