//! Rows into a table, in batches: those known to be new by a plain INSERT, the others by INSERT … ON CONFLICT.
//!
//! Each batch is a subtransaction. One that fails for the sake of its rows is halved until the bad rows stand alone,
//! in the order of the document, so that the first one found is the first one there is. One that fails for any other
//! reason (a lock timeout, no privilege, no space) ends the load with that error.

use super::rejects::Rejects;
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

/// Rows of a batch. Measured on 267,000 works, write phase, medians: 1,000: 0.96 s, 5,000: 0.95 s, 20,000: 0.99 s,
/// 100,000: 0.99 s. Smaller ones stay within work_mem and cost less to halve.
const BATCH_ROWS: usize = 5_000;

/// Writes rows into a table.
pub struct Writer<'w> {
    pub spi: &'w Spi,
    pub target: &'w Target,
    pub on_conflict: OnConflict,
    /// Parents have been proved: the row-by-row check is off.
    pub proved: bool,
    pub rows: &'w Rows,
}

/// What is known of the rows of a batch.
#[derive(Clone, Copy, PartialEq)]
enum Known {
    /// They were not there a moment ago.
    New,
    /// They are there and differ.
    Changed,
    /// Somebody has written some of them meanwhile.
    Nothing,
}

impl Writer<'_> {
    /// Writes rows, in the order given.
    pub fn write(
        &self,
        rows: &[RowRef],
        rejects: &mut Rejects<'_>,
        progress: &mut Progress,
    ) -> Result<Counts, Failure> {
        let there = if self.target.empty { There::default() } else { self.compare(rows) };
        let pick = |wanted: Option<bool>| -> Vec<RowRef> {
            rows.iter().copied().filter(|row| there.differs(*row) == wanted).collect()
        };
        let (new, changed) = (pick(None), pick(Some(true)));
        let (table, columns) = (self.target.table, self.target.table.columns());
        let unchanged = (rows.len() - new.len() - changed.len()) as u64;
        let name = batch_name(table.name);
        let mut run = Run {
            writer: self,
            batch: Batch::register(self.spi, &name, table.batch, BATCH_ROWS.min(rows.len())),
            insert: self.spi.prepare(&insert(&self.target.name, &name, columns)),
            merge: (self.on_conflict != OnConflict::Error).then(|| {
                self.spi.prepare(&merge(&self.target.name, &name, columns, self.on_conflict))
            }),
            counted_merge: (self.on_conflict == OnConflict::Update && self.target.ordinary)
                .then(|| self.spi.prepare(&counted_merge(&self.target.name, &name, columns))),
            counts: Counts { unchanged, ..Counts::default() },
            rejects,
            progress,
        };
        for (rows, known) in [(new, Known::New), (changed, Known::Changed)] {
            for rows in rows.chunks(BATCH_ROWS) {
                interrupt::check();
                run.batch(rows, known)?;
            }
        }
        Ok(run.counts)
    }

    /// Which of the rows the table has.
    fn compare(&self, rows: &[RowRef]) -> There {
        if self.on_conflict == OnConflict::Error || rows.is_empty() {
            return There::default();
        }
        let table = self.target.table;
        let name = batch_name(&format!("{}_compared", table.name));
        let mut batch = Batch::register(self.spi, &name, table.batch, rows.len());
        batch.fill(rows.iter().map(|row| self.rows.tuple(*row)));
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
struct There {
    differs: Vec<Option<bool>>,
    count: usize,
}

impl There {
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
struct Run<'r, 'w, 'p> {
    writer: &'r Writer<'w>,
    batch: Batch<'w>,
    insert: Plan<'w>,
    /// None where a key that is there is an error.
    merge: Option<Plan<'w>>,
    /// None where the merge cannot tell inserted rows from updated ones, or does not update.
    counted_merge: Option<Plan<'w>>,
    counts: Counts,
    rejects: &'r mut Rejects<'p>,
    progress: &'r mut Progress,
}

impl Run<'_, '_, '_> {
    fn batch(&mut self, rows: &[RowRef], known: Known) -> Result<(), Failure> {
        let before = self.rejects.count();
        self.put(rows, known)?;
        wal::write_behind();
        let rejected = self.rejects.count() - before;
        self.progress.tuples(rows.len() as u64 - rejected);
        self.progress.excluded(rejected);
        Ok(())
    }

    /// Writes the rows, or those of them that can be written.
    fn put(&mut self, rows: &[RowRef], known: Known) -> Result<(), Failure> {
        if !rows.iter().all(|row| self.rejects.matters(row.ordinal)) {
            let rows: Vec<_> =
                rows.iter().copied().filter(|row| self.rejects.matters(row.ordinal)).collect();
            return if rows.is_empty() { Ok(()) } else { self.put(&rows, known) };
        }
        let writer = self.writer;
        let total = rows.len() as u64;
        self.batch.fill(rows.iter().map(|row| writer.rows.tuple(*row)));
        let error = match self.execute(rows, known) {
            Ok(Written { written, inserted }) => {
                self.counts.inserted += inserted;
                self.counts.updated += written - inserted;
                self.counts.unchanged += total.saturating_sub(written);
                return Ok(());
            }
            Err(error) => error,
        };
        self.progress.resume();
        if known == Known::New && self.merge.is_some() && error.sqlstate() == UNIQUE_VIOLATION {
            return self.put(rows, Known::Nothing);
        }
        if !writer.is_about_rows(&error) {
            return Err(error.into());
        }
        if let [row] = rows {
            return self.rejects.refusal(row.ordinal, error);
        }
        let mut ordered = rows.to_vec();
        ordered.sort_unstable_by_key(|row| row.ordinal);
        let (first, second) = ordered.split_at(ordered.len() / 2);
        self.put(first, known)?;
        self.put(second, known)
    }

    fn execute(&self, rows: &[RowRef], known: Known) -> Result<Written, ServerError> {
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
            (OnConflict::Skip | OnConflict::Error, _) => rows.len(),
            (OnConflict::Update, Known::Changed) => 0,
            (OnConflict::Update, _) => rows.len() - self.writer.compare(rows).count,
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
