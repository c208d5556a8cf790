//! PURE. The rows of a document: formed as tuples slice by slice, then ordered, each key once.
//!
//! A row is known by its [`RowRef`]. What decides its order and identity is its order key, bytes that compare as the
//! rows are to be written (see [`Row::order_key`]).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::record::Row;
use crate::tuple::{Encode, Former};

/// Some rows of a document, one behind the other.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Slice {
    #[serde(with = "serde_bytes")]
    tuples: Vec<u8>,
    #[serde(with = "serde_bytes")]
    keys: Vec<u8>,
    rows: Vec<SliceRow>,
    /// Ordinals of rows with a text that the database's encoding does not have.
    pub unencodable: Vec<u32>,
}

/// Where a row's tuple and order key end; they begin where those of the row before it end.
#[derive(Clone, Serialize, Deserialize)]
struct SliceRow {
    ordinal: u32,
    tuple_end: u32,
    key_end: u32,
}

impl Slice {
    /// Forms rows; `first` is the ordinal of the first of them, `None` stands for a faulty record.
    pub fn form<R: Row>(
        rows: impl IntoIterator<Item = Option<R>>,
        first: usize,
        encode: Encode,
    ) -> Self {
        let rows = rows.into_iter();
        let (_, most) = rows.size_hint();
        let most = most.unwrap_or_default();
        let mut slice = Slice {
            tuples: Vec::with_capacity(most * 256),
            keys: Vec::with_capacity(most * 48),
            rows: Vec::with_capacity(most),
            unencodable: vec![],
        };
        let mut former = Former::new(encode);
        for (ordinal, row) in (first as u32..).zip(rows) {
            let Some(row) = row else { continue };
            row.put(&mut former);
            if !former.finish(&mut slice.tuples) {
                slice.unencodable.push(ordinal);
                continue;
            }
            row.order_key(&mut slice.keys);
            let (tuple_end, key_end) = (slice.tuples.len() as u32, slice.keys.len() as u32);
            slice.rows.push(SliceRow { ordinal, tuple_end, key_end });
        }
        slice
    }

    fn before(&self, row: u32) -> (usize, usize) {
        match row.checked_sub(1).map(|before| &self.rows[before as usize]) {
            Some(before) => (before.tuple_end as usize, before.key_end as usize),
            None => (0, 0),
        }
    }
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct RowRef {
    /// The first eight bytes of the order key: they decide most comparisons without a look at the row.
    prefix: u64,
    slice: u32,
    row: u32,
    pub ordinal: u32,
}

/// Which of several rows with the same key is the document's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeated {
    FirstWins,
    LastWins,
}

/// A row left out because another one has its key.
#[derive(Clone, Copy, Debug)]
pub struct Duplicate {
    pub row: RowRef,
    /// The ordinal of the other one.
    pub kept: u32,
}

/// All rows of a document.
pub struct Rows {
    slices: Vec<Slice>,
}

/// Rows in the order of writing, each key once, and those left out, by ordinal.
pub struct Order {
    pub write: Vec<RowRef>,
    pub duplicates: Vec<Duplicate>,
}

/// Rows that stand together in the order of writing, and have one parent.
pub struct Family {
    /// The first of them, and how many they are.
    pub first: usize,
    pub size: usize,
}

impl Family {
    /// The family's rows, of all in that order.
    pub fn of<'r>(&self, write: &'r [RowRef]) -> &'r [RowRef] {
        &write[self.first..self.first + self.size]
    }
}

impl Rows {
    pub fn new(slices: Vec<Slice>) -> Self {
        Rows { slices }
    }

    pub fn tuple(&self, row: RowRef) -> &[u8] {
        let slice = &self.slices[row.slice as usize];
        let (start, _) = slice.before(row.row);
        &slice.tuples[start..slice.rows[row.row as usize].tuple_end as usize]
    }

    fn order_key(&self, row: RowRef) -> &[u8] {
        let slice = &self.slices[row.slice as usize];
        let (_, start) = slice.before(row.row);
        &slice.keys[start..slice.rows[row.row as usize].key_end as usize]
    }

    /// The row's parent, where rows have one: what stands before the NUL of the order key.
    fn parent(&self, row: RowRef) -> &[u8] {
        let key = self.order_key(row);
        &key[..memchr::memchr(0, key).unwrap_or(0)]
    }

