//! One load, as one story: find the table, find the records, transform, order, prove the parents, write, report.
//!
//! Finding and transforming records is pure and runs on a rayon pool ([`decode`]); the rest runs on this thread, in the
//! caller's transaction ([`own_session`]), or in sessions of its own ([`parallel`]). Whoever writes, the table is locked
//! from the first look at it to the end of the caller's transaction.

mod decode;
mod outcome;
mod own_session;
mod parallel;
mod quick;

use std::time::Instant;

use uuid::Uuid;

use self::decode::decode;
use self::outcome::{FellBack, Outcome, announce, lock_catalogue};
use self::own_session::OwnSession;
use crate::options::{OnConflict, Options};
use crate::pg::caller::Statement;
use crate::pg::lock::Share;
use crate::pg::memory::Reserve;
use crate::pg::progress::Progress;
use crate::pg::spi::Spi;
use crate::pg::{error, log, relation, spi};
use crate::prepare::{Document, Loadable};
use crate::report::{Failure, LoadReport, function_of, milliseconds};
use crate::sessions::{eligible, fault};
use crate::target::{self, create};

/// Loads a document; the number of rows written.
pub fn load<'a, R: Loadable<'a>>(
    document: Document<'a>,
    options: &Options,
) -> Result<i64, Failure> {
    let statement = Statement::current();
    // Errors of the server keep all their fields on the way out.
    let load = || spi::connect(|spi| load_rows::<R>(spi, &statement, document, options));
    let loaded = error::catch(load).unwrap_or_else(|error| Err(error.into()));
    if loaded.is_err() {
        // A load of a trigger's within this one may have come to its end.
        LoadReport::forget();
    }
    loaded
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
    LoadReport::forget();
    if let Some(report) = quick::load::<R>(spi, statement, document, options)? {
        return Ok(report.keep());
    }
    let mut wish = eligible::wish(options, statement);
    let schema = create::create_missing_tables(spi);
    if schema.is_some() {
        wish = wish.and(Err("the load makes its tables".into()));
    }
    // Tables that are made now have no key yet, and nothing that it could meet.
    let on_conflict = if schema.is_some() { OnConflict::Error } else { options.on_conflict };
    let target = target::find(R::TABLE, on_conflict)?;
    fault::point("located", fault::LEADER);
    let mut progress = Progress::start(target.oid, document.size() as u64);
    let _reserve = Reserve::hold(document.size())?;

    let (prepared, decode_threads) = decode::<R>(document, options, &mut progress)?;
    let decode_ms = milliseconds(start);
    progress.bytes(document.size() as u64);

    let write_start = Instant::now();
    let parallel = match wish {
        Ok(wish) => {
            parallel::write::<R>(spi, options, load_id, wish, &target, &prepared, &mut progress)?
        }
        Err(reason) => Err(FellBack { reason, there: None }),
    };
    let outcome = match parallel {
        Ok(outcome) => outcome,
        Err(FellBack { reason, there }) => {
            if options.workers.is_some_and(|workers| workers > 0) {
                log::notice(&format!("the load runs in this session: {reason}"));
            }
            // What was compared before another load had written is stale.
            let waited = lock_catalogue(&target, options, Share::Shared);
            let there = if waited { None } else { there };
            let own = OwnSession { spi, options, load_id, prepared: &prepared };
            let mut outcome = match schema.is_some() {
                true => own.write_first::<R>(&target, &mut progress)?,
                false => own.write::<R>(&target, on_conflict, there, &mut progress)?,
            };
            outcome.sessions_reason = reason;
            if !options.create_composers && prepared.order.write.len() < quick::MOST_ROWS {
                quick::remember(spi, &target, on_conflict, &outcome);
            }
            outcome
        }
    };
    let Outcome { counts, sessions, sessions_reason, foreign_key_check, write_method } = outcome;
    if let Some(schema) = schema {
        announce(&schema);
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
        write_method,
        decode_ms,
        write_ms: milliseconds(write_start),
        total_ms: milliseconds(start),
    };
    Ok(report.keep())
}
