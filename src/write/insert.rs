//! Rows into a table: new ones as COPY writes them ([`super::bulk`]) or by a plain INSERT, the others by INSERT … ON
//! CONFLICT, or by an UPDATE where records say what changes.
//!
//! The bulk insert is one statement in a subtransaction. If the server refuses one of its rows, it is undone, and the
//! rows are inserted.
//!
//! Each batch of an INSERT is a subtransaction. One that fails because of its rows is halved until the bad rows stand
//! alone, in the order of the document, so that the first one found is the first one there is. One that fails for any
//! other reason (a lock timeout, no privilege, no space) ends the load with that error.

use std::mem::replace;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::Refusals;
use super::bulk;
use super::elsewhere::{self, Joined, MOST_JOINED, MOST_JOINED_BYTES};
use super::parents::Check;
use super::plans::{Plans, Use};
use super::proof::Locked;
use super::statement::batch_name;
use super::there::Sorted;
use crate::options::OnConflict;
use crate::pg::batch::Batch;
use crate::pg::bulk::BulkInsert;
use crate::pg::error::ServerError;
use crate::pg::load_rows::LoadRows;
use crate::pg::progress::Progress;
use crate::pg::relation::Lock;
use crate::pg::spi::{Row, Spi};
use crate::pg::{interrupt, partition, relcache, subtransaction, wal};
use crate::record::{Absent, Null, positional};
use crate::report::{Counts, Failure};
use crate::rows::{RowRef, Rows};
use crate::sessions::fault;
use crate::target::{Target, rules};
use crate::tuple::Formed;

/// Rows of a batch. Measured on 267,000 works, write phase, medians: 1,000: 0.96 s, 5,000: 0.95 s, 20,000: 0.99 s,
/// 100,000: 0.99 s. Smaller ones stay within work_mem and cost less to halve.
pub const BATCH_ROWS: usize = 5_000;

/// Writes rows into a table.
pub struct Writer<'w> {
    pub spi: &'w Spi,
    pub target: &'w Target,
    pub on_conflict: OnConflict,
    /// The foreign keys whose parents are locked: a bulk insert leaves their checks out.
    pub proved: &'w [u32],
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
    /// A merge has left them as they are, and the caller does not see them.
    Hidden,
}

/// How the new rows of a load were written, for `last_load()`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Method {
    /// There was none.
    #[default]
    None,
    Bulk,
    /// By INSERT statements, and why.
    Insert(String),
}

impl Method {
    /// How the rows of several sessions were written: in bulk only if all were.
    pub fn and(self, other: &Method) -> Method {
        match (self, other) {
            (Method::None, other) => other.clone(),
            (Method::Bulk, Method::Insert(_)) => other.clone(),
            (method, _) => method,
        }
    }
}

impl<'w> Writer<'w> {
    /// Writes rows, in the order given; how the new ones were written.
    pub fn write(
        &self,
        rows: &Rows,
        sorted: Sorted,
        refusals: &mut dyn Refusals,
        progress: &mut Progress,
    ) -> Result<(Counts, Method), Failure> {
        let Sorted { mut new, doubtful, changed, unchanged, another, unseen } = sorted;
        let elsewhere = self.target.kept_elsewhere;
        for another in another {
            another.refuse(rows, &self.target.table, refusals)?;
        }
        let mut run = self.start();
        let mut method = Method::None;
        if !new.is_empty() {
            method = match new.iter().all(|row| refusals.matters(row.ordinal)) {
                _ if elsewhere => Method::Insert(elsewhere::REASON.into()),
                true => run.bulk_all(rows, &new, progress)?,
                false => Method::Insert("a record before it is bad".into()),
            };
            if method == Method::Bulk {
                run.counts.inserted += new.len() as u64;
                new.clear();
            }
        }
        // Rows that meet each other by more than their key, or refer to one another, come in the document's order.
        let meet = self.target.has_other_keys();
        let in_order = meet || self.target.facts.refers_to_itself();
        if self.target.table.null == Null::Value && in_order {
            new.sort_unstable_by_key(|row| row.ordinal);
        }
        let mut kinds = [
            (unseen, Known::Nothing),
            (new, Known::New),
            (doubtful, Known::New),
            (changed, Known::Changed),
        ];
        if meet {
            // What a row that is there gives up, a new one may take.
            kinds.rotate_right(1);
        }
        for (write, known) in kinds {
            // An extension sends the rows of each statement through all that it does for one.
            let portions = match (elsewhere, known) {
                (true, Known::Changed) => rows.portions(&write, MOST_JOINED, MOST_JOINED_BYTES),
                (true, _) => write.chunks(usize::MAX).collect(),
                (false, _) => write.chunks(BATCH_ROWS).collect(),
            };
            for write in portions {
                run.batch(rows, write, known, refusals, progress)?;
                fault::point("batch", fault::LEADER);
            }
        }
        if elsewhere && run.counts.inserted > 0 {
            method = Method::Insert(elsewhere::REASON.into());
        }
        Ok((Counts { unchanged: run.counts.unchanged + unchanged, ..run.counts }, method))
    }

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
            locked: Locked::default(),
            method: Method::None,
        }
    }

    /// [`is_about_rows`] for a table that may have row security.
    fn is_about_rows(&self, error: &ServerError) -> bool {
        self.target.facts.row_security && error.sqlstate() == INSUFFICIENT_PRIVILEGE
            || is_about_rows(error)
    }
}

