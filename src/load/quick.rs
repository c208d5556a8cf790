//! A few records into a table that this session has loaded before: one statement, prepared once, and the server's own
//! checks.
//!
//! What a load asks the catalog costs ten times as much as writing a row. So a session keeps, for each table, mapping and
//! policy, what it has found out and the statement that writes rows which may be there, until the table changes
//! ([`entry`]). Where the statement fails, nothing is written, and the load goes the long way, which says what is wrong and
//! with which record.

mod entry;
mod statement;

use std::borrow::Cow;
use std::time::Instant;

use pgrx::pg_sys;

pub use self::entry::{Call, Loads, remember};
use self::entry::{Entry, Lent};
use self::statement::{Put, Statement};
use super::decode::decode;
use crate::document::find::Resource;
use crate::options::{OnConflict, Options};
use crate::pg::caller;
use crate::pg::encoding;
use crate::pg::error::ServerError;
use crate::pg::lock::{self, Share};
use crate::pg::progress::Progress;
use crate::pg::relation::{self, Lock};
use crate::pg::relcache;
use crate::pg::spi::Spi;
use crate::pg::subtransaction;
use crate::prepare::{Document, Prepared, Recipe};
use crate::record::{Row, Table, composer::Composer, work::Work};
use crate::report::{Counts, Failure, LoadReport, milliseconds};
use crate::rows::RowRef;
use crate::sessions::eligible;
use crate::target;
use crate::write::convert;
use crate::write::insert::{is_about_rows, may_be_about_statement};

/// Larger documents go the long way, which writes many rows faster. In bytes.
const LARGEST: usize = 64 * 1024;

/// So many rows and more are looked up and written in bulk sooner.
const MOST_ROWS: usize = 500;

/// Loads the document, or leaves that to the long way, with nothing written.
pub fn load(
    spi: &Spi,
    statement: &caller::Statement,
    call: &Call,
    document: Document<'_>,
    options: &Options,
) -> Result<Option<LoadReport>, Failure> {
    let start = Instant::now();
    let Some(reason) = not_parallel(document, statement, options) else { return Ok(None) };
    let Some(table) = lock(call, options.on_conflict) else { return Ok(None) };
    let Some(lent) = entry::take(call, table, options.on_conflict) else { return Ok(None) };
    lock::catalogue(table, Share::Shared);
    let mut progress = Progress::start(table, document.size() as u64);
    let report = load_with(spi, document, options, reason, &lent, start, &mut progress);
    progress.end();
    report
}

/// The table, locked as an INSERT locks it. Who has no entry for it, or may not write to it, goes the long way, which says
/// so.
fn lock(call: &Call, on_conflict: OnConflict) -> Option<pg_sys::Oid> {
    match &call.of {
        Loads::Records { target, .. } => {
            (entry::is_known(*target) && relation::lock_for_insert(*target)).then_some(*target)
        }
        Loads::Source(resource) => {
            let (name, written) = match resource {
                Resource::Composers => (Composer::NAME, Table::of::<Composer>()),
                Resource::Works => (Work::NAME, Table::of::<Work>()),
            };
            let known = relation::find(name, Lock::No).filter(|table| entry::is_known(*table))?;
            let permitted = target::is_permitted(known, &written, on_conflict);
            permitted.then(|| relation::find(name, Lock::Insert)).flatten()
        }
    }
}

/// Why the load does not go parallel, where it is known not to, and is small.
fn not_parallel(
    document: Document<'_>,
    statement: &caller::Statement,
    options: &Options,
) -> Option<Option<String>> {
    let named = options.workers.is_some_and(|workers| workers > 0);
    if document.size() > LARGEST || named {
        return None;
    }
    match eligible::wish(options, statement) {
        Err(reason) => Some(Some(reason)),
        // A record has two bytes at least.
        Ok(wish) => (document.size() / 2 < wish.fewest_rows).then_some(None),
    }
}

fn load_with(
    spi: &Spi,
    document: Document<'_>,
    options: &Options,
    reason: Option<String>,
    entry: &Lent,
    start: Instant,
    progress: &mut Progress,
) -> Result<Option<LoadReport>, Failure> {
    let Ok(decoded) = decode(&entry.recipe, document, options, progress) else {
        return Ok(None);
    };
    let prepared = &decoded.prepared;
    let decode_ms = milliseconds(start);
    let write_start = Instant::now();
    let written = match ready(spi, entry, prepared, options.on_conflict) {
        Some(ready) => write(spi, options, entry, ready)?,
        None => None,
    };
    let Some(written) = written else { return Ok(None) };
    let duplicate = prepared.order.duplicates.len() as u64;
    let (rows, counts) = (written.rows, Counts { duplicate, ..written.counts });
    progress.tuples(rows as u64);
    Ok(Some(LoadReport {
        load_id: None,
        kind: entry.recipe.table().name.clone(),
        source: prepared.source.name(),
        received: prepared.received as u64,
        counts,
        sessions: 0,
        sessions_reason: reason.unwrap_or_else(|| format!("{rows} rows to write are too few")),
        decode_threads: decoded.threads,
        foreign_key_check: entry.foreign_key_check.clone(),
        write_method: "insert: too few rows".into(),
        decode_ms,
        write_ms: milliseconds(write_start),
        total_ms: milliseconds(start),
    }))
}

