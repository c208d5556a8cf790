//! The leader of a parallel load: starts the sessions, feeds them, hears them, and has them commit.
//!
//! It writes nothing and waits for no lock while they write. Whatever goes wrong before session 0 commits ends all
//! sessions, and only when all have ended does the error go on its way.

use std::mem::take;
use std::time::{Duration, Instant};

use super::blocked;
use super::eligible::Plan;
use super::fault;
use super::member::{LOOK, Member, State};
use super::message::{Done, Relation, Start, ToSession, put, to_bytes};
use super::recovery;
use crate::pg::background::{self};
use crate::pg::error::ServerError;
use crate::pg::progress::Progress;
use crate::pg::queue::{self, Segment};
use crate::pg::{error, interrupt, lock, transaction, xact};
use crate::report::{Counts, Failure};
use crate::rows::{RowRef, Rows, Slice};
use crate::tuple::Formed;
use crate::write::Refusals;
use crate::write::insert::{BATCH_ROWS, Known};
use crate::write::rejects::Rejects;

/// How long workers have to end once they are asked to. They do at once but for what cannot be interrupted.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often the tables' locks are tried for before the load gives up writing in parallel.
const LOCK_ROUNDS: usize = 20;

/// What the server says of a transaction that cannot be prepared.
const NOT_SUPPORTED: &str = "0A000";

/// Rows of one session.
#[derive(Default)]
pub struct Part {
    /// Composers to be made.
    pub composers: Option<Slice>,
    /// The composers of the rows.
    pub parents: Vec<String>,
    pub new: Vec<RowRef>,
    pub changed: Vec<RowRef>,
}

/// What is written, and what it belongs to.
pub struct Work<'l, 'r> {
    pub plan: &'l Plan,
    /// For all sessions; each gets a copy.
    pub start: &'l dyn Fn(usize) -> Start,
    pub rows: &'l Rows,
    pub rejects: &'l mut Rejects<'r>,
    pub progress: &'l mut Progress,
}

/// What the sessions have done.
pub struct Written {
    pub counts: Counts,
    pub foreign_key_check: String,
}

/// Why the load has to be written in the caller's session after all. Nothing has been written.
pub enum Alone {
    Reason(String),
    Failure(Box<Failure>),
}

impl From<Failure> for Alone {
    fn from(failure: Failure) -> Self {
        Alone::Failure(Box::new(failure))
    }
}

/// Starts the sessions; as many as the server has room for.
pub fn start(plan: &Plan, title: &str) -> Result<Team, String> {
    let Some(segment) = Segment::create(plan.sessions) else {
        return Err("no shared memory segment is free".into());
    };
    segment.on_detach(background::leader_gone);
    let mut members = vec![];
    for session in 0..plan.sessions {
        let title = format!("pg_opus: {title} session {} of {}", session + 1, plan.sessions);
        let Some(member) = Member::start(&segment, session, &title) else { break };
        members.push(member);
    }
    let team = Team { segment, members, heard: Instant::now() };
    // One worker beside an idle leader gains nothing.
    let fewest = if plan.named { 1 } else { 2 };
    if team.members.len() < fewest {
        team.end();
        return Err("no background worker is free".into());
    }
    Ok(team)
}

/// The sessions of a load.
pub struct Team {
    segment: Segment,
    members: Vec<Member>,
    /// When a session last said something.
    heard: Instant,
}

impl Team {
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// Writes the rows: all of them, or none.
    pub fn write(
        mut self,
        work: &mut Work<'_, '_>,
        parts: &[Part],
        load_id: uuid::Uuid,
    ) -> Result<Written, Alone> {
        let outcome = error::catch(|| self.write_and_commit(work, parts, load_id));
        let outcome = outcome.unwrap_or_else(|error| Err(Failure::from(error).into()));
        match &outcome {
            Ok(_) => self.end(),
            Err(_) => self.abort(),
        }
        let (counts, foreign_key_check) = outcome?;
        Ok(Written { counts, foreign_key_check })
    }

    fn write_and_commit(
        &mut self,
        work: &mut Work<'_, '_>,
        parts: &[Part],
        load_id: uuid::Uuid,
    ) -> Result<(Counts, String), Alone> {
        for member in &mut self.members {
            let start = (work.start)(member.session);
            member.pending = Some(to_bytes(&ToSession::Start(Box::new(start))));
        }
        self.lock(work)?;
        let dones = self.feed(work, parts)?;
        work.rejects.raise()?;
        fault::point("written", fault::LEADER);
        self.store(work)?;
        if work.plan.two_phase {
            self.prepare(work, load_id, dones[0].transaction)?;
        }
        self.commit(work, load_id, &dones)?;
        let counts = dones.iter().fold(Counts::default(), |all, done| all + done.counts);
        Ok((counts, dones[0].foreign_key_check.clone()))
    }

