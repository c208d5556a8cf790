//! Rows into a table, in batches: those known to be new by a plain INSERT, the others by INSERT … ON CONFLICT.
//!
//! Each batch is a subtransaction. One that fails for the sake of its rows is halved until the bad rows stand alone,
//! in the order of the document, so that the first one found is the first one there is. One that fails for any other
//! reason (a lock timeout, no privilege, no space) ends the load with that error.

use super::rejects::Rejects;
use super::statement::{batch_name, compare, insert, merge};
use super::target::Target;
use crate::error::{Fault, LoadError};
use crate::options::OnConflict;
use crate::pg::batch::Batch;
use crate::pg::error::ServerError;
use crate::pg::progress::Progress;
use crate::pg::role::as_replica;
use crate::pg::spi::{Plan, Spi};
use crate::pg::{interrupt, subtransaction};
use crate::prepare::Places;
use crate::record::{Column, ColumnType, Row, Sink};
use crate::report::{Counts, Failure};

/// Rows of a batch. Measured on 267,000 works: 2,000 to 50,000 differ by less than the noise; smaller ones keep a batch
/// within work_mem, and cost less to halve.
const BATCH_ROWS: usize = 5_000;

/// Writes rows of one kind into one table.
pub struct Writer<'w, R> {
    pub spi: &'w Spi,
    pub target: &'w Target,
    pub on_conflict: OnConflict,
    /// Parents have been proved: the row-by-row check is off.
    pub proved: bool,
    /// All rows of the document, by ordinal.
    pub rows: &'w [Option<R>],
    pub places: &'w dyn Places,
}

/// What is known of the rows of a batch.
#[derive(Clone, Copy, PartialEq)]
enum Rows {
    /// They were not there a moment ago.
    New,
    /// They are there and differ.
    Changed,
    /// Somebody has written some of them meanwhile.
    Unknown,
}

impl<R: Row> Writer<'_, R> {
    /// Writes the rows of `ordinals`, in that order.
    pub fn write(
        &self,
        ordinals: &[u32],
        rejects: &mut Rejects<'_>,
        progress: &mut Progress,
    ) -> Result<Counts, Failure> {
        let there = match self.target.empty {
            true => vec![None; ordinals.len()],
            false => self.compare(ordinals),
        };
        let pick = |wanted: Option<bool>| -> Vec<u32> {
            let picked = ordinals.iter().zip(&there).filter(|(_, differs)| **differs == wanted);
            picked.map(|(ordinal, _)| *ordinal).collect()
        };
        let (new, changed) = (pick(None), pick(Some(true)));
        let unchanged = (ordinals.len() - new.len() - changed.len()) as u64;
        let name = batch_name(R::TABLE);
        let batch = Batch::register(self.spi, &name, R::COLUMNS, BATCH_ROWS.min(ordinals.len()));
        let mut run = Run {
            writer: self,
            batch,
            insert: self.spi.prepare(&insert(&self.target.name, &name, R::COLUMNS)),
            merge: (self.on_conflict != OnConflict::Error).then(|| {
                self.spi.prepare(&merge(&self.target.name, &name, R::COLUMNS, self.on_conflict))
            }),
            counts: Counts { unchanged, ..Counts::default() },
            rejects,
            progress,
        };
        for (ordinals, rows) in [(new, Rows::New), (changed, Rows::Changed)] {
            for ordinals in ordinals.chunks(BATCH_ROWS) {
                interrupt::check();
                run.batch(ordinals, rows)?;
            }
        }
        Ok(run.counts)
    }

    /// For each row: not there, there and different, there and equal.
    fn compare(&self, ordinals: &[u32]) -> Vec<Option<bool>> {
        let mut there = vec![None; ordinals.len()];
        if self.on_conflict == OnConflict::Error || ordinals.is_empty() {
            return there;
        }
        let place = Column { name: "place", kind: ColumnType::Int4 };
        let columns: Vec<Column> = R::COLUMNS.iter().copied().chain([place]).collect();
        let name = batch_name(&format!("{}_compared", R::TABLE));
        let mut batch = Batch::register(self.spi, &name, &columns, ordinals.len());
        let rows = (0i32..).zip(ordinals).filter_map(|(place, &o)| Some((place, self.row(o)?)));
        batch.fill(rows, |(place, row), writer| {
            row.put(writer);
            writer.int4(Some(place));
        });
        let sql = compare(&self.target.name, &name, R::COLUMNS, self.on_conflict);
        let places = self.spi.row(&sql, |row| (row.get::<Vec<i32>>(1), row.get::<Vec<i32>>(2)));
        let (changed, equal) = places.unwrap_or_default();
        for (places, differs) in [(changed, true), (equal, false)] {
            for place in places.unwrap_or_default() {
                there[place as usize] = Some(differs);
            }
        }
        there
    }

    fn row(&self, ordinal: u32) -> Option<&R> {
        self.rows.get(ordinal as usize)?.as_ref()
    }

    /// Whether the error is the fault of a row, so that the others may be written without it. Errors of the caller's
    /// rights, of locks, of resources and of the server are not: each other row would meet them too.
    fn is_about_rows(&self, error: &ServerError) -> bool {
        const NOT_ABOUT_ROWS: [&str; 13] =
            ["08", "0A", "25", "26", "40", "42", "53", "54", "55", "57", "58", "F0", "XX"];
        let sqlstate = error.sqlstate();
        let refused_by_policy = sqlstate == INSUFFICIENT_PRIVILEGE && self.target.refuses_rows;
        refused_by_policy || !NOT_ABOUT_ROWS.contains(&&sqlstate[..2])
    }
}

