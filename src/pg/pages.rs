//! Rows laid into the pages of a table many at a time, with one record of the log a page, and entered into its indexes,
//! as COPY does it (CopyMultiInsertBufferFlush in copyfrom.c).
//!
//! Nothing is looked after here but what the indexes themselves keep: `write/plain.rs` says for which tables that is all
//! there is. The index of an identifier gets its entries at the end, in its own order, which costs a third of entering
//! them in the order of the rows: until [`Pages::finish`] the table must not be read by way of it.
//!
//! A unique index waits for nobody here: a key that somebody else has, or is just writing, is a unique violation at
//! once, as INSERT … ON CONFLICT finds it (UNIQUE_CHECK_PARTIAL). Who then writes by INSERT waits as an INSERT does. So
//! entries may be made in any order: no deadlock can come of it.

use std::ffi::CStr;
use std::ptr;

use pgrx::{PgList, PgSqlErrorCode, PgTupleDesc, pg_sys};

use super::batch::{prefetch, type_oid};
use super::interrupt;
use crate::record::Column;
use crate::tuple;

/// How many rows are laid at once: as many as COPY takes (MAX_BUFFERED_TUPLES).
const AT_ONCE: usize = 1000;

const UUID_BYTES: usize = 16;

/// A table that is being written.
pub struct Pages {
    table: pg_sys::Relation,
    /// A copy, which is not counted: a thousand slots that each hold the table's own take as long as their rows.
    descriptor: pg_sys::TupleDesc,
    indexes: Vec<Index>,
    /// Entries still to be made in the index that has `behind`.
    entries: Vec<Entry>,
    slots: Vec<*mut pg_sys::TupleTableSlot>,
    /// For what the server allocates for a few rows.
    scratch: pg_sys::MemoryContext,
}

struct Index {
    relation: pg_sys::Relation,
    info: *mut pg_sys::IndexInfo,
    /// It is on the first column alone, an identifier in no order.
    behind: bool,
}

/// A row's key and its place in the table.
struct Entry {
    key: [u8; UUID_BYTES],
    place: pg_sys::ItemPointerData,
}

impl Pages {
    /// Opens a table that the transaction has locked for writing; `None` where its first columns are not these.
    /// Whatever an error leaves open, the end of the (sub)transaction closes: [`Pages::finish`] belongs to the same one.
    pub fn open(table: pg_sys::Oid, columns: &[Column]) -> Option<Self> {
        // SAFETY: the table and its indexes are there as long as the lock is. What is allocated lives in the current
        // memory context, which is the connection's.
        unsafe {
            let table = pg_sys::table_open(table, pg_sys::RowExclusiveLock as i32);
            if !fits((*table).rd_att, columns) {
                pg_sys::table_close(table, pg_sys::NoLock as i32);
                return None;
            }
            let scratch = pg_sys::AllocSetContextCreateInternal(
                pg_sys::CurrentMemoryContext,
                c"pg_opus pages".as_ptr(),
                pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            );
            let list = PgList::<pg_sys::Oid>::from_pg(pg_sys::RelationGetIndexList(table));
            let indexes: Vec<Index> = list.iter_oid().map(|oid| Index::open(oid)).collect();
            let indexes = indexes.into_iter().filter(|index| (*index.info).ii_ReadyForInserts);
            let indexes = indexes.collect();
            let descriptor = pg_sys::CreateTupleDescCopy((*table).rd_att);
            Some(Pages { table, descriptor, indexes, entries: vec![], slots: vec![], scratch })
        }
    }

