//! Whether a load may go parallel: only where somebody asks for it, and where it can be.
//!
//! All of it is found out before anything is written.

use pgrx::pg_sys::Oid;

use super::message::Relation;
use crate::document::find::Resource;
use crate::options::{OnError, Options};
use crate::pg::background;
use crate::pg::caller::Statement;
use crate::pg::relation::{self, Lock};
use crate::pg::spi::Spi;
use crate::pg::{lock, partition, relcache};
use crate::record::Row;
use crate::record::composer::Composer;
use crate::settings;
use crate::target::Target;
use crate::target::create::REJECTED_RECORDS;
use crate::write::elsewhere;

/// A number that the call names is honoured from so many rows on: below that, starting sessions is all it would do.
const FEWEST_NAMED_ROWS: usize = 1000;

/// What the caller wants, where nothing that is known at once speaks against it.
#[derive(Clone, Copy)]
pub struct Wish {
    /// The most sessions.
    pub sessions: usize,
    /// The caller named the number in this call.
    pub named: bool,
    /// Fewer rows are written in the caller's session.
    pub fewest_rows: usize,
}

/// The first thing that speaks against it, as `last_load()` tells it.
pub type Reason = String;

pub fn wish(options: &Options, statement: &Statement) -> Result<Wish, Reason> {
    let named = options.workers.is_some();
    let sessions = match (options.workers, settings::workers()) {
        (Some(0), _) => return Err("workers is 0".into()),
        (Some(workers), _) => workers as usize,
        (None, 0) => return Err("pg_opus.workers is 0".into()),
        (None, workers) => workers,
    };
    let reasons = [
        (statement.nested, "the load is called from within another statement"),
        (statement.has_written, "the transaction has written before"),
        (statement.in_transaction, "the load is part of a transaction"),
        (!relation::reads_committed(), "the isolation level is not read committed"),
    ];
    match reasons.iter().find(|(holds, _)| *holds) {
        Some((_, reason)) => Err((*reason).into()),
        None => {
            let sessions = sessions.min(background::most_workers());
            let fewest = settings::min_parallel_rows();
            let fewest_rows = if named { fewest.min(FEWEST_NAMED_ROWS) } else { fewest };
            Ok(Wish { sessions, named, fewest_rows })
        }
    }
}

/// Why the caller's session writes where a lock is not to be had at once.
pub const LOCKED: &str = "somebody has locked a table, or waits to";

/// How the sessions are to write.
#[derive(Clone)]
pub struct Plan {
    pub sessions: usize,
    pub named: bool,
    pub two_phase: bool,
    /// What each of them locks.
    pub relations: Vec<Relation>,
}

impl Plan {
    /// What `last_load()` says of it.
    pub fn describe(&self, started: usize) -> Reason {
        let phases = match self.two_phase {
            true => "two-phase commit",
            false => "one-phase commit: max_prepared_transactions leaves no room for two-phase",
        };
        match started < self.sessions {
            true => format!(
                "{phases}; max_worker_processes left room for {started} of {}",
                self.sessions
            ),
            false => phases.into(),
        }
    }
}

pub fn too_few(rows: usize, wish: &Wish) -> Reason {
    let fewest = wish.fewest_rows;
    match fewest < settings::min_parallel_rows() {
        true => format!("{rows} rows to write are fewer than {fewest}"),
        false => {
            format!("{rows} rows to write are fewer than pg_opus.min_parallel_rows ({fewest})")
        }
    }
}

