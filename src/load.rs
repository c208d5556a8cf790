//! One load, as one story: find the table, find the records, transform, order, prove the parents, write, report.
//!
//! Finding and transforming records is pure and runs on a rayon pool ([`decode`]); the rest runs on this thread, in the
//! caller's transaction ([`own_session`]), or in sessions of its own ([`parallel`]). Whoever writes, the table is locked
//! from the first look at it to the end of the caller's transaction.

mod ahead;
mod complete;
mod decode;
mod earlier;
mod outcome;
mod own_session;
mod parallel;
mod quick;
mod records;
pub mod stream;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use uuid::Uuid;

use self::decode::{Decoded, decode};
use self::outcome::{FellBack, Outcome, announce, lock_catalogue};
use self::own_session::Writing;
pub use self::own_session::written_of;
use self::quick::{Call, Loads};
pub use self::records::{load_records, text_of};
use self::stream::Course;
use crate::document::find::{self, Resource};
use crate::error::RecordFault;
use crate::options::{OnConflict, Options};
use crate::pg::caller::Statement;
use crate::pg::lock::Share;
use crate::pg::memory::Reserve;
use crate::pg::progress::Progress;
use crate::pg::relation::{self, Lock};
use crate::pg::spi::Spi;
use crate::pg::{encoding, error, log, spi};
use crate::prepare::source::Source;
use crate::prepare::{Document, Loadable, Prepared, Recipe};
use crate::record::{Given, Table};
use crate::report::{Advice, Failure, LoadReport, function_of, milliseconds};
use crate::sessions::eligible::{self, Reason, Wish};
use crate::sessions::fault;
use crate::target::key::KeyColumn;
use crate::target::{self, Target, create, partitions};
use crate::write::composers::{Stranger, strangers};
use crate::write::convert::Unconverted;
use crate::write::elsewhere;

/// What a load is of.
pub struct Job {
    /// What its records are; none where a mapping says what is made of them.
    pub resource: Option<Resource>,
    /// The name of the table, as `last_load()` and `rejected_records` have it.
    pub kind: String,
    pub function: &'static str,
    /// Records of which the server can make no row.
    pub unconverted: Vec<Unconverted>,
    /// How many records earlier parts of the document have set aside.
    pub rejected_before: u64,
}

/// Loads a source's document into the table of its rows; the number of rows written.
pub fn load_source<'a, R: Loadable<'a>>(
    document: Document<'a>,
    options: &Options,
) -> Result<i64, Failure> {
    run(|call| source::<R>(call, document, options))
}

/// Runs a load; where it does not come to its end, no load is the last one.
fn run(load: impl FnOnce(Running) -> Result<LoadReport, Failure>) -> Result<i64, Failure> {
    LoadReport::forget();
    let loaded = work(load);
    if loaded.is_err() {
        // A load of a trigger's within this one may have come to its end.
        LoadReport::forget();
    }
    loaded.map(LoadReport::keep)
}

/// Does some of the work of a load. Errors of the server keep all their fields on the way out.
fn work<T>(work: impl FnOnce(Running) -> Result<T, Failure>) -> Result<T, Failure> {
    let (statement, advice) = (&Statement::current(), &Cell::new(None));
    let work = || spi::connect(|spi| work(Running { spi, statement, advice }));
    let done = error::catch(work).unwrap_or_else(|error| Err(error.into()));
    done.map_err(|failure| failure.advised(advice.get()))
}

/// A call of a load that is running.
struct Running<'l> {
    spi: &'l Spi,
    statement: &'l Statement,
    /// For an error of the server: kept here, since nothing can be asked of the catalog any more when it is raised.
    advice: &'l Cell<Option<Advice>>,
}