    /// Lays rows, tuples of the table's columns. They are the transaction's own and can be seen by its next command.
    pub fn lay<'r>(&mut self, mut rows: impl ExactSizeIterator<Item = &'r [u8]>) {
        let behind = self.indexes.iter().any(|index| index.behind);
        self.entries.reserve(if behind { rows.len() } else { 0 });
        let mut tuples = Vec::with_capacity(AT_ONCE.min(rows.len()));
        while rows.len() > 0 {
            interrupt::check();
            tuples.clear();
            tuples.extend(rows.by_ref().take(AT_ONCE).inspect(|tuple| prefetch(tuple)));
            self.lay_some(&tuples);
            if behind {
                self.entries.extend(tuples.iter().zip(&self.slots).filter_map(|(tuple, slot)| {
                    // SAFETY: the slot holds the row, which has just been laid.
                    let place = unsafe { (**slot).tts_tid };
                    Some(Entry { key: *tuple::columns(tuple).first_chunk()?, place })
                }));
            }
        }
        // SAFETY: the transaction is in progress, and no parallel plan runs in it.
        unsafe { pg_sys::CommandCounterIncrement() };
    }

    fn lay_some(&mut self, tuples: &[&[u8]]) {
        let header = |tuple: &&[u8]| pg_sys::HeapTupleData {
            t_len: tuple.len() as u32,
            t_data: tuple.as_ptr().cast_mut().cast(),
            ..Default::default()
        };
        let mut headers: Vec<pg_sys::HeapTupleData> = tuples.iter().map(header).collect();
        // SAFETY: the tuples are of the table's first columns, whole, as `tuple.rs` forms them; heap_multi_insert makes
        // each slot copy its own before it touches it. The slots outlive the call, and the memory context is put back.
        unsafe {
            while self.slots.len() < tuples.len() {
                let slot =
                    pg_sys::MakeSingleTupleTableSlot(self.descriptor, &pg_sys::TTSOpsHeapTuple);
                self.slots.push(slot);
            }
            for (tuple, slot) in headers.iter_mut().zip(&self.slots) {
                pg_sys::ExecStoreHeapTuple(tuple, *slot, false);
            }
            let before = pg_sys::MemoryContextSwitchTo(self.scratch);
            pg_sys::heap_multi_insert(
                self.table,
                self.slots.as_mut_ptr(),
                tuples.len() as i32,
                pg_sys::GetCurrentCommandId(true),
                0,
                ptr::null_mut(),
            );
            for index in self.indexes.iter().filter(|index| !index.behind) {
                for slot in &self.slots[..tuples.len()] {
                    index.enter_row(self.table, *slot);
                }
            }
            pg_sys::MemoryContextSwitchTo(before);
            pg_sys::MemoryContextReset(self.scratch);
        }
    }

    /// Makes the entries that are still to be made. Sessions that write at once begin each in its own place of the index,
    /// at its `share` of the entries, from 0 to 1: side by side they would wait for the same pages, and the one that comes
    /// second would find them full.
    pub fn finish(mut self, share: f64) {
        self.entries.sort_unstable_by_key(|entry| entry.key);
        let entries = self.entries.len();
        self.entries.rotate_left(((entries as f64 * share) as usize).min(entries));
        for index in self.indexes.iter().filter(|index| index.behind) {
            for entries in self.entries.chunks_mut(AT_ONCE) {
                interrupt::check();
                // SAFETY: each entry's place is that of the row with its key; the memory context is put back.
                unsafe {
                    let before = pg_sys::MemoryContextSwitchTo(self.scratch);
                    for entry in entries {
                        index.enter_key(self.table, entry);
                    }
                    pg_sys::MemoryContextSwitchTo(before);
                    pg_sys::MemoryContextReset(self.scratch);
                }
            }
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: each was opened or made by `open` and `lay_some`, once; locks are held to the transaction's end.
            unsafe {
                let lock = pg_sys::NoLock as i32;
                self.slots.iter().for_each(|slot| pg_sys::ExecDropSingleTupleTableSlot(*slot));
                self.indexes.iter().for_each(|index| pg_sys::index_close(index.relation, lock));
                pg_sys::table_close(self.table, lock);
                pg_sys::MemoryContextDelete(self.scratch);
            }
        }
    }
}

