//! Rows of the program as parameters of a statement, an array for each column: what any executor can read, and join with
//! tables of its own.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::batch::descriptor;
use super::memory_context;
use super::parameters::Parameters;
use super::relation;
use super::result::text_datum;
use crate::record::Column;

/// The arrays, in a memory context of their own.
pub struct Arrays {
    context: pg_sys::MemoryContext,
    pub types: Vec<pg_sys::Oid>,
    values: Vec<pg_sys::Datum>,
    /// For each column how its array has it; none of those that are not used.
    elements: Vec<Option<Element>>,
}

/// How an array has the values of a column.
struct Element {
    kind: pg_sys::Oid,
    length: i16,
    by_value: bool,
    alignment: std::ffi::c_char,
    /// The function that makes a text of a value: an array of arrays, or of rows, would come apart.
    to_text: Option<pg_sys::Oid>,
}

impl Element {
    fn of(oid: pg_sys::Oid) -> Self {
        // SAFETY: looks at the system cache.
        unsafe {
            let comes_apart = pg_sys::get_array_type(oid) == pg_sys::InvalidOid
                || pg_sys::get_element_type(pg_sys::getBaseType(oid)) != pg_sys::InvalidOid
                || pg_sys::type_is_rowtype(oid);
            let to_text = comes_apart.then(|| {
                let (mut output, mut is_varlena) = (pg_sys::InvalidOid, false);
                pg_sys::getTypeOutputInfo(oid, &mut output, &mut is_varlena);
                output
            });
            let kind = if comes_apart { pg_sys::TEXTOID } else { oid };
            let (mut length, mut by_value, mut alignment) = (0, false, 0);
            pg_sys::get_typlenbyvalalign(kind, &mut length, &mut by_value, &mut alignment);
            Element { kind, length, by_value, alignment, to_text }
        }
    }
}

impl Arrays {
    /// Of tuples of these columns, as far as they are used.
    pub fn of<'t>(
        columns: &[Column],
        tuples: impl IntoIterator<Item = &'t [u8]>,
        uses: impl Fn(usize) -> bool,
    ) -> Self {
        let element = |(place, column): (usize, &Column)| {
            uses(place).then(|| Element::of(column.kind.oid.into()))
        };
        let elements: Vec<Option<Element>> = columns.iter().enumerate().map(element).collect();
        let count = columns.len();
        let mut all: Vec<(Vec<pg_sys::Datum>, Vec<bool>)> = vec![Default::default(); count];
        // SAFETY: the tuples are whole, as `tuple` forms them, and of the descriptor's columns. Each is copied, aligned
        // as the server aligns tuples, and its values by reference point into the copy; the arrays copy them again. The
        // context is a child of the current one, so it is freed with it at the latest.
        unsafe {
            let context = memory_context::child(pg_sys::CurrentMemoryContext, c"pg_opus arrays");
            let before = pg_sys::MemoryContextSwitchTo(context);
            let descriptor = descriptor(columns);
            let (mut values, mut nulls) = (vec![pg_sys::Datum::null(); count], vec![true; count]);
            for tuple in tuples {
                let copy: *mut u8 = pg_sys::palloc(tuple.len()).cast();
                std::ptr::copy_nonoverlapping(tuple.as_ptr(), copy, tuple.len());
                let mut header = pg_sys::HeapTupleData {
                    t_len: tuple.len() as u32,
                    t_data: copy.cast(),
                    ..Default::default()
                };
                let (into, are_null) = (values.as_mut_ptr(), nulls.as_mut_ptr());
                pg_sys::heap_deform_tuple(&mut header, descriptor, into, are_null);
                for (place, (of_column, are_null)) in all.iter_mut().enumerate() {
                    let Some(element) = &elements[place] else { continue };
                    let (value, is_null) = (values[place], nulls[place]);
                    of_column.push(match element.to_text {
                        Some(output) if !is_null => {
                            let text = pg_sys::OidOutputFunctionCall(output, value);
                            text_datum(CStr::from_ptr(text).to_bytes())
                        }
                        _ => value,
                    });
                    are_null.push(is_null);
                }
            }
            let used = elements.iter().zip(&mut all);
            let used = used.filter_map(|(element, all)| element.as_ref().map(|it| (it, all)));
            let arrays = used.map(|(element, (values, nulls))| {
                let (mut length, mut first) = (values.len() as i32, 1);
                let array = pg_sys::construct_md_array(
                    values.as_mut_ptr(),
                    nulls.as_mut_ptr(),
                    1,
                    &mut length,
                    &mut first,
                    element.kind,
                    i32::from(element.length),
                    element.by_value,
                    element.alignment,
                );
                pg_sys::Datum::from(array)
            });
            let values = arrays.collect();
            pg_sys::MemoryContextSwitchTo(before);
            let types = elements.iter().flatten().map(|it| pg_sys::get_array_type(it.kind));
            Arrays { context, types: types.collect(), values, elements }
        }
    }

    pub fn parameters(&self) -> Parameters {
        Parameters::all(self.values.clone())
    }

    /// The rows as a table of this name, of the columns that are used, in front of a statement that reads it. It is made
    /// before the statement is: no part of it goes elsewhere. Each shard of a table may be sent all of it.
    pub fn table(&self, name: &str, columns: &[Column]) -> Vec<u8> {
        let (mut values, mut unnested, mut names) = (vec![], vec![], vec![]);
        for (column, element) in columns.iter().zip(&self.elements) {
            let Some(element) = element else { continue };
            let name = relation::quoted(&column.name);
            values.push(match element.to_text {
                None => [b"u.", &*name].concat(),
                Some(_) => {
                    let kind = relation::type_name(column.kind.oid);
                    [b"u.", &*name, b"::", &kind, b" AS ", &name].concat()
                }
            });
            names.push(name);
            unnested.push(format!("pg_catalog.unnest(${})", names.len()));
        }
        let unnested = unnested.join(", ");
        let parts: [&[u8]; 9] = [
            b"WITH ",
            name.as_bytes(),
            b" AS MATERIALIZED (SELECT ",
            &values.join(&b", "[..]),
            b" FROM ROWS FROM (",
            unnested.as_bytes(),
            b") AS u(",
            &names.join(&b", "[..]),
            b")) ",
        ];
        parts.concat()
    }
}

impl Drop for Arrays {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: the context is this one's own, and no statement reads from it any more.
            unsafe { pg_sys::MemoryContextDelete(self.context) };
        }
    }
}
