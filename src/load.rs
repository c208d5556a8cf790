//! One load, as one story: find the records, transform, order, prove the parents, write, report.
//!
//! Steps 1 to 3 are pure and run on a rayon pool while this thread waits and looks for interrupts; the rest runs on
//! this thread, in the caller's transaction.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::decode::Mode;
use crate::document::Watch;
use crate::document::find::Resource;
use crate::error::{Fault, LoadError};
use crate::options::{OnConflict, OnError, Options};
use crate::order::Repeated;
use crate::pg::progress::Progress;
use crate::pg::spi::Spi;
use crate::pg::{error, interrupt, relation, spi, threads};
use crate::prepare::{Document, Loadable, Places, Prepared, prepare};
use crate::record::Row;
use crate::record::composer::Composer;
use crate::record::name::Name;
use crate::report::{Failure, LoadReport, milliseconds};
use crate::settings;
use crate::write::insert::Writer;
use crate::write::parents::Check;
use crate::write::rejects::Rejects;
use crate::write::target::{self, Target};

/// Smaller documents are decoded at once, on this thread: starting a pool takes about as long.
const SMALL: usize = 256 * 1024;

/// How long an interrupt waits at most while a document is decoded.
const LOOK: Duration = Duration::from_millis(20);

/// Loads a document; the number of rows written.
pub fn load<'a, R: Loadable<'a>>(
    document: Document<'a>,
    options: &Options,
) -> Result<i64, Failure> {
    // Errors of the server keep all their fields on the way out.
    error::catch(|| spi::connect(|spi| load_rows::<R>(spi, document, options)))?
}

fn load_rows<'a, R: Loadable<'a>>(
    spi: &Spi,
    document: Document<'a>,
    options: &Options,
) -> Result<i64, Failure> {
    let start = Instant::now();
    let load_id = Uuid::new_v4();
    let (kind, function) = match R::RESOURCE {
        Resource::Composers => ("composers", "load_composers"),
        Resource::Works => ("works", "load_works"),
    };
    relation::refuse_read_only(function);
    let sessions_reason = why_one_session(options);
    target::create_missing_tables(spi);
    let target = target::find::<R>(spi, options.on_conflict)?;
    let mut progress = Progress::start(target.oid, document.size() as u64);

    let (prepared, decode_threads) = decode::<R>(document, options, &mut progress)?;
    let Prepared { source, mut rows, faults, order, places } = prepared;
    let decode_ms = milliseconds(start);
    let received = rows.len() as u64;

    let write_start = Instant::now();
    let mut rejects = Rejects::new(function, &*places, options);
    // Under `stop` the lowest of all faults found before anything is written is the one reported.
    let mut faults = faults;
    let duplicates = order.duplicates.len() as u64;
    if options.on_conflict == OnConflict::Error {
        faults.extend(order.duplicates.iter().filter_map(|duplicate| {
            let key = rows[duplicate.ordinal as usize].as_ref()?.key_text();
            let fault = Fault::Duplicate { key, first: duplicate.kept };
            let path = places.path(duplicate.ordinal);
            Some(LoadError { ordinal: Some(duplicate.ordinal), path, fault })
        }));
    }
    let check = match R::RESOURCE {
        Resource::Composers => Check::none("none: composers has no foreign key"),
        Resource::Works => Check::decide(spi, &target, order.write.len(), options.create_composers),
    };
    let mut write = order.write;
    if check.look_up {
        let unknown = unknown_parents(
            spi,
            &check,
            &rows,
            &write,
            options,
            &*places,
            &mut rejects,
            &mut progress,
        )?;
        for &ordinal in unknown.iter().filter(|ordinal| !rejects.contains(**ordinal)) {
            let key = rows[ordinal as usize].as_ref().and_then(Row::parent).unwrap_or_default();
            let fault = Fault::UnknownComposer(key.to_owned());
            let path = places.path(ordinal);
            faults.push(LoadError { ordinal: Some(ordinal), path, fault });
        }
        if !unknown.is_empty() {
            unknown.iter().for_each(|&ordinal| rows[ordinal as usize] = None);
            write.retain(|&ordinal| rows[ordinal as usize].is_some());
        }
    }
    faults.sort_by_key(|fault| fault.ordinal);
    faults.into_iter().try_for_each(|fault| rejects.fault(fault))?;

    let writer = Writer {
        spi,
        target: &target,
        on_conflict: options.on_conflict,
        proved: check.as_set,
        rows: &rows,
        places: &*places,
    };
    let mut counts = writer.write(&write, &mut rejects, &mut progress)?;
    counts.rejected = rejects.count();
    counts.duplicate = if options.on_conflict == OnConflict::Error { 0 } else { duplicates };
    rejects.store(spi, load_id, kind)?;
    progress.end();

    LoadReport {
        load_id,
        kind,
        source,
        received,
        counts,
        sessions: 0,
        sessions_reason,
        decode_threads,
        foreign_key_check: check.description,
        decode_ms,
        write_ms: milliseconds(write_start),
        total_ms: milliseconds(start),
    }
    .keep();
    Ok((counts.inserted + counts.updated) as i64)
}