/// Whether tuples formed of these columns are tuples of the table: those that it has besides are null then.
///
/// SAFETY: the descriptor is that of a table that is open.
unsafe fn fits(descriptor: pg_sys::TupleDesc, columns: &[Column]) -> bool {
    // SAFETY: as above; nothing is released with the wrapper.
    let attributes = unsafe { PgTupleDesc::from_pg_unchecked(descriptor) };
    columns.iter().enumerate().all(|(place, column)| {
        attributes.get(place).is_some_and(|attribute| {
            !attribute.attisdropped && attribute.atttypid == type_oid(column.kind)
        })
    })
}

impl Index {
    /// SAFETY: the OID is that of an index of a table that is locked.
    unsafe fn open(oid: pg_sys::Oid) -> Self {
        // SAFETY: both pointers are the index's own, valid while it is open.
        unsafe {
            let relation = pg_sys::index_open(oid, pg_sys::RowExclusiveLock as i32);
            let info = pg_sys::BuildIndexInfo(relation);
            let first = (*(*relation).rd_index).indkey.values.as_slice(1)[0];
            let identifier = (*info).ii_NumIndexAttrs == 1
                && first == 1
                && *(*relation).rd_opcintype == pg_sys::UUIDOID;
            Index { relation, info, behind: identifier && (*info).ii_Unique }
        }
    }

    /// SAFETY: the slot holds a row of the table with its place.
    unsafe fn enter_row(&self, table: pg_sys::Relation, slot: *mut pg_sys::TupleTableSlot) {
        let (mut values, mut nulls) = ([pg_sys::Datum::null(); KEYS], [false; KEYS]);
        // SAFETY: an index has at most INDEX_MAX_KEYS columns; without expressions no executor is needed.
        unsafe {
            pg_sys::FormIndexDatum(
                self.info,
                slot,
                ptr::null_mut(),
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            );
            self.enter(table, &mut values, &mut nulls, &mut (*slot).tts_tid);
        }
    }

    /// SAFETY: the index has one column, an identifier, and the table has a row with this key in this place.
    unsafe fn enter_key(&self, table: pg_sys::Relation, entry: &mut Entry) {
        let mut values = [pg_sys::Datum::from(entry.key.as_ptr())];
        // SAFETY: an identifier is passed by the address of its 16 bytes, which the index copies.
        unsafe { self.enter(table, &mut values, &mut [false], &mut entry.place) };
    }

    /// SAFETY: there is a value for each of the index's columns, of the row in this place.
    unsafe fn enter(
        &self,
        table: pg_sys::Relation,
        values: &mut [pg_sys::Datum],
        nulls: &mut [bool],
        place: &mut pg_sys::ItemPointerData,
    ) {
        // SAFETY: as above; index and table are open.
        unsafe {
            let unique = match (*self.info).ii_Unique {
                true => pg_sys::IndexUniqueCheck::UNIQUE_CHECK_PARTIAL,
                false => pg_sys::IndexUniqueCheck::UNIQUE_CHECK_NO,
            };
            let alone = pg_sys::index_insert(
                self.relation,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
                place,
                table,
                unique,
                false,
                self.info,
            );
            // What an index says that is not unique means nothing.
            if (*self.info).ii_Unique && !alone {
                self.refuse();
            }
        }
    }

    /// Raises the error of a key that is there. Which row has it, an INSERT tells.
    fn refuse(&self) {
        // SAFETY: the index is open; its name ends with NUL.
        let name = unsafe { CStr::from_ptr((*(*self.relation).rd_rel).relname.data.as_ptr()) };
        let name = name.to_string_lossy();
        pgrx::ereport!(
            ERROR,
            PgSqlErrorCode::ERRCODE_UNIQUE_VIOLATION,
            format!("duplicate key value violates unique constraint \"{name}\"")
        );
    }
}

const KEYS: usize = pg_sys::INDEX_MAX_KEYS as usize;