    /// All sessions lock their tables, or none has a lock. What cannot be locked at once is waited for here, where
    /// nothing is held and the server sees who waits.
    fn lock(&mut self, work: &mut Work<'_, '_>) -> Result<(), Alone> {
        for _ in 0..LOCK_ROUNDS {
            self.tell_all(&ToSession::Lock(work.plan.relations.clone()));
            self.hear_all(work, |state| matches!(state, State::Locked(_)))?;
            let all = self.members.iter().all(|member| matches!(member.state, State::Locked(true)));
            for member in &mut self.members {
                member.state = State::Running;
            }
            if all {
                self.tell_all(&ToSession::Proceed);
                return Ok(());
            }
            self.tell_all(&ToSession::Unlock);
            for Relation { oid, written } in &work.plan.relations {
                lock::wait_for_relation(pgrx::pg_sys::Oid::from(*oid), *written);
            }
        }
        Err(Alone::Reason("a table is locked again and again".into()))
    }

    /// Sends the rows, a batch at a time to whoever takes one, until all sessions have written theirs.
    fn feed(&mut self, work: &mut Work<'_, '_>, parts: &[Part]) -> Result<Vec<Done>, Alone> {
        let mut left: Vec<_> = parts.iter().map(|part| messages(work.rows, part)).collect();
        loop {
            let mut moved = false;
            for (member, messages) in self.members.iter_mut().zip(&mut left) {
                moved |= member.push()?;
                if member.pending.is_none()
                    && let Some(message) = messages.next()
                {
                    member.pending = Some(put(&message, take(&mut member.room)));
                    moved = true;
                }
            }
            moved |= self.hear(work)?;
            let done = |member: &Member| match &member.state {
                State::Done(done) => Some(done.clone()),
                _ => None,
            };
            if let Some(dones) = self.members.iter().map(done).collect() {
                return Ok(dones);
            }
            if !moved {
                self.rest()?;
            }
        }
    }

    /// The records set aside go through session 0, and are part of its transaction.
    fn store(&mut self, work: &mut Work<'_, '_>) -> Result<(), Alone> {
        if work.rejects.count() == 0 {
            return Ok(());
        }
        let rejects: Vec<Formed> = work.rejects.formed();
        self.members[0].tell(&ToSession::Rejects(rejects));
        self.hear_until(work, |members| matches!(members[0].state, State::Stored))
    }

    fn prepare(
        &mut self,
        work: &mut Work<'_, '_>,
        load_id: uuid::Uuid,
        first: u64,
    ) -> Result<(), Alone> {
        for member in &mut self.members {
            member.tell(&ToSession::Prepare(recovery::gid(load_id, member.session, first)));
        }
        match self.hear_all(work, |state| matches!(state, State::Prepared)) {
            // Such as one whose trigger has called NOTIFY.
            Err(Alone::Failure(failure)) if failure.sqlstate() == NOT_SUPPORTED => {
                let message =
                    String::from_utf8_lossy(&ServerError::from(*failure).message).into_owned();
                return Err(Alone::Reason(message));
            }
            outcome => outcome?,
        }
        fault::point("prepared", fault::LEADER);
        Ok(())
    }

    /// Session 0 commits, which decides, then the others. From its commit on nothing stops the rest.
    fn commit(
        &mut self,
        work: &mut Work<'_, '_>,
        load_id: uuid::Uuid,
        dones: &[Done],
    ) -> Result<(), Alone> {
        transaction::hold_interrupts();
        let outcome = self.commit_held(work, load_id, dones);
        transaction::allow_interrupts();
        outcome
    }

    fn commit_held(
        &mut self,
        work: &mut Work<'_, '_>,
        load_id: uuid::Uuid,
        dones: &[Done],
    ) -> Result<(), Alone> {
        let committed = |member: &Member| matches!(member.state, State::Committed);
        self.members[0].tell(&ToSession::Commit);
        if let Err(failure) = self.hear_one(work, 0, |members| committed(&members[0])) {
            // It may have come to its commit and no further.
            if xact::status(dones[0].transaction).as_deref() != Some("committed") {
                return Err(failure);
            }
        }
        fault::point("decided", fault::LEADER);
        for member in &mut self.members[1..] {
            member.tell(&ToSession::Commit);
        }
        let mut lost = vec![];
        for session in 1..self.members.len() {
            if let Err(Alone::Failure(failure)) =
                self.hear_one(work, session, |members| committed(&members[session]))
            {
                lost.push((session, ServerError::from(*failure)));
            }
        }
        let Some((session, error)) = lost.into_iter().next() else { return Ok(()) };
        let message = String::from_utf8_lossy(&error.message).into_owned();
        if work.plan.two_phase {
            pgrx::warning!(
                "session {} could not commit its prepared transaction of load {load_id}: {message}; resolve_loads() does it",
                session + 1
            );
            return Ok(());
        }
        Err(Failure::in_part(session + 1, error).into())
    }

