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
use crate::pg::progress::Progress;
use crate::pg::spi::Spi;
use crate::pg::{encoding, error, interrupt, relation, spi, threads};
use crate::prepare::{Document, Loadable, Prepared, prepare};
use crate::record::Row;
use crate::record::composer::Composer;
use crate::record::name::Name;
use crate::report::{Failure, LoadReport, milliseconds};
use crate::rows::{Family, Repeated, RowRef, Rows, Slice};
use crate::settings;
use crate::write::insert::Writer;
use crate::write::parents::Check;
use crate::write::rejects::Rejects;
use crate::write::target;

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
    let schema = target::create_missing_tables(spi);
    let target = target::find(spi, R::TABLE, options.on_conflict)?;
    let mut progress = Progress::start(target.oid, document.size() as u64);

    let (prepared, decode_threads) = decode::<R>(document, options, &mut progress)?;
    let Prepared { source, received, rows, order, families, mut faults, places } = prepared;
    let decode_ms = milliseconds(start);
    progress.bytes(document.size() as u64);
    if let Some(schema) = schema {
        pgrx::notice!(
            "tables composers, works and rejected_records created in schema \"{schema}\""
        );
    }

    let write_start = Instant::now();
    let mut rejects = Rejects::new(function, &*places, options);
    // Under `stop` the lowest of all faults found before anything is written is the one reported.
    let fault = |row: RowRef, fault| {
        let path = places.path(row.ordinal);
        LoadError { ordinal: Some(row.ordinal), path, fault }
    };
    if options.on_conflict == OnConflict::Error {
        faults.extend(order.duplicates.iter().map(|duplicate| {
            let key = R::key_text(rows.key(duplicate.row));
            fault(duplicate.row, Fault::Duplicate { key, first: duplicate.kept })
        }));
    }
    let check = match R::RESOURCE {
        Resource::Composers => Check::none("none: composers has no foreign key"),
        Resource::Works => Check::decide(spi, &target, order.write.len(), options.create_composers),
    };
    let mut write = order.write;
    if check.looks_up {
        let keys: Vec<&str> =
            families.iter().map(|family| rows.parent_text(write[family.first])).collect();
        let mut present = check.present(spi, &keys);
        if options.create_composers && present.contains(&false) {
            let first = |family: &Family| write[family.first].ordinal;
            let missing =
                families.iter().zip(&keys).zip(&present).filter(|(_, present)| !**present);
            let missing: Vec<_> = missing.map(|((family, key), _)| (first(family), *key)).collect();
            create_composers(spi, &missing, &mut rejects, &mut progress)?;
            present = check.present(spi, &keys);
        }
        if present.contains(&false) {
            let mut known = vec![];
            for (family, present) in families.iter().zip(&present) {
                let members = &write[family.first..family.first + family.size];
                if *present {
                    known.extend_from_slice(members);
                    continue;
                }
                let refused = members.iter().filter(|row| !rejects.contains(row.ordinal));
                faults.extend(refused.map(|row| {
                    fault(*row, Fault::UnknownComposer(rows.parent_text(*row).to_owned()))
                }));
            }
            write = known;
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
    };
    let mut counts = writer.write(&write, &mut rejects, &mut progress)?;
    counts.rejected = rejects.count();
    if options.on_conflict != OnConflict::Error {
        counts.duplicate = order.duplicates.len() as u64;
    }
    rejects.store(spi, load_id, kind)?;
    progress.end();

    LoadReport {
        load_id,
        kind,
        source,
        received: received as u64,
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
) -> Result<(Prepared<'a>, i32), Failure> {
    let repeated = match options.on_conflict {
        OnConflict::Update => Repeated::LastWins,
        OnConflict::Skip | OnConflict::Error => Repeated::FirstWins,
    };
    let threads = settings::decode_threads();
    // Outside UTF-8 the server converts each text, on this thread.
    let alone = document.size() <= SMALL || !encoding::is_utf8();
    let mode = Mode {
        parallel: threads > 1 && !alone,
        stop_at_fault: options.on_error == OnError::Stop,
        encode: encoding::encode(),
    };
    let watch = Watch::default();
    let prepare = |mode| prepare::<R>(document, mode, repeated, &watch);
    if alone {
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

/// Makes composers from their keys. Each stands at the ordinal of its first work, so that one who is refused is told by
/// that work.
fn create_composers(
    spi: &Spi,
    missing: &[(u32, &str)],
    rejects: &mut Rejects<'_>,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let target = target::find(spi, Composer::TABLE, OnConflict::Skip)?;
    let slices = missing.iter().map(|(ordinal, key)| {
        let composer = Some(Composer::named(Name::of_key(key)));
        Slice::form(&[composer], *ordinal as usize, encoding::encode())
    });
    let rows = Rows::new(slices.collect());
    let order = rows.order(Repeated::FirstWins, false);
    let writer =
        Writer { spi, target: &target, on_conflict: OnConflict::Skip, proved: false, rows: &rows };
    writer.write(&order.write, rejects, progress).map(|_| ())
}
