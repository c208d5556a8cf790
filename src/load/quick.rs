//! A few records into a table that this session has loaded before: one statement, prepared once, and the server's own
//! checks.
//!
//! What a load asks the catalog costs ten times as much as writing a row. So a session keeps, for each table and policy,
//! the statement that writes rows which may be there, until the table changes. Where the statement fails, nothing is
//! written, and the load goes the long way, which says what is wrong and with which record.

use std::cell::RefCell;
use std::time::Instant;

use pgrx::pg_sys;
use uuid::Uuid;

use super::decode::decode;
use super::outcome::Outcome;
use crate::document::Watch;
use crate::options::{OnConflict, Options};
use crate::pg::batch::Batch;
use crate::pg::caller::Statement;
use crate::pg::encoding;
use crate::pg::error::ServerError;
use crate::pg::kept::{self, Kept};
use crate::pg::lock::{self, Share};
use crate::pg::progress::Progress;
use crate::pg::relation::{self, Lock};
use crate::pg::relcache;
use crate::pg::spi::{self, Spi};
use crate::pg::subtransaction;
use crate::prepare::{Document, Loadable, Prepared, Source, prepare};
use crate::record::{Absent, Table, positional};
use crate::report::{Counts, Failure, LoadReport, function_of, milliseconds};
use crate::rows::RowRef;
use crate::sessions::eligible;
use crate::settings;
use crate::target::{self, Target, rules};
use crate::write::insert::is_about_rows;
use crate::write::statement::{Statements, batch_name};

/// Larger documents go the long way, which writes many rows faster. In bytes.
const LARGEST: usize = 64 * 1024;

/// So many rows and more are looked up and written in bulk sooner.
pub const MOST_ROWS: usize = 500;

/// Tables and policies that a session keeps statements for.
const MOST_KEPT: usize = 8;

/// A statement, and all that it depends on.
struct Entry {
    table: pg_sys::Oid,
    names: (Vec<u8>, Vec<u8>),
    changes: u64,
    on_conflict: OnConflict,
    settings: Settings,
    statement: Kept,
    /// Tells whether rows that it has left as they are, are about other things ([`Statements::others`]).
    others: Kept,
    /// As `last_load()` has it.
    foreign_key_check: String,
}

/// What the description of the check depends on beside the table.
#[derive(PartialEq)]
struct Settings {
    set_based_foreign_keys: bool,
    reads_committed: bool,
}

impl Settings {
    fn current() -> Self {
        Settings {
            set_based_foreign_keys: settings::set_based_foreign_keys(),
            reads_committed: relation::reads_committed(),
        }
    }
}

thread_local! {
    static KEPT: RefCell<Vec<Entry>> = const { RefCell::new(vec![]) };
}

/// Loads the document, or leaves that to the long way, with nothing written.
pub fn load<'a, R: Loadable<'a>>(
    spi: &Spi,
    statement: &Statement,
    document: Document<'a>,
    options: &Options,
) -> Result<Option<LoadReport>, Failure> {
    let start = Instant::now();
    let Some(reason) = not_parallel(document, statement, options) else { return Ok(None) };
    // Who has no entry for the table, or may not write to it, goes the long way, which says so.
    let known = relation::find(R::NAME, Lock::No).filter(|table| is_known(*table));
    let written = Table::of::<R>();
    let permitted = |table| target::is_permitted(table, &written, options.on_conflict);
    if !known.is_some_and(permitted) {
        return Ok(None);
    }
    let table = relation::find(R::NAME, Lock::Insert);
    let Some(entry) = table.and_then(|table| take(table, options.on_conflict)) else {
        return Ok(None);
    };
    let table = entry.table;
    let entry = Lent(Some(entry));
    lock::catalogue(table, Share::Shared);
    let mut progress = Progress::start(table, document.size() as u64);
    let report = match &entry.0 {
        Some(entry) => {
            let kept = (entry, &written);
            load_with::<R>(spi, document, options, reason, kept, start, &mut progress)
        }
        None => Ok(None),
    };
    progress.end();
    report
}

/// An entry that is in use. It goes back to the others whatever happens: an error of the server unwinds past it.
struct Lent(Option<Entry>);

impl Drop for Lent {
    fn drop(&mut self) {
        KEPT.with_borrow_mut(|all| all.extend(self.0.take()));
    }
}

/// Why the load does not go parallel, where it is known not to, and is small.
fn not_parallel(
    document: Document<'_>,
    statement: &Statement,
    options: &Options,
) -> Option<Option<String>> {
    let named = options.workers.is_some_and(|workers| workers > 0);
    if document.size() > LARGEST || named || options.create_composers {
        return None;
    }
    match eligible::wish(options, statement) {
        Err(reason) => Some(Some(reason)),
        // A record has two bytes at least.
        Ok(wish) => (document.size() / 2 < wish.fewest_rows).then_some(None),
    }
}

fn load_with<'a, R: Loadable<'a>>(
    spi: &Spi,
    document: Document<'a>,
    options: &Options,
    reason: Option<String>,
    (entry, table): (&Entry, &Table),
    start: Instant,
    progress: &mut Progress,
) -> Result<Option<LoadReport>, Failure> {
    let repeated = options.on_conflict.repeated();
    let reader = Source::<R>::of(table, repeated, encoding::of_decoders());
    let prepare = |document, mode, watch: &Watch| prepare(&reader, document, mode, watch);
    let Ok((prepared, decode_threads)) = decode(&prepare, document, options, progress) else {
        return Ok(None);
    };
    let rows = prepared.order.write.len();
    let decode_ms = milliseconds(start);
    let write_start = Instant::now();
    let Some(counts) = write(spi, options, (entry, table), &prepared)? else { return Ok(None) };
    progress.tuples(rows as u64);
    Ok(Some(LoadReport {
        load_id: Uuid::new_v4(),
        kind: function_of(R::RESOURCE).0.into(),
        source: prepared.source.name(),
        received: prepared.received as u64,
        counts,
        sessions: 0,
        sessions_reason: reason.unwrap_or_else(|| format!("{rows} rows to write are too few")),
        decode_threads,
        foreign_key_check: entry.foreign_key_check.clone(),
        write_method: "insert: too few rows".into(),
        decode_ms,
        write_ms: milliseconds(write_start),
        total_ms: milliseconds(start),
    }))
}