    fn tell_all(&mut self, message: &ToSession) {
        for member in &mut self.members {
            member.tell(message);
        }
    }

    fn hear_all(
        &mut self,
        work: &mut Work<'_, '_>,
        reached: impl Fn(&State) -> bool,
    ) -> Result<(), Alone> {
        self.hear_until(work, |members| members.iter().all(|member| reached(&member.state)))
    }

    /// Until it has come to what the members are wanted to be.
    fn hear_until(
        &mut self,
        work: &mut Work<'_, '_>,
        reached: impl Fn(&[Member]) -> bool,
    ) -> Result<(), Alone> {
        loop {
            let mut moved = false;
            for member in &mut self.members {
                moved |= member.push()?;
            }
            moved |= self.hear(work)?;
            if reached(&self.members) {
                return Ok(());
            }
            if !moved {
                self.rest()?;
            }
        }
    }

    /// The same of one member, whatever becomes of the others.
    fn hear_one(
        &mut self,
        work: &mut Work<'_, '_>,
        session: usize,
        reached: impl Fn(&[Member]) -> bool,
    ) -> Result<(), Alone> {
        while !reached(&self.members) {
            let member = &mut self.members[session];
            if !(member.push()? | member.hear(work)?) {
                queue::wait(LOOK);
            }
        }
        Ok(())
    }

    /// Takes what the sessions say; whether any did.
    fn hear(&mut self, work: &mut Work<'_, '_>) -> Result<bool, Alone> {
        let mut heard = false;
        for member in &mut self.members {
            heard |= member.hear(work)?;
        }
        if heard {
            self.heard = Instant::now();
        }
        Ok(heard)
    }

    /// Nothing is to be done just now.
    fn rest(&mut self) -> Result<(), Alone> {
        interrupt::check();
        queue::wait(LOOK);
        if self.heard.elapsed() >= lock::deadlock_timeout() {
            self.heard = Instant::now();
            self.look_for_deadlock()?;
        }
        Ok(())
    }

    /// A session that waits for another of this load, which waits for all.
    fn look_for_deadlock(&self) -> Result<(), Alone> {
        let idle = |member: &&Member| !matches!(member.state, State::Running);
        let mut stuck: Vec<i32> =
            self.members.iter().filter(idle).filter_map(|member| member.worker.pid()).collect();
        stuck.push(background::own_pid());
        for member in self.members.iter().filter(|member| !idle(member)) {
            let Some(pid) = member.worker.pid() else { continue };
            if let Some(path) = blocked::path(pid, &stuck, lock::blockers) {
                return Err(Failure::deadlock(member.session + 1, &path).into());
            }
        }
        Ok(())
    }

    /// Ends all sessions without a commit, and waits until they have ended.
    fn abort(mut self) {
        transaction::hold_interrupts();
        for member in &mut self.members {
            // One that has prepared is deaf to signals.
            member.pending = None;
            member.tell(&ToSession::Rollback);
            let _ = member.push();
        }
        background::terminate_all();
        self.wait_for_end();
        transaction::allow_interrupts();
    }

    /// The sessions have done their work, or have none.
    fn end(self) {
        if !self.members.iter().all(|member| matches!(member.state, State::Committed)) {
            background::terminate_all();
        }
        self.wait_for_end();
    }

    fn wait_for_end(self) {
        let start = Instant::now();
        let ended = |member: &Member| member.worker.has_stopped();
        while !self.members.iter().all(ended) && start.elapsed() < PATIENCE {
            queue::wait(LOOK.min(Duration::from_millis(10)));
        }
        background::forget_all();
        self.segment.detach();
    }
}

/// What a session is sent, made when it is sent: a batch at a time is in memory.
fn messages<'r>(rows: &'r Rows, part: &'r Part) -> impl Iterator<Item = ToSession> + 'r {
    let composers = part.composers.iter().cloned().map(ToSession::Composers);
    let batches = |write: &'r [RowRef], known| {
        write.chunks(BATCH_ROWS).map(move |batch| ToSession::Rows { known, rows: rows.copy(batch) })
    };
    composers
        .chain([ToSession::Parents(part.parents.clone())])
        .chain(batches(&part.new, Known::New))
        .chain(batches(&part.changed, Known::Changed))
        .chain([ToSession::Finish])
}
