//! Rows of the program as a table that a statement can read: a tuplestore under a name, an ephemeral named relation.
//!
//! The name is known to every statement of the connection, before any table of that name; the plans made for it are
//! executed for one filling after the other.

use std::ffi::CString;
use std::mem::ManuallyDrop;

use pgrx::pg_sys;

use super::memory_context;
use super::spi::Spi;
use crate::record::Column;

/// The table: its name and shape, and the rows of the last filling.
pub struct Batch<'spi> {
    /// The connection has its address until it is unregistered.
    relation: ManuallyDrop<Box<pg_sys::EphemeralNamedRelationData>>,
    name: CString,
    store: Option<Store>,
    /// Whose the temporary files of the rows are: a subtransaction that fills the table may end before it.
    owner: pg_sys::ResourceOwner,
    _spi: &'spi Spi,
}

impl<'spi> Batch<'spi> {
    /// Registers an empty table; `rows` is how many the planner is to expect.
    pub fn register(spi: &'spi Spi, name: &str, columns: &[Column], rows: usize) -> Self {
        Self::described(spi, name, descriptor(columns), rows)
    }

    fn described(spi: &'spi Spi, name: &str, descriptor: pg_sys::TupleDesc, rows: usize) -> Self {
        let name = CString::new(name).unwrap_or_default();
        let relation = Box::<pg_sys::EphemeralNamedRelationData>::default();
        let mut relation = ManuallyDrop::new(relation);
        // SAFETY: descriptor and name are allocated in the connection's memory context; the relation is boxed, so its
        // address stays the same until it is unregistered.
        unsafe {
            relation.md.name = pg_sys::pstrdup(name.as_ptr());
            relation.md.tupdesc = descriptor;
            relation.md.enrtype = pg_sys::EphemeralNameRelationType::ENR_NAMED_TUPLESTORE;
            relation.md.enrtuples = rows as f64;
            let code = pg_sys::SPI_register_relation(&mut **relation);
            if code < 0 {
                pgrx::error!("SPI_register_relation failed with code {code}");
            }
        }
        // SAFETY: reads a variable of the backend.
        let owner = unsafe { pg_sys::CurrentResourceOwner };
        let mut batch = Batch { relation, name, store: None, owner, _spi: spi };
        batch.fill([]);
        batch
    }

    /// The same for columns of any type, by their names, types and modifiers.
    #[cfg(all(feature = "pg_test", not(test)))]
    pub fn of_types(spi: &'spi Spi, name: &str, columns: &[(&str, u32, i32)]) -> Self {
        // SAFETY: as in `descriptor`.
        let descriptor = unsafe {
            let descriptor = pg_sys::CreateTemplateTupleDesc(columns.len() as i32);
            for (number, (name, kind, typmod)) in (1..).zip(columns) {
                let (name, kind) = (CString::new(*name).unwrap_or_default(), (*kind).into());
                pg_sys::TupleDescInitEntry(descriptor, number, name.as_ptr(), kind, *typmod, 0);
            }
            descriptor
        };
        Self::described(spi, name, descriptor, 1000)
    }

    /// Replaces the rows by others, formed as heap tuples of the table's columns.
    pub fn fill<'t>(&mut self, tuples: impl IntoIterator<Item = &'t [u8]>) {
        // The old rows go before the new ones come.
        self.store = None;
        self.append(tuples);
    }

    /// Adds rows to those that are there.
    pub fn append<'t>(&mut self, tuples: impl IntoIterator<Item = &'t [u8]>) {
        let owner = self.owner;
        let store = self.store.get_or_insert_with(|| Store::new(owner));
        store.put(tuples);
        self.relation.reldata = store.state.cast();
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        // Where an error unwinds, the connection may live on and know the relation: it stays.
        if !std::thread::panicking() {
            // SAFETY: the relation was registered under this name in the connection, which is still open. Nobody knows it
            // any more, and it is dropped once.
            unsafe {
                pg_sys::SPI_unregister_relation(self.name.as_ptr());
                ManuallyDrop::drop(&mut self.relation);
            }
        }
    }
}