fn source<'a, R: Loadable<'a>>(
    Running { spi, statement, advice }: Running,
    document: Document<'a>,
    options: &Options,
) -> Result<LoadReport, Failure> {
    let start = Instant::now();
    let (kind, function) = function_of(R::RESOURCE);
    relation::refuse_read_only(&format!("{function}()"), || relation::find(R::NAME, Lock::No));
    let call = Call::of(Loads::Source(R::RESOURCE));
    if !options.create_composers
        && let Some(report) = quick::load(spi, statement, &call, document, options)?
    {
        return Ok(report);
    }
    let mut wish = eligible::wish(options, statement);
    let schema = create::create_missing_tables(spi);
    if schema.is_some() {
        wish = wish.and(Err("the load makes its tables".into()));
    }
    // Tables that are made now have no key yet, and nothing that it could meet.
    let on_conflict = if schema.is_some() { OnConflict::Error } else { options.on_conflict };
    let target = target::find(&Table::of::<R>(), on_conflict)?;
    target.tell_left_out();
    let (table, repeated) = (target.table.clone(), options.on_conflict.repeated());
    let recipe = Source::into::<R>(table, repeated, encoding::of_decoders());
    let made = schema.is_some();
    let keeps = target.left_out.is_empty() && !options.create_composers && !made;
    let load = Load {
        spi,
        advice,
        options,
        job: Job {
            resource: Some(R::RESOURCE),
            kind: kind.into(),
            function,
            unconverted: vec![],
            rejected_before: 0,
        },
        start,
        wish,
        on_conflict,
        makes_tables: made,
        call: keeps.then_some(call),
        course: None,
    };
    let report = load.load(target, document, Arc::new(Recipe::Fields(recipe)), None)?;
    if let Some(schema) = schema {
        announce(&schema);
    }
    Ok(report)
}

/// What may be behind an error of the server from here on.
fn advice(target: &Target, on_conflict: OnConflict, prepared: &Prepared<'_>) -> Option<Advice> {
    let table = &target.table;
    if prepared.rows.len() > 0 && table.columns.iter().all(|it| it.given == Given::Never) {
        return Some(Advice::NoValues);
    }
    let permitted = target::is_permitted(target.oid, table, on_conflict);
    (!permitted).then_some(Advice::Privileges(on_conflict))
}

/// A load into a table that has been found.
struct Load<'l> {
    spi: &'l Spi,
    advice: &'l Cell<Option<Advice>>,
    options: &'l Options,
    job: Job,
    start: Instant,
    wish: Result<Wish, Reason>,
    on_conflict: OnConflict,
    /// The tables are made by this load.
    makes_tables: bool,
    /// The next few records of such a call may be written by a statement that is kept for them.
    call: Option<Call<'l>>,
    /// Of a document that comes in parts: what its parts have in common.
    course: Option<&'l mut Course>,
}

