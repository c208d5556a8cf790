//! Rows into a table, in batches: those known to be new by a plain INSERT, the others by INSERT … ON CONFLICT.
//!
//! Each batch is a subtransaction. One that fails for the sake of its rows is halved until the bad rows stand alone,
//! in the order of the document, so that the first one found is the first one there is. One that fails for any other
//! reason (a lock timeout, no privilege, no space) ends the load with that error.

use super::Refusals;
use super::statement::{batch_name, compare, counted_merge, insert, merge};
use super::target::Target;
use crate::options::OnConflict;
use crate::pg::batch::Batch;
use crate::pg::error::ServerError;
use crate::pg::progress::Progress;
use crate::pg::role::as_replica;
use crate::pg::spi::{Plan, Row, Spi};
use crate::pg::{interrupt, subtransaction, wal};
use crate::report::{Counts, Failure};
use crate::rows::{RowRef, Rows};
use serde::{Deserialize, Serialize};

/// Rows of a batch. Measured on 267,000 works, write phase, medians: 1,000: 0.96 s, 5,000: 0.95 s, 20,000: 0.99 s,
/// 100,000: 0.99 s. Smaller ones stay within work_mem and cost less to halve.
pub const BATCH_ROWS: usize = 5_000;

/// Writes rows into a table.
pub struct Writer<'w> {
    pub spi: &'w Spi,
    pub target: &'w Target,
    pub on_conflict: OnConflict,
    /// Parents have been proved: the row-by-row check is off.
    pub proved: bool,
}

/// What is known of the rows of a batch.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Known {
    /// They were not there a moment ago.
    New,
    /// They are there and differ.
    Changed,
    /// Somebody has written some of them meanwhile.
    Nothing,
}

/// Rows to be written: those that the table does not have, and those that differ from what it has.
pub struct Sorted {
    pub new: Vec<RowRef>,
    pub changed: Vec<RowRef>,
    pub unchanged: u64,
}

impl<'w> Writer<'w> {
    /// Writes rows, in the order given.
    pub fn write(
        &self,
        rows: &Rows,
        write: &[RowRef],
        there: There,
        refusals: &mut dyn Refusals,
        progress: &mut Progress,
    ) -> Result<Counts, Failure> {
        let Sorted { new, changed, unchanged } = there.sort(write);
        let mut run = self.start(write.len());
        for (write, known) in [(new, Known::New), (changed, Known::Changed)] {
            for write in write.chunks(BATCH_ROWS) {
                run.batch(rows, write, known, refusals, progress)?;
            }
        }
        Ok(Counts { unchanged: run.counts.unchanged + unchanged, ..run.counts })
    }

    /// Which of the rows the table has, and which of those differ. It may be otherwise a moment later: then a row is
    /// written in the slower way.
    pub fn look(&self, rows: &Rows, write: &[RowRef]) -> There {
        if self.target.empty { There::default() } else { self.compare(rows, write) }
    }

    /// Prepares to write batches of at most `rows` rows.
    pub fn start(&'w self, rows: usize) -> Run<'w> {
        let (table, columns) = (self.target.table, self.target.table.columns());
        let name = batch_name(table.name);
        Run {
            writer: self,
            batch: Batch::register(self.spi, &name, table.batch, BATCH_ROWS.min(rows)),
            insert: self.spi.prepare(&insert(&self.target.name, &name, columns)),
            merge: (self.on_conflict != OnConflict::Error).then(|| {
                self.spi.prepare(&merge(&self.target.name, &name, columns, self.on_conflict))
            }),
            counted_merge: (self.on_conflict == OnConflict::Update && self.target.ordinary)
                .then(|| self.spi.prepare(&counted_merge(&self.target.name, &name, columns))),
            counts: Counts::default(),
        }
    }

    fn compare(&self, rows: &Rows, write: &[RowRef]) -> There {
        if self.on_conflict == OnConflict::Error || write.is_empty() {
            return There::default();
        }
        let table = self.target.table;
        let name = batch_name(&format!("{}_compared", table.name));
        let mut batch = Batch::register(self.spi, &name, table.batch, write.len());
        batch.fill(write.iter().map(|row| rows.tuple(*row)));
        let sql = compare(&self.target.name, &name, table.columns(), self.on_conflict);
        let found = self.spi.row(&sql, |row| (row.get::<Vec<i32>>(1), row.get::<Vec<i32>>(2)));
        let (changed, equal) = found.unwrap_or_default();
        let mut there = There::default();
        for (ordinals, differs) in [(changed, true), (equal, false)] {
            for ordinal in ordinals.unwrap_or_default() {
                there.note(ordinal as usize, differs);
            }
        }
        there
    }

    /// Whether the error is the fault of a row, so that the others may be written without it. Errors of the caller's
    /// rights, of locks, of resources and of the server are not: each other row would meet them too.
    fn is_about_rows(&self, error: &ServerError) -> bool {
        const NOT_ABOUT_ROWS: [&str; 12] =
            ["08", "0A", "25", "26", "40", "42", "53", "55", "57", "58", "F0", "XX"];
        let sqlstate = error.sqlstate();
        let refused_by_policy = sqlstate == INSUFFICIENT_PRIVILEGE && self.target.refuses_rows;
        refused_by_policy || !NOT_ABOUT_ROWS.contains(&&sqlstate[..2])
    }
}

/// The code under which row security refuses a row.
const INSUFFICIENT_PRIVILEGE: &str = "42501";
const UNIQUE_VIOLATION: &str = "23505";

/// The rows that a table has, by ordinal.
#[derive(Default)]
pub struct There {
    differs: Vec<Option<bool>>,
    count: usize,
}

impl There {
    /// Tells new rows from those that are there, and leaves out those that would change nothing.
    pub fn sort(&self, write: &[RowRef]) -> Sorted {
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
        self.count += 1;
    }