/// Whether the error may be the fault of a row, so that the others may be written without it. Errors of the caller's
/// rights, of locks, of resources and of the server are not: each other row would meet them too.
pub fn is_about_rows(error: &ServerError) -> bool {
    const NOT_ABOUT_ROWS: [&str; 9] = ["08", "25", "26", "40", "53", "57", "58", "F0", "XX"];
    let state = error.sqlstate();
    let class = &state[..2];
    let is_right_or_lock =
        state == INSUFFICIENT_PRIVILEGE || class == "55" && state != NOT_IN_STATE;
    !NOT_ABOUT_ROWS.contains(&class) && !is_right_or_lock
}

/// Whether the statement may be the fault of such an error, and not a row: what the table does not have or cannot do. A
/// CHECK or a trigger may say the same of a value: a cast of infinity to int is not supported, a table named in a
/// regclass does not exist.
pub fn may_be_about_statement(error: &ServerError) -> bool {
    let state = error.sqlstate();
    ["0A", "42"].contains(&&state[..2]) || state == NOT_IN_STATE
}

/// The code under which row security refuses a row.
const INSUFFICIENT_PRIVILEGE: &str = "42501";
const UNIQUE_VIOLATION: &str = "23505";
/// What a table, or a value, is not in the state for.
const NOT_IN_STATE: &str = "55000";

/// The writing of one document's rows.
pub struct Run<'w> {
    writer: &'w Writer<'w>,
    source: Source<'w>,
    plans: Plans<'w>,
    pub counts: Counts,
    bulk: Bulk,
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