impl Load<'_> {
    /// `ranked` are the columns of a key that only the server can compare.
    fn load(
        self,
        target: Target,
        document: Document<'_>,
        recipe: Arc<Recipe>,
        ranked: Option<&Vec<(KeyColumn, usize)>>,
    ) -> Result<LoadReport, Failure> {
        fault::point("located", fault::LEADER);
        let mut progress = Progress::start(target.oid, document.size() as u64);
        let _reserve = Reserve::hold(document.size())?;
        let mut decoded = decode(&recipe, document, self.options, &mut progress)?;
        progress.bytes(document.size() as u64);
        let report = self.load_decoded(target, &mut decoded, recipe, ranked, &mut progress)?;
        progress.end();
        Ok(report)
    }

    /// The same with what has been decoded.
    fn load_decoded(
        mut self,
        mut target: Target,
        Decoded { prepared, threads }: &mut Decoded<'_>,
        recipe: Arc<Recipe>,
        ranked: Option<&Vec<(KeyColumn, usize)>>,
        progress: &mut Progress,
    ) -> Result<LoadReport, Failure> {
        let Load { spi, options, start, .. } = self;
        let course = self.course.take();
        let load_id = course.as_ref().map_or_else(Uuid::new_v4, |course| course.load_id);
        if prepared.source == find::Source::TableRows {
            // Their composers are keys and no names, which the server looks up as those of any table.
            self.job.resource = None;
        }
        let to_complete = (&mut self.job, &mut target, &mut *prepared);
        complete::complete(spi, options, &recipe.keys(), ranked, to_complete)?;
        if !prepared.order.write.is_empty() {
            target.kept_elsewhere = elsewhere::plans_insert(spi, &target);
            target.facts.in_partitions = partitions::look(spi, &target);
        }
        if let Recipe::Fields(source) = &*recipe
            && source.resource == Resource::Works
        {
            self.set_strangers_aside(&target, source, prepared)?;
        }
        if let Some(course) = &course {
            self.job.rejected_before = course.rejected();
        }
        self.advice.set(advice(&target, self.on_conflict, prepared));
        let job = &self.job;
        let decode_ms = milliseconds(start);

        let write_start = Instant::now();
        let earlier = course.as_ref().and_then(|course| course.earlier(target.is_empty()));
        let writing = Writing { spi, job, options, load_id, prepared, earlier };
        let parallel = match self.wish.clone() {
            Ok(wish) => parallel::write(&writing, wish, &target, progress)?,
            Err(reason) => Err(FellBack { reason, there: None }),
        };
        let outcome = match parallel {
            Ok(outcome) => outcome,
            Err(fell_back) => {
                let outcome = self.write_here(&writing, fell_back, &target, progress)?;
                if let Some(call) = &self.call {
                    quick::remember(spi, call, &target, recipe, (options, prepared, &outcome));
                }
                outcome
            }
        };
        let Outcome { counts, sessions, sessions_reason, foreign_key_check, write_method } =
            outcome;
        Ok(LoadReport {
            load_id: Some(load_id),
            kind: job.kind.clone(),
            source: prepared.source.name(),
            received: prepared.received as u64,
            counts,
            sessions,
            sessions_reason,
            decode_threads: *threads,
            foreign_key_check,
            write_method,
            decode_ms,
            write_ms: milliseconds(write_start),
            total_ms: milliseconds(start),
        })
    }

    /// Works of another composer than the one who has the name are set aside before anything is written.
    fn set_strangers_aside(
        &self,
        target: &Target,
        source: &Source,
        prepared: &mut Prepared<'_>,
    ) -> Result<(), Failure> {
        let Load { spi, options, .. } = *self;
        let (all, places) = (prepared.rows.all(), &*prepared.places);
        let (works, create) = ((&prepared.rows, &*all), options.create_composers);
        let strangers = strangers(spi, target, places, works, &source.fields, create);
        if strangers.is_empty() {
            return Ok(());
        }
        let ordinals = strangers.iter().map(|stranger| stranger.ordinal).collect();
        prepared.faults.extend(strangers.into_iter().map(|Stranger { ordinal, fault }| {
            RecordFault { ordinal, place: places.composer_id_place(ordinal), fault }
        }));
        prepared.faults.sort_by_key(|fault| fault.ordinal);
        let (rows, repeated) = (&prepared.rows, source.repeated);
        prepared.order = rows.order_without(&ordinals, &target.table, repeated, false)?;
        Ok(())
    }

    /// Writes the rows in the caller's session.
    fn write_here(
        &self,
        writing: &Writing<'_, '_>,
        fell_back: FellBack,
        target: &Target,
        progress: &mut Progress,
    ) -> Result<Outcome, Failure> {
        let Load { options, on_conflict, .. } = *self;
        let FellBack { reason, there } = fell_back;
        if options.workers.is_some_and(|workers| workers > 0) {
            log::notice(&format!("the load runs in this session: {reason}"));
        }
        // What was compared before another load had written is stale.
        let waited = lock_catalogue(target, options, Share::Shared);
        let there = if waited { None } else { there };
        let mut outcome = match self.makes_tables {
            true => writing.write_first(target, progress)?,
            false => writing.write(target, on_conflict, there, progress)?,
        };
        outcome.sessions_reason = reason;
        Ok(outcome)
    }
}
