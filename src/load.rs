//! One load, as one story: find the records, transform, order, prove the parents, write, report.
//!
//! Steps 1 to 3 are pure and run on a rayon pool ([`decode`]); the rest runs on this thread, in the caller's
//! transaction ([`own_session`]), or in sessions of its own ([`parallel`]).

mod decode;
mod own_session;
mod parallel;
mod quick;

use std::time::Instant;

use uuid::Uuid;

use self::decode::decode;
use self::own_session::OwnSession;
use crate::error::Fault;
use crate::options::{OnConflict, Options};
use crate::pg::caller::Statement;
use crate::pg::lock::{self, Share};
use crate::pg::progress::Progress;
use crate::pg::spi::Spi;
use crate::pg::{encoding, error, relation, spi};
use crate::prepare::{Document, Loadable, Places, Prepared};
use crate::record::Row;
use crate::record::composer::Composer;
use crate::report::{Counts, Failure, LoadReport, function_of, milliseconds};
use crate::rows::{Rows, Slice};
use crate::write::Refusals;
use crate::write::insert::FEWEST_LAID;
use crate::write::rejects::Rejects;
use crate::write::target;
use crate::write::there::There;

/// Loads a document; the number of rows written.
pub fn load<'a, R: Loadable<'a>>(
    document: Document<'a>,
    options: &Options,
) -> Result<i64, Failure> {
    let statement = Statement::current();
    // Errors of the server keep all their fields on the way out.
    error::catch(|| spi::connect(|spi| load_rows::<R>(spi, &statement, document, options)))?
}

fn load_rows<'a, R: Loadable<'a>>(
    spi: &Spi,
    statement: &Statement,
    document: Document<'a>,
    options: &Options,
) -> Result<i64, Failure> {
    let start = Instant::now();
    let load_id = Uuid::new_v4();
    let (kind, function) = function_of(R::RESOURCE);
    relation::refuse_read_only(function);
    if let Some(report) = quick::load::<R>(spi, statement, document, options)? {
        return Ok(report.keep());
    }
    let wish = parallel::wish::<R>(spi, options, statement)?;
    let (mut schema, mut here) = (None, None);
    if wish.is_err() {
        lock_catalogue::<R>(Share::Shared);
        schema = target::create_missing_tables(spi);
        // Tables that are made now have no key yet, and nothing that it could meet.
        let on_conflict = schema.as_ref().map_or(options.on_conflict, |_| OnConflict::Error);
        here = Some(target::find(spi, R::TABLE, on_conflict)?);
    }
    let table = wish.as_ref().ok().map(|(_, target)| target).or(here.as_ref());
    let table = table.map_or(pgrx::pg_sys::InvalidOid, |target| target.oid);
    let mut progress = Progress::start(table, document.size() as u64);

    let (prepared, decode_threads) = decode::<R>(document, options, &mut progress)?;
    let decode_ms = milliseconds(start);
    progress.bytes(document.size() as u64);

    let write_start = Instant::now();
    let outcome = match wish {
        Ok((wish, target)) => {
            parallel::write::<R>(spi, options, load_id, wish, &target, &prepared, &mut progress)?
        }
        Err(reason) => Err(Here { reason, there: None }),
    };
    let Outcome { counts, sessions, sessions_reason, foreign_key_check } = match outcome {
        Ok(outcome) => outcome,
        Err(Here { reason, there }) => {
            if options.workers.is_some_and(|workers| workers > 0) {
                pgrx::notice!("the load runs in this session: {reason}");
            }
            let (target, there) = match here {
                Some(target) => (target, there),
                None => {
                    // What was there before another load may be no more.
                    let there = if lock_catalogue::<R>(Share::Shared) { None } else { there };
                    (target::find(spi, R::TABLE, options.on_conflict)?, there)
                }
            };
            let own = OwnSession { spi, options, load_id, prepared: &prepared };
            let mut outcome = match schema.is_some() {
                true => own.write_first::<R>(&target, &mut progress)?,
                false => own.write::<R>(&target, options.on_conflict, there, &mut progress)?,
            };
            outcome.sessions_reason = reason;
            if !options.create_composers && prepared.order.write.len() < FEWEST_LAID {
                quick::remember(spi, &target, options.on_conflict, &outcome.foreign_key_check);
            }
            outcome
        }
    };
    if let Some(schema) = schema {
        pgrx::notice!(
            "tables composers, works and rejected_records created in schema \"{schema}\""
        );
    }
    progress.end();

    let report = LoadReport {
        load_id,
        kind,
        source: prepared.source,
        received: prepared.received as u64,
        counts,
        sessions,
        sessions_reason,
        decode_threads,
        foreign_key_check,
        decode_ms,
        write_ms: milliseconds(write_start),
        total_ms: milliseconds(start),
    };
    Ok(report.keep())
}

