//! The statements that write a batch.

use std::ops::Range;

use super::{Run, Source};
use crate::options::OnConflict;
use crate::pg::error::ServerError;
use crate::pg::relation::Lock;
use crate::pg::spi::Row;
use crate::pg::{partition, relcache, subtransaction};
use crate::record::{Absent, positional};
use crate::rows::{RowRef, Rows};
use crate::tuple::Formed;
use crate::write::elsewhere::Joined;
use crate::write::insert::{Known, Writer};
use crate::write::plans::Use;
use crate::write::statement::batch_name;

impl Run<'_> {
    /// Writes all of the rows, those that leave out the same columns in one statement, or none: none too where some are
    /// there no more behind an UPDATE, and with `all` where some are not written.
    pub(super) fn execute(
        &mut self,
        rows: &Rows,
        write: &[RowRef],
        known: Known,
        all: bool,
    ) -> Result<Written, NotWritten> {
        let mut groups = self.plans.groups(rows, write, known);
        let in_order = groups.len() > 1
            && match known {
                // Rows may meet one another, by the defaults of their keys: each meets what the document has before it.
                Known::Nothing => true,
                // An UPDATE has an order of its own.
                Known::Changed => !self.updates(),
                Known::New | Known::Hidden => {
                    self.writer.writes_in_order(rows) && !self.writer.target.kept_elsewhere
                }
            };
        if in_order {
            let numbered = groups.iter().zip(0..);
            let of_group =
                numbered.flat_map(|((_, rows), group)| rows.iter().map(move |row| (*row, group)));
            let mut ordered: Vec<(RowRef, usize)> = of_group.collect();
            ordered.sort_unstable_by_key(|(row, _)| row.ordinal);
            let runs = ordered.chunk_by(|(_, one), (_, next)| one == next).map(|run| {
                let (absent, _) = &groups[run[0].1];
                (absent.clone(), run.iter().map(|(row, _)| *row).collect())
            });
            groups = runs.collect();
        }
        // Tables with partitions do not show which row is new.
        let Writer { target, on_conflict, .. } = *self.writer;
        let there = match on_conflict {
            OnConflict::Update if known == Known::Nothing && !target.facts.is_ordinary() => {
                groups.iter().map(|(_, write)| self.writer.compare(rows, write).count()).collect()
            }
            _ => vec![0; groups.len()],
        };
        let looks = known == Known::Changed && self.updates() && !self.moves;
        let writer = self.writer;
        let mut refused = 0..0;
        let written = subtransaction::within_unless(
            |written: &Written| written.gone || written.short,
            || {
                let mut written = Written::default();
                for ((absent, write), there) in groups.iter().zip(there) {
                    refused = refused.end..refused.end + write.len();
                    let tuples = write.iter().map(|row| rows.tuple(*row));
                    let more = self.execute_group(absent, tuples, known, there as u64);
                    written.written += more.written;
                    written.inserted += more.inserted;
                }
                let left = written.written < write.len() as u64;
                written.gone = looks && left && writer.compare(rows, write).count() < write.len();
                written.short = all && left;
                written
            },
        );
        written.map_err(|error| NotWritten { error, refused: in_order.then_some(refused) })
    }

    /// Whether the server takes the statements for these rows without any row. What they do is undone. Another server is
    /// asked when it gets a row, and not before.
    pub(super) fn works_without_rows(
        &mut self,
        rows: &Rows,
        write: &[RowRef],
        known: Known,
    ) -> bool {
        let family = partition::family(self.writer.target.oid, Lock::No);
        if family.into_iter().any(|it| relcache::is_foreign(it.into())) {
            return false;
        }
        let groups = self.plans.groups(rows, write, known);
        let execute = || {
            for (absent, _) in &groups {
                self.execute_group(absent, std::iter::empty(), known, 0);
            }
        };
        subtransaction::within_unless(|()| true, execute).is_ok()
    }

    /// Executes the statement for rows that leave out the same columns, of which the table had so many a moment ago.
    fn execute_group<'t>(
        &mut self,
        absent: &Absent,
        tuples: impl ExactSizeIterator<Item = &'t [u8]>,
        known: Known,
        there: u64,
    ) -> Written {
        let count = tuples.len() as u64;
        let function = match &mut self.source {
            Source::Batch(batch) => {
                batch.fill(tuples);
                return self.execute_one(absent, count, known, there);
            }
            Source::Function(function) => function.clone(),
        };
        if known == Known::Changed && self.updates() {
            return self.update_elsewhere(absent, tuples);
        }
        let tuples: Vec<&[u8]> = tuples.collect();
        let inserts = matches!(known, Known::New | Known::Hidden) || !self.merges();
        let policy = if inserts { OnConflict::Error } else { self.writer.on_conflict };
        let plan = self.plans.get(absent, Use::Counted(policy));
        let written = function.with(&tuples, || plan.row(Written::read)).unwrap_or_default();
        match (policy, self.writer.target.facts.is_ordinary()) {
            (OnConflict::Update, false) => {
                let new = if known == Known::Changed { 0 } else { count.saturating_sub(there) };
                Written { inserted: written.written.min(new), ..written }
            }
            _ => written,
        }
    }

    /// Changes rows that are there, by an UPDATE that somebody else plans.
    fn update_elsewhere<'t>(
        &self,
        absent: &Absent,
        tuples: impl Iterator<Item = &'t [u8]>,
    ) -> Written {
        let Writer { spi, target, .. } = *self.writer;
        let name = batch_name(target.table.batch());
        let columns = positional(&target.table.columns);
        let mut formed = Formed::default();
        tuples.for_each(|tuple| formed.add(tuple));
        let uses = |place: usize| !absent.contains(place);
        let joined = Joined::of(spi, true, &name, &columns, &formed, uses);
        let sql = self.plans.sql(absent, Use::Update, name.as_bytes());
        let written = joined.prepare(target.oid, &sql).execute().min(formed.len() as u64);
        Written { written, ..Written::default() }
    }

    /// Executes the statement for the rows of the batch, so many, of which the table had so many a moment ago.
    fn execute_one(&self, absent: &Absent, rows: u64, known: Known, there: u64) -> Written {
        let Writer { target, on_conflict, .. } = *self.writer;
        if matches!(known, Known::New | Known::Hidden) || !self.merges() {
            // A rule may write other rows, and more of them.
            let written = self.plans.get(absent, Use::Insert).execute().min(rows);
            return Written { written, inserted: written, ..Written::default() };
        }
        if known == Known::Changed && self.updates() {
            let written = self.plans.get(absent, Use::Update).execute().min(rows);
            return Written { written, ..Written::default() };
        }
        if on_conflict == OnConflict::Update && target.facts.is_ordinary() {
            let plan = self.plans.get(absent, Use::CountedMerge);
            return plan.row(Written::read).unwrap_or_default();
        }
        // Where nothing is updated, what is written is new.
        let new = match (on_conflict, known) {
            (OnConflict::Skip | OnConflict::Error, _) => rows,
            (OnConflict::Update, Known::Changed) => 0,
            (OnConflict::Update, _) => rows.saturating_sub(there),
        };
        let written = self.plans.get(absent, Use::Merge).execute();
        Written { written, inserted: written.min(new), ..Written::default() }
    }
}

/// What a statement did.
#[derive(Default)]
pub(super) struct Written {
    pub written: u64,
    pub inserted: u64,
    /// Rows that were to be updated are not there any more; all has been undone.
    pub gone: bool,
    /// Not all of the rows were written, as was asked; all has been undone.
    pub short: bool,
}

/// Why no row was written.
pub(super) struct NotWritten {
    pub error: ServerError,
    /// Of rows that come in the document's order, those of the statement that failed, by their places in it.
    pub refused: Option<Range<usize>>,
}

impl Written {
    /// What a statement that counts says.
    fn read(row: &Row) -> Self {
        let count = |column| row.get::<i64>(column).unwrap_or_default() as u64;
        Written { written: count(1), inserted: count(2), ..Written::default() }
    }
}
