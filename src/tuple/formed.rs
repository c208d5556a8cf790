//! PURE. Tuples in a row, and with one column more.

use serde::{Deserialize, Serialize};

use super::{
    Encode, Former, HAS_NULL, HEADER, HEADER_ALIGNMENT, HOFF_AT, INFOMASK_AT, INFOMASK2_AT, ranges,
};
use crate::error::Fault;
use crate::record::Column;

/// Appends a tuple that has one column more behind those of `tuple`, an integer.
pub(super) fn with_int4(tuple: &[u8], value: i32, tuples: &mut Vec<u8>) {
    let word = |at: usize| u16::from_ne_bytes([tuple[at], tuple[at + 1]]);
    let columns = usize::from(word(INFOMASK2_AT));
    let start = tuples.len();
    tuples.extend_from_slice(&tuple[..HEADER]);
    tuples[start + INFOMASK2_AT..start + INFOMASK_AT]
        .copy_from_slice(&(columns as u16 + 1).to_ne_bytes());
    if word(INFOMASK_AT) & HAS_NULL != 0 {
        let bitmap = columns.div_ceil(8);
        tuples.extend_from_slice(&tuple[HEADER..HEADER + bitmap]);
        tuples.resize(start + HEADER + (columns + 1).div_ceil(8), 0);
        tuples[start + HEADER + columns / 8] |= 1 << (columns % 8);
    }
    let new_data_at = (tuples.len() - start).next_multiple_of(HEADER_ALIGNMENT);
    tuples[start + HOFF_AT] = new_data_at as u8;
    tuples.resize(start + new_data_at, 0);
    tuples.extend_from_slice(super::columns(tuple));
    let length = tuples.len() - start - new_data_at;
    tuples.resize(start + new_data_at + length.next_multiple_of(4), 0);
    tuples.extend_from_slice(&value.to_ne_bytes());
}

/// The tuple of these columns without the last one that it has, an integer that [`with_int4`] or the server has put
/// there, and without the padding before that.
pub fn without_int4(tuple: &[u8], columns: &[Column]) -> Vec<u8> {
    let end = ranges(tuple, columns).flatten().last().map_or(0, |range| range.end);
    let mut bytes = tuple[..usize::from(tuple[HOFF_AT]) + end].to_vec();
    let word = u16::from_ne_bytes([tuple[INFOMASK2_AT], tuple[INFOMASK2_AT + 1]]);
    bytes[INFOMASK2_AT..INFOMASK_AT].copy_from_slice(&(word - 1).to_ne_bytes());
    bytes
}

/// Forms a few tuples.
pub struct Tuples {
    former: Former,
    formed: Formed,
}

/// Tuples, one behind the other.
#[derive(Default, Serialize, Deserialize)]
pub struct Formed {
    #[serde(with = "serde_bytes")]
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Tuples {
    pub fn new(encode: Encode) -> Self {
        Tuples { former: Former::new(encode), formed: Formed::default() }
    }

    /// Adds a row; `false`, and none is added, where a text could not be encoded.
    pub fn add(&mut self, put: impl FnOnce(&mut Former)) -> bool {
        put(&mut self.former);
        if self.former.reserve(&mut self.formed.bytes).is_err() {
            self.former.out_of_memory = true;
            return true;
        }
        let encodable = self.former.finish(&mut self.formed.bytes);
        if encodable {
            self.formed.ends.push(self.formed.bytes.len());
        }
        encodable
    }

    /// How many bytes the tuples take. A fault where there was no memory for one of them.
    pub fn bytes(&self) -> Result<usize, Fault> {
        if self.former.out_of_memory {
            Err(Fault::OutOfMemory)
        } else {
            Ok(self.formed.bytes.len())
        }
    }

    pub fn formed(self) -> Formed {
        self.formed
    }
}

impl Formed {
    /// Adds a tuple.
    pub fn add(&mut self, tuple: &[u8]) {
        self.bytes.extend_from_slice(tuple);
        self.ends.push(self.bytes.len());
    }

    /// Adds a tuple that has one column more behind those of `tuple`, an integer.
    pub fn add_with_int4(&mut self, tuple: &[u8], value: i32) {
        with_int4(tuple, value, &mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// Whether they are tuples, each behind the one before it.
    pub fn is_sound(&self) -> bool {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .all(|(start, &end)| self.bytes.get(start..end).is_some_and(super::is_sound))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }
}
