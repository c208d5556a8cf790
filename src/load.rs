//! One load, as one story: find the records, transform, order, prove the parents, write, report.
//!
//! Steps 1 to 3 are pure and run on a rayon pool while this thread waits and looks for interrupts; the rest runs on
//! this thread, in the caller's transaction.

mod parallel;
mod quick;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::decode::Mode;
use crate::document::find::Resource;
use crate::document::{Arrival, Watch};
use crate::error::{Fault, LoadError};
use crate::options::{OnConflict, OnError, Options};
use crate::pg::caller::Statement;
use crate::pg::error::ServerError;
use crate::pg::lock::{self, Share};
use crate::pg::progress::Progress;
use crate::pg::spi::Spi;
use crate::pg::{encoding, error, interrupt, relation, spi, subtransaction, threads, transaction};
use crate::prepare::{Document, Loadable, Places, Prepared, prepare};
use crate::record::Row;
use crate::record::composer::Composer;
use crate::report::{Counts, Failure, LoadReport, function_of, milliseconds};
use crate::rows::order::Repeated;
use crate::rows::{Family, RowRef, Rows, Slice};
use crate::sessions::fault;
use crate::settings;
use crate::write::Refusals;
use crate::write::insert::{FEWEST_LAID, There, Writer, is_about_rows};
use crate::write::parents::Check;
use crate::write::rejects::{self, Rejects};
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
    prepared.faults.iter().cloned().try_for_each(|fault| rejects.error(fault))?;
    if options.on_conflict == OnConflict::Error {
        prepared.order.duplicates.iter().try_for_each(|duplicate| {
            let key = R::key_text(prepared.rows.key(duplicate.row));
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

/// A load that the caller's session writes.
struct OwnSession<'s, 'a> {
    spi: &'s Spi,
    options: &'s Options,
    load_id: Uuid,
    prepared: &'s Prepared<'a>,
}

impl<'a> OwnSession<'_, 'a> {
    /// Writes into tables that the load has made, and that nobody else knows of: the indexes of many works are built
    /// when the rows are there. Where the server refuses a row for the sake of an index, all of it is undone and the
    /// rows meet the indexes one by one.
    fn write_first<R: Loadable<'a>>(
        &self,
        target: &Target,
        progress: &mut Progress,
    ) -> Result<Outcome, Failure> {
        let works = R::RESOURCE == Resource::Works;
        if works && self.prepared.order.write.len() >= FEWEST_LAID {
            let before = progress.written();
            let written = subtransaction::within(|| {
                let outcome = self.write::<R>(target, OnConflict::Error, None, progress)?;
                target::create_indexes(self.spi);
                Ok(outcome)
            });
            match written {
                Ok(outcome) => return outcome,
                Err(error) if is_about_rows(&error) => progress.take_back(before),
                Err(error) => return Err(error.into()),
            }
        }
        target::create_indexes(self.spi);
        self.write::<R>(target, self.options.on_conflict, None, progress)
    }

    /// Writes rows of which no two have the same key, under this policy for those that are there.
    fn write<R: Loadable<'a>>(
        &self,
        target: &Target,
        on_conflict: OnConflict,
        there: Option<There>,
        progress: &mut Progress,
    ) -> Result<Outcome, Failure> {
        let OwnSession { spi, options, load_id, prepared } = *self;
        let rejects = rejects_of::<R>(prepared, options)?;
        let (rows, places) = (&prepared.rows, &*prepared.places);
        let mut stage = Stage { spi, options, rows, places, rejects, progress };
        let write = &prepared.order.write;
        let check = Check::of(spi, R::RESOURCE, target, write.len(), options.create_composers);
        let write = stage.with_parents(&check, write.clone(), &prepared.order.families)?;
        let counts = stage.write(target, on_conflict, check.as_set, rows, &write, there)?;
        let mut rejects = stage.rejects;
        rejects.raise()?;
        let (kind, _) = function_of(R::RESOURCE);
        rejects::store(spi, load_id, kind, &rejects.formed())?;
        let rejected = rejects.count();
        let counts = Counts { rejected, duplicate: duplicates(prepared, options), ..counts };
        Ok(Outcome {
            counts,
            sessions: 0,
            sessions_reason: String::new(),
            foreign_key_check: check.description,
        })
    }
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
    let mut brought = Ok(());
    let decoded = threads::with_pool(threads, |pool| {
        pool.in_place_scope(|scope| {
            let (sender, receiver) = channel();
            let prepare = &prepare;
            scope.spawn(move |_| {
                let prepared = catch_unwind(AssertUnwindSafe(|| prepare(mode)));
                // The receiver is there until the scope ends.
                let _ = sender.send(prepared.unwrap_or_else(|panic| Err(internal(&*panic))));
            });
            brought = bring(document, &watch, progress);
            loop {
                while fault::stops("decoding", fault::LEADER) && !interrupt::pending() {
                    std::thread::sleep(LOOK);
                }
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
    brought?;
    let prepared = match decoded {
        Some(prepared) => prepared,
        None => {
            bring(document, &watch, progress)?;
            prepare(Mode { parallel: false, ..mode })
        }
    };
    Ok((prepared.map_err(Failure::load)?, threads as i32))
}

/// Brings a document that is to be fetched, while others may be reading it. With or without an error, nobody waits for
/// the rest of it when this ends.
fn bring(
    document: Document<'_>,
    watch: &Watch,
    progress: &mut Progress,
) -> Result<(), ServerError> {
    let Document::Arriving(arrival) = document else { return Ok(()) };
    let _end = Brought(arrival);
    let mut more = true;
    while more && !interrupt::pending() {
        // What ends the session waits until all threads have ended.
        transaction::hold_interrupts();
        let fetched = error::catch(|| arrival.fetch());
        transaction::allow_interrupts();
        more = fetched.inspect_err(|_| watch.stop())?;
        progress.bytes(watch.bytes());
    }
    Ok(())
}

/// Stops an arrival, when dropped.
struct Brought<'a>(&'a dyn Arrival<'a>);

impl Drop for Brought<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
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
    rows: &'s Rows<'s>,
    places: &'s dyn Places,
    rejects: Rejects<'s>,
    progress: &'s mut Progress,
}

impl Stage<'_> {
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
        let mut present = check.families(self.spi, self.rows, &write, families);
        if self.options.create_composers && present.contains(&false) {
            let absent = families.iter().zip(&present).filter(|(_, present)| !**present);
            let firsts: Vec<u32> = absent
                .filter_map(|(family, _)| family.of(&write).iter().map(|row| row.ordinal).min())
                .collect();
            self.create_composers(&firsts)?;
            present = check.families(self.spi, self.rows, &write, families);
        }
        Check::known(self.rows, write, families, &present, &mut self.rejects)
    }

    /// Makes the composers that works name, each told by the ordinal of the first of its works.
    fn create_composers(&mut self, firsts: &[u32]) -> Result<(), Failure> {
        let target = target::find(self.spi, Composer::TABLE, OnConflict::Skip)?;
        let rows = named_composers(self.places, firsts);
        let order = rows.order(Repeated::FirstWins, false);
        self.write(&target, OnConflict::Skip, false, &rows, &order.write, None).map(|_| ())
    }

    fn write(
        &mut self,
        target: &Target,
        on_conflict: OnConflict,
        proved: bool,
        rows: &Rows,
        write: &[RowRef],
        there: Option<There>,
    ) -> Result<Counts, Failure> {
        let writer = Writer { spi: self.spi, target, on_conflict, proved };
        let there = there.unwrap_or_else(|| writer.look(rows, write));
        writer.write(rows, write, there, &mut self.rejects, self.progress)
    }
}

/// The composers that works name, each told by the ordinal of one of its works.
fn named_composers(places: &dyn Places, works: &[u32]) -> Rows<'static> {
    let slices = works.iter().map(|&ordinal| {
        Slice::form([places.composer(ordinal)], ordinal as usize, encoding::encode())
    });
    Rows::new(slices.collect())
}
