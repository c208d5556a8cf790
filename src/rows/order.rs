//! PURE. The order in which a document's rows are written: by parent, then by key, each key once.
//!
//! Many rows have one parent, and comparing texts is what sorting them takes longest for. So the distinct parents are
//! sorted, and the rows by numbers: the rank of the parent, and the beginning of the key.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;
use rayon::prelude::*;

use super::{Family, RowRef, Rows};

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

/// Rows in the order of writing, each key once, their families, and those left out, by ordinal.
pub struct Order {
    pub write: Vec<RowRef>,
    pub families: Vec<Family>,
    pub duplicates: Vec<Duplicate>,
}

/// A row, and a number that compares as the row's place does, but for rows that have it in common.
struct Placed {
    number: u128,
    row: RowRef,
}

/// Bits of the number that are the key's; the rank of the parent stands above them.
const KEY_BITS: u32 = 96;

impl Placed {
    fn rank(&self) -> u128 {
        self.number >> KEY_BITS
    }
}

impl Rows<'_> {
    /// Orders the rows; `parallel` on the current rayon pool.
    pub fn order(&self, repeated: Repeated, parallel: bool) -> Order {
        let mut rows = self.all();
        let duplicates = match self.may_repeat(&rows, parallel) {
            true => self.take_duplicates(&mut rows, repeated),
            false => vec![],
        };
        let chunk = match parallel {
            true => rows.len().div_ceil(rayon::current_num_threads()).max(1),
            false => rows.len().max(1),
        };
        let interned = map(rows.chunks(chunk), parallel, |rows| self.intern(rows));
        let ranks = ranks(&interned, parallel);
        let chunks = rows.chunks(chunk).zip(&interned).zip(&ranks);
        let placed = map(chunks, parallel, |((rows, interned), ranks)| {
            let placed = rows.iter().zip(&interned.numbers).map(|(row, number)| Placed {
                number: u128::from(ranks[*number as usize]) << KEY_BITS | beginning(self.key(*row)),
                row: *row,
            });
            placed.collect::<Vec<_>>()
        });
        let mut placed: Vec<Placed> = placed.into_iter().flatten().collect();
        sort(&mut placed, parallel, |a, b| {
            // Equal numbers have equal parents.
            a.number.cmp(&b.number).then_with(|| self.key(a.row).cmp(self.key(b.row)))
        });
        let starts =
            |place: &usize| *place == 0 || placed[*place].rank() != placed[place - 1].rank();
        let firsts = (0..placed.len()).filter(starts).collect();
        let families = Family::between(firsts, placed.len());
        Order { write: placed.iter().map(|placed| placed.row).collect(), families, duplicates }
    }

    /// Numbers the distinct parents of some rows.
    fn intern(&self, rows: &[RowRef]) -> Interned<'_> {
        let mut known: HashMap<&[u8], u32, RandomState> = HashMap::default();
        let mut parents = vec![];
        let numbers = rows.iter().map(|row| {
            let parent = self.parent(*row);
            *known.entry(parent).or_insert_with(|| {
                parents.push(parent);
                parents.len() as u32 - 1
            })
        });
        Interned { numbers: numbers.collect(), parents }
    }

    /// Whether two keys have the same hash. Sorting hashes is far cheaper than a map of all keys, and documents
    /// without a repeated key are the rule.
    fn may_repeat(&self, rows: &[RowRef], parallel: bool) -> bool {
        let state = RandomState::default();
        let hash = |row: &RowRef| std::hash::BuildHasher::hash_one(&state, self.key(*row));
        let mut hashes: Vec<u64> = match parallel {
            true => rows.par_iter().map(hash).collect(),
            false => rows.iter().map(hash).collect(),
        };
        sort(&mut hashes, parallel, u64::cmp);
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
}

/// The parents of some rows: for each row the number of its parent, and the parents by number.
struct Interned<'r> {
    numbers: Vec<u32>,
    parents: Vec<&'r [u8]>,
}

/// For each part the ranks of its parents among those of all parts, by number.
fn ranks(interned: &[Interned<'_>], parallel: bool) -> Vec<Vec<u32>> {
    let mut ranks: Vec<Vec<u32>> =
        interned.iter().map(|part| vec![0; part.parents.len()]).collect();
    let parts = interned.iter().enumerate();
    let parents = parts.flat_map(|(part, interned)| {
        let parents = interned.parents.iter().enumerate();
        parents.map(move |(number, parent)| (beginning(parent), *parent, part, number))
    });
    let mut all: Vec<_> = parents.collect();
    sort(&mut all, parallel, |(a, a_whole, ..), (b, b_whole, ..)| {
        a.cmp(b).then_with(|| a_whole.cmp(b_whole))
    });
    let mut rank = 0;
    for (place, (_, parent, part, number)) in all.iter().enumerate() {
        if place > 0 && all[place - 1].1 != *parent {
            rank += 1;
        }
        ranks[*part][*number] = rank;
    }
    ranks
}

/// The first bytes, as many as have room beside a rank, as a number that compares as they do.
fn beginning(bytes: &[u8]) -> u128 {
    const BYTES: usize = KEY_BITS as usize / 8;
    let mut first = [0; size_of::<u128>()];
    let length = bytes.len().min(BYTES);
    first[..length].copy_from_slice(&bytes[..length]);
    u128::from_be_bytes(first) >> (u128::BITS - KEY_BITS)
}

fn map<T: Send, U: Send>(
    items: impl Iterator<Item = T>,
    parallel: bool,
    work: impl Fn(T) -> U + Sync + Send,
) -> Vec<U> {
    match parallel {
        true => items.collect::<Vec<T>>().into_par_iter().map(work).collect(),
        false => items.map(work).collect(),
    }
}

fn sort<T: Send>(
    items: &mut [T],
    parallel: bool,
    compare: impl Fn(&T, &T) -> std::cmp::Ordering + Sync,
) {
    match parallel {
        true => items.par_sort_unstable_by(compare),
        false => items.sort_unstable_by(compare),
    }
}