/// Describes tuples of these columns, in the current memory context.
pub fn descriptor(columns: &[Column]) -> pg_sys::TupleDesc {
    // SAFETY: the descriptor is new and has a place for each column; the names are copied.
    unsafe {
        let descriptor = pg_sys::CreateTemplateTupleDesc(columns.len() as i32);
        for (number, column) in (1..).zip(columns) {
            let name = CString::new(&*column.name).unwrap_or_default();
            let (kind, typmod) = (pg_sys::Oid::from(column.kind.oid), column.kind.typmod);
            pg_sys::TupleDescInitEntry(descriptor, number, name.as_ptr(), kind, typmod, 0);
            // Compared with a table's column, that column's collation holds, whatever it is.
            pg_sys::TupleDescInitEntryCollation(descriptor, number, pg_sys::InvalidOid);
        }
        descriptor
    }
}

/// How many tuples before its turn one is fetched into the processor's caches. Measured on 267,000 works: 4, 8 and 16
/// fill the batches in 0.042 s, none at all in 0.059 s.
pub const AHEAD: usize = 8;

const CACHE_LINE: usize = 64;

/// Asks for bytes that are soon to be copied.
pub fn prefetch(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    for line in bytes.chunks(CACHE_LINE) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint: nothing is read or written, and the address is one of the slice.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (bytes, CACHE_LINE);
}

/// A tuplestore with all its memory in a context of its own.
struct Store {
    context: pg_sys::MemoryContext,
    state: *mut pg_sys::Tuplestorestate,
}

impl Store {
    fn new(owner: pg_sys::ResourceOwner) -> Self {
        // SAFETY: the context is a child of the current one, so it is freed with it at the latest. Beyond work_mem the
        // rows go to a temporary file.
        unsafe {
            let context = memory_context::child(pg_sys::CurrentMemoryContext, c"pg_opus batch");
            let before = pg_sys::MemoryContextSwitchTo(context);
            let current = pg_sys::CurrentResourceOwner;
            pg_sys::CurrentResourceOwner = owner;
            let state = pg_sys::tuplestore_begin_heap(false, false, pg_sys::work_mem);
            pg_sys::CurrentResourceOwner = current;
            pg_sys::MemoryContextSwitchTo(before);
            Store { context, state }
        }
    }

    fn put<'t>(&self, tuples: impl IntoIterator<Item = &'t [u8]>) {
        // SAFETY: the state is the store's own, and keeps its rows in the store's context.
        unsafe {
            let before = pg_sys::MemoryContextSwitchTo(self.context);
            put_tuples(self.state, tuples);
            pg_sys::MemoryContextSwitchTo(before);
        }
    }
}

/// Adds rows to a tuplestore, in the current memory context.
///
/// SAFETY: the tuplestore is one of tuples of these columns, whole, as `tuple` forms them.
pub(super) unsafe fn put_tuples<'t>(
    state: *mut pg_sys::Tuplestorestate,
    tuples: impl IntoIterator<Item = &'t [u8]>,
) {
    // Their order is not that of memory.
    let tuples: Vec<&[u8]> = tuples.into_iter().collect();
    for (place, tuple) in tuples.iter().enumerate() {
        if let Some(ahead) = tuples.get(place + AHEAD) {
            prefetch(ahead);
        }
        let mut header = pg_sys::HeapTupleData {
            t_len: tuple.len() as u32,
            t_data: tuple.as_ptr().cast_mut().cast(),
            ..Default::default()
        };
        // SAFETY: the caller's promise; the tuplestore copies each and changes nothing.
        unsafe { pg_sys::tuplestore_puttuple(state, &mut header) };
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: nothing reads the store any more; a statement that scanned it has ended.
            unsafe {
                pg_sys::tuplestore_end(self.state);
                pg_sys::MemoryContextDelete(self.context);
            }
        }
    }
}
