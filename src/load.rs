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
use crate::prepare::{Document, Loadable, Places, Prepared, prepare};
use crate::record::Row;
use crate::record::composer::Composer;
use crate::report::{Counts, Failure, LoadReport, milliseconds};
use crate::rows::{Duplicate, Family, Repeated, RowRef, Rows, Slice};
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
    let schema = target::create_missing_tables(spi);
    let target = target::find(spi, R::TABLE, options.on_conflict)?;
    let mut progress = Progress::start(target.oid, document.size() as u64);

    let (prepared, decode_threads) = decode::<R>(document, options, &mut progress)?;
    let Prepared { source, received, rows, order, families, faults, places } = prepared;
    let decode_ms = milliseconds(start);
    progress.bytes(document.size() as u64);

    let write_start = Instant::now();
    let duplicates = order.duplicates.len() as u64;
    let mut stage = Stage {
        spi,
        options,
        rows: &rows,
        places: &*places,
        rejects: Rejects::new(function, &*places, options),
        progress,
    };
    faults.into_iter().try_for_each(|fault| stage.rejects.fault(fault))?;
    if options.on_conflict == OnConflict::Error {
        stage.refuse_duplicates::<R>(&order.duplicates)?;
    }
    let check = match R::RESOURCE {
        Resource::Composers => Check::none("none: composers has no foreign key"),
        Resource::Works => Check::decide(spi, &target, order.write.len(), options.create_composers),
    };
    let write = stage.with_parents(&check, order.write, &families)?;
    let mut counts = stage.write(&target, options.on_conflict, check.as_set, &rows, &write)?;
    stage.rejects.raise()?;
    counts.rejected = stage.rejects.count();
    if options.on_conflict != OnConflict::Error {
        counts.duplicate = duplicates;
    }
    stage.rejects.store(spi, load_id, kind)?;
    if let Some(schema) = schema {
        pgrx::notice!(
            "tables composers, works and rejected_records created in schema \"{schema}\""
        );
    }
    stage.progress.end();

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

/// Steps 4 and 5: what they share.
struct Stage<'s> {
    spi: &'s Spi,
    options: &'s Options,
    rows: &'s Rows,
    places: &'s dyn Places,
    rejects: Rejects<'s>,
    progress: Progress,
}

impl Stage<'_> {
    fn refuse(&mut self, row: RowRef, fault: Fault) -> Result<(), Failure> {
        let path = self.places.path(row.ordinal);
        self.rejects.fault(LoadError { ordinal: Some(row.ordinal), path, fault })
    }

    fn refuse_duplicates<'a, R: Loadable<'a>>(
        &mut self,
        duplicates: &[Duplicate],
    ) -> Result<(), Failure> {
        duplicates.iter().try_for_each(|duplicate| {
            let key = R::key_text(self.rows.key(duplicate.row));
            self.refuse(duplicate.row, Fault::Duplicate { key, first: duplicate.kept })
        })
    }

    /// Those of the rows whose parent is there, or is made now.
    fn with_parents(
        &mut self,
        check: &Check,
        write: Vec<RowRef>,
        families: &[Family],
    ) -> Result<Vec<RowRef>, Failure> {
        if !check.looks_up {
            return Ok(write);
        }
        let members = |family: &Family| &write[family.first..family.first + family.size];
        let keys: Vec<&str> =
            families.iter().map(|family| self.rows.parent_text(write[family.first])).collect();
        let mut present = check.present(self.spi, &keys);
        if self.options.create_composers && present.contains(&false) {
            let absent = families.iter().zip(&present).filter(|(_, present)| !**present);
            let firsts: Vec<u32> = absent
                .filter_map(|(family, _)| members(family).iter().map(|row| row.ordinal).min())
                .collect();
            self.create_composers(&firsts)?;
            present = check.present(self.spi, &keys);
        }
        if !present.contains(&false) {
            return Ok(write);
        }
        let mut known = vec![];
        for ((family, key), present) in families.iter().zip(&keys).zip(&present) {
            if *present {
                known.extend_from_slice(members(family));
                continue;
            }
            for row in members(family) {
                self.refuse(*row, Fault::UnknownComposer((*key).to_owned()))?;
            }
        }
        Ok(known)
    }

    /// Makes the composers that works name, each told by the ordinal of the first of its works.
    fn create_composers(&mut self, firsts: &[u32]) -> Result<(), Failure> {
        let target = target::find(self.spi, Composer::TABLE, OnConflict::Skip)?;
        let slices = firsts.iter().map(|&ordinal| {
            Slice::form(&[self.places.composer(ordinal)], ordinal as usize, encoding::encode())
        });
        let rows = Rows::new(slices.collect());
        let order = rows.order(Repeated::FirstWins, false);
        self.write(&target, OnConflict::Skip, false, &rows, &order.write).map(|_| ())
    }

    fn write(
        &mut self,
        target: &Target,
        on_conflict: OnConflict,
        proved: bool,
        rows: &Rows,
        write: &[RowRef],
    ) -> Result<Counts, Failure> {
        let writer = Writer { spi: self.spi, target, on_conflict, proved, rows };
        writer.write(write, &mut self.rejects, &mut self.progress)
    }
}
