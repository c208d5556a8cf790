//! The writing of one document's rows, batch by batch: one with a bad row is halved.

mod execute;
mod in_bulk;

use std::ops::Range;
use std::rc::Rc;

use self::execute::{NotWritten, Written};
use super::{Known, Method, UNIQUE_VIOLATION, Writer, may_be_about_statement};
use crate::options::OnConflict;
use crate::pg::batch::Batch;
use crate::pg::bulk::BulkInsert;
use crate::pg::load_rows::LoadRows;
use crate::pg::progress::Progress;
use crate::pg::{interrupt, wal};
use crate::record::positional;
use crate::report::{Counts, Failure};
use crate::rows::{RowRef, Rows};
use crate::write::Refusals;
use crate::write::elsewhere;
use crate::write::plans::Plans;
use crate::write::proof::Locked;
use crate::write::statement::batch_name;
use crate::write::there::Sorted;

/// The writing of one document's rows.
pub struct Run<'w> {
    writer: &'w Writer<'w>,
    source: Source<'w>,
    plans: Plans<'w>,
    pub counts: Counts,
    bulk: Bulk,
    /// Triggers take rows away that are updated.
    moves: bool,
    locked: Locked,
    pub method: Method,
}

/// Where the statements read their rows.
enum Source<'w> {
    Batch(Batch<'w>),
    /// For a table whose INSERT somebody else plans.
    Function(Rc<LoadRows>),
}

/// Whether a worker of a parallel load writes its new rows in bulk.
enum Bulk {
    Undecided,
    Open(Box<BulkInsert>),
    No,
}

/// One batch on its way.
struct Put<'b> {
    rows: &'b Rows<'b>,
    refusals: &'b mut dyn Refusals,
    progress: &'b mut Progress,
}

impl<'w> Writer<'w> {
    /// Prepares to write batches of at most `rows` rows.
    pub fn start(&'w self) -> Run<'w> {
        let table = &self.target.table;
        let columns = positional(&table.columns);
        let (source, name) = match self.target.kept_elsewhere {
            true => {
                let rows = LoadRows::new(&columns);
                let function = elsewhere::function(self.spi, &rows, &columns);
                (Source::Function(Rc::new(rows)), function)
            }
            false => {
                let name = batch_name(table.batch());
                // Expecting one row, the planner looks for each by the key's index.
                (Source::Batch(Batch::register(self.spi, &name, &columns, 1)), name.into_bytes())
            }
        };
        Run {
            writer: self,
            source,
            plans: Plans::new(self.spi, self.target, self.on_conflict, name),
            counts: Counts::default(),
            bulk: Bulk::Undecided,
            moves: false,
            locked: Locked::default(),
            method: Method::None,
        }
    }
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
        self.locked.forget();
        let before = refusals.count();
        let mut put = Put { rows, refusals, progress };
        self.put(&mut put, write, known)?;
        wal::write_behind();
        let rejected = refusals.count() - before;
        progress.tuples(write.len() as u64 - rejected);
        progress.excluded(rejected);
        Ok(())
    }

    fn put(&mut self, put: &mut Put<'_>, write: &[RowRef], known: Known) -> Result<(), Failure> {
        if !write.iter().all(|row| put.refusals.matters(row.ordinal)) {
            let matter = |row: &RowRef| put.refusals.matters(row.ordinal);
            let write: Vec<_> = write.iter().copied().filter(matter).collect();
            return if write.is_empty() { Ok(()) } else { self.put(put, &write, known) };
        }
        interrupt::check();
        let contested = || write.iter().any(|row| put.refusals.is_contested(row.ordinal));
        let contested = self.writer.may_drop() && contested();
        let all = contested && write.len() > 1;
        let NotWritten { error, refused } = match self.execute(put.rows, write, known, all) {
            Ok(Written { gone: true, .. }) => {
                put.progress.resume();
                return self.put_gone(put, write);
            }
            Ok(Written { short: true, .. }) => {
                put.progress.resume();
                return self.put_apart(put, write, known, None);
            }
            Ok(Written { written, inserted, .. }) => {
                self.counts.inserted += inserted;
                self.counts.updated += written - inserted;
                let left = write.len().saturating_sub(written as usize);
                if contested && left > 0 {
                    self.note_dropped(put, write[0]);
                }
                let changed = known == Known::Changed && !self.updates();
                let merged = self.merges() && (changed || known == Known::Nothing);
                let has_ids = self.writer.target.table.identity().next().is_some();
                return match merged && has_ids && left > 0 {
                    true => self.settle(put, write, left),
                    false => {
                        self.counts.unchanged += left as u64;
                        Ok(())
                    }
                };
            }
            Err(not_written) => not_written,
        };
        put.progress.resume();
        // Row security asks more of an INSERT … ON CONFLICT: a row that is new meets it by no other row's fault.
        let alone = write.len() == 1 || !self.writer.target.facts.row_security;
        if known == Known::New && alone && self.merges() && error.sqlstate() == UNIQUE_VIOLATION {
            return self.put(put, write, Known::Nothing);
        }
        if !self.writer.is_about_rows(&error)
            || may_be_about_statement(&error) && !self.works_without_rows(put.rows, write, known)
        {
            return Err(error.into());
        }
        let mut known = known;
        let proposed = known == Known::Nothing && self.updates();
        // A row that is there need not be as a new one must be. What it meets, its UPDATE meets too.
        if proposed && error.sqlstate() != UNIQUE_VIOLATION {
            let sorted = self.writer.compare(put.rows, write).sort(write);
            if sorted.new.len() < write.len() {
                return self.put_in_turns(put, sorted);
            }
            known = Known::New;
        }
        if let [row] = write {
            return put.refusals.refusal(row.ordinal, error);
        }
        self.put_apart(put, write, known, refused)
    }

