//! A session of a parallel load: what a worker does, from its start to its commit.
//!
//! It runs as the leader's caller and writes as the caller's session would. What it cannot write it tells the leader,
//! who knows the document.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::fault;
use super::link::{Inbox, LOOK, Link};
use super::message::{Done, FromSession, Relation, Start, ToSession, from_bytes};
use super::recovery::{self, Status};
use crate::error::{Fault, LoadError};
use crate::load::written_of;
use crate::options::OnConflict;
use crate::pg::background::{self, Orders};
use crate::pg::error::ServerError;
use crate::pg::progress::Progress;
use crate::pg::queue::{self, Ends, Received, Segment};
use crate::pg::spi::Spi;
use crate::pg::{error, interrupt, lock, log, spi, transaction};
use crate::record::Table;
use crate::record::composer::Composer;
use crate::report::Failure;
use crate::rows::{Family, Rows, Slice};
use crate::target::{self, Target};
use crate::write::Refusals;
use crate::write::insert::{Known, Run, Writer, is_about_rows};
use crate::write::parents::Check;
use crate::write::rejects;

/// How long a prepared session without a leader waits for session 0 to be decided.
const PATIENCE: Duration = Duration::from_secs(5);

/// The worker's life.
pub fn main() {
    let orders = Orders::read();
    orders.connect();
    if !orders.of_this_library {
        log::another_library();
        return;
    }
    // Without a leader there is nothing to do.
    let Some(segment) = Segment::attach(orders.segment) else { return };
    let session = orders.session as usize;
    let Ends { sender, receiver } = segment.session_ends(session);
    let mut inbox = Inbox(receiver);
    let mut link = Link::new(sender, segment, session);
    let outcome = error::catch(|| work(&mut link, &mut inbox));
    let failure = match outcome {
        Ok(Ok(())) => return,
        Ok(Err(failure)) => ServerError::from(failure),
        Err(error) => error,
    };
    transaction::abort();
    link.send(match link.in_bulk && is_about_rows(&failure) {
        true => FromSession::Unwritable(failure),
        false => FromSession::Failed(failure),
    });
}

fn work(link: &mut Link, inbox: &mut Inbox) -> Result<(), Failure> {
    let ToSession::Start(mut start) = inbox.receive() else { return Err(unexpected()) };
    link.on_error = start.on_error;
    start.identity.assume();
    transaction::within(|| lock::load_until_exit(recovery::lock_number(start.load_id)));
    log::keep();
    background::report_running(&start.query);
    lock_all(link, inbox)?;
    let gid = spi::connect(|spi| write(spi, link, inbox, *start))?;
    fault::point("preparing", link.session);
    interrupt::check();
    // From here on the leader decides, and nobody else.
    transaction::hold_interrupts();
    if let Some(gid) = &gid {
        transaction::prepare(gid);
    }
    fault::point("prepared", link.session);
    link.send_or_go_on(FromSession::Prepared);
    match (decided(inbox, link.session, gid.as_deref()), &gid) {
        (Some(commit), Some(gid)) => {
            transaction::finish_prepared(gid, commit);
            if !commit {
                return Ok(());
            }
        }
        (Some(true), None) => transaction::commit(),
        (Some(false), None) | (None, _) => return Ok(()),
    }
    fault::point("committed", link.session);
    link.send_or_go_on(FromSession::Committed);
    Ok(())
}

/// Whether to commit: as the leader says, or, where it has gone, as session 0 has. `None` where that is not known.
fn decided(inbox: &mut Inbox, session: usize, gid: Option<&str>) -> Option<bool> {
    let start = Instant::now();
    loop {
        let commits = |message: &[u8]| matches!(from_bytes(message), Some(ToSession::Commit));
        match inbox.0.try_receive(commits) {
            Received::Message(commits) => return Some(commits),
            Received::Nothing => queue::wait(LOOK),
            Received::Gone => {
                let Some(gid) = gid.filter(|_| session > 0) else { return Some(false) };
                match transaction::within(|| recovery::status(gid)) {
                    Status::Committed => return Some(true),
                    Status::Aborted => return Some(false),
                    Status::InProgress if start.elapsed() < PATIENCE => queue::wait(LOOK),
                    // It stays prepared: recovery will know.
                    Status::InProgress | Status::Unknown => return None,
                }
            }
        }
    }
}

/// Begins the transaction and locks the tables, as far as that needs no waiting. The leader goes on where all sessions
/// have all of them.
fn lock_all(link: &mut Link, inbox: &mut Inbox) -> Result<(), Failure> {
    let ToSession::Lock(relations) = inbox.receive() else { return Err(unexpected()) };
    transaction::begin();
    let locked = relations.iter().all(|Relation { oid, written }| {
        lock::relation_at_once(pgrx::pg_sys::Oid::from(*oid), *written)
    });
    link.send(FromSession::Locked(locked));
    match inbox.receive() {
        ToSession::Proceed => Ok(()),
        _ => Err(unexpected()),
    }
}