    /// The parent of a row as text.
    pub fn parent_text(&self, row: RowRef) -> &str {
        std::str::from_utf8(self.parent(row)).unwrap_or_default()
    }

    /// The key of the table: what stands behind the NUL of the order key, or all of it.
    pub fn key(&self, row: RowRef) -> &[u8] {
        let key = self.order_key(row);
        memchr::memchr(0, key).map_or(key, |nul| &key[nul + 1..])
    }

    /// A copy of some of the rows, in the order given.
    pub fn copy(&self, rows: &[RowRef]) -> Slice {
        let bytes = |part: fn(&Rows, RowRef) -> &[u8]| -> usize {
            rows.iter().map(|row| part(self, *row).len()).sum()
        };
        let mut slice = Slice {
            tuples: Vec::with_capacity(bytes(Rows::tuple)),
            keys: Vec::with_capacity(bytes(Rows::order_key)),
            rows: Vec::with_capacity(rows.len()),
            unencodable: vec![],
        };
        for row in rows {
            slice.tuples.extend_from_slice(self.tuple(*row));
            slice.keys.extend_from_slice(self.order_key(*row));
            let (tuple_end, key_end) = (slice.tuples.len() as u32, slice.keys.len() as u32);
            slice.rows.push(SliceRow { ordinal: row.ordinal, tuple_end, key_end });
        }
        slice
    }

    /// All rows, in the order of the slices.
    pub fn all(&self) -> Vec<RowRef> {
        let mut all = Vec::with_capacity(self.slices.iter().map(|slice| slice.rows.len()).sum());
        for (slice, content) in (0..).zip(&self.slices) {
            for (row, place) in (0..).zip(&content.rows) {
                let row = RowRef { prefix: 0, slice, row, ordinal: place.ordinal };
                all.push(RowRef { prefix: prefix(self.order_key(row)), ..row });
            }
        }
        all
    }

    /// Orders the rows by their order keys.
    pub fn order(&self, repeated: Repeated, parallel: bool) -> Order {
        let mut write = self.all();
        let duplicates = match self.may_repeat(&write, parallel) {
            true => self.take_duplicates(&mut write, repeated),
            false => vec![],
        };
        let before = |a: &RowRef, b: &RowRef| {
            a.prefix.cmp(&b.prefix).then_with(|| self.order_key(*a).cmp(self.order_key(*b)))
        };
        if parallel {
            write.par_sort_unstable_by(before);
        } else {
            write.sort_unstable_by(before);
        }
        Order { write, duplicates }
    }

    /// Whether two keys have the same hash. Sorting hashes is far cheaper than a map of all keys, and documents
    /// without a repeated key are the rule.
    fn may_repeat(&self, rows: &[RowRef], parallel: bool) -> bool {
        let state = RandomState::default();
        let hash = |row: &RowRef| std::hash::BuildHasher::hash_one(&state, self.key(*row));
        let mut hashes: Vec<u64>;
        if parallel {
            hashes = rows.par_iter().map(hash).collect();
            hashes.par_sort_unstable();
        } else {
            hashes = rows.iter().map(hash).collect();
            hashes.sort_unstable();
        }
        hashes.windows(2).any(|pair| pair[0] == pair[1])
    }

    fn take_duplicates(&self, rows: &mut Vec<RowRef>, repeated: Repeated) -> Vec<Duplicate> {
        let mut kept: HashMap<&[u8], RowRef, RandomState> =
            HashMap::with_capacity_and_hasher(rows.len(), RandomState::default());
        let mut duplicates = vec![];
        for &row in rows.iter() {
            match kept.entry(self.key(row)) {
                Entry::Vacant(vacant) => drop(vacant.insert(row)),
                Entry::Occupied(mut other) => match repeated {
                    Repeated::FirstWins => {
                        duplicates.push(Duplicate { row, kept: other.get().ordinal });
                    }
                    Repeated::LastWins => {
                        let row = other.insert(row);
                        duplicates.push(Duplicate { row, kept: other.get().ordinal });
                    }
                },
            }
        }
        rows.retain(|row| kept.get(self.key(*row)).is_some_and(|kept| kept.ordinal == row.ordinal));
        duplicates.sort_unstable_by_key(|duplicate| duplicate.row.ordinal);
        duplicates
    }

