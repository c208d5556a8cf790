//! PURE. Several rows of one key: which is written, which is a duplicate, and what becomes of that when one is set aside.
//!
//! Under [`Repeated::LastWins`] a row that has values for the same columns as the row before it of that key takes its
//! place. One that has values for others adds to it, and is written in a turn of its own.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::{Duplicate, Repeated};
use crate::document::with_room;
use crate::error::Fault;
use crate::record::{Null, Table};
use crate::rows::{RowRef, Rows};
use crate::tuple;

impl Rows<'_> {
    /// Whether of two rows with one key, one behind the other, only one says something. If both have values for the same
    /// columns; but if their keys are equal and not the same, the first row's stays.
    pub(super) fn is_alike(&self, a: RowRef, b: RowRef, table: &Table, repeated: Repeated) -> bool {
        let key = |row: RowRef| {
            let values: Vec<_> = tuple::values(self.tuple(row), &table.columns).collect();
            table.key.iter().map(|key| values[key.place]).collect::<Vec<_>>()
        };
        let differs =
            || self.absent(a) != self.absent(b) || (table.null == Null::Value && key(a) != key(b));
        repeated == Repeated::FirstWins || !differs()
    }

    /// Takes the rows out whose key others have too, and gives them by key and ordinal.
    pub(super) fn take_repeated(&self, rows: &mut Vec<RowRef>) -> Result<Vec<RowRef>, Fault> {
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
    pub(super) fn decide(
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
        let mut kept: HashSet<u32> = aside.collect();
        if kept.is_empty() {
            return None;
        }
        // A row of a later turn stays what it is: the row there is another by then.
        kept = write.iter().map(|row| row.ordinal).filter(|row| kept.contains(row)).collect();
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
