//! PURE. Forms tuples, column by column.

use std::borrow::Cow;

use super::{
    Encode, HAS_NULL, HAS_VARLENA, HEADER, HEADER_ALIGNMENT, HOFF_AT, INFOMASK_AT, INFOMASK2_AT,
    VARLENA_HEADER,
};
use crate::error::Fault;
use crate::record::{ColumnType, Sink};

/// The longest short varlena, its header included (VARATT_SHORT_MAX).
pub(super) const SHORT_MAX: usize = 0x7F;
const TEXT_OID: u32 = 25;

/// Room of a longer tuple is not kept for the next one. In bytes.
const LONG: usize = 1 << 20;

/// A jsonb of one string: an array of one element that stands for it, and the element's entry without its length
/// (`jsonb.h`). A string may be as long as the length has room for.
const JSONB_SCALAR: u32 = 0x5000_0001;
const JSONB_STRING: u32 = 0x8000_0000;
const LONGEST_JSONB_STRING: usize = 0x0FFF_FFFF;

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
    pub(super) out_of_memory: bool,
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

pub(super) fn short_header(length: usize) -> u8 {
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
