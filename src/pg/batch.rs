//! Rows of the program as a table that a statement can read: a tuplestore under a name, an ephemeral named relation.
//!
//! The name is known to every statement of the connection, before any table of that name; the plans made for it are
//! executed for one filling after the other.

use std::borrow::Cow;
use std::ffi::CString;

use pgrx::pg_sys;

use super::encoding;
use super::spi::Spi;
use crate::record::{Column, ColumnType, Sink};

/// Where each value of a row lies in memory has to suit its type; 8 suits all.
const ALIGNMENT: usize = 8;

/// The table: its name and shape, and the rows of the last filling.
pub struct Batch<'spi> {
    relation: Box<pg_sys::EphemeralNamedRelationData>,
    name: CString,
    writer: RowWriter,
    store: Option<Store>,
    _spi: &'spi Spi,
}

impl<'spi> Batch<'spi> {
    /// Registers an empty table; `rows` is how many the planner is to expect.
    pub fn register(spi: &'spi Spi, name: &str, columns: &[Column], rows: usize) -> Self {
        let name = CString::new(name).unwrap_or_default();
        let mut relation = Box::<pg_sys::EphemeralNamedRelationData>::default();
        // SAFETY: descriptor and names are allocated in the connection's memory context; the relation is boxed, so its
        // address stays the same until it is unregistered.
        unsafe {
            let descriptor = pg_sys::CreateTemplateTupleDesc(columns.len() as i32);
            for (number, column) in (1..).zip(columns) {
                let name = CString::new(column.name).unwrap_or_default();
                let kind = type_oid(column.kind);
                pg_sys::TupleDescInitEntry(descriptor, number, name.as_ptr(), kind, -1, 0);
                // Compared with a table's column, that column's collation holds, whatever it is.
                pg_sys::TupleDescInitEntryCollation(descriptor, number, pg_sys::InvalidOid);
            }
            relation.md.name = pg_sys::pstrdup(name.as_ptr());
            relation.md.tupdesc = descriptor;
            relation.md.enrtype = pg_sys::EphemeralNameRelationType::ENR_NAMED_TUPLESTORE;
            relation.md.enrtuples = rows as f64;
            let code = pg_sys::SPI_register_relation(&mut *relation);
            if code < 0 {
                pgrx::error!("SPI_register_relation failed with code {code}");
            }
        }
        let mut batch =
            Batch { relation, name, writer: RowWriter::new(columns.len()), store: None, _spi: spi };
        batch.fill::<()>([], |(), _| ());
        batch
    }

    /// Replaces the rows: `put` hands the values of each item over. The places of the items that have a character which
    /// the database's encoding lacks are returned; they are left out.
    pub fn fill<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut put: impl FnMut(T, &mut RowWriter),
    ) -> Vec<usize> {
        // The old rows go before the new ones come.
        self.store = None;
        let store = Store::new();
        let mut left_out = vec![];
        for (place, item) in items.into_iter().enumerate() {
            self.writer.clear();
            put(item, &mut self.writer);
            if self.writer.convertible {
                store.put(self.relation.md.tupdesc, &mut self.writer);
            } else {
                left_out.push(place);
            }
        }
        self.relation.reldata = store.state.cast();
        self.store = Some(store);
        left_out
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: the relation was registered under this name in the connection, which is still open.
            unsafe { pg_sys::SPI_unregister_relation(self.name.as_ptr()) };
        }
    }
}

fn type_oid(kind: ColumnType) -> pg_sys::Oid {
    match kind {
        ColumnType::Text => pg_sys::TEXTOID,
        ColumnType::TextArray => pg_sys::TEXTARRAYOID,
        ColumnType::Uuid => pg_sys::UUIDOID,
        ColumnType::Date => pg_sys::DATEOID,
        ColumnType::Boolean => pg_sys::BOOLOID,
        ColumnType::Int4 => pg_sys::INT4OID,
        ColumnType::Int8 => pg_sys::INT8OID,
        ColumnType::Jsonb => pg_sys::JSONBOID,
    }
}

/// A tuplestore with all its memory in a context of its own.
struct Store {
    context: pg_sys::MemoryContext,
    state: *mut pg_sys::Tuplestorestate,
}

impl Store {
    fn new() -> Self {
        // SAFETY: the context is a child of the current one, so it is freed with it at the latest. Beyond work_mem the
        // rows go to a temporary file.
        unsafe {
            let context = pg_sys::AllocSetContextCreateInternal(
                pg_sys::CurrentMemoryContext,
                c"pg_opus batch".as_ptr(),
                pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            );
            let before = pg_sys::MemoryContextSwitchTo(context);
            let state = pg_sys::tuplestore_begin_heap(false, false, pg_sys::work_mem);
            pg_sys::MemoryContextSwitchTo(before);
            Store { context, state }
        }
    }

