//! Entries into the indexes of a table that rows are written into: row by row, and late.

use std::ffi::CStr;
use std::ptr;

use pgrx::{PgSqlErrorCode, pg_sys};

use super::memory::{per_tuple, reset_per_tuple};
use super::{AT_ONCE, BulkInsert};
use crate::pg::interrupt;

const UUID_BYTES: usize = 16;

/// An index that gets its entries at the end.
pub struct Late {
    /// Its place among the relation's indexes.
    place: usize,
    index: pg_sys::Relation,
    pub entries: Vec<Entry>,
}

/// A row's key and its place in the table.
pub struct Entry {
    pub key: [u8; UUID_BYTES],
    pub place: pg_sys::ItemPointerData,
}

impl BulkInsert {
    /// Takes an index out of the relation's: ExecInsertIndexTuples() passes an empty place over.
    ///
    /// SAFETY: the indexes are open.
    pub unsafe fn take_index(&self, oid: pg_sys::Oid) -> Option<Late> {
        // SAFETY: the relation has so many indexes.
        unsafe {
            let count = (*self.relation).ri_NumIndices as usize;
            let indexes = std::slice::from_raw_parts_mut(
                (*self.relation).ri_IndexRelationDescs,
                if count == 0 { return None } else { count },
            );
            let place = indexes.iter().position(|index| (**index).rd_id == oid)?;
            let index = std::mem::replace(&mut indexes[place], ptr::null_mut());
            Some(Late { place, index, entries: vec![] })
        }
    }

    /// SAFETY: called once, with the index that `open` took out.
    pub unsafe fn enter_late(&self, late: Late, share: f64) {
        let Late { place, index, mut entries } = late;
        entries.sort_unstable_by_key(|entry| entry.key);
        let count = entries.len();
        entries.rotate_left(((count as f64 * share) as usize).min(count));
        // SAFETY: an index of one column has one value; a uuid is passed by the address of its 16 bytes, which the index
        // copies. The index goes back to its place, to be closed with the others.
        unsafe {
            let table = (*self.relation).ri_RelationDesc;
            let info = *(*self.relation).ri_IndexRelationInfo.add(place);
            (*self.relation).ri_IndexRelationDescs.add(place).write(index);
            for entries in entries.chunks_mut(AT_ONCE) {
                interrupt::check();
                let before = pg_sys::MemoryContextSwitchTo(per_tuple(self.state));
                for Entry { key, place } in entries {
                    let unique = pg_sys::index_insert(
                        index,
                        &mut pg_sys::Datum::from(key.as_ptr()),
                        &mut false,
                        place,
                        table,
                        pg_sys::IndexUniqueCheck::UNIQUE_CHECK_PARTIAL,
                        false,
                        info,
                    );
                    if !unique {
                        refuse_key((*index).rd_id);
                    }
                }
                pg_sys::MemoryContextSwitchTo(before);
                reset_per_tuple(self.state);
            }
        }
    }
}

/// Enters a row; the indexes that are to be looked at again. `conflict` tells that an immediate one has its key.
pub unsafe fn insert_index_tuples(
    relation: *mut pg_sys::ResultRelInfo,
    slot: *mut pg_sys::TupleTableSlot,
    state: *mut pg_sys::EState,
    conflict: &mut bool,
) -> *mut pg_sys::List {
    // SAFETY: the slot holds a row of the relation, with its place.
    unsafe {
        pg_sys::ExecInsertIndexTuples(
            relation,
            slot,
            state,
            false,
            true,
            conflict,
            ptr::null_mut(),
            #[cfg(not(feature = "pg15"))]
            false,
        )
    }
}

/// Raises the error of a key that is there; the indexes are those that found one, deferrable ones among them.
///
/// SAFETY: the list is one of OIDs of indexes.
pub unsafe fn refuse(indexes: *mut pg_sys::List) {
    // SAFETY: the caller's promise.
    let list = unsafe { pgrx::PgList::<pg_sys::Oid>::from_pg(indexes) };
    refuse_key(list.get_oid(0).unwrap_or(pg_sys::InvalidOid));
}

/// Which row has the key, an INSERT tells.
fn refuse_key(index: pg_sys::Oid) {
    // SAFETY: gives a copy, or a null pointer where there is nothing of that OID.
    let name = unsafe {
        let name = pg_sys::get_rel_name(index);
        if name.is_null() { "".into() } else { CStr::from_ptr(name).to_string_lossy() }
    };
    pgrx::ereport!(
        ERROR,
        PgSqlErrorCode::ERRCODE_UNIQUE_VIOLATION,
        format!("duplicate key value violates unique constraint \"{name}\"")
    );
}
