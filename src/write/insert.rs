//! Rows into a table, in batches: those known to be new by a plain INSERT, the others by INSERT … ON CONFLICT.
//!
//! Into a plain table the new rows are laid as COPY lays them, all in one subtransaction. Where the server refuses one
//! of them, it is undone, and they are inserted.
//!
//! Each batch of an INSERT is a subtransaction. One that fails for the sake of its rows is halved until the bad rows stand alone,
//! in the order of the document, so that the first one found is the first one there is. One that fails for any other
//! reason (a lock timeout, no privilege, no space) ends the load with that error.

use super::Refusals;
use super::plain::is_plain;
use super::statement::{batch_name, counted_merge, insert, merge};
use super::target::Target;
use super::there::{Sorted, There};
use crate::options::OnConflict;
use crate::pg::batch::Batch;
use crate::pg::error::ServerError;
use crate::pg::pages::Pages;
use crate::pg::progress::Progress;
use crate::pg::role::as_replica;
use crate::pg::spi::{Plan, Row, Spi};
use crate::pg::{interrupt, subtransaction, wal};
use crate::report::{Counts, Failure};
use crate::rows::{RowRef, Rows};
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;
use std::mem::replace;

/// Rows of a batch. Measured on 267,000 works, write phase, medians: 1,000: 0.96 s, 5,000: 0.95 s, 20,000: 0.99 s,
/// 100,000: 0.99 s. Smaller ones stay within work_mem and cost less to halve.
pub const BATCH_ROWS: usize = 5_000;