/// A load writes in the caller's session; who asked for more is told.
fn why_one_session(options: &Options) -> String {
    let reason = "parallel sessions are not available in this version";
    if options.workers.is_some_and(|workers| workers > 0) {
        pgrx::notice!("the load runs in this session: {reason}");
    }
    reason.into()
}

/// Steps 1 to 3, and on how many threads they ran.
fn decode<'a, R: Loadable<'a>>(
    document: Document<'a>,
    options: &Options,
    progress: &mut Progress,
) -> Result<(Prepared<'a, R>, i32), Failure> {
    let repeated = match options.on_conflict {
        OnConflict::Update => Repeated::LastWins,
        OnConflict::Skip | OnConflict::Error => Repeated::FirstWins,
    };
    let threads = settings::decode_threads();
    let mode = Mode {
        parallel: threads > 1 && document.size() > SMALL,
        stop_at_fault: options.on_error == OnError::Stop,
    };
    let watch = Watch::default();
    let prepare = |mode| prepare::<R>(document, mode, repeated, &watch);
    if document.size() <= SMALL {
        let prepared = prepare(mode).map_err(Failure::load)?;
        return Ok((prepared, 1));
    }
    let decoded = threads::with_pool(threads, |pool| {
        pool.in_place_scope(|scope| {
            let (sender, receiver) = channel();
            let prepare = &prepare;
            scope.spawn(move |_| {
                let prepared = catch_unwind(AssertUnwindSafe(|| prepare(mode)));
                // The receiver is there until the scope ends.
                let _ = sender.send(prepared.unwrap_or_else(|panic| Err(internal(&*panic))));
            });
            loop {
                match receiver.recv_timeout(LOOK) {
                    Ok(prepared) => return prepared,
                    Err(RecvTimeoutError::Timeout) => {
                        progress.bytes(watch.bytes());
                        if interrupt::pending() {
                            watch.stop();
                        }
                    }
                    Err(RecvTimeoutError::Disconnected) => return Err(internal(&"no answer")),
                }
            }
        })
    });
    // All threads have ended: the server may act on an interrupt, which raises its error here.
    interrupt::check();
    let prepared = match decoded {
        Some(prepared) => prepared,
        None => prepare(Mode { parallel: false, ..mode }),
    };
    Ok((prepared.map_err(Failure::load)?, threads as i32))
}

fn internal(panic: &(dyn std::any::Any + Send)) -> LoadError {
    let text = panic.downcast_ref::<&str>().map(|text| text.to_string());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    LoadError::document(Fault::Internal(text.unwrap_or_else(|| "a thread panicked".into())))
}

/// The rows whose composer is not there, by ordinal; those that may be are made first.
#[allow(clippy::too_many_arguments)]
fn unknown_parents<R: Row>(
    spi: &Spi,
    check: &Check,
    rows: &[Option<R>],
    write: &[u32],
    options: &Options,
    places: &dyn Places,
    rejects: &mut Rejects<'_>,
    progress: &mut Progress,
) -> Result<Vec<u32>, Failure> {
    // Ordered by parent: equal ones stand together.
    let parent = |ordinal: &u32| rows[*ordinal as usize].as_ref().and_then(Row::parent);
    let mut firsts: Vec<u32> = write.to_vec();
    firsts.dedup_by_key(|ordinal| parent(ordinal));
    let keys: Vec<&str> = firsts.iter().filter_map(parent).collect();
    let mut present = check.present(spi, &keys);
    if options.create_composers && present.contains(&false) {
        let target: Target = target::find::<Composer>(spi, OnConflict::Skip)?;
        let missing = |(_, present): &(_, bool)| !present;
        let absent: Vec<u32> = firsts
            .iter()
            .copied()
            .zip(present.iter().copied())
            .filter(missing)
            .map(|(o, _)| o)
            .collect();
        // At the ordinal of the first work of each, so that a refused one is told by that work.
        let mut composers: Vec<Option<Composer>> = vec![];
        composers.resize_with(rows.len(), || None);
        for ordinal in &absent {
            composers[*ordinal as usize] =
                parent(ordinal).map(|key| Composer::named(Name::of_key(key)));
        }
        let writer = Writer {
            spi,
            target: &target,
            on_conflict: OnConflict::Skip,
            proved: false,
            rows: &composers,
            places,
        };
        writer.write(&absent, rejects, progress)?;
        present = check.present(spi, &keys);
    }
    let known: std::collections::HashSet<&str> =
        keys.iter().zip(&present).filter(|(_, present)| **present).map(|(key, _)| *key).collect();
    let mut unknown: Vec<u32> = write
        .iter()
        .copied()
        .filter(|ordinal| parent(ordinal).is_some_and(|key| !known.contains(key)))
        .collect();
    unknown.sort_unstable();
    Ok(unknown)
}