    /// The families of ordered rows; those of works have a parent, composers have none.
    pub fn families(&self, write: &[RowRef], parallel: bool) -> Vec<Family> {
        let starts = |place: &usize| {
            *place == 0 || self.parent(write[*place]) != self.parent(write[place - 1])
        };
        let firsts: Vec<usize> = match parallel {
            true => (0..write.len()).into_par_iter().filter(starts).collect(),
            false => (0..write.len()).filter(starts).collect(),
        };
        let ends = firsts.iter().copied().skip(1).chain([write.len()]);
        firsts.iter().zip(ends).map(|(&first, end)| Family { first, size: end - first }).collect()
    }
}

/// The first eight bytes, as a number that compares as they do.
fn prefix(key: &[u8]) -> u64 {
    let mut first = [0; 8];
    let length = key.len().min(first.len());
    first[..length].copy_from_slice(&key[..length]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::composer::Composer;
    use crate::record::name::Name;
    use crate::record::work::Work;
    use crate::tuple::as_utf8;

    fn rows(names: &[&'static str]) -> Rows {
        let row =
            |name: &&'static str| (!name.is_empty()).then(|| Composer::named(Name::inverted(name)));
        let rows: Vec<_> = names.iter().map(row).collect();
        let slices = rows.chunks(2).enumerate();
        Rows::new(slices.map(|(i, rows)| Slice::form(rows.to_vec(), 2 * i, as_utf8)).collect())
    }

    fn ordinals(rows: &[RowRef]) -> Vec<u32> {
        rows.iter().map(|row| row.ordinal).collect()
    }

    #[test]
    fn rows_are_ordered_by_key_without_the_faulty_ones() {
        for parallel in [false, true] {
            let order =
                rows(&["Cbcdefghi", "", "A", "Cbcdefgh"]).order(Repeated::LastWins, parallel);
            assert_eq!(ordinals(&order.write), [2, 3, 0]);
            assert_eq!(order.duplicates.len(), 0);
        }
    }

    #[test]
    fn a_copy_has_the_rows_in_the_order_wanted() {
        let rows = rows(&["C", "", "A", "Bé", "D"]);
        let order = rows.order(Repeated::LastWins, false).write;
        let copy = rows.copy(&order[1..]);
        let bytes = postcard::to_allocvec(&copy).unwrap();
        let copy = Rows::new(vec![postcard::from_bytes(&bytes).unwrap()]);
        let all = copy.all();
        assert_eq!(ordinals(&all), [3, 0, 4]);
        for (copied, row) in all.iter().zip(&order[1..]) {
            assert_eq!(copy.key(*copied), rows.key(*row));
            assert_eq!(copy.tuple(*copied), rows.tuple(*row));
            assert_eq!(copied.prefix, row.prefix);
        }
    }

    #[test]
    fn families_are_told_apart() {
        let work = |composer: &str, id: u128| {
            Some(Work {
                composer_id: composer.into(),
                work_id: uuid::Uuid::from_u128(id),
                ..Work::nameless()
            })
        };
        let works = [work("B", 1), work("A", 2), work("B", 0), work("AB", 3)];
        let rows = Rows::new(vec![Slice::form(works, 0, as_utf8)]);
        let order = rows.order(Repeated::LastWins, false);
        for parallel in [false, true] {
            let families = rows.families(&order.write, parallel);
            let told = families.iter().map(|f| (rows.parent_text(order.write[f.first]), f.size));
            assert_eq!(told.collect::<Vec<_>>(), [("A", 1), ("AB", 1), ("B", 2)]);
        }
        assert_eq!(ordinals(&order.write), [1, 3, 2, 0]);
        assert!(rows.families(&[], false).is_empty());
    }

    #[test]
    fn the_policy_decides_between_equal_keys() {
        let rows = rows(&["B", "A", "B", "B"]);
        let told = |order: &Order| {
            let duplicates = order.duplicates.iter();
            duplicates.map(|duplicate| (duplicate.row.ordinal, duplicate.kept)).collect::<Vec<_>>()
        };
        let last = rows.order(Repeated::LastWins, false);
        assert_eq!(ordinals(&last.write), [1, 3]);
        assert_eq!(told(&last), [(0, 2), (2, 3)]);
        let first = rows.order(Repeated::FirstWins, false);
        assert_eq!(ordinals(&first.write), [1, 0]);
        assert_eq!(told(&first), [(2, 0), (3, 0)]);
        assert_eq!(rows.key(first.write[0]), b"A");
    }
}
