//! Which rows of a document the table has, found out by one query before they are written.

use super::insert::{BATCH_ROWS, Writer};
use super::statement::{batch_name, compare};
use crate::options::OnConflict;
use crate::pg::batch::Batch;
use crate::record::{Column, ORDINAL};
use crate::rows::{RowRef, Rows};
use crate::tuple::Formed;

/// The rows that a table has, by ordinal.
#[derive(Default)]
pub struct There {
    differs: Vec<Option<bool>>,
    changed: usize,
    unchanged: usize,
}

impl There {
    /// How many of the rows the table has.
    pub fn count(&self) -> usize {
        self.changed + self.unchanged
    }

    /// How many it has just so.
    pub fn unchanged(&self) -> u64 {
        self.unchanged as u64
    }

    /// Tells new rows from those that are there, and leaves out those that would change nothing.
    pub fn sort(&self, write: &[RowRef]) -> Sorted {
        if self.count() == 0 {
            return Sorted { new: write.to_vec(), changed: vec![], unchanged: 0 };
        }
        let pick = |wanted: Option<bool>| -> Vec<RowRef> {
            write.iter().copied().filter(|row| self.differs(*row) == wanted).collect()
        };
        let (new, changed) = (pick(None), pick(Some(true)));
        let unchanged = (write.len() - new.len() - changed.len()) as u64;
        Sorted { new, changed, unchanged }
    }

    fn note(&mut self, ordinal: usize, differs: bool) {
        if self.differs.len() <= ordinal {
            self.differs.resize(ordinal + 1, None);
        }
        self.differs[ordinal] = Some(differs);
        match differs {
            true => self.changed += 1,
            false => self.unchanged += 1,
        }
    }

    /// None for a row that the table does not have.
    fn differs(&self, row: RowRef) -> Option<bool> {
        self.differs.get(row.ordinal as usize).copied().flatten()
    }
}

/// Rows to be written: those that the table does not have, and those that differ from what it has.
pub struct Sorted {
    pub new: Vec<RowRef>,
    pub changed: Vec<RowRef>,
    pub unchanged: u64,
}

impl Writer<'_> {
    /// Which of the rows the table has, and which of those differ. It may be otherwise a moment later: then a row is
    /// written in the slower way.
    pub fn look(&self, rows: &Rows, write: &[RowRef]) -> There {
        if self.target.is_empty() { There::default() } else { self.compare(rows, write) }
    }

    /// The same of a table that may not be empty any more.
    pub fn compare(&self, rows: &Rows, write: &[RowRef]) -> There {
        if self.on_conflict == OnConflict::Error || write.is_empty() {
            return There::default();
        }
        let table = self.target.table;
        let name = batch_name(&format!("{}_compared", table.name));
        let columns: Vec<Column> = table.columns.iter().copied().chain([ORDINAL]).collect();
        let mut batch = Batch::register(self.spi, &name, &columns, write.len());
        for write in write.chunks(BATCH_ROWS) {
            let mut tuples = Formed::default();
            for row in write {
                tuples.add_with_int4(rows.tuple(*row), row.ordinal as i32);
            }
            batch.append(tuples.iter());
        }
        let sql = compare(&self.target.name, &name, table.columns, self.on_conflict);
        let compare = self.spi.prepare_for(self.target.oid, &sql);
        let found = compare.row(|row| (row.get::<Vec<i32>>(1), row.get::<Vec<i32>>(2)));
        let (changed, equal) = found.unwrap_or_default();
        let mut there = There::default();
        for (ordinals, differs) in [(changed, true), (equal, false)] {
            for ordinal in ordinals.unwrap_or_default() {
                there.note(ordinal as usize, differs);
            }
        }
        there
    }
}