    fn put(&self, descriptor: pg_sys::TupleDesc, row: &mut RowWriter) {
        // SAFETY: the row has a value and a null flag for each column of the descriptor; its pointers are into its own
        // buffer or into this context, and the tuplestore copies what they point to.
        unsafe {
            let before = pg_sys::MemoryContextSwitchTo(self.context);
            row.resolve();
            pg_sys::tuplestore_putvalues(
                self.state,
                descriptor,
                row.values.as_mut_ptr(),
                row.nulls.as_mut_ptr(),
            );
            pg_sys::MemoryContextSwitchTo(before);
        }
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

/// One row being written: values by reference lie in `buffer`, which may move until the row is complete.
pub struct RowWriter {
    values: Vec<pg_sys::Datum>,
    nulls: Vec<bool>,
    buffer: Vec<u8>,
    /// Column and offset of each value by reference.
    references: Vec<(usize, usize)>,
    /// Column of each array, and the offsets of its elements.
    arrays: Vec<(usize, Vec<usize>)>,
    convertible: bool,
}

impl RowWriter {
    fn new(columns: usize) -> Self {
        RowWriter {
            values: Vec::with_capacity(columns),
            nulls: Vec::with_capacity(columns),
            buffer: vec![],
            references: vec![],
            arrays: vec![],
            convertible: true,
        }
    }

    fn clear(&mut self) {
        self.values.clear();
        self.nulls.clear();
        self.buffer.clear();
        self.references.clear();
        self.arrays.clear();
        self.convertible = true;
    }

    fn value(&mut self, value: Option<pg_sys::Datum>) {
        self.nulls.push(value.is_none());
        self.values.push(value.unwrap_or_else(pg_sys::Datum::null));
    }

    fn append(&mut self, bytes: &[u8]) -> usize {
        let offset = self.buffer.len().next_multiple_of(ALIGNMENT);
        self.buffer.resize(offset, 0);
        self.buffer.extend_from_slice(bytes);
        offset
    }

    /// Appends a varlena with a header of 4 bytes, which counts itself.
    fn append_varlena(&mut self, bytes: &[u8]) -> usize {
        let length = (bytes.len() + size_of::<u32>()) as u32;
        // As SET_VARSIZE_4B of varatt.h: the two flag bits are the low ones on little-endian machines.
        let header = if cfg!(target_endian = "little") { length << 2 } else { length };
        let offset = self.append(&header.to_ne_bytes());
        self.buffer.extend_from_slice(bytes);
        offset
    }

    fn append_text(&mut self, text: &str) -> usize {
        match encoding::to_database(text) {
            Some(bytes) => self.append_varlena(&bytes),
            None => {
                self.convertible = false;
                0
            }
        }
    }

    fn reference(&mut self, offset: usize) {
        self.references.push((self.values.len(), offset));
        self.value(Some(pg_sys::Datum::null()));
    }

    /// Turns offsets into pointers, now that the buffer stays where it is.
    ///
    /// SAFETY: the current memory context must outlive the row's use: arrays are made there.
    unsafe fn resolve(&mut self) {
        let base = self.buffer.as_ptr();
        // SAFETY: each offset was made by `append` for this buffer.
        let pointer = |offset: usize| pg_sys::Datum::from(unsafe { base.add(offset) });
        for &(column, offset) in &self.references {
            self.values[column] = pointer(offset);
        }
        for (column, offsets) in &self.arrays {
            let mut elements: Vec<_> = offsets.iter().map(|&offset| pointer(offset)).collect();
            // SAFETY: the elements are varlenas of text; length, passing and alignment are those of text.
            let array = unsafe {
                pg_sys::construct_array(
                    elements.as_mut_ptr(),
                    elements.len() as i32,
                    pg_sys::TEXTOID,
                    -1,
                    false,
                    pg_sys::TYPALIGN_INT as std::ffi::c_char,
                )
            };
            self.values[*column] = pg_sys::Datum::from(array);
        }
    }

    /// A jsonb container as stored, without its varlena header.
    pub fn jsonb(&mut self, container: Option<&[u8]>) {
        match container {
            Some(container) => {
                let offset = self.append_varlena(container);
                self.reference(offset);
            }
            None => self.value(None),
        }
    }
}

impl Sink for RowWriter {
    fn text(&mut self, value: Option<&str>) {
        match value {
            Some(text) => {
                let offset = self.append_text(text);
                self.reference(offset);
            }
            None => self.value(None),
        }
    }

    fn texts(&mut self, value: Option<&[Cow<'_, str>]>) {
        if let Some(texts) = value {
            let offsets = texts.iter().map(|text| self.append_text(text)).collect();
            self.arrays.push((self.values.len(), offsets));
        }
        self.value(value.map(|_| pg_sys::Datum::null()));
    }

    fn uuid(&mut self, value: [u8; 16]) {
        let offset = self.append(&value);
        self.reference(offset);
    }

    fn date(&mut self, value: Option<i32>) {
        self.value(value.map(pg_sys::Datum::from));
    }

    fn boolean(&mut self, value: Option<bool>) {
        self.value(value.map(pg_sys::Datum::from));
    }

    fn int4(&mut self, value: Option<i32>) {
        self.value(value.map(pg_sys::Datum::from));
    }

    fn int8(&mut self, value: Option<i64>) {
        self.value(value.map(pg_sys::Datum::from));
    }
}
