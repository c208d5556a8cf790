//! PURE. Arrays of one dimension, from arrays of JSON.
//!
//! The server takes an array for one of several dimensions if its first element is an array. Source:
//! `populate_array_dim_jsonb` of `jsonfuncs.c`; `array.h` and `construct_md_array` for the format: a header, a bitmap if any
//! element is null, and from the next multiple of 8 the elements, each aligned, with varlenas of long headers. The
//! lengths of the header count the array's own varlena header, which is not written here.

use super::{Encoding, LARGE, Made, Place, Scalar};
use crate::document::content::Content;
use crate::document::{Kind, Value, with_room};
use crate::error::Fault;
use crate::tuple::{Former, append_varlena};

const VARLENA_HEADER: usize = 4;
const ALIGNMENT: usize = 8;

/// The varlena header, then the number of dimensions, where the elements start, their type, their number, the lower bound.
const HEADER: usize = 24;

/// The longest array that is made, in bytes: elements that are filled up with blanks are longer than what is read.
const MOST_BYTES: usize = 16 << 20;

pub fn put<'a, V: Value<'a>>(
    scalar: Scalar,
    encoding: Encoding,
    value: V,
    former: &mut Former,
) -> Result<Made, Fault> {
    match value.content()? {
        Content::Null => {
            former.null();
            return Ok(Made::Null);
        }
        Content::Container if value.kind()? == Kind::Array && value.size() <= LARGE => {}
        _ => return Ok(Made::Server),
    }
    let mut array = Array::with_room(value.size())?;
    for (index, element) in value.elements()?.enumerate() {
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
        if array.bytes.len() > MOST_BYTES {
            return Ok(Made::Server);
        }
    }
    let bytes = array.finish(scalar.oid())?;
    former.varlena_bytes(&bytes, scalar.alignment().max(VARLENA_HEADER));
    Ok(Made::Value)
}

/// An array that is being made.
struct Array {
    /// Room for the header, as if no element were null, and the elements.
    bytes: Vec<u8>,
    /// A bit for each element, set if it is there; empty as long as all are.
    bitmap: Vec<u8>,
    count: usize,
    out_of_memory: bool,
}

/// Where the elements start in an array without nulls, its varlena header left out.
const DATA_AT: usize = HEADER - VARLENA_HEADER;

impl Array {
    /// An empty one, for an array of JSON of so many bytes.
    fn with_room(size: usize) -> Result<Self, Fault> {
        let mut bytes = with_room(DATA_AT + size)?;
        bytes.resize(DATA_AT, 0);
        Ok(Array { bytes, bitmap: vec![], count: 0, out_of_memory: false })
    }

    /// Counts an element that takes so many bytes; `false` if there is no memory for it.
    fn begin(&mut self, is_there: bool, room: usize) -> bool {
        let has_bits = !is_there || !self.bitmap.is_empty();
        let bytes_of_bits = if has_bits { self.count / 8 + 1 } else { 0 };
        let more_bits = bytes_of_bits.saturating_sub(self.bitmap.len());
        let reserved =
            self.bytes.try_reserve(room).and_then(|()| self.bitmap.try_reserve(more_bits));
        if reserved.is_err() {
            self.out_of_memory = true;
            return false;
        }
        if has_bits {
            // Those before the first null are all there.
            self.bitmap.resize(bytes_of_bits, if self.bitmap.is_empty() { 0xFF } else { 0 });
            let bit = 1 << (self.count % 8);
            if let Some(last) = self.bitmap.last_mut() {
                *last = (*last & (bit - 1)) | if is_there { bit } else { 0 };
            }
        }
        self.count += 1;
        true
    }

    /// The array behind its varlena header.
    fn finish(self, element: u32) -> Result<Vec<u8>, Fault> {
        let Array { mut bytes, bitmap, count, .. } = self;
        if count == 0 {
            // construct_empty_array
            return Ok([0, 0, element].map(u32::to_ne_bytes).concat());
        }
        let mut offset = 0;
        if !bitmap.is_empty() {
            offset = (HEADER + bitmap.len()).next_multiple_of(ALIGNMENT);
            let mut moved = with_room(offset + bytes.len())?;
            moved.resize(DATA_AT, 0);
            moved.extend_from_slice(&bitmap);
            moved.resize(offset - VARLENA_HEADER, 0);
            moved.extend_from_slice(&bytes[DATA_AT..]);
            bytes = moved;
        }
        let (dimensions, lower_bound) = (1, 1);
        let header = [dimensions, offset as u32, element, count as u32, lower_bound];
        bytes[..DATA_AT].copy_from_slice(header.map(u32::to_ne_bytes).as_flattened());
        Ok(bytes)
    }
}

impl Place for Array {
    fn null(&mut self) {
        self.begin(false, 0);
    }

    fn fixed(&mut self, bytes: &[u8], _alignment: usize) {
        // As long as it is aligned, or of any alignment: there are no gaps.
        if self.begin(true, bytes.len()) {
            self.bytes.extend_from_slice(bytes);
        }
    }

    fn varlena(&mut self, bytes: &[u8]) {
        if self.begin(true, bytes.len() + 2 * VARLENA_HEADER) {
            append_varlena(&mut self.bytes, &[bytes]);
            // The server counts the gap behind an element to it, also behind the last.
            self.bytes.resize(self.bytes.len().next_multiple_of(VARLENA_HEADER), 0);
        }
    }
}
