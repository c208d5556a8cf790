//! The parameters of a statement: a row of the program, value by value.

use std::ffi::c_char;
use std::ptr;

use pgrx::pg_sys;

use super::batch::descriptor;
use super::result::text_datum;
use crate::record::Column;

/// `$1` and so on.
#[derive(Default)]
pub struct Parameters {
    values: Vec<pg_sys::Datum>,
    /// 'n' for a null, as SPI has it.
    nulls: Vec<c_char>,
}

impl Parameters {
    /// A row of this type that has null in all its columns.
    pub fn empty_row(row_type: pg_sys::Oid) -> Self {
        Parameters { values: vec![empty_row(row_type)], nulls: vec![b' ' as c_char] }
    }

    /// These values, none of which is null; they live as long as their owner says.
    pub(super) fn all(values: Vec<pg_sys::Datum>) -> Self {
        let nulls = vec![b' ' as c_char; values.len()];
        Parameters { values, nulls }
    }

    /// A text behind the others, in the database's encoding.
    pub fn and_text(mut self, text: &[u8]) -> Self {
        self.values.push(text_datum(text));
        self.nulls.push(b' ' as c_char);
        self
    }

    /// As `SPI_execute_plan` takes them, which changes neither.
    pub fn pointers(&self) -> (*mut pg_sys::Datum, *const c_char) {
        match self.values.is_empty() {
            true => (ptr::null_mut(), ptr::null()),
            false => (self.values.as_ptr().cast_mut(), self.nulls.as_ptr()),
        }
    }
}

/// The columns of a row whose values are parameters. It is kept until [`Shape::free`].
pub struct Shape {
    descriptor: pg_sys::TupleDesc,
    /// The types of the columns.
    pub types: Vec<pg_sys::Oid>,
}

impl Shape {
    pub fn of(columns: &[Column]) -> Self {
        // SAFETY: the descriptor is made in a context that lives as long as the session.
        let descriptor = unsafe {
            let before = pg_sys::MemoryContextSwitchTo(pg_sys::TopMemoryContext);
            let descriptor = descriptor(columns);
            pg_sys::MemoryContextSwitchTo(before);
            descriptor
        };
        let types = columns.iter().map(|column| pg_sys::Oid::from(column.kind.oid));
        Shape { descriptor, types: types.collect() }
    }

    /// The values of a tuple of these columns; they live as long as the current memory context.
    pub fn values(&self, tuple: &[u8]) -> Parameters {
        let count = self.types.len();
        let mut values = vec![pg_sys::Datum::null(); count];
        let mut are_null = vec![false; count];
        // SAFETY: the tuple is whole, as `tuple` forms it, and of the descriptor's columns. Its copy is aligned as the
        // server aligns tuples, and the values by reference point into it.
        unsafe {
            let copy: *mut u8 = pg_sys::palloc(tuple.len()).cast();
            ptr::copy_nonoverlapping(tuple.as_ptr(), copy, tuple.len());
            let mut header = pg_sys::HeapTupleData {
                t_len: tuple.len() as u32,
                t_data: copy.cast(),
                ..Default::default()
            };
            let (values, are_null) = (values.as_mut_ptr(), are_null.as_mut_ptr());
            pg_sys::heap_deform_tuple(&mut header, self.descriptor, values, are_null);
        }
        let null = |is_null: &bool| if *is_null { b'n' } else { b' ' } as c_char;
        Parameters { values, nulls: are_null.iter().map(null).collect() }
    }

    /// That is no matter of `Drop`: what a session has when it ends goes with the session.
    pub fn free(self) {
        // SAFETY: nobody else has the descriptor.
        unsafe { pg_sys::FreeTupleDesc(self.descriptor) };
    }
}

/// A row of a composite type that has null in all its columns, in the current memory context. No domain has looked at
/// the nulls.
fn empty_row(row_type: pg_sys::Oid) -> pg_sys::Datum {
    // SAFETY: the descriptor is released behind its use; the arrays have as many items as it has columns.
    unsafe {
        let descriptor = pg_sys::lookup_rowtype_tupdesc_copy(row_type, -1);
        let count = (*descriptor).natts as usize;
        let mut values = vec![pg_sys::Datum::null(); count];
        let mut nulls = vec![true; count];
        let tuple = pg_sys::heap_form_tuple(descriptor, values.as_mut_ptr(), nulls.as_mut_ptr());
        pg_sys::heap_copy_tuple_as_datum(tuple, descriptor)
    }
}