fn write(
    spi: &Spi,
    options: &Options,
    (entry, table): (&Entry, &Table),
    prepared: &Prepared<'_>,
) -> Result<Option<Counts>, Failure> {
    let write = &prepared.order.write;
    let duplicate = prepared.order.duplicates.len() as u64;
    let refused = duplicate > 0 && options.on_conflict == OnConflict::Error;
    // Which of several records is about the thing of the row that is there, the long way finds out.
    let has_id = |row: RowRef| prepared.rows.identity(row, table).iter().any(Option::is_some);
    let unlike = prepared.order.duplicates.iter().any(|duplicate| has_id(duplicate.row));
    let bad = !prepared.faults.is_empty() || !prepared.deferred.is_empty() || refused || unlike;
    if bad || write.is_empty() || write.len() >= MOST_ROWS {
        return Ok(None);
    }
    let name = batch_name(table.batch());
    let mut batch = Batch::register(spi, &name, &positional(&table.columns), write.len());
    batch.fill(write.iter().map(|row| prepared.rows.tuple(*row)));
    let is_new = |row: &spi::Row| row.get::<bool>(1).unwrap_or_default();
    let updates = options.on_conflict == OnConflict::Update;
    let put = || {
        let written = entry.statement.rows(spi, is_new);
        let all = written.len() == write.len();
        // What a row is about that row security hides, no query here can tell.
        let hides = || updates && relcache::row_security(entry.table);
        let alike = || !hides() && entry.others.rows(spi, |_| ()).is_empty();
        (all || alike()).then_some(written)
    };
    let written = match subtransaction::within_unless(Option::is_none, put) {
        Ok(Some(written)) => written,
        Ok(None) => return Ok(None),
        Err(error) if is_about_rows(&error) || is_about_rights(&error) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let inserted = written.iter().filter(|is_new| **is_new).count() as u64;
    Ok(Some(Counts {
        inserted,
        updated: written.len() as u64 - inserted,
        unchanged: (write.len() - written.len()) as u64,
        duplicate,
        rejected: 0,
    }))
}

/// Whether the long way has more to say of it: what the caller may not do, or a table that is not what it was.
fn is_about_rights(error: &ServerError) -> bool {
    error.sqlstate().starts_with("42")
}

/// Keeps a statement for the next few records, after a load of few; the transaction has locked the table.
pub fn remember(spi: &Spi, target: &Target, on_conflict: OnConflict, outcome: &Outcome) {
    // Triggers are to see the rows that are written, and no others.
    let silent = !rules::has_user_triggers(&target.facts) && !target.facts.any_rules;
    if !target.facts.is_ordinary() || !silent {
        return;
    }
    kept::watch(target.oid);
    if take(target.oid, on_conflict).map(put_back).is_some() {
        return;
    }
    let Some(names) = kept::name(target.oid) else { return };
    let (table, batch, absent) =
        (&target.table, &*batch_name(target.table.batch()), &Absent::default());
    let statements =
        Statements { name: &target.name, table, batch, absent, quote: relation::quoted };
    let shape = Batch::register(spi, batch, &positional(&table.columns), MOST_ROWS);
    if !spi.prepare(&statements.insert()).only_inserts_into(target.oid) {
        return;
    }
    let statement = Kept::prepare(spi, target.oid, &statements.listed_merge(on_conflict));
    let others = Kept::prepare(spi, target.oid, &statements.others());
    drop(shape);
    put_back(Entry {
        table: target.oid,
        names,
        changes: kept::changes(),
        on_conflict,
        settings: Settings::current(),
        statement,
        others,
        foreign_key_check: outcome.foreign_key_check.clone(),
    });
}

/// Whether there is an entry for the table, whatever has become of it.
fn is_known(table: pg_sys::Oid) -> bool {
    KEPT.with_borrow(|all| all.iter().any(|entry| entry.table == table))
}

/// Takes the entry out, if there is one that still holds: while it is used the list may change.
fn take(table: pg_sys::Oid, on_conflict: OnConflict) -> Option<Entry> {
    let changes = kept::changes();
    let stale = KEPT.with_borrow_mut(|all| {
        let (good, stale) = all.drain(..).partition(|entry| entry.changes == changes);
        *all = good;
        stale
    });
    stale.into_iter().for_each(Entry::free);
    let settings = Settings::current();
    let names = kept::name(table)?;
    let wanted = |entry: &Entry| {
        (entry.table, entry.on_conflict) == (table, on_conflict)
            && entry.settings == settings
            && entry.names == names
    };
    KEPT.with_borrow_mut(|all| {
        let place = all.iter().position(wanted)?;
        Some(all.remove(place))
    })
}

/// Puts an entry behind the others; the first one goes where they are too many.
fn put_back(entry: Entry) {
    let oldest = KEPT.with_borrow_mut(|all| {
        all.push(entry);
        (all.len() > MOST_KEPT).then(|| all.remove(0))
    });
    if let Some(entry) = oldest {
        entry.free();
    }
}

impl Entry {
    fn free(self) {
        self.statement.free();
        self.others.free();
    }
}