/// Which load this is a session of.
struct Place {
    session: usize,
    sessions: usize,
    load_id: uuid::Uuid,
    kind: String,
    /// New rows of the load, in all sessions.
    rows: usize,
}

impl Place {
    /// Where among the sessions this one stands, from 0 to 1.
    fn share(&self) -> f64 {
        self.session as f64 / self.sessions as f64
    }
}

fn write(
    spi: &Spi,
    link: &mut Link,
    inbox: &mut Inbox,
    start: Start,
) -> Result<Option<String>, Failure> {
    let Start { load_id, resource, kind, on_conflict, oid, table, rows, sessions, .. } = start;
    let target = target::open(table, pgrx::pg_sys::Oid::from(oid), on_conflict)?;
    let place = &Place { session: link.session, sessions, load_id, kind, rows };
    let check = Check::of(resource, &target, place.rows, false);
    let proved: Vec<u32> = check.proved().collect();
    let writer = Writer { spi, target: &target, on_conflict, proved: &proved };
    let mut run = writer.start();
    let mut missing = HashSet::new();
    fault::point("started", place.session);
    loop {
        match inbox.receive() {
            ToSession::Composers(slice) => {
                // It may run anybody's code, which must find all rows by their indexes.
                finish_bulk(link, place, &mut run);
                make_composers(spi, link, slice)?;
            }
            ToSession::Parents(keys) if check.looks_up => missing.extend(check.missing(spi, keys)),
            ToSession::Parents(_) => {}
            ToSession::Rows { known, rows } => {
                link.batch += 1;
                put(link, place, &check, &missing, &mut run, known, rows).map_err(|failure| {
                    let batch = link.batch;
                    let (session, sessions) = (place.session + 1, place.sessions);
                    let line = format!("batch {batch} of session {session} of {sessions}");
                    let error = ServerError::from(failure);
                    Failure::from(error.with_context(line.into_bytes()))
                })?;
                fault::point("inserting", place.session);
            }
            ToSession::Finish => {
                finish_bulk(link, place, &mut run);
                // A constraint that is refused at the commit would be refused when others have committed.
                spi.run("SET CONSTRAINTS ALL IMMEDIATE");
                fault::point("inserted", place.session);
                link.send(FromSession::Done(Done {
                    counts: run.counts,
                    transaction: transaction::id(),
                    foreign_key_check: check.description.clone(),
                    method: run.method.clone(),
                }));
            }
            ToSession::Rejects(rejects) => {
                rejects::store(spi, place.load_id, &place.kind, rejects)?;
                link.send(FromSession::Stored);
            }
            ToSession::Prepare(gid) => return Ok(gid),
            _ => return Err(unexpected()),
        }
    }
}

/// Writes one batch, those of its rows that can be written.
fn put(
    link: &mut Link,
    place: &Place,
    check: &Check,
    missing: &HashSet<String>,
    run: &mut Run<'_>,
    known: Known,
    slice: Slice<'_>,
) -> Result<(), Failure> {
    let rows = Rows::new(vec![slice]);
    let mut write = rows.all();
    let (received, before) = (write.len() as u64, link.count());
    if !missing.is_empty() {
        let families = rows.families(&write)?;
        let present = |family: &Family| !missing.contains(rows.parent_text(write[family.first]));
        let present: Vec<bool> = families.iter().map(present).collect();
        write = check.known(&rows, write, &families, &present, link)?;
    }
    if known == Known::New {
        // To begin may fail as well: a default is computed that no row can have.
        link.in_bulk = true;
        if run.opens_bulk(place.rows) {
            let doubtful = run.prove(check, &rows, &mut write);
            run.bulk(&rows, &write, place.session);
            write = doubtful;
        }
        link.in_bulk = false;
    }
    if !write.is_empty() {
        finish_bulk(link, place, run);
        run.batch(&rows, &write, known, link, &mut Progress::none())?;
    }
    let excluded = link.count() - before;
    link.send(FromSession::Written { rows: received - excluded, excluded });
    Ok(())
}

/// Ends the statement that writes new rows in bulk, if one is open.
fn finish_bulk(link: &mut Link, place: &Place, run: &mut Run<'_>) {
    link.in_bulk = true;
    run.finish_bulk(place.share());
    link.in_bulk = false;
}

fn make_composers(spi: &Spi, link: &mut Link, slice: Slice<'_>) -> Result<(), Failure> {
    let target: Target = target::find(&Table::of::<Composer>(), OnConflict::Skip)?;
    let rows = written_of(&target, Rows::new(vec![slice.into_owned()]))?;
    let write = rows.all();
    let on_conflict = OnConflict::Skip;
    let writer = Writer { spi, target: &target, on_conflict, proved: &[] };
    let sorted = writer.look(&rows, &write)?.sort(&write);
    writer.write(&rows, sorted, link, &mut Progress::none()).map(|_| ())
}

fn unexpected() -> Failure {
    Failure::load(LoadError::document(Fault::Internal("a message out of turn".into())))
}