/// What the writing came to, in whatever sessions.
struct Outcome {
    counts: Counts,
    sessions: i32,
    sessions_reason: String,
    foreign_key_check: String,
}

/// Why the caller's session writes, and what is known of the rows by then.
struct Here {
    reason: String,
    there: Option<There>,
}

/// The tables by which loads lock each other out, in the order in which all loads take them: the composers, and the
/// table itself. Those that are missing are made by this transaction, and are nobody else's.
fn catalogue<R: Row>() -> Vec<pgrx::pg_sys::Oid> {
    let find = |table| relation::find(table, relation::Lock::No);
    let mut tables: Vec<_> = find(Composer::TABLE.name).into_iter().collect();
    tables.extend(find(R::TABLE.name).filter(|table| !tables.contains(table)));
    tables
}

/// A parallel load that is under way comes first: its sessions cannot wait for this one. Whether that took a wait; until
/// then nothing is locked that somebody could wait for before the other load.
fn lock_catalogue<R: Row>(share: Share) -> bool {
    let mut waited = false;
    for table in catalogue::<R>() {
        if !lock::catalogue_at_once(table, share) {
            lock::catalogue(table, share);
            waited = true;
        }
    }
    waited
}

/// Gives back what [`lock_catalogue`] has taken.
fn unlock_catalogue<R: Row>(share: Share) {
    catalogue::<R>().into_iter().for_each(|table| lock::release_catalogue(table, share));
}

/// What is known to be wrong before anything is written.
fn rejects_of<'p, 'a, R: Loadable<'a>>(
    prepared: &'p Prepared<'a>,
    options: &Options,
) -> Result<Rejects<'p>, Failure> {
    let (_, function) = function_of(R::RESOURCE);
    let mut rejects = Rejects::new(function, &*prepared.places, options);
    rejects.decoded(&prepared.faults)?;
    if options.on_conflict == OnConflict::Error {
        prepared.order.duplicates.iter().try_for_each(|duplicate| {
            let key = R::key_text(prepared.rows.key(duplicate.row)).into();
            let fault = Fault::Duplicate { key, first: duplicate.kept };
            rejects.fault(duplicate.row.ordinal, fault)
        })?;
    }
    Ok(rejects)
}

/// Duplicates that are not errors.
fn duplicates(prepared: &Prepared<'_>, options: &Options) -> u64 {
    match options.on_conflict {
        OnConflict::Error => 0,
        OnConflict::Update | OnConflict::Skip => prepared.order.duplicates.len() as u64,
    }
}

/// The composers that works name, each told by the ordinal of one of its works.
fn named_composers(places: &dyn Places, works: &[u32]) -> Result<Rows<'static>, Failure> {
    let slices = works.iter().map(|&ordinal| {
        Slice::form([places.composer(ordinal)], ordinal as usize, encoding::encode())
    });
    Ok(Rows::new(slices.collect::<Result<_, _>>()?))
}
