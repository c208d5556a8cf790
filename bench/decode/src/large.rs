//! A large document as jsonb: the writer of the extension leaves it to the server, so it is put together of its records.
//!
//! The form is that of an array of containers (`jsonb.h`): a header, an entry for each of them, then the containers, each
//! at a multiple of 4 bytes.

use serde_json::Value;

use crate::jsonb_writer;

const IS_ARRAY: u32 = 0x4000_0000;
const ENTRY_CONTAINER: u32 = 0x5000_0000;
const ENTRY_HAS_OFFSET: u32 = 0x8000_0000;
/// Every so many entries, one has the offset of its end in place of its length (`JB_OFFSET_STRIDE`).
const OFFSET_STRIDE: usize = 32;

/// The bytes behind the varlena header of an array of these records, which are arrays or objects.
pub fn jsonb(records: &[Value]) -> Vec<u8> {
    let (mut entries, mut containers) = (vec![], vec![]);
    for (index, record) in records.iter().enumerate() {
        let start = containers.len();
        // What fills the gap before a container counts as its own.
        containers.resize(start.next_multiple_of(4), 0);
        containers.extend(jsonb_writer::jsonb(record));
        let end_or_length = match index % OFFSET_STRIDE {
            0 => ENTRY_HAS_OFFSET | containers.len() as u32,
            _ => (containers.len() - start) as u32,
        };
        entries.push(ENTRY_CONTAINER | end_or_length);
    }
    let header = [IS_ARRAY | records.len() as u32];
    let words = header.iter().chain(&entries).flat_map(|word| word.to_ne_bytes());
    words.chain(containers.iter().copied()).collect()
}
