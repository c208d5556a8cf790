//! PURE. The order in which a document's rows are written: by parent, then by key, each key once.
//!
//! Many rows have one parent, and comparing texts is what sorting them takes longest for. So the distinct parents are
//! sorted, and the rows by numbers: the rank of the parent, and the beginning of the key.

mod repeated;

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use rayon::prelude::*;

use super::{Family, RowRef, Rows};
use crate::document::{push, with_room};
use crate::error::Fault;
use crate::record::Table;

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
    /// The row is about another thing than an earlier one of that key, which is this: it can never take its place.
    pub unlike: Option<RowRef>,
}

/// Rows in the order of writing, each key once, their families, and those left out, by ordinal.
#[derive(Default)]
pub struct Order {
    pub write: Vec<RowRef>,
    pub families: Vec<Family>,
    pub duplicates: Vec<Duplicate>,
    /// Rows whose key another row has that is written before them, and which add to what that one says: those of the second
    /// turn, the third, and so on.
    pub later: Vec<Vec<RowRef>>,
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

/// What ordering takes for each row, in bytes: its place in the order, its number, the hash of its key.
pub const BYTES_A_ROW: usize = 2 * size_of::<RowRef>() + size_of::<Placed>() + size_of::<u64>();

impl Rows<'_> {
    /// Orders the rows of this table; `parallel` on the current rayon pool.
    pub fn order(&self, table: &Table, repeated: Repeated, parallel: bool) -> Result<Order, Fault> {
        self.order_without(&HashSet::new(), table, repeated, parallel)
    }

    /// The same without those that have been set aside, by their ordinals.
    pub fn order_without(
        &self,
        set_aside: &HashSet<u32>,
        table: &Table,
        repeated: Repeated,
        parallel: bool,
    ) -> Result<Order, Fault> {
        let mut rows = with_room(self.len())?;
        self.add_all(&mut rows);
        if !set_aside.is_empty() {
            rows.retain(|row| !set_aside.contains(&row.ordinal));
        }
        if rows.len() == 1 {
            let families = Family::between(1, |_| true)?;
            return Ok(Order { write: rows, families, ..Order::default() });
        }
        let (mut duplicates, mut later) = (vec![], vec![]);
        if self.may_repeat(&rows, parallel)? {
            let several = self.take_repeated(&mut rows)?;
            for of_one_key in several.chunk_by(|a, b| self.key(*a) == self.key(*b)) {
                let alike = |a: &RowRef, b: &RowRef| self.is_alike(*a, *b, table, repeated);
                for (turn, run) in of_one_key.chunk_by(alike).enumerate() {
                    let kept = self.decide(run, table, repeated, &mut duplicates);
                    push(turn_of(turn, &mut rows, &mut later)?, kept)?;
                }
            }
            duplicates.sort_unstable_by_key(|duplicate| duplicate.row.ordinal);
        }
        let chunk = match parallel {
            true => rows.len().div_ceil(rayon::current_num_threads()).max(1),
            false => rows.len().max(1),
        };
        let interned: Result<Vec<Interned>, Fault> =
            map(rows.chunks(chunk), parallel, |rows| self.intern(rows)).into_iter().collect();
        let interned = interned?;
        let ranks = ranks(&interned, parallel)?;
        let place = |index: usize| {
            let (part, row) = (index / chunk, rows[index]);
            let rank = ranks[part][interned[part].numbers[index % chunk] as usize];
            let number = u128::from(rank) << KEY_BITS | beginning(self.key(row));
            Placed { number, row }
        };
        let mut placed: Vec<Placed> = with_room(rows.len())?;
        match parallel {
            true => (0..rows.len()).into_par_iter().map(place).collect_into_vec(&mut placed),
            false => placed.extend((0..rows.len()).map(place)),
        }
        sort(&mut placed, parallel, |a, b| {
            // Equal numbers have equal parents.
            let keys = || self.key(a.row).cmp(self.key(b.row));
            a.number.cmp(&b.number).then_with(keys).then(a.row.ordinal.cmp(&b.row.ordinal))
        });
        let starts = |place: usize| placed[place].rank() != placed[place - 1].rank();
        let families = Family::between(placed.len(), starts)?;
        rows.clear();
        rows.extend(placed.iter().map(|placed| placed.row));
        Ok(Order { write: rows, families, duplicates, later })
    }

