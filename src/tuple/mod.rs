//! PURE. Rows as heap tuples, formed on any thread, so that the backend's own has only to copy them.
//!
//! Source of the format: `htup_details.h`, `heaptuple.c` (heap_fill_tuple) and `varatt.h` of PostgreSQL, the same in
//! versions 15 to 18: a header of 23 bytes, a bitmap of the columns that are not null where any is null, and, from the
//! next multiple of 8, the columns, each aligned as its type wants. A short varlena has a header of one byte and no
//! alignment. Arrays: `array.h`.

mod formed;

use std::borrow::Cow;
use std::ops::Range;

pub use self::formed::{Formed, Tuples, without_int4};
use crate::error::Fault;
use crate::record::{Column, ColumnType, Sink};

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
/// The longest short varlena, its header included (VARATT_SHORT_MAX).
const SHORT_MAX: usize = 0x7F;
const TEXT_OID: u32 = 25;

/// Room of a longer tuple is not kept for the next one. In bytes.
const LONG: usize = 1 << 20;

/// A jsonb of one string: an array of one element that stands for it, and the element's entry without its length
/// (`jsonb.h`). A string may be as long as the length has room for.
const JSONB_SCALAR: u32 = 0x5000_0001;
const JSONB_STRING: u32 = 0x8000_0000;
const LONGEST_JSONB_STRING: usize = 0x0FFF_FFFF;

/// Turns a text into the database's encoding; none where it has no such character.
pub type Encode = fn(&str) -> Option<Cow<'_, [u8]>>;

/// A text of a database whose encoding is UTF-8.
pub fn as_utf8(text: &str) -> Option<Cow<'_, [u8]>> {
    Some(Cow::Borrowed(text.as_bytes()))
}

/// Forms one tuple after the other.
pub struct Former {
    encode: Encode,
    data: Vec<u8>,
    /// By column.
    present: Vec<bool>,
    /// By column: all tuples have a value.
    filled: Vec<bool>,
    encodable: bool,
    /// An allocation failed.
    out_of_memory: bool,
}

impl Former {
    pub fn new(encode: Encode) -> Self {
        let (data, present, filled) = (vec![], vec![], vec![]);
        Former { encode, data, present, filled, encodable: true, out_of_memory: false }
    }

    /// By column: whether all tuples have a value for it. No columns if there is no tuple.
    pub fn filled(&self) -> &[bool] {
        &self.filled
    }

    /// Makes room for the tuple of the columns put since the last one.
    pub fn reserve(&self, tuples: &mut Vec<u8>) -> Result<(), Fault> {
        let columns = self.present.len().div_ceil(8) + HEADER_ALIGNMENT;
        let reserved = tuples.try_reserve(HEADER + columns + self.data.len());
        match reserved {
            Ok(()) if !self.out_of_memory => Ok(()),
            _ => Err(Fault::OutOfMemory),
        }
    }

    /// Appends the tuple of the columns put since the last one; `false`, and nothing is appended, where a text could
    /// not be encoded.
    pub fn finish(&mut self, tuples: &mut Vec<u8>) -> bool {
        let encodable = self.encodable;
        if encodable {
            self.append(tuples);
            if self.filled.is_empty() {
                self.filled.clone_from(&self.present);
            } else if self.present.contains(&false) {
                let both = self.filled.iter_mut().zip(&self.present);
                both.for_each(|(filled, present)| *filled &= present);
            }
        }
        self.clear();
        encodable
    }

    fn append(&self, tuples: &mut Vec<u8>) {
        let any_null = self.present.contains(&false);
        let bitmap = if any_null { self.present.len().div_ceil(8) } else { 0 };
        let data_at = (HEADER + bitmap).next_multiple_of(HEADER_ALIGNMENT);
        let infomask = if any_null { HAS_NULL | HAS_VARLENA } else { HAS_VARLENA };
        let mut header = [0; HEADER];
        header[INFOMASK2_AT..INFOMASK_AT]
            .copy_from_slice(&(self.present.len() as u16).to_ne_bytes());
        header[INFOMASK_AT..HOFF_AT].copy_from_slice(&infomask.to_ne_bytes());
        header[HOFF_AT] = data_at as u8;
        let start = tuples.len();
        tuples.extend_from_slice(&header);
        for columns in self.present.chunks(8).take(bitmap) {
            let bits = columns.iter().enumerate().map(|(bit, present)| u8::from(*present) << bit);
            tuples.push(bits.sum());
        }
        tuples.resize(start + data_at, 0);
        tuples.extend_from_slice(&self.data);
    }

    fn align(&mut self, alignment: usize) {
        self.data.resize(self.data.len().next_multiple_of(alignment), 0);
    }

    fn fixed<const N: usize>(&mut self, value: Option<[u8; N]>, alignment: usize) {
        self.present.push(value.is_some());
        if let Some(bytes) = value {
            self.align(alignment);
            self.data.extend_from_slice(&bytes);
        }
    }

    /// Forgets the columns put since the last tuple.
    pub fn clear(&mut self) {
        self.data.clear();
        self.data.shrink_to(LONG);
        self.present.clear();
        self.encodable = true;
    }

