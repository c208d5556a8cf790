//! PURE. The order in which a document's rows are written: by parent, then by key, each key once.
//!
//! Many rows have one parent, and comparing texts is what sorting them takes longest for. So the distinct parents are
//! sorted, and the rows by numbers: the rank of the parent, and the beginning of the key.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use rayon::prelude::*;

use super::{Family, RowRef, Rows};
use crate::document::{push, with_room};
use crate::error::Fault;
use crate::record::{Null, Table};
use crate::tuple;

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
    /// Rows whose key another row has that is written before them, and which add to what that one says: the second of
    /// each key, the third, and so on.
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
                let kept = match repeated == Repeated::LastWins && self.add_up(of_one_key, table) {
                    true => take_turns(of_one_key, &mut later)?,
                    false => self.decide(of_one_key, table, repeated, &mut duplicates),
                };
                push(&mut rows, kept)?;
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

    /// Whether some of the rows with one key have values for columns that others lack: then none of them says all, and
    /// each is written in its turn. So it is if their keys are equal and not the same: the first row's stays.
    fn add_up(&self, of_one_key: &[RowRef], table: &Table) -> bool {
        let key = |row: RowRef| {
            let values: Vec<_> = tuple::values(self.tuple(row), &table.columns).collect();
            table.key.iter().map(|key| values[key.place]).collect::<Vec<_>>()
        };
        of_one_key.windows(2).any(|pair| {
            self.absent(pair[0]) != self.absent(pair[1])
                || (table.null == Null::Value && key(pair[0]) != key(pair[1]))
        })
    }

    /// Takes the rows out whose key others have too, and gives them by key and ordinal.
    fn take_repeated(&self, rows: &mut Vec<RowRef>) -> Result<Vec<RowRef>, Fault> {
        let mut repeats: HashMap<&[u8], bool, RandomState> = HashMap::default();
        repeats.try_reserve(rows.len()).map_err(|_| Fault::OutOfMemory)?;
        for row in rows.iter().filter(|row| !self.key(**row).is_empty()) {
            repeats.entry(self.key(*row)).and_modify(|repeats| *repeats = true).or_default();
        }
        let is_one_of_several = |row: &RowRef| repeats.get(self.key(*row)) == Some(&true);
        let mut several = with_room(rows.iter().filter(|row| is_one_of_several(row)).count())?;
        several.extend(rows.iter().copied().filter(is_one_of_several));
        rows.retain(|row| !is_one_of_several(row));
        several.sort_unstable_by_key(|row| (self.key(*row), row.ordinal));
        Ok(several)
    }

    /// Which of the rows with one key, in the document's order, is written: the first or the last of those that are
    /// about the same thing as the first. The others are added to the duplicates.
    fn decide(
        &self,
        of_one_key: &[RowRef],
        table: &Table,
        repeated: Repeated,
        duplicates: &mut Vec<Duplicate>,
    ) -> RowRef {
        // For each column with ids, the first id, and the row that has it.
        let mut known: Vec<Option<(i64, RowRef)>> = vec![None; table.identity().count()];
        let mut unlike = |row: &RowRef| {
            let ids = self.identity(*row, table);
            let unlike = known.iter().zip(&ids).find_map(|pair| match pair {
                (Some((id, other)), Some(found)) if id != found => Some(*other),
                _ => None,
            });
            if unlike.is_none() {
                for (known, id) in known.iter_mut().zip(ids) {
                    *known = known.or(id.map(|id| (id, *row)));
                }
            }
            (*row, unlike)
        };
        let judged: Vec<(RowRef, Option<RowRef>)> = of_one_key.iter().map(&mut unlike).collect();
        let mut like = judged.iter().filter(|(_, unlike)| unlike.is_none());
        let kept = match repeated {
            Repeated::FirstWins => like.next(),
            Repeated::LastWins => like.next_back(),
        };
        let kept = kept.map_or(of_one_key[0], |(row, _)| *row);
        let others = judged.iter().filter(|(row, _)| row.ordinal != kept.ordinal);
        let ordinal = kept.ordinal;
        duplicates.extend(others.map(|&(row, unlike)| Duplicate { row, kept: ordinal, unlike }));
        kept
    }

    /// Takes those of the duplicates out whose turn it is: the record that had their key has been set aside, and takes no
    /// part in what is decided. At most one of a key; `duplicates` are by ordinal, and stay so.
    pub fn superseded(
        &self,
        duplicates: &mut Vec<Duplicate>,
        table: &Table,
        repeated: Repeated,
        is_set_aside: impl Fn(u32) -> bool,
    ) -> Vec<RowRef> {
        let free = duplicates.extract_if(.., |duplicate| is_set_aside(duplicate.kept));
        let free = free.map(|duplicate| (duplicate.kept, duplicate.row)).collect();
        self.decide_again(free, table, repeated, duplicates)
    }

    /// Takes those of the duplicates out that have been set aside, before anything is written. The rows to be written
    /// then, in their order; none if there is no such duplicate.
    pub fn without(
        &self,
        write: &[RowRef],
        duplicates: &mut Vec<Duplicate>,
        table: &Table,
        repeated: Repeated,
        set_aside: &HashSet<u32>,
    ) -> Option<Vec<RowRef>> {
        let aside = duplicates
            .extract_if(.., |duplicate| set_aside.contains(&duplicate.row.ordinal))
            .map(|duplicate| duplicate.kept);
        let kept: HashSet<u32> = aside.collect();
        if kept.is_empty() {
            return None;
        }
        let is_free = |row: &RowRef| kept.contains(&row.ordinal);
        let (free, mut write): (Vec<RowRef>, Vec<RowRef>) =
            write.iter().partition(|row| is_free(row));
        let mut free: Vec<(u32, RowRef)> = free.into_iter().map(|row| (row.ordinal, row)).collect();
        let others = duplicates.extract_if(.., |duplicate| kept.contains(&duplicate.kept));
        free.extend(others.map(|duplicate| (duplicate.kept, duplicate.row)));
        write.extend(self.decide_again(free, table, repeated, duplicates));
        Some(self.sorted(write))
    }

    /// Of rows, each with a number that those of one key have in common, the one of each key that is written now.
    fn decide_again(
        &self,
        mut free: Vec<(u32, RowRef)>,
        table: &Table,
        repeated: Repeated,
        duplicates: &mut Vec<Duplicate>,
    ) -> Vec<RowRef> {
        free.sort_unstable_by_key(|(key, row)| (*key, row.ordinal));
        let of_one_key = free.chunk_by(|a, b| a.0 == b.0).map(|of_one_key| {
            let rows: Vec<RowRef> = of_one_key.iter().map(|(_, row)| *row).collect();
            self.decide(&rows, table, repeated, duplicates)
        });
        let next = of_one_key.collect();
        duplicates.sort_unstable_by_key(|duplicate| duplicate.row.ordinal);
        next
    }
}

/// The first of the rows with one key; the others come later, one after the other.
fn take_turns(of_one_key: &[RowRef], later: &mut Vec<Vec<RowRef>>) -> Result<RowRef, Fault> {
    for (turn, row) in of_one_key[1..].iter().enumerate() {
        if later.len() == turn {
            push(later, vec![])?;
        }
        push(&mut later[turn], *row)?;
    }
    Ok(of_one_key[0])
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