    /// None for a row that the table does not have.
    fn differs(&self, row: RowRef) -> Option<bool> {
        self.differs.get(row.ordinal as usize).copied().flatten()
    }
}

/// The writing of one document's rows.
pub struct Run<'w> {
    writer: &'w Writer<'w>,
    batch: Batch<'w>,
    insert: Plan<'w>,
    /// None where a key that is there is an error.
    merge: Option<Plan<'w>>,
    /// None where the merge cannot tell inserted rows from updated ones, or does not update.
    counted_merge: Option<Plan<'w>>,
    pub counts: Counts,
}

/// One batch on its way.
struct Put<'b> {
    rows: &'b Rows,
    refusals: &'b mut dyn Refusals,
    progress: &'b mut Progress,
}

impl Run<'_> {
    /// Writes a batch, or those rows of it that can be written.
    pub fn batch(
        &mut self,
        rows: &Rows,
        write: &[RowRef],
        known: Known,
        refusals: &mut dyn Refusals,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        interrupt::check();
        let before = refusals.count();
        let mut put = Put { rows, refusals, progress };
        self.put(&mut put, write, known)?;
        wal::write_behind();
        let rejected = put.refusals.count() - before;
        put.progress.tuples(write.len() as u64 - rejected);
        put.progress.excluded(rejected);
        Ok(())
    }

    fn put(&mut self, put: &mut Put<'_>, write: &[RowRef], known: Known) -> Result<(), Failure> {
        if !write.iter().all(|row| put.refusals.matters(row.ordinal)) {
            let matter = |row: &RowRef| put.refusals.matters(row.ordinal);
            let write: Vec<_> = write.iter().copied().filter(matter).collect();
            return if write.is_empty() { Ok(()) } else { self.put(put, &write, known) };
        }
        self.batch.fill(write.iter().map(|row| put.rows.tuple(*row)));
        let error = match self.execute(put.rows, write, known) {
            Ok(Written { written, inserted }) => {
                self.counts.inserted += inserted;
                self.counts.updated += written - inserted;
                self.counts.unchanged += (write.len() as u64).saturating_sub(written);
                return Ok(());
            }
            Err(error) => error,
        };
        put.progress.resume();
        if known == Known::New && self.merge.is_some() && error.sqlstate() == UNIQUE_VIOLATION {
            return self.put(put, write, Known::Nothing);
        }
        if !self.writer.is_about_rows(&error) {
            return Err(error.into());
        }
        if let [row] = write {
            return put.refusals.refusal(row.ordinal, error);
        }
        let mut ordered = write.to_vec();
        ordered.sort_unstable_by_key(|row| row.ordinal);
        let (first, second) = ordered.split_at(ordered.len() / 2);
        self.put(put, first, known)?;
        self.put(put, second, known)
    }

    fn execute(&self, rows: &Rows, write: &[RowRef], known: Known) -> Result<Written, ServerError> {
        let (Some(merge), true) = (&self.merge, known != Known::New) else {
            // New rows have parents that are proved; nothing refers to them yet.
            let proved = self.writer.proved;
            let written = subtransaction::within(|| match proved {
                true => as_replica(|| self.insert.execute()),
                false => self.insert.execute(),
            })?;
            return Ok(Written { written, inserted: written });
        };
        // Rows that change run the server's own checks: other tables may refer to them.
        if let Some(counted_merge) = &self.counted_merge {
            let count = |row: &Row, column| row.get::<i64>(column).unwrap_or_default() as u64;
            let read = |row: &Row| Written { written: count(row, 1), inserted: count(row, 2) };
            return Ok(subtransaction::within(|| counted_merge.row(read))?.unwrap_or_default());
        }
        // Where nothing is updated, what is written is new.
        let new = match (self.writer.on_conflict, known) {
            (OnConflict::Skip | OnConflict::Error, _) => write.len(),
            (OnConflict::Update, Known::Changed) => 0,
            (OnConflict::Update, _) => write.len() - self.writer.compare(rows, write).count,
        };
        let written = subtransaction::within(|| merge.execute())?;
        Ok(Written { written, inserted: written.min(new as u64) })
    }
}

/// What a statement did.
#[derive(Default)]
struct Written {
    written: u64,
    inserted: u64,
}