impl<'w> Run<'w> {
    /// Writes new rows as COPY does: all of them or, where that cannot be, none.
    fn bulk_all(
        &self,
        rows: &Rows,
        new: &[RowRef],
        progress: &mut Progress,
    ) -> Result<Method, Failure> {
        let Writer { target, proved, .. } = *self.writer;
        let before = progress.written();
        let written = subtransaction::within(|| {
            let insert = || self.plans.get(&Absent::default(), Use::Insert);
            let mut bulk = match bulk::open(target, proved, new.len(), insert) {
                Ok(bulk) => bulk,
                Err(reason) => return Method::Insert(reason.into()),
            };
            bulk::put(&mut bulk, rows, new, fault::LEADER, progress);
            bulk.finish(0.0);
            Method::Bulk
        });
        match written {
            Ok(method) => Ok(method),
            Err(error) if self.writer.is_about_rows(&error) => {
                progress.take_back(before);
                Ok(Method::Insert("the database refuses a row".into()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a worker writes its new rows in bulk: where the table allows it and `all` are enough. Before anything else is
    /// written, and at the end, comes [`Run::finish_bulk`].
    pub fn opens_bulk(&mut self, all: usize) -> bool {
        if matches!(self.bulk, Bulk::Undecided) {
            let Writer { target, proved, .. } = self.writer;
            let refuses = rules::may_refuse_rows(&target.facts, &target.table, proved);
            let insert = || self.plans.get(&Absent::default(), Use::Insert);
            let opened = match refuses {
                true => Err("the database may refuse single rows"),
                false => bulk::open(target, proved, all, insert),
            };
            self.bulk = match opened {
                Ok(bulk) => {
                    self.method = Method::Bulk;
                    Bulk::Open(Box::new(bulk))
                }
                Err(reason) => {
                    self.method = Method::Insert(reason.into());
                    Bulk::No
                }
            };
        }
        matches!(self.bulk, Bulk::Open(_))
    }

    /// Writes a batch of new rows in bulk, which is open. In no subtransaction: an error is the end of the transaction.
    pub fn bulk(&mut self, rows: &Rows, batch: &[RowRef], session: usize) {
        let Bulk::Open(bulk) = &mut self.bulk else { return };
        bulk::put(bulk, rows, batch, session, &mut Progress::none());
        self.counts.inserted += batch.len() as u64;
    }

    /// [`Check::prove`] for a batch that is to be written in bulk: the rows that the server is to check. Of all batches, a
    /// parent is looked up once.
    pub fn prove(&mut self, check: &Check, rows: &Rows, new: &mut Vec<RowRef>) -> Vec<RowRef> {
        let Writer { spi, target, .. } = self.writer;
        check.prove(spi, rows, &target.table, new, &mut self.locked).1
    }

    /// Ends the statement of the rows that have been written in bulk; other rows may open another one. For `share` see
    /// [`BulkInsert::finish`].
    pub fn finish_bulk(&mut self, share: f64) {
        self.locked.forget();
        if let Bulk::Open(_) = self.bulk
            && let Bulk::Open(bulk) = replace(&mut self.bulk, Bulk::Undecided)
        {
            bulk.finish(share);
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
        let error = match self.execute(put.rows, write, known) {
            Ok(Written { written, inserted }) => {
                self.counts.inserted += inserted;
                self.counts.updated += written - inserted;
                let left = write.len().saturating_sub(written as usize);
                if left > 0 && known == Known::Changed && self.updates() {
                    // What is gone meanwhile is new, unless a trigger has moved it.
                    let moves = rules::has_user_triggers(&self.writer.target.facts);
                    let gone = match moves {
                        true => vec![],
                        false => self.writer.compare(put.rows, write).sort(write).new,
                    };
                    let stays = left.saturating_sub(gone.len());
                    self.counts.unchanged += stays as u64;
                    return match gone.is_empty() {
                        true => Ok(()),
                        false => self.put(put, &gone, Known::Nothing),
                    };
                }
                let merged = self.merges() && matches!(known, Known::Changed | Known::Nothing);
                let has_ids = self.writer.target.table.identity().next().is_some();
                return match merged && has_ids && left > 0 {
                    true => self.settle(put, write, left),
                    false => {
                        self.counts.unchanged += left as u64;
                        Ok(())
                    }
                };
            }
            Err(error) => error,
        };
        put.progress.resume();
        if known == Known::New && self.merges() && error.sqlstate() == UNIQUE_VIOLATION {
            return self.put(put, write, Known::Nothing);
        }
        if !self.writer.is_about_rows(&error)
            || may_be_about_statement(&error) && !self.works_without_rows(put.rows, write, known)
        {
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

    /// Whether rows that are there are changed by an UPDATE: where records say what changes, and need not say all that a
    /// new row must have. Row security and rules have more to say of an INSERT … ON CONFLICT.
    fn updates(&self) -> bool {
        let Writer { target, on_conflict, .. } = self.writer;
        *on_conflict == OnConflict::Update
            && target.table.null == Null::Value
            && !target.facts.row_security
            && !target.facts.any_rules
    }

    /// Writes all of the rows, or none: those that leave out the same columns in one statement.
    fn execute(
        &mut self,
        rows: &Rows,
        write: &[RowRef],
        known: Known,
    ) -> Result<Written, ServerError> {
        let mut groups = self.plans.groups(rows, write, known);
        if known == Known::Nothing && groups.len() > 1 {
            // Rows may meet one another, by the defaults of their keys: each meets what the document has before it.
            let mut ordered = write.to_vec();
            ordered.sort_unstable_by_key(|row| row.ordinal);
            let alike = |a: &RowRef, b: &RowRef| rows.absent(*a) == rows.absent(*b);
            let runs = ordered.chunk_by(alike);
            groups = runs.flat_map(|run| self.plans.groups(rows, run, known)).collect();
        }
        // Tables with partitions do not show which row is new.
        let Writer { target, on_conflict, .. } = *self.writer;
        let there = match on_conflict {
            OnConflict::Update if known == Known::Nothing && !target.facts.is_ordinary() => {
                groups.iter().map(|(_, write)| self.writer.compare(rows, write).count()).collect()
            }
            _ => vec![0; groups.len()],
        };
        subtransaction::within(|| {
            let mut written = Written::default();
            for ((absent, write), there) in groups.iter().zip(there) {
                let tuples = write.iter().map(|row| rows.tuple(*row));
                let more = self.execute_group(absent, tuples, known, there as u64);
                written.written += more.written;
                written.inserted += more.inserted;
            }
            written
        })
    }

    /// Whether the server takes the statements for these rows without any row. What they do is undone. Another server is
    /// asked when it gets a row, and not before.
    fn works_without_rows(&mut self, rows: &Rows, write: &[RowRef], known: Known) -> bool {
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
        Written { written, inserted: 0 }
    }

    /// Executes the statement for the rows of the batch, so many, of which the table had so many a moment ago.
    fn execute_one(&self, absent: &Absent, rows: u64, known: Known, there: u64) -> Written {
        let Writer { target, on_conflict, .. } = *self.writer;
        if matches!(known, Known::New | Known::Hidden) || !self.merges() {
            // A rule may write other rows, and more of them.
            let written = self.plans.get(absent, Use::Insert).execute().min(rows);
            return Written { written, inserted: written };
        }
        if known == Known::Changed && self.updates() {
            let written = self.plans.get(absent, Use::Update).execute().min(rows);
            return Written { written, inserted: 0 };
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
        Written { written, inserted: written.min(new) }
    }
}

/// What a statement did.
#[derive(Default)]
struct Written {
    written: u64,
    inserted: u64,
}

impl Written {
    /// What a statement that counts says.
    fn read(row: &Row) -> Self {
        let count = |column| row.get::<i64>(column).unwrap_or_default() as u64;
        Written { written: count(1), inserted: count(2) }
    }
}
