//! PURE. The keys that a load has had, each with a short note: six bytes of a hash for each, and the note.
//!
//! Two keys whose hashes have 64 equal bits look like one: for ten million keys the odds are one to 300,000 that any two
//! do. So what is not here has not been seen, and of what is here the table says whether it is there. The hash has a seed
//! of its own, so that nobody can look for such keys beforehand.

use std::cmp::Ordering;
use std::hash::BuildHasher;

use foldhash::quality::RandomState;

use crate::error::Fault;

/// What the first 16 bits of the hash select; the others are kept.
const BUCKETS: usize = 1 << 16;
const KEPT: usize = 6;

/// How much a bucket that is full grows, as a part of what it has. In doubling, half of the memory would lie idle.
const GROWTH: usize = 8;

pub struct Seen {
    state: RandomState,
    /// Bytes of a note.
    note: usize,
    /// Entries, each the rest of a hash and a note, by the former. None before the first key.
    buckets: Vec<Vec<u8>>,
}

impl Seen {
    /// With notes of so many bytes, no more than eight.
    pub fn new(note: usize) -> Self {
        Seen { state: RandomState::default(), note, buckets: vec![] }
    }

    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// The note of a key, if it has been seen.
    pub fn get(&self, key: &[u8]) -> Option<u64> {
        let (bucket, rest) = self.hash(key);
        let entries = self.buckets.get(bucket)?;
        let at = self.place(entries, rest).ok()? + KEPT;
        let mut note = [0; 8];
        note[..self.note].copy_from_slice(&entries[at..at + self.note]);
        Some(u64::from_le_bytes(note))
    }

    /// Notes a key, instead of what was noted before.
    pub fn set(&mut self, key: &[u8], note: u64) -> Result<(), Fault> {
        if self.buckets.is_empty() {
            self.buckets.try_reserve_exact(BUCKETS).map_err(|_| Fault::OutOfMemory)?;
            self.buckets.resize(BUCKETS, vec![]);
        }
        let (bucket, rest) = self.hash(key);
        let size = KEPT + self.note;
        let place = self.place(&self.buckets[bucket], rest);
        let (entries, note) = (&mut self.buckets[bucket], &note.to_le_bytes()[..self.note]);
        let at = match place {
            Ok(at) => at,
            Err(at) => {
                if entries.capacity() - entries.len() < size {
                    let more = (entries.len() / size / GROWTH).max(4) * size;
                    entries.try_reserve_exact(more).map_err(|_| Fault::OutOfMemory)?;
                }
                let behind = entries.len();
                entries.resize(behind + size, 0);
                entries.copy_within(at..behind, at + size);
                entries[at..at + KEPT].copy_from_slice(&rest);
                at
            }
        };
        entries[at + KEPT..at + size].copy_from_slice(note);
        Ok(())
    }

    /// Where the entry with this rest of a hash is in a bucket, or would be.
    fn place(&self, entries: &[u8], rest: [u8; KEPT]) -> Result<usize, usize> {
        let size = KEPT + self.note;
        let (mut first, mut behind) = (0, entries.len() / size);
        while first < behind {
            let middle = first.midpoint(behind);
            match entries[middle * size..][..KEPT].cmp(&rest) {
                Ordering::Less => first = middle + 1,
                Ordering::Equal => return Ok(middle * size),
                Ordering::Greater => behind = middle,
            }
        }
        Err(first * size)
    }

    fn hash(&self, key: &[u8]) -> (usize, [u8; KEPT]) {
        let hash = self.state.hash_one(key).to_le_bytes();
        let [low, high, rest @ ..] = hash;
        (usize::from(u16::from_le_bytes([low, high])), rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_note() {
        let mut seen = Seen::new(2);
        assert!(seen.is_empty());
        assert_eq!(seen.get(b"a"), None);
        let keys = 0..200_000u32;
        for key in keys.clone() {
            seen.set(&key.to_be_bytes(), u64::from(key % 1000)).unwrap();
        }
        seen.set(&7u32.to_be_bytes(), 65_535).unwrap();
        for key in keys {
            let note = if key == 7 { 65_535 } else { u64::from(key % 1000) };
            assert_eq!(seen.get(&key.to_be_bytes()), Some(note));
        }
        assert_eq!(seen.get(&200_000u32.to_be_bytes()), None);
    }

    #[test]
    fn a_note_may_be_wide() {
        let mut seen = Seen::new(5);
        seen.set(b"", 1 << 39).unwrap();
        seen.set(b"b", 3).unwrap();
        assert_eq!((seen.get(b""), seen.get(b"b")), (Some(1 << 39), Some(3)));
    }
}