    /// Writes new rows and such as are there, each of these by an UPDATE.
    fn put_in_turns(&mut self, put: &mut Put<'_>, sorted: Sorted) -> Result<(), Failure> {
        let Sorted { new, changed, unchanged, another, .. } = sorted;
        for another in another {
            another.refuse(put.rows, &self.writer.target.table, put.refusals)?;
        }
        self.counts.unchanged += unchanged;
        for (turn, known) in self.writer.turns(new, changed)? {
            self.put(put, &turn, known)?;
        }
        Ok(())
    }

    /// Writes rows, in the document's order, in statements with fewer of them: those before the ones at the places
    /// `refused`, if that is known, these, and one half of the others after the other.
    fn put_apart(
        &mut self,
        put: &mut Put<'_>,
        write: &[RowRef],
        known: Known,
        refused: Option<Range<usize>>,
    ) -> Result<(), Failure> {
        let mut ordered = write.to_vec();
        ordered.sort_unstable_by_key(|row| row.ordinal);
        let (before, failed, behind) = match refused.filter(|it| it.len() < write.len()) {
            Some(Range { start, end }) => {
                (&ordered[..start], &ordered[start..end], &ordered[end..])
            }
            None => (&ordered[..0], &ordered[..0], &ordered[..]),
        };
        // In halves: written whole, each refused row of many would be a level deeper than the one before it.
        let (near, far) = behind.split_at(behind.len() / 2);
        for part in [before, failed, near, far] {
            if !part.is_empty() {
                self.put(put, part, known)?;
            }
        }
        Ok(())
    }

    /// Notes of a row, which a statement of its own has not written, if it was a trigger that took it: another record of its
    /// key then has its turn.
    fn note_dropped(&self, put: &mut Put<'_>, row: RowRef) {
        let there = self.writer.compare(put.rows, &[row]);
        let updates = self.writer.on_conflict == OnConflict::Update;
        if there.is_new(row) || updates && !there.is_unchanged(row) {
            put.refusals.dropped(row.ordinal);
        }
    }

    /// Writes rows of which some are there no more behind their UPDATE, which has been undone. Those that are gone without
    /// it are new. The others a trigger takes away, of this table or of a partition or wherever the rows are kept: what is
    /// missing is then no new row.
    fn put_gone(&mut self, put: &mut Put<'_>, write: &[RowRef]) -> Result<(), Failure> {
        let there = self.writer.compare(put.rows, write);
        let (gone, stay): (Vec<_>, Vec<_>) = write.iter().partition(|row| there.is_new(**row));
        if gone.is_empty() {
            self.moves = true;
            let done = self.put(put, write, Known::Changed);
            self.moves = false;
            return done;
        }
        if !stay.is_empty() {
            self.put(put, &stay, Known::Changed)?;
        }
        self.put(put, &gone, Known::Nothing)
    }

    /// Settles what becomes of rows that a merge has left as they are, so many of these: they are refused if the row
    /// that is there has come to be about another thing.
    fn settle(
        &mut self,
        put: &mut Put<'_>,
        write: &[RowRef],
        mut left: usize,
    ) -> Result<(), Failure> {
        let Writer { target, on_conflict, .. } = *self.writer;
        let table = &target.table;
        let tells = |row: &RowRef| put.rows.identity(*row, table).iter().any(Option::is_some);
        let told: Vec<RowRef>;
        let compared = match target.kept_elsewhere && !target.facts.row_security {
            // What tells nothing is about nothing else. The others are sent to wherever the table's rows are.
            true => {
                told = write.iter().copied().filter(tells).collect();
                &told
            }
            false => write,
        };
        let policy = if target.kept_elsewhere { OnConflict::Skip } else { on_conflict };
        let there = self.writer.compare_for(put.rows, compared, policy);
        let Sorted { new, another, .. } = there.sort(compared);
        // A trigger of the owner's may have made rows of this load into others: they are written.
        for another in another.into_iter().take(left) {
            another.refuse(put.rows, &target.table, put.refusals)?;
            left -= 1;
        }
        // What a row is about that row security hides, only the server knows: its key is refused.
        let hides = target.facts.row_security && on_conflict == OnConflict::Update;
        let hidden = if hides { &new[..new.len().min(left)] } else { &[] };
        self.counts.unchanged += (left - hidden.len()) as u64;
        if hidden.is_empty() { Ok(()) } else { self.put(put, hidden, Known::Hidden) }
    }

    /// Whether a key that is there is no error.
    fn merges(&self) -> bool {
        self.writer.on_conflict != OnConflict::Error && !self.writer.target.table.key.is_empty()
    }

    fn updates(&self) -> bool {
        self.writer.updates()
    }
}
