//! PURE. Arrays of one dimension, from arrays of JSON.
//!
//! The server takes an array for one of several dimensions if its first element is an array. Source:
//! `populate_array_dim_jsonb` of `jsonfuncs.c`; `array.h` and `construct_md_array` for the format: a header, a bitmap if any
//! element is null, and from the next multiple of 8 the elements, each aligned, with varlenas of long headers. The
//! lengths of the header count the array's own varlena header, which is not written here.

use super::{Encoding, LONGEST, Made, Place, Scalar};
use crate::document::content::Content;
use crate::document::{Kind, Value, Watch};
use crate::error::Fault;
use crate::tuple::{Former, append_varlena};

const VARLENA_HEADER: usize = 4;
const ALIGNMENT: usize = 8;

/// The varlena header, then the number of dimensions, where the elements start, their type, their number, the lower bound.
const HEADER: usize = 24;

/// The server takes twice as many (`MaxArraySize`).
const MOST_ELEMENTS: usize = 1 << 26;

const ELEMENTS_BETWEEN_CHECKS: usize = 1 << 12;

/// Smaller arrays do not count as memory.
const LARGE: usize = 1 << 20;

pub fn put<'a, V: Value<'a>>(
    scalar: Scalar,
    encoding: Encoding,
    value: V,
    former: &mut Former,
    watch: &Watch,
) -> Result<Made, Fault> {
    match value.content()? {
        Content::Null => {
            former.null();
            return Ok(Made::Null);
        }
        Content::Container if value.kind()? == Kind::Array => {}
        _ => return Ok(Made::Server),
    }
    if value.size() > LARGE {
        watch.room_for(2 * value.size())?;
    }
    let mut array = Array::default();
    for (index, element) in value.elements()?.enumerate() {
        if index.is_multiple_of(ELEMENTS_BETWEEN_CHECKS) {
            watch.check()?;
        }
        let element = element?;
        let is_nested = index == 0
            && matches!(element.content()?, Content::Container)
            && element.kind()? == Kind::Array;
        if is_nested || scalar.put(encoding, element, &mut array)? == Made::Server {
            return Ok(Made::Server);
        }
        if array.out_of_memory {
            return Err(Fault::OutOfMemory);
        }
        if index == MOST_ELEMENTS || array.data.len() > LONGEST {
            return Ok(Made::Server);
        }
    }
    let bytes = array.bytes(scalar.oid()).ok_or(Fault::OutOfMemory)?;
    former.varlena_bytes(&bytes, scalar.alignment().max(VARLENA_HEADER));
    Ok(Made::Value)
}

#[derive(Default)]
struct Array {
    data: Vec<u8>,
    /// A bit for each element, set if it is there.
    bitmap: Vec<u8>,
    count: usize,
    nulls: bool,
    out_of_memory: bool,
}

impl Array {
    fn begin(&mut self, is_there: bool, room: usize) -> bool {
        if self.data.try_reserve(room).is_err() || self.bitmap.try_reserve(1).is_err() {
            self.out_of_memory = true;
            return false;
        }
        if self.count.is_multiple_of(8) {
            self.bitmap.push(0);
        }
        if let Some(last) = self.bitmap.last_mut() {
            *last |= u8::from(is_there) << (self.count % 8);
        }
        self.count += 1;
        self.nulls |= !is_there;
        true
    }

    fn align(&mut self, alignment: usize) {
        self.data.resize(self.data.len().next_multiple_of(alignment), 0);
    }

    /// The array behind its varlena header; `None` if there is no memory for it.
    fn bytes(&self, element: u32) -> Option<Vec<u8>> {
        let bitmap = if self.nulls { self.bitmap.as_slice() } else { &[] };
        let data_at = (HEADER + bitmap.len()).next_multiple_of(ALIGNMENT);
        let mut bytes: Vec<u8> = vec![];
        bytes.try_reserve_exact(data_at + self.data.len()).ok()?;
        let offset = if self.nulls { data_at as u32 } else { 0 };
        let (count, lower_bound) = (self.count as u32, 1u32);
        let header = match count {
            // construct_empty_array
            0 => &[0, 0, element][..],
            _ => &[1, offset, element, count, lower_bound],
        };
        header.iter().for_each(|word| bytes.extend_from_slice(&word.to_ne_bytes()));
        if count > 0 {
            bytes.extend_from_slice(bitmap);
            bytes.resize(data_at - VARLENA_HEADER, 0);
            bytes.extend_from_slice(&self.data);
        }
        Some(bytes)
    }
}

impl Place for Array {
    fn null(&mut self) {
        self.begin(false, 0);
    }

    fn fixed(&mut self, bytes: &[u8], _alignment: usize) {
        // As long as it is aligned, or of any alignment: there are no gaps.
        if self.begin(true, bytes.len()) {
            self.data.extend_from_slice(bytes);
        }
    }

    fn varlena(&mut self, bytes: &[u8]) {
        if self.begin(true, bytes.len() + 2 * VARLENA_HEADER) {
            append_varlena(&mut self.data, &[bytes]);
            // The server counts the gap behind an element to it, also behind the last.
            self.align(VARLENA_HEADER);
        }
    }
}
