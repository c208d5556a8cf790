//! What the earlier parts of a document have had: which keys, and what became of them.
//!
//! A record whose key an earlier part has had is what it would be if the document were read at once: under `update` it
//! takes the place of an earlier record with values for the same columns, and counts as `duplicate`, or else adds to it;
//! under `skip` it is a duplicate and no more. Under `error` rows have no key here: the server refuses it. Keys of records
//! that were set aside count for nothing.

use std::collections::{HashMap, HashSet};

use crate::error::Fault;
use crate::options::OnConflict;
use crate::record::Absent;
use crate::report::{Counts, Failure};
use crate::rows::order::Duplicate;
use crate::rows::seen::Seen;
use crate::rows::{RowRef, Rows};
use crate::write::there::There;

/// Bytes of a note: what became of the row, and what it has no value for.
const NOTE: usize = 2;

const FATE_BITS: u32 = 2;
const MADE: u64 = 1 << FATE_BITS;
const ABSENT_BIT: u32 = FATE_BITS + 1;
/// Stands for all sets of columns behind the first ones.
const ANY_ABSENT: u64 = (1 << (8 * NOTE as u32 - ABSENT_BIT)) - 1;

/// What became of the row of a key by the last record, with those before it whose place it has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Inserted,
    Changed,
    Unchanged,
}

/// What the earlier records of the same key have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Past {
    fate: Fate,
    /// The load has made the row.
    pub made: bool,
    /// The last of them had values for the same columns.
    alike: bool,
}

pub struct Earlier {
    on_conflict: OnConflict,
    seen: Seen,
    /// What rows have no value for; a note has the number.
    absent: HashMap<Absent, u64>,
    /// Rows that were unchanged, and have been changed by a later part.
    pub changed_later: u64,
    /// The table had no row when the load began, and has none but those of the load, and of others who write meanwhile.
    pub owns_table: bool,
    /// Other parts are to come.
    pub goes_on: bool,
}

/// Rows that are written one after the other: of keys that are new, or that an earlier part has had.
pub type Rounds = Vec<(Option<Past>, Vec<RowRef>)>;

impl Earlier {
    pub fn new(on_conflict: OnConflict) -> Self {
        Earlier {
            on_conflict,
            seen: Seen::new(NOTE),
            absent: HashMap::new(),
            changed_later: 0,
            owns_table: false,
            goes_on: true,
        }
    }

    /// Under `skip`: adds the rows that come too late to `late`, with the duplicates of these; the others. `look` tells what
    /// the table has for rows: that a key may have been seen is no proof that its row is there.
    pub fn late(
        &self,
        rows: &Rows,
        write: &[RowRef],
        look: impl FnOnce(&[RowRef]) -> Result<There, Failure>,
        duplicates: &mut Vec<Duplicate>,
        late: &mut Vec<RowRef>,
    ) -> Result<Option<Vec<RowRef>>, Failure> {
        if self.on_conflict != OnConflict::Skip || self.seen.is_empty() {
            return Ok(None);
        }
        let seen = write.iter().copied().filter(|row| self.noted(rows, *row).is_some());
        let seen: Vec<RowRef> = seen.collect();
        let there = look(&seen)?;
        let too_late = seen.into_iter().filter(|row| !there.is_new(*row));
        let kept: HashSet<u32> = too_late.map(|row| row.ordinal).collect();
        let theirs = duplicates.extract_if(.., |duplicate| kept.contains(&duplicate.kept));
        late.extend(theirs.map(|duplicate| duplicate.row));
        let (too_late, in_time): (Vec<RowRef>, Vec<RowRef>) =
            write.iter().partition(|row| kept.contains(&row.ordinal));
        late.extend(too_late);
        Ok(Some(in_time))
    }

    /// Under `update`: the rows by what an earlier part has had of their keys, those with new keys first, or all of them
    /// `in_order` of the document; none if no part has had a key.
    pub fn rounds(&self, rows: &Rows, write: &[RowRef], in_order: bool) -> Option<Rounds> {
        if self.on_conflict != OnConflict::Update || self.seen.is_empty() {
            return None;
        }
        let past = |row: &RowRef| Some(self.past(self.noted(rows, *row)?, rows.absent(*row)));
        let mut all: Vec<(Option<Past>, RowRef)> =
            write.iter().map(|row| (past(row), *row)).collect();
        match in_order {
            true => all.sort_unstable_by_key(|(_, row)| row.ordinal),
            false => all.sort_unstable_by_key(|(past, _)| *past),
        }
        let round = |round: &[(Option<Past>, RowRef)]| {
            (round[0].0, rows.sorted(round.iter().map(|(_, row)| *row).collect()))
        };
        Some(all.chunk_by(|(one, _), (next, _)| one == next).map(round).collect())
    }

    fn noted(&self, rows: &Rows, row: RowRef) -> Option<u64> {
        let key = rows.key(row);
        if key.is_empty() { None } else { self.seen.get(key) }
    }

    fn past(&self, note: u64, absent: &Absent) -> Past {
        let fate = match note & (MADE - 1) {
            0 => Fate::Inserted,
            1 => Fate::Changed,
            _ => Fate::Unchanged,
        };
        let number = note >> ABSENT_BIT;
        let alike = number != ANY_ABSENT && self.absent.get(absent) == Some(&number);
        Past { fate, made: note & MADE != 0, alike }
    }

    /// What the counts of rows that come again add to those of the load.
    pub fn count(&mut self, past: Past, counts: Counts) -> Counts {
        if !past.alike {
            return counts;
        }
        let Counts { inserted, updated, unchanged, .. } = counts;
        let duplicate = inserted + updated + unchanged;
        match past.fate {
            Fate::Inserted | Fate::Changed => Counts { duplicate, ..Counts::default() },
            Fate::Unchanged => {
                self.changed_later += inserted + updated;
                Counts { duplicate, inserted, updated, ..Counts::default() }
            }
        }
    }

    /// Notes the keys of rows that have been written, but for those set aside. `there` is what the table had for them.
    pub fn note(
        &mut self,
        rows: &Rows,
        written: &[RowRef],
        there: &There,
        is_set_aside: impl Fn(u32) -> bool,
    ) -> Result<(), Fault> {
        for row in written.iter().filter(|row| !is_set_aside(row.ordinal)) {
            let (key, absent) = (rows.key(*row), rows.absent(*row));
            if key.is_empty() {
                continue;
            }
            let past = self.seen.get(key).map(|note| self.past(note, absent));
            let is_new = there.is_new(*row);
            let fate = match past {
                Some(past) if past.alike && past.fate != Fate::Unchanged => past.fate,
                _ if is_new => Fate::Inserted,
                _ if there.is_unchanged(*row) => Fate::Unchanged,
                _ => Fate::Changed,
            };
            let made = is_new || past.is_some_and(|past| past.made);
            let made = if made { MADE } else { 0 };
            let number = self.number(absent);
            self.seen.set(key, fate as u64 | made | number << ABSENT_BIT)?;
        }
        Ok(())
    }

    fn number(&mut self, absent: &Absent) -> u64 {
        if let Some(number) = self.absent.get(absent) {
            return *number;
        }
        let number = self.absent.len() as u64;
        if number >= ANY_ABSENT {
            return ANY_ABSENT;
        }
        self.absent.insert(absent.clone(), number);
        number
    }
}
