//! Rows into a table: new ones as COPY writes them ([`super::bulk`]) or by a plain INSERT, the others by INSERT … ON
//! CONFLICT, or by an UPDATE where records say what changes.
//!
//! The bulk insert is one statement in a subtransaction. If the server refuses one of its rows, it is undone, and the
//! rows are inserted.
//!
//! Each batch of an INSERT is a subtransaction. One that fails because of its rows is halved until the bad rows stand
//! alone, in the order of the document, so that the first one found is the first one there is. One that fails for any
//! other reason (a lock timeout, no privilege, no space) ends the load with that error.

mod run;

use std::mem;

use serde::{Deserialize, Serialize};

pub use self::run::Run;
use super::Refusals;
use super::elsewhere::{self, MOST_JOINED, MOST_JOINED_BYTES};
use super::there::Sorted;
use crate::document::{push, with_room};
use crate::error::Fault;
use crate::options::OnConflict;
use crate::pg::error::ServerError;
use crate::pg::progress::Progress;
use crate::pg::spi::Spi;
use crate::record::{Absent, Null};
use crate::report::{Counts, Failure};
use crate::rows::{RowRef, Rows};
use crate::sessions::fault;
use crate::target::facts::TriggerFacts;
use crate::target::{Target, rules};

/// Rows of a batch. Measured on 267,000 works, write phase, medians: 1,000: 0.96 s, 5,000: 0.95 s, 20,000: 0.99 s,
/// 100,000: 0.99 s. Smaller ones stay within work_mem and cost less to halve.
pub const BATCH_ROWS: usize = 5_000;

/// Why rows are written one by one, or by one session.
pub const MEET: &str = "rows may meet by more than their key";

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
        let Sorted { mut new, mut doubtful, mut changed, moving, unchanged, another, mut unseen } =
            sorted;
        let elsewhere = self.target.kept_elsewhere;
        for another in another {
            another.refuse(rows, &self.target.table, refusals)?;
        }
        let mut method = Method::None;
        // Rows that may meet each other by more than their key, or refer to one another, come in the document's order.
        let meet = !moving.is_empty();
        let mut turns = vec![];
        if meet && !elsewhere {
            if !new.is_empty() || !doubtful.is_empty() {
                method = Method::Insert(MEET.into());
            }
            let is_moving = |row: &mut RowRef| moving.binary_search(&row.ordinal).is_ok();
            let mut moving: Vec<RowRef> = changed.extract_if(.., is_moving).collect();
            new.append(&mut doubtful);
            if self.may_propose(rows, &moving) {
                let more = new.len() + moving.len();
                unseen.try_reserve(more).map_err(|_| Fault::OutOfMemory)?;
                unseen.append(&mut new);
                unseen.append(&mut moving);
                unseen.sort_unstable_by_key(|row| row.ordinal);
            } else {
                turns = self.turns(mem::take(&mut new), moving)?;
            }
        }
        let mut run = self.start();
        if !doubtful.is_empty() {
            method = Method::Insert("a record's parent is not there".into());
        }
        if self.shows_order(rows) {
            new.sort_unstable_by_key(|row| row.ordinal);
        }
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
        if self.writes_in_order(rows) {
            new.sort_unstable_by_key(|row| row.ordinal);
            doubtful.sort_unstable_by_key(|row| row.ordinal);
        }
        let mut kinds = [
            (unseen, Known::Nothing),
            (new, Known::New),
            (doubtful, Known::New),
            (changed, Known::Changed),
        ];
        if meet && elsewhere {
            // What a row that is there gives up, a new one may take.
            kinds.rotate_right(1);
        }
        for (write, known) in turns.into_iter().chain(kinds) {
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

    /// New rows and such as change, in the document's order, each time so many as one statement writes in this order. An
    /// UPDATE has an order of its own.
    fn turns(
        &self,
        new: Vec<RowRef>,
        changed: Vec<RowRef>,
    ) -> Result<Vec<(Vec<RowRef>, Known)>, Fault> {
        let mut all = with_room(new.len() + changed.len())?;
        all.extend(new.into_iter().map(|row| (row, Known::New)));
        all.extend(changed.into_iter().map(|row| (row, Known::Changed)));
        all.sort_unstable_by_key(|(row, _)| row.ordinal);
        let goes_on = |one: &(_, Known), next: &(_, Known)| {
            one.1 == next.1 && (next.1 == Known::New || !self.updates())
        };
        let mut turns = vec![];
        for turn in all.chunk_by(goes_on) {
            push(&mut turns, (turn.iter().map(|(row, _)| *row).collect(), turn[0].1))?;
        }
        Ok(turns)
    }

    /// Whether rows that are there are changed by an UPDATE: where records say what changes, and need not say all that a
    /// new row must have. Row security and rules have more to say of an INSERT … ON CONFLICT.
    fn updates(&self) -> bool {
        let Writer { target, on_conflict, .. } = self;
        *on_conflict == OnConflict::Update
            && target.table.null == Null::Value
            && !target.facts.row_security
            && !target.facts.any_rules
    }

    /// Whether these rows, which are there, may be given to an INSERT … ON CONFLICT: nothing happens for them, or is asked of
    /// them, that is for new rows alone.
    fn may_propose(&self, rows: &Rows, write: &[RowRef]) -> bool {
        let Target { facts, table, .. } = self.target;
        // Row security asks more of an INSERT … ON CONFLICT: a new row would be refused for those beside it.
        if facts.row_security {
            return false;
        }
        // Where no row gets an UPDATE, each of them is given to an INSERT … ON CONFLICT in any case.
        let may_be_new = |absent| !self.updates() || rules::may_be_new(facts, table, absent);
        rows.by_absent(write, Absent::clone)
            .iter()
            .all(|(absent, _)| rules::may_propose(facts, table, absent) && may_be_new(absent))
    }

    /// Whether what becomes of a row may depend on the new ones before it: on which of them were refused, or on what they
    /// were given.
    pub fn writes_in_order(&self, rows: &Rows) -> bool {
        self.on_conflict == OnConflict::Error || self.target.keeps_order() || self.shows_order(rows)
    }

    fn shows_order(&self, rows: &Rows) -> bool {
        let Target { facts, table, .. } = self.target;
        rules::shows_order(facts, table, || rows.given(table.columns.len()))
    }

    /// Whether something takes rows away that are to be written: triggers before a row, also those of partitions.
    pub fn may_drop(&self) -> bool {
        let Target { facts, kept_elsewhere, .. } = self.target;
        let is_before = TriggerFacts::is_before_row;
        !kept_elsewhere && (!facts.is_ordinary() || facts.triggers.iter().any(is_before))
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