/// Rows, how many they are, and the statement for them.
struct Ready<'r> {
    put: Put<'r>,
    rows: usize,
    statement: &'r Statement,
}

/// Makes ready what one statement can write; none if the document has something else.
fn ready<'r>(
    spi: &'r Spi,
    entry: &'r Entry,
    prepared: &'r Prepared<'_>,
    on_conflict: OnConflict,
) -> Option<Ready<'r>> {
    let Prepared { rows, order, deferred, places, .. } = prepared;
    // Who the composer is that a work names by an id, the long way finds out.
    let names = matches!(&*entry.recipe, Recipe::Fields(it) if it.resource == Resource::Works);
    if names && !places.composer_ids().is_empty() {
        return None;
    }
    if !prepared.faults.is_empty() || entry.is_ranked() && prepared.received > 1 {
        return None;
    }
    if let [ordinal] = **deferred
        && prepared.received == 1
    {
        let values = prepared.places.values(ordinal, &convert::json).ok()?;
        let json = convert::object(&entry.keys, values.members.iter());
        let json = Cow::Owned(encoding::encode()(&json)?.into_owned());
        let statement = entry.statement(&values.absent)?;
        return Some(Ready { put: Put::Record(json), rows: 1, statement });
    }
    let all = rows.all();
    let mut write = Cow::Borrowed(if entry.is_ranked() { &all } else { &order.write });
    if write.len() > 1 && (entry.in_order || relcache::row_security(entry.table)) {
        write.to_mut().sort_unstable_by_key(|row| row.ordinal);
    }
    let write = &*write;
    let first = *write.first()?;
    let has_id = |row: RowRef| rows.identity(row, entry.recipe.table()).iter().any(Option::is_some);
    let undecided = match on_conflict {
        OnConflict::Error => !order.duplicates.is_empty(),
        // Which of them is about the thing of the row that is there, the long way finds out.
        _ => order.duplicates.iter().any(|duplicate| has_id(duplicate.row)),
    };
    let alike = |row: &RowRef| rows.absent(*row) == rows.absent(first);
    let good = deferred.is_empty()
        && !undecided
        && order.later.is_empty()
        && write.len() < MOST_ROWS
        && write.iter().all(alike);
    let statement = entry.statement(rows.absent(first)).filter(|_| good)?;
    Some(Ready { put: Put::rows(spi, entry, rows, write), rows: write.len(), statement })
}

/// What was written; none if the long way has to do it.
struct Written {
    rows: usize,
    counts: Counts,
}

fn write(
    spi: &Spi,
    options: &Options,
    entry: &Entry,
    ready: Ready,
) -> Result<Option<Written>, Failure> {
    let Ready { put, rows, statement } = ready;
    let updates = options.on_conflict == OnConflict::Update;
    let try_all = || {
        let written = statement.write(spi, entry, &put);
        let all = written.len() == rows;
        // What a row is about that row security hides, no query here can tell.
        let hides = || updates && relcache::row_security(entry.table);
        (all || !hides() && !statement.finds_others(spi, entry, &put)).then_some(written)
    };
    let written = match subtransaction::within_unless(Option::is_none, try_all) {
        Ok(Some(written)) => written,
        Ok(None) => return Ok(None),
        Err(error) if is_about_statement(&error) => {
            entry.expire();
            return Ok(None);
        }
        Err(error) if is_about_rows(&error) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let inserted = written.iter().filter(|is_new| **is_new).count();
    let counts = Counts {
        inserted: inserted as u64,
        updated: (written.len() - inserted) as u64,
        unchanged: (rows - written.len()) as u64,
        ..Counts::default()
    };
    Ok(Some(Written { rows, counts }))
}

/// Whether the long way may do without that which the server refuses: what the caller may not do, a table that is not what
/// it was, an ON CONFLICT that such a table does not have; a value that a type refuses without a code.
fn is_about_statement(error: &ServerError) -> bool {
    may_be_about_statement(error) || error.sqlstate() == "XX000"
}