/// What the sessions lock, and how they commit. `rows` are all to be written.
pub fn plan(
    spi: &Spi,
    wish: Wish,
    target: &Target,
    resource: Option<Resource>,
    options: &Options,
    rows: usize,
) -> Result<Plan, Reason> {
    if rows == 0 {
        return Err("there is nothing to write".into());
    }
    if rows < wish.fewest_rows {
        return Err(too_few(rows, &wish));
    }
    let Some(tables) = tables(spi, target, resource, options) else {
        return Err(LOCKED.into());
    };
    let Tables { written, referenced, temporary, foreign, of_its_own, elsewhere } = tables;
    if let Some(table) = elsewhere {
        return Err(format!("an extension plans the INSERT into {table}"));
    }
    let rejects_there = relation::find(REJECTED_RECORDS, Lock::No).is_some();
    let reasons = [
        (of_its_own, "a foreign key of the table refers to the table itself"),
        (temporary, "a table is temporary"),
        (foreign, "a table is a foreign one: its server prepares no transaction"),
        (
            options.on_error == OnError::Ignore && !rejects_there,
            "there is no table rejected_records yet",
        ),
    ];
    if let Some((_, reason)) = reasons.iter().find(|(holds, _)| *holds) {
        return Err((*reason).into());
    }
    let two_phase = prepared_room(spi) >= wish.sessions as i64;
    let relation = |written: bool| move |oid: u32| Relation { oid, written };
    let mut relations: Vec<Relation> = written.into_iter().map(relation(true)).collect();
    relations.extend(referenced.into_iter().map(relation(false)));
    Ok(Plan { sessions: wish.sessions, named: wish.named, two_phase, relations })
}

/// How many more transactions can be prepared.
fn prepared_room(spi: &Spi) -> i64 {
    let sql = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_prepared_xacts";
    let prepared = spi.row(sql, |row| row.get::<i64>(1)).flatten();
    background::most_prepared() as i64 - prepared.unwrap_or(i64::MAX)
}

/// The tables that a load touches, by their OIDs, in order.
struct Tables {
    written: Vec<u32>,
    referenced: Vec<u32>,
    temporary: bool,
    foreign: bool,
    /// Rows refer to rows of the same table: no session sees those of another one.
    of_its_own: bool,
    /// One beside the target whose rows somebody else keeps: a transaction that writes there cannot be prepared.
    elsewhere: Option<&'static str>,
}

/// None where one of them, which this load may have no row for, is not to be had without waiting: an INSERT of the rows
/// would not wait for it.
fn tables(
    spi: &Spi,
    target: &Target,
    resource: Option<Resource>,
    options: &Options,
) -> Option<Tables> {
    let family = |table: Oid| {
        let family = partition::family(table, Lock::No);
        let locked = |oid: &u32| lock::relation_at_once(Oid::from(*oid), true);
        family.iter().all(locked).then_some(family)
    };
    let mut written: Vec<u32> = family(target.oid)?;
    let keys = |oid: &u32| relcache::referenced(Oid::from(*oid));
    let has_rows = |oid: u32| written.contains(&oid) || target.facts.ancestors.contains(&oid);
    let of_its_own = written.iter().flat_map(keys).any(has_rows);
    // Only who may write to a table may lock it.
    let find = |name| relation::find(name, Lock::No).filter(|oid| relation::may_insert(*oid));
    let creates = resource == Some(Resource::Works) && options.create_composers;
    let composers = creates.then(|| find(Composer::NAME)).flatten();
    let rejects = (options.on_error == OnError::Ignore).then(|| find(REJECTED_RECORDS)).flatten();
    let beside = [(Composer::NAME, composers), (REJECTED_RECORDS, rejects)];
    let is_elsewhere = |oid: Option<Oid>| oid.is_some_and(|it| elsewhere::keeps_rows(spi, it));
    let elsewhere = beside.into_iter().find(|(_, oid)| is_elsewhere(*oid)).map(|(name, _)| name);
    if let Some(composers) = composers {
        written.extend(family(composers)?);
    }
    let mut referenced: Vec<u32> = written.iter().flat_map(keys).collect();
    written.extend(rejects.map(|oid| oid.to_u32()));
    let of = |oid: &u32| partition::ancestors(Oid::from(*oid));
    let ancestors: Vec<u32> = written.iter().chain(&referenced).flat_map(of).collect();
    referenced.extend(ancestors);
    let all = || written.iter().chain(&referenced).map(|oid| Oid::from(*oid));
    let temporary = all().any(relcache::is_temporary);
    let foreign = all().any(relcache::is_foreign);
    for list in [&mut written, &mut referenced] {
        list.sort_unstable();
        list.dedup();
    }
    referenced.retain(|oid| written.binary_search(oid).is_err());
    Some(Tables { written, referenced, temporary, foreign, of_its_own, elsewhere })
}