    /// A value as [`values`] gives it.
    pub fn raw(&mut self, kind: ColumnType, value: Option<&[u8]>) {
        let alignment = usize::from(kind.alignment);
        match value {
            None => self.null(),
            Some(bytes) if kind.length < 0 => self.varlena_bytes(bytes, alignment),
            Some(bytes) => self.fixed_bytes(bytes, alignment),
        }
    }

    fn varlena(&mut self, value: Option<&[u8]>) {
        self.aligned_varlena(value, VARLENA_HEADER);
    }

    fn aligned_varlena(&mut self, value: Option<&[u8]>, alignment: usize) {
        self.present.push(value.is_some());
        let Some(bytes) = value else { return };
        if self.data.try_reserve(bytes.len() + 2 * alignment).is_err() {
            self.out_of_memory = true;
        } else if bytes.len() < SHORT_MAX {
            self.data.push(short_header(bytes.len() + 1));
            self.data.extend_from_slice(bytes);
        } else {
            self.align(alignment);
            append_varlena(&mut self.data, &[bytes]);
        }
    }

    /// A text as a jsonb string; `false`, and nothing is put, where it is too long for one.
    pub fn jsonb_string(&mut self, text: &str) -> bool {
        let Some(bytes) = (self.encode)(text) else {
            (_, self.encodable) = (self.present.push(true), false);
            return true;
        };
        if bytes.len() > LONGEST_JSONB_STRING {
            return false;
        }
        self.present.push(true);
        let entry = JSONB_STRING | bytes.len() as u32;
        let words = [JSONB_SCALAR.to_ne_bytes(), entry.to_ne_bytes()];
        if self.data.try_reserve(bytes.len() + 4 * VARLENA_HEADER).is_err() {
            self.out_of_memory = true;
        } else {
            self.align(VARLENA_HEADER);
            append_varlena(&mut self.data, &[words.as_flattened(), &bytes]);
        }
        true
    }

    /// A jsonb container as stored, without its varlena header.
    pub fn jsonb(&mut self, container: Option<&[u8]>) {
        self.varlena(container);
    }
}

/// Values of any type, as `heap_fill_tuple` lays them.
impl Former {
    pub fn null(&mut self) {
        self.present.push(false);
    }

    pub fn fixed_bytes(&mut self, bytes: &[u8], alignment: usize) {
        self.present.push(true);
        self.align(alignment);
        self.data.extend_from_slice(bytes);
    }

    /// A varlena, of what stands behind its header.
    pub fn varlena_bytes(&mut self, bytes: &[u8], alignment: usize) {
        self.aligned_varlena(Some(bytes), alignment);
    }
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

fn short_header(length: usize) -> u8 {
    let length = length as u8;
    if cfg!(target_endian = "little") { (length << 1) | 1 } else { length | 0x80 }
}

/// Appends a varlena of these parts, with a header of 4 bytes, which counts itself.
pub fn append_varlena(data: &mut Vec<u8>, parts: &[&[u8]]) {
    let length = (parts.iter().map(|part| part.len()).sum::<usize>() + VARLENA_HEADER) as u32;
    let header = if cfg!(target_endian = "little") { length << 2 } else { length };
    data.extend_from_slice(&header.to_ne_bytes());
    parts.iter().for_each(|part| data.extend_from_slice(part));
}

impl Sink for Former {
    fn text(&mut self, value: Option<&str>) {
        match value.map(self.encode) {
            Some(Some(bytes)) => self.varlena(Some(&bytes)),
            Some(None) => self.encodable = false,
            None => self.varlena(None),
        }
    }

    fn texts(&mut self, value: Option<&[Cow<'_, str>]>) {
        let Some(texts) = value else { return self.varlena(None) };
        // One dimension, no nulls, counted from 1.
        let mut array = vec![];
        for word in [1, 0, TEXT_OID, texts.len() as u32, 1] {
            array.extend_from_slice(&word.to_ne_bytes());
        }
        for text in texts {
            let Some(bytes) = (self.encode)(text) else {
                self.encodable = false;
                return;
            };
            // The array's own header has 4 bytes: aligned in the array is aligned behind it.
            array.resize(array.len().next_multiple_of(VARLENA_HEADER), 0);
            append_varlena(&mut array, &[&bytes]);
        }
        self.varlena(Some(&array));
    }

    fn uuid(&mut self, value: [u8; 16]) {
        self.fixed(Some(value), 1);
    }

    fn date(&mut self, value: Option<i32>) {
        self.fixed(value.map(i32::to_ne_bytes), 4);
    }

    fn boolean(&mut self, value: Option<bool>) {
        self.fixed(value.map(|value| [u8::from(value)]), 1);
    }

    fn int4(&mut self, value: Option<i32>) {
        self.fixed(value.map(i32::to_ne_bytes), 4);
    }

    fn int8(&mut self, value: Option<i64>) {
        self.fixed(value.map(i64::to_ne_bytes), 8);
    }
}

#[cfg(test)]
mod tests;
