//! PURE. The keys that a load has had, each with a short note: six bytes of a hash for each, and the note.
//!
//! Two keys whose hashes have 64 equal bits look like one: for ten million keys the odds are one to 300,000 that any two
//! do. So what is not here has not been seen, and of what is here the table says whether it is there. The hash has a seed
//! of its own, so that nobody can look for such keys beforehand.
//!
//! Most keys stand in one list, in the order of their hashes, without a gap. The last ones are in a map, and go into the
//! list when they are a part of it that is worth a walk through it.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::quality::RandomState;

use crate::document::with_room;
use crate::error::Fault;

/// What the first 16 bits of a hash select; the others are kept.
const BUCKETS: usize = 1 << 16;
const KEPT: usize = 6;
const KEPT_BITS: u32 = 8 * KEPT as u32;

/// The map has so many keys at least, and so large a part of those in the list, when it is emptied.
const RECENT: usize = 1 << 14;
const PART: usize = 64;

pub struct Seen {
    state: RandomState,
    /// Bytes of an entry: the rest of a hash, and a note.
    size: usize,
    entries: Vec<u8>,
    /// How many entries are before each bucket, and before the end. None before the first entry.
    starts: Vec<usize>,
    /// Notes of the last keys, by hash.
    recent: HashMap<u64, u64, RandomState>,
}

impl Seen {
    /// With notes of so many bytes, no more than eight.
    pub fn new(note: usize) -> Self {
        Seen {
            state: RandomState::default(),
            size: KEPT + note,
            entries: vec![],
            starts: vec![],
            recent: HashMap::default(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.recent.is_empty()
    }

    /// The note of a key, if it has been seen.
    pub fn get(&self, key: &[u8]) -> Option<u64> {
        let hash = self.state.hash_one(key);
        if let Some(note) = self.recent.get(&hash) {
            return Some(*note);
        }
        let place = self.place(hash, usize::MAX).ok()?;
        let mut note = [0; 8];
        let kept = &self.entries[place * self.size..][KEPT..self.size];
        note[..kept.len()].copy_from_slice(kept);
        Some(u64::from_le_bytes(note))
    }

    /// Notes a key, instead of what was noted before.
    pub fn set(&mut self, key: &[u8], note: u64) -> Result<(), Fault> {
        let hash = self.state.hash_one(key);
        if let Ok(place) = self.place(hash, usize::MAX) {
            self.put(place, hash, note);
            return Ok(());
        }
        self.recent.try_reserve(1).map_err(|_| Fault::OutOfMemory)?;
        self.recent.insert(hash, note);
        let all = self.entries.len() / self.size;
        if self.recent.len() >= RECENT.max(all / PART) { self.merge() } else { Ok(()) }
    }

    /// Where the entry with this hash is in the list, or would be, among the first `of` entries.
    fn place(&self, hash: u64, of: usize) -> Result<usize, usize> {
        let bucket = bucket(hash);
        let [mut first, mut behind] = match self.starts.get(bucket..bucket + 2) {
            Some(&[first, behind]) => [first, behind.min(of)],
            _ => return Err(0),
        };
        let rest = rest(hash);
        while first < behind {
            let middle = first.midpoint(behind);
            let entry = &self.entries[middle * self.size..][..KEPT];
            match entry.cmp(&rest[..]) {
                Ordering::Less => first = middle + 1,
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => behind = middle,
            }
        }
        Err(first)
    }

    fn put(&mut self, place: usize, hash: u64, note: u64) {
        let entry = &mut self.entries[place * self.size..][..self.size];
        entry[..KEPT].copy_from_slice(&rest(hash));
        entry[KEPT..].copy_from_slice(&note.to_le_bytes()[..self.size - KEPT]);
    }

    /// Moves the recent keys into the list, from its end on: what stands there makes room for them.
    fn merge(&mut self) -> Result<(), Fault> {
        let mut recent = with_room(self.recent.len())?;
        recent.extend(self.recent.drain());
        recent.sort_unstable();
        if self.starts.is_empty() {
            self.starts = with_room(BUCKETS + 1)?;
            self.starts.resize(BUCKETS + 1, 0);
        }
        let (size, mut behind) = (self.size, self.entries.len());
        self.entries.try_reserve_exact(recent.len() * size).map_err(|_| Fault::OutOfMemory)?;
        self.entries.resize(behind + recent.len() * size, 0);
        let mut last = BUCKETS;
        for (before, (hash, note)) in recent.into_iter().enumerate().rev() {
            let (Ok(place) | Err(place)) = self.place(hash, behind / size);
            self.entries.copy_within(place * size..behind, (place + before + 1) * size);
            behind = place * size;
            self.put(place + before, hash, note);
            // The buckets behind this one have it and those before it.
            self.starts[bucket(hash) + 1..=last].iter_mut().for_each(|start| *start += before + 1);
            last = bucket(hash);
        }
        Ok(())
    }
}

fn bucket(hash: u64) -> usize {
    (hash >> KEPT_BITS) as usize
}

/// Bytes that compare as the hashes of a bucket do.
fn rest(hash: u64) -> [u8; KEPT] {
    let [_, _, rest @ ..] = hash.to_be_bytes();
    rest
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
    fn keys_come_again_before_and_behind_a_merge() {
        let mut seen = Seen::new(2);
        let mut expected = HashMap::new();
        let mut key = 7u32;
        for turn in 0..300_000 {
            // Keys in no order, each of them twice or so.
            key = key.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let key = (key >> 8) % 150_000;
            seen.set(&key.to_be_bytes(), turn % 60_000).unwrap();
            expected.insert(key, turn % 60_000);
        }
        for key in 0..160_000u32 {
            assert_eq!(seen.get(&key.to_be_bytes()), expected.get(&key).copied());
        }
        let kept = seen.entries.len() / seen.size + seen.recent.len();
        assert_eq!(kept, expected.len(), "each key once");
    }

    #[test]
    fn a_note_may_be_wide() {
        let mut seen = Seen::new(5);
        seen.set(b"", 1 << 39).unwrap();
        seen.set(b"b", 3).unwrap();
        assert_eq!((seen.get(b""), seen.get(b"b")), (Some(1 << 39), Some(3)));
    }
}
