//! PURE. Rows as heap tuples, formed on any thread, so that the backend's own has only to copy them.
//!
//! Source of the format: `htup_details.h`, `heaptuple.c` (heap_fill_tuple) and `varatt.h` of PostgreSQL, the same in
//! versions 15 to 18: a header of 23 bytes, a bitmap of the columns that are not null where any is null, and, from the
//! next multiple of 8, the columns, each aligned as its type wants. A short varlena has a header of one byte and no
//! alignment. Arrays: `array.h`.

mod formed;
mod former;

use std::borrow::Cow;
use std::ops::Range;

pub use self::formed::{Formed, Tuples, without_int4};
pub use self::former::{Former, append_varlena};
use crate::record::Column;

const HEADER: usize = 23;
const HEADER_ALIGNMENT: usize = 8;
/// Where t_infomask2 (the number of columns), t_infomask and t_hoff stand in the header.
const INFOMASK2_AT: usize = 18;
const INFOMASK_AT: usize = 20;
const HOFF_AT: usize = 22;
/// The bits of t_infomask2 that count the columns (HEAP_NATTS_MASK).
const COLUMNS_MASK: u16 = 0x07FF;
const HAS_NULL: u16 = 0x0001;
const HAS_VARLENA: u16 = 0x0002;

const VARLENA_HEADER: usize = 4;
/// Turns a text into the database's encoding; none where it has no such character.
pub type Encode = fn(&str) -> Option<Cow<'_, [u8]>>;

/// A text of a database whose encoding is UTF-8.
pub fn as_utf8(text: &str) -> Option<Cow<'_, [u8]>> {
    Some(Cow::Borrowed(text.as_bytes()))
}

/// Whether a tuple has a header, and room for it; the columns behind it are not looked at. The header of one that has had
/// more columns may be longer than it need be.
pub fn is_sound(tuple: &[u8]) -> bool {
    let Some(header) = tuple.first_chunk::<HEADER>() else { return false };
    let word = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
    // Other bits say what a tuple in a table is to its readers.
    let columns = usize::from(word(INFOMASK2_AT) & COLUMNS_MASK);
    let bitmap = if word(INFOMASK_AT) & HAS_NULL != 0 { columns.div_ceil(8) } else { 0 };
    let data_at = usize::from(header[HOFF_AT]);
    (HEADER + bitmap..=tuple.len()).contains(&data_at) && data_at.is_multiple_of(HEADER_ALIGNMENT)
}

/// The columns of a tuple, behind its header.
pub fn columns(tuple: &[u8]) -> &[u8] {
    &tuple[usize::from(tuple[HOFF_AT])..]
}

/// The values of a tuple as [`Former`] forms them, one for each of its columns: of a varlena what stands behind its
/// header; none for a null.
pub fn values<'t>(
    tuple: &'t [u8],
    columns: &'t [Column],
) -> impl Iterator<Item = Option<&'t [u8]>> {
    let data = self::columns(tuple);
    ranges(tuple, columns).map(|range| Some(&data[range?]))
}

/// Where the values of a tuple stand behind its header.
fn ranges<'t>(
    tuple: &'t [u8],
    columns: &'t [Column],
) -> impl Iterator<Item = Option<Range<usize>>> + 't {
    let data = self::columns(tuple);
    let infomask = u16::from_ne_bytes([tuple[INFOMASK_AT], tuple[INFOMASK_AT + 1]]);
    let is_null =
        move |n: usize| infomask & HAS_NULL != 0 && tuple[HEADER + n / 8] & (1 << (n % 8)) == 0;
    let mut at = 0usize;
    columns.iter().enumerate().map(move |(number, column)| {
        if is_null(number) {
            return None;
        }
        let alignment = usize::from(column.kind.alignment);
        let (start, end) = match usize::try_from(column.kind.length) {
            Ok(length) => {
                let start = at.next_multiple_of(alignment);
                (start, start + length)
            }
            Err(_) => varlena(data, at, alignment),
        };
        at = end;
        Some(start..end)
    })
}

/// Where the content of a varlena begins and ends that stands at `at`, or behind the padding there.
fn varlena(data: &[u8], at: usize, alignment: usize) -> (usize, usize) {
    // No header begins with a byte of zero but a long one, which is aligned.
    let start = if data[at] == 0 { at.next_multiple_of(alignment) } else { at };
    let first = usize::from(data[start]);
    let little = cfg!(target_endian = "little");
    let short = if little { first & 1 != 0 } else { first & 0x80 != 0 };
    if short {
        let length = if little { first >> 1 } else { first & 0x7F };
        return (start + 1, start + length);
    }
    let header = [data[start], data[start + 1], data[start + 2], data[start + 3]];
    let header = u32::from_ne_bytes(header);
    let length = if little { header >> 2 } else { header };
    (start + VARLENA_HEADER, start + length as usize)
}

/// The ids of sources in a tuple, one for each of the identity columns.
pub fn identity(tuple: &[u8], columns: &[Column]) -> Vec<Option<i64>> {
    let values = columns.iter().zip(values(tuple, columns));
    let ids = values.filter(|(column, _)| column.identity);
    ids.map(|(_, value)| integer(value?)).collect()
}

/// An integer of 4 or 8 bytes.
pub fn integer(bytes: &[u8]) -> Option<i64> {
    match bytes.len() {
        4 => bytes.try_into().ok().map(i32::from_ne_bytes).map(i64::from),
        _ => bytes.try_into().ok().map(i64::from_ne_bytes),
    }
}

#[cfg(test)]
mod tests;