/// The code under which row security refuses a row.
const INSUFFICIENT_PRIVILEGE: &str = "42501";
const UNIQUE_VIOLATION: &str = "23505";

/// The writing of one document's rows.
struct Run<'r, 'w, 'p, R> {
    writer: &'r Writer<'w, R>,
    batch: Batch<'w>,
    insert: Plan<'w>,
    /// None where a key that is there is an error.
    merge: Option<Plan<'w>>,
    counts: Counts,
    rejects: &'r mut Rejects<'p>,
    progress: &'r mut Progress,
}

impl<R: Row> Run<'_, '_, '_, R> {
    fn batch(&mut self, ordinals: &[u32], rows: Rows) -> Result<(), Failure> {
        let before = self.rejects.count();
        self.put(ordinals, rows)?;
        let rejected = self.rejects.count() - before;
        self.progress.tuples(ordinals.len() as u64 - rejected);
        self.progress.excluded(rejected);
        Ok(())
    }

    /// Writes the rows, or those of them that can be written.
    fn put(&mut self, ordinals: &[u32], rows: Rows) -> Result<(), Failure> {
        let writer = self.writer;
        // The rows that are new, of those that may or may not be.
        let new = match rows {
            Rows::New => ordinals.len(),
            Rows::Changed => 0,
            Rows::Unknown => {
                writer.compare(ordinals).iter().filter(|there| there.is_none()).count()
            }
        };
        let items = ordinals.iter().filter_map(|&ordinal| writer.row(ordinal));
        let left_out = self.batch.fill(items, |row, sink| row.put(sink));
        if !left_out.is_empty() {
            return self.put_others(ordinals, &left_out, rows);
        }
        let error = match self.execute(rows) {
            Ok(written) => {
                let inserted = written.min(new as u64);
                self.counts.inserted += inserted;
                self.counts.updated += written - inserted;
                self.counts.unchanged += ordinals.len() as u64 - written;
                return Ok(());
            }
            Err(error) => error,
        };
        self.progress.resume();
        if rows == Rows::New && self.merge.is_some() && error.sqlstate() == UNIQUE_VIOLATION {
            return self.put(ordinals, Rows::Unknown);
        }
        if !writer.is_about_rows(&error) {
            return Err(error.into());
        }
        if let [ordinal] = ordinals {
            return self.rejects.refusal(*ordinal, error);
        }
        let mut ordered = ordinals.to_vec();
        ordered.sort_unstable();
        let (first, second) = ordered.split_at(ordered.len() / 2);
        self.put(first, rows)?;
        self.put(second, rows)
    }

    fn execute(&self, rows: Rows) -> Result<u64, ServerError> {
        let plan = match (rows, &self.merge) {
            (Rows::Changed | Rows::Unknown, Some(merge)) => merge,
            _ => &self.insert,
        };
        let proved = self.writer.proved;
        subtransaction::within(|| match proved {
            true => as_replica(|| plan.execute()),
            false => plan.execute(),
        })
    }

    /// Sets aside the rows that the database's encoding cannot hold and writes the others.
    fn put_others(
        &mut self,
        ordinals: &[u32],
        left_out: &[usize],
        rows: Rows,
    ) -> Result<(), Failure> {
        let mut refused: Vec<u32> = left_out.iter().map(|&place| ordinals[place]).collect();
        refused.sort_unstable();
        for &ordinal in &refused {
            let path = self.writer.places.path(ordinal);
            self.rejects.fault(LoadError {
                ordinal: Some(ordinal),
                path,
                fault: Fault::Untranslatable,
            })?;
        }
        let others: Vec<u32> =
            ordinals.iter().copied().filter(|o| refused.binary_search(o).is_err()).collect();
        if others.is_empty() { Ok(()) } else { self.put(&others, rows) }
    }
}