/// Fewer new rows are inserted sooner than it is found out whether they may be laid.
pub const FEWEST_LAID: usize = 500;

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
        let Sorted { mut new, changed, unchanged } = there.sort(write);
        let mut run = self.start(write.len());
        if new.iter().all(|row| refusals.matters(row.ordinal)) && self.lay(rows, &new, progress)? {
            run.counts.inserted += new.len() as u64;
            new.clear();
        }
        for (write, known) in [(new, Known::New), (changed, Known::Changed)] {
            for write in write.chunks(BATCH_ROWS) {
                run.batch(rows, write, known, refusals, progress)?;
            }
        }
        Ok(Counts { unchanged: run.counts.unchanged + unchanged, ..run.counts })
    }

    /// Lays new rows into the table's pages: all of them or, where that cannot be, none.
    fn lay(&self, rows: &Rows, new: &[RowRef], progress: &mut Progress) -> Result<bool, Failure> {
        if !may_be_laid(self.spi, self.target, new.len(), self.proved) {
            return Ok(false);
        }
        let before = progress.written();
        let laid = subtransaction::within(|| {
            let Some(mut pages) = self.open_pages() else { return false };
            for batch in new.chunks(BATCH_ROWS) {
                lay(&mut pages, rows, batch, progress);
            }
            pages.finish(0.0);
            true
        });
        match laid {
            Ok(laid) => Ok(laid),
            Err(error) if is_about_rows(&error) => {
                progress.take_back(before);
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn open_pages(&self) -> Option<Pages> {
        Pages::open(self.target.oid, self.target.table.columns)
    }

    /// Prepares to write batches of at most `rows` rows.
    pub fn start(&'w self, rows: usize) -> Run<'w> {
        let (table, columns) = (self.target.table, self.target.table.columns);
        let name = batch_name(table.name);
        Run {
            writer: self,
            batch: Batch::register(self.spi, &name, columns, BATCH_ROWS.min(rows)),
            insert: OnceCell::new(),
            merge: OnceCell::new(),
            name,
            counts: Counts::default(),
            laying: Laying::Undecided,
        }
    }

    /// [`is_about_rows`] for a table that may have row security.
    fn is_about_rows(&self, error: &ServerError) -> bool {
        self.target.refuses_rows && error.sqlstate() == INSUFFICIENT_PRIVILEGE
            || is_about_rows(error)
    }
}

/// Whether so many new rows are laid into the pages of the table; `proved` as in [`is_plain`].
pub fn may_be_laid(spi: &Spi, target: &Target, rows: usize, proved: bool) -> bool {
    rows >= FEWEST_LAID && is_plain(spi, target, proved)
}

/// Whether the error is the fault of a row, so that the others may be written without it. Errors of the caller's rights,
/// of locks, of resources and of the server are not: each other row would meet them too.
pub fn is_about_rows(error: &ServerError) -> bool {
    const NOT_ABOUT_ROWS: [&str; 12] =
        ["08", "0A", "25", "26", "40", "42", "53", "55", "57", "58", "F0", "XX"];
    !NOT_ABOUT_ROWS.contains(&&error.sqlstate()[..2])
}

/// Lays a batch of rows.
fn lay(pages: &mut Pages, rows: &Rows, batch: &[RowRef], progress: &mut Progress) {
    pages.lay(batch.iter().map(|row| rows.tuple(*row)));
    wal::write_behind();
    progress.tuples(batch.len() as u64);
}

/// The code under which row security refuses a row.
const INSUFFICIENT_PRIVILEGE: &str = "42501";
const UNIQUE_VIOLATION: &str = "23505";

/// The writing of one document's rows.
pub struct Run<'w> {
    writer: &'w Writer<'w>,
    batch: Batch<'w>,
    /// The batch's name in the statements.
    name: String,
    /// Prepared when they are first needed.
    insert: OnceCell<Plan<'w>>,
    merge: OnceCell<Plan<'w>>,
    pub counts: Counts,
    laying: Laying,
}

/// Whether a session of a parallel load lays its new rows.
enum Laying {
    Undecided,
    Pages(Pages),
    No,
}

/// One batch on its way.
struct Put<'b> {
    rows: &'b Rows<'b>,
    refusals: &'b mut dyn Refusals,
    progress: &'b mut Progress,
}

impl Run<'_> {
    /// Lays a batch of new rows, where the table is plain and `all` are enough; else it is to be inserted. In no
    /// subtransaction: an error is the end of the transaction. Before anything else is written, and at the end,
    /// [`Run::finish_laying`] belongs behind it.
    pub fn lay(
        &mut self,
        rows: &Rows,
        batch: &[RowRef],
        all: usize,
        progress: &mut Progress,
    ) -> bool {
        if matches!(self.laying, Laying::Undecided) {
            let Writer { spi, target, proved, .. } = self.writer;
            let laid = may_be_laid(spi, target, all, *proved);
            let pages = laid.then(|| self.writer.open_pages()).flatten();
            self.laying = pages.map_or(Laying::No, Laying::Pages);
        }
        let Laying::Pages(pages) = &mut self.laying else { return false };
        lay(pages, rows, batch, progress);
        self.counts.inserted += batch.len() as u64;
        true
    }

    /// The rows that have been laid can be found from here on. For `share` see [`Pages::finish`].
    pub fn finish_laying(&mut self, share: f64) {
        if let Laying::Pages(pages) = replace(&mut self.laying, Laying::No) {
            pages.finish(share);
        }
    }

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
        if known == Known::New && self.merges() && error.sqlstate() == UNIQUE_VIOLATION {
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

    /// Whether a key that is there is no error.
    fn merges(&self) -> bool {
        self.writer.on_conflict != OnConflict::Error
    }

    fn execute(&self, rows: &Rows, write: &[RowRef], known: Known) -> Result<Written, ServerError> {
        let Writer { spi, target, on_conflict, proved } = *self.writer;
        let (table, columns) = (&target.name, target.table.columns);
        if known == Known::New || !self.merges() {
            let insert =
                self.insert.get_or_init(|| spi.prepare(&insert(table, &self.name, columns)));
            // New rows have parents that are proved; nothing refers to them yet.
            let written = subtransaction::within(|| match proved {
                true => as_replica(|| insert.execute()),
                false => insert.execute(),
            })?;
            return Ok(Written { written, inserted: written });
        }
        // Rows that change run the server's own checks: other tables may refer to them.
        if on_conflict == OnConflict::Update && target.ordinary {
            let merge =
                self.merge.get_or_init(|| spi.prepare(&counted_merge(table, &self.name, columns)));
            let count = |row: &Row, column| row.get::<i64>(column).unwrap_or_default() as u64;
            let read = |row: &Row| Written { written: count(row, 1), inserted: count(row, 2) };
            return Ok(subtransaction::within(|| merge.row(read))?.unwrap_or_default());
        }
        // Where nothing is updated, what is written is new.
        let new = match (on_conflict, known) {
            (OnConflict::Skip | OnConflict::Error, _) => write.len(),
            (OnConflict::Update, Known::Changed) => 0,
            (OnConflict::Update, _) => write.len() - self.writer.compare(rows, write).count(),
        };
        let merge =
            self.merge.get_or_init(|| spi.prepare(&merge(table, &self.name, columns, on_conflict)));
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