    /// Rows, and those that come behind others of their keys, in the order of the document: in turns, of which each is as
    /// long as no key comes twice.
    pub fn turns(
        &self,
        first: &[RowRef],
        later: &[Vec<RowRef>],
    ) -> Result<(Vec<RowRef>, Vec<Vec<RowRef>>), Fault> {
        let mut all = with_room(first.len() + later.iter().map(Vec::len).sum::<usize>())?;
        all.extend(first.iter().chain(later.iter().flatten()).copied());
        all.sort_unstable_by_key(|row| row.ordinal);
        let (mut turns, mut turn) = (vec![], vec![]);
        let mut keys: HashSet<&[u8], RandomState> = HashSet::default();
        for row in all {
            let key = self.key(row);
            keys.try_reserve(1).map_err(|_| Fault::OutOfMemory)?;
            if !key.is_empty() && !keys.insert(key) {
                push(&mut turns, std::mem::take(&mut turn))?;
                keys.clear();
                keys.insert(key);
            }
            push(&mut turn, row)?;
        }
        push(&mut turns, turn)?;
        let later = turns.split_off(1);
        Ok((turns.remove(0), later))
    }

    /// Some rows in the order of writing.
    pub fn sorted(&self, mut rows: Vec<RowRef>) -> Vec<RowRef> {
        let place = |row: &RowRef| (self.parent(*row), self.key(*row));
        rows.sort_unstable_by(|a, b| place(a).cmp(&place(b)));
        rows
    }

    /// Numbers the distinct parents of some rows.
    fn intern(&self, rows: &[RowRef]) -> Result<Interned<'_>, Fault> {
        let mut known: HashMap<&[u8], u32, RandomState> = HashMap::default();
        let mut parents = vec![];
        let mut numbers = with_room(rows.len())?;
        for row in rows {
            let parent = self.parent(*row);
            let number = match known.get(parent) {
                Some(number) => *number,
                None => {
                    let number = parents.len() as u32;
                    push(&mut parents, parent)?;
                    known.try_reserve(1).map_err(|_| Fault::OutOfMemory)?;
                    known.insert(parent, number);
                    number
                }
            };
            numbers.push(number);
        }
        Ok(Interned { numbers, parents })
    }

    /// Whether two keys have the same hash. Sorting hashes is far cheaper than a map of all keys, and documents
    /// without a repeated key are the rule.
    fn may_repeat(&self, rows: &[RowRef], parallel: bool) -> Result<bool, Fault> {
        let state = RandomState::default();
        let hash = |row: &RowRef| match self.key(*row) {
            // It is like no other.
            [] => std::hash::BuildHasher::hash_one(&state, (row.slice, row.row)),
            key => std::hash::BuildHasher::hash_one(&state, key),
        };
        let mut hashes: Vec<u64> = with_room(rows.len())?;
        match parallel {
            true => rows.par_iter().map(hash).collect_into_vec(&mut hashes),
            false => hashes.extend(rows.iter().map(hash)),
        }
        sort(&mut hashes, parallel, u64::cmp);
        Ok(hashes.windows(2).any(|pair| pair[0] == pair[1]))
    }
}

/// Where the rows of a turn are: the first turn, or one of those behind it.
fn turn_of<'t>(
    turn: usize,
    first: &'t mut Vec<RowRef>,
    later: &'t mut Vec<Vec<RowRef>>,
) -> Result<&'t mut Vec<RowRef>, Fault> {
    if turn == 0 {
        return Ok(first);
    }
    if later.len() < turn {
        push(later, vec![])?;
    }
    Ok(&mut later[turn - 1])
}

/// The parents of some rows: for each row the number of its parent, and the parents by number.
struct Interned<'r> {
    numbers: Vec<u32>,
    parents: Vec<&'r [u8]>,
}

/// For each part the ranks of its parents among those of all parts, by number.
fn ranks(interned: &[Interned<'_>], parallel: bool) -> Result<Vec<Vec<u32>>, Fault> {
    let mut ranks: Vec<Vec<u32>> = vec![];
    for part in interned {
        let mut ranks_of_part = with_room(part.parents.len())?;
        ranks_of_part.resize(part.parents.len(), 0);
        ranks.push(ranks_of_part);
    }
    let mut all = with_room(interned.iter().map(|part| part.parents.len()).sum())?;
    for (part, interned) in interned.iter().enumerate() {
        let parents = interned.parents.iter().enumerate();
        all.extend(parents.map(|(number, parent)| (beginning(parent), *parent, part, number)));
    }
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
    Ok(ranks)
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
