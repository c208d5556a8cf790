//! What the earlier parts of a document have had: which keys, and what became of them.
//!
//! A record whose key an earlier part has had is what it would be if the document were read at once: under `update` it
//! changes what the earlier record has written, and counts as `duplicate`; under `skip` it is a duplicate and no more;
//! under `error` it is refused. Keys of records that were set aside count for nothing.

use std::collections::HashMap;

use crate::error::Fault;
use crate::options::OnConflict;
use crate::record::Absent;
use crate::report::Counts;
use crate::rows::order::{Duplicate, Order};
use crate::rows::seen::Seen;
use crate::rows::{RowRef, Rows};
use crate::write::there::There;

/// Bytes of a note: what became of the row and what it has no value for; or the number of the record that was first.
const FATE: usize = 2;
const NUMBER: usize = 5;

const FATE_BITS: u32 = 2;
/// Stands for all sets of columns behind the first ones.
const ANY_ABSENT: u64 = (1 << (8 * FATE as u32 - FATE_BITS)) - 1;

/// What became of the row of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    Inserted,
    Changed,
    Unchanged,
}

/// What an earlier record of the same key was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Past {
    pub fate: Fate,
    /// It had values for the same columns.
    pub alike: bool,
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
    /// Records of all earlier parts.
    records: u64,
}

/// The rows of a part by what earlier parts have had.
#[derive(Default)]
pub struct Met {
    /// Those with a key that is new.
    pub write: Vec<RowRef>,
    /// Under `update`: those that come again.
    pub again: Vec<(Past, Vec<RowRef>)>,
    /// Under the other policies: those that are too late, and the number of the first, less that of this part's first.
    pub late: Vec<(RowRef, u32)>,
}

impl Earlier {
    pub fn new(on_conflict: OnConflict) -> Self {
        let note = if on_conflict == OnConflict::Error { NUMBER } else { FATE };
        Earlier {
            on_conflict,
            seen: Seen::new(note),
            absent: HashMap::new(),
            changed_later: 0,
            owns_table: false,
            goes_on: true,
            records: 0,
        }
    }

    /// So many records are behind us.
    pub fn advance(&mut self, records: u64) {
        self.records += records;
    }

    /// Tells the rows that are to be written by their keys. Duplicates of those that are too late are too.
    pub fn meet(&self, rows: &Rows, order: &Order, duplicates: &mut Vec<Duplicate>) -> Option<Met> {
        if self.seen.is_empty() {
            return None;
        }
        let mut met = Met::default();
        let mut late: HashMap<u32, u32> = HashMap::new();
        let mut again: HashMap<Past, Vec<RowRef>> = HashMap::new();
        for row in &order.write {
            let key = rows.key(*row);
            let note = if key.is_empty() { None } else { self.seen.get(key) };
            match (note, self.on_conflict) {
                (None, _) => met.write.push(*row),
                (Some(note), OnConflict::Update) => {
                    again.entry(self.past(note, rows.absent(*row))).or_default().push(*row);
                }
                (Some(note), OnConflict::Skip | OnConflict::Error) => {
                    let first = (note as u32).wrapping_sub(self.records as u32);
                    late.insert(row.ordinal, first);
                    met.late.push((*row, first));
                }
            }
        }
        let too_late = duplicates.extract_if(.., |duplicate| late.contains_key(&duplicate.kept));
        met.late.extend(too_late.map(|duplicate| (duplicate.row, late[&duplicate.kept])));
        met.late.sort_unstable_by_key(|(row, _)| row.ordinal);
        met.again = again.into_iter().collect();
        met.again.sort_unstable_by_key(|(_, rows)| rows.first().map(|row| row.ordinal));
        Some(met)
    }

    fn past(&self, note: u64, absent: &Absent) -> Past {
        let fate = match note & ((1 << FATE_BITS) - 1) {
            0 => Fate::Inserted,
            1 => Fate::Changed,
            _ => Fate::Unchanged,
        };
        let number = note >> FATE_BITS;
        Past { fate, alike: number != ANY_ABSENT && self.absent.get(absent) == Some(&number) }
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

    /// Notes the keys of rows that were not set aside. `there` is what the table had for them.
    pub fn note(
        &mut self,
        rows: &Rows,
        write: &[RowRef],
        there: &There,
        before: Option<Fate>,
        is_set_aside: impl Fn(u32) -> bool,
    ) -> Result<(), Fault> {
        for row in write.iter().filter(|row| !is_set_aside(row.ordinal)) {
            let key = rows.key(*row);
            if key.is_empty() {
                continue;
            }
            let note = match self.on_conflict {
                OnConflict::Error => self.records + u64::from(row.ordinal),
                OnConflict::Update | OnConflict::Skip => {
                    let fate = match (before, there.is_new(*row), there.is_unchanged(*row)) {
                        (Some(fate @ (Fate::Inserted | Fate::Changed)), ..) => fate,
                        (_, true, _) => Fate::Inserted,
                        (_, _, true) => Fate::Unchanged,
                        _ => Fate::Changed,
                    };
                    fate as u64 | self.number(rows.absent(*row)) << FATE_BITS
                }
            };
            self.seen.set(key, note)?;
        }
        Ok(())
    }

    /// Notes of rows with known keys for which columns they have values.
    pub fn note_columns(
        &mut self,
        rows: &Rows,
        turn: &[RowRef],
        is_set_aside: impl Fn(u32) -> bool,
    ) -> Result<(), Fault> {
        for row in turn.iter().filter(|row| !is_set_aside(row.ordinal)) {
            let key = rows.key(*row);
            let fate = self.seen.get(key).unwrap_or_default() & ((1 << FATE_BITS) - 1);
            let number = self.number(rows.absent(*row));
            self.seen.set(key, fate | number << FATE_BITS)?;
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
