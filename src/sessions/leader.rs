//! The leader of a parallel load: starts the sessions, feeds them, hears them, and has them commit.
//!
//! It writes nothing and waits for no lock while they write. Whatever goes wrong before session 0 commits ends all
//! sessions, and only when all have ended does the error go on its way.

use std::mem::take;

use super::eligible::{LOCKED, Plan};
use super::fault;
use super::member::{Member, State};
use super::message::{Done, Start, ToSession, put, to_bytes};
use super::part::{Outbox, Part};
use super::recovery;
use super::team::{Alone, Team};
use crate::pg::error::ServerError;
use crate::pg::progress::Progress;
use crate::pg::{error, log, transaction, xact};
use crate::report::{Counts, Failure};
use crate::rows::{Rows, Slice};
use crate::tuple::Formed;
use crate::write::Refusals;
use crate::write::insert::Method;
use crate::write::rejects::Rejects;

/// The class of errors that somebody's cancel or shutdown has (operator intervention).
const INTERVENTION: &str = "57";

const DEADLOCK: &str = "40P01";

/// What is written, and what it belongs to.
pub struct Work<'l, 'r> {
    pub plan: &'l Plan,
    /// For all sessions; each gets a copy.
    pub start: &'l dyn Fn(usize) -> Start,
    pub rows: &'l Rows<'static>,
    pub rejects: &'l mut Rejects<'r>,
    /// Called when all rows are written, before records are stored: whether that is all there is to write, and the bad
    /// record that has been found is the first one.
    pub settle: &'l mut dyn FnMut(&mut Rejects<'r>) -> Result<bool, Failure>,
    pub progress: &'l mut Progress,
}

/// What the sessions have done.
pub struct Written {
    pub counts: Counts,
    pub foreign_key_check: String,
    pub method: Method,
}

impl Team {
    /// Writes the rows: all of them, or none.
    pub fn write(
        mut self,
        work: &mut Work<'_, '_>,
        parts: &[Part],
        load_id: uuid::Uuid,
    ) -> Result<Written, Alone> {
        let outcome = match error::catch(|| self.write_and_commit(work, parts, load_id)) {
            Ok(outcome) => outcome.map_err(in_order),
            // This session's own error: its transaction ends.
            Err(error) => Err(Failure::from(error).into()),
        };
        match &outcome {
            Ok(_) => {
                self.end();
                transaction::forget_cancel();
                transaction::allow_interrupts();
            }
            // Beside a worker that still has its rows, the caller's session would wait for it.
            Err(why) => {
                let all_ended = self.abort();
                // Beside a worker that still has its rows, the caller's session would wait for it.
                if !all_ended && matches!(why, Alone::Reason(_)) {
                    return Err(Failure::session_lives().into());
                }
            }
        }
        outcome
    }

    fn write_and_commit(
        &mut self,
        work: &mut Work<'_, '_>,
        parts: &[Part],
        load_id: uuid::Uuid,
    ) -> Result<Written, Alone> {
        for member in &mut self.members {
            let start = (work.start)(member.session);
            member.pending = Some(to_bytes(&ToSession::Start(Box::new(start))));
        }
        self.lock(work)?;
        let dones = self.feed(work, parts)?;
        if !(work.settle)(work.rejects)? {
            return Err(Alone::Reason("a record was refused whose key others have too".into()));
        }
        work.rejects.raise()?;
        fault::point("written", fault::LEADER);
        self.store(work)?;
        self.prepare(work, load_id, dones[0].transaction)?;
        self.commit(work, load_id, &dones)?;
        let counts = dones.iter().fold(Counts::default(), |all, done| all + done.counts);
        let method = dones.iter().map(|done| &done.method).fold(Method::None, Method::and);
        Ok(Written { counts, foreign_key_check: dones[0].foreign_key_check.clone(), method })
    }

    /// All sessions lock their tables, or the load is none of theirs: one that waited for a lock would wait with the
    /// others' locks held, and before whoever waits for those.
    fn lock(&mut self, work: &mut Work<'_, '_>) -> Result<(), Alone> {
        self.tell_all(&ToSession::Lock(work.plan.relations.clone()));
        // One that may not connect, or cannot start for another reason, ends before it says anything.
        let locked = self.hear_all(work, |state| matches!(state, State::Locked(_)));
        locked.map_err(|failure| could_not("start", failure))?;
        if self.members.iter().any(|member| matches!(member.state, State::Locked(false))) {
            return Err(Alone::Reason(LOCKED.into()));
        }
        for member in &mut self.members {
            member.state = State::Running;
        }
        self.tell_all(&ToSession::Proceed);
        Ok(())
    }

    /// Sends the rows, a batch at a time to whoever takes one and a part to whoever has written one, until all are written.
    fn feed(&mut self, work: &mut Work<'_, '_>, parts: &[Part]) -> Result<Vec<Done>, Alone> {
        let (first, mut rest) = (&parts[..self.size()], parts[self.size()..].iter());
        let mut outboxes: Vec<_> = first.iter().map(Outbox::new).collect();
        let mut room = Slice::default();
        loop {
            let mut moved = false;
            for (member, outbox) in self.members.iter_mut().zip(&mut outboxes) {
                moved |= member.push()?;
                if member.pending.is_some() {
                    continue;
                }
                let Some(step) = outbox.next(&mut rest) else { continue };
                let message = step.message(work.rows, take(&mut room));
                member.pending = Some(put(&message, take(&mut member.room)));
                if let ToSession::Rows { rows, .. } = message {
                    room = rows;
                }
                moved = true;
            }
            moved |= self.hear(work)?;
            let refused = self.members.iter().find_map(|member| match &member.state {
                State::Unwritable(message) => Some(message.clone()),
                _ => None,
            });
            if let Some(message) = refused {
                return Err(Alone::Reason(format!("the database refuses a row: {message}")));
            }
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
        let rejects: Vec<Formed> = work.rejects.formed().collect();
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
            let gid = || recovery::gid(load_id, member.session, first);
            let gid = work.plan.two_phase.then(gid);
            member.tell(&ToSession::Prepare(gid));
        }
        match self.hear_all(work, |state| matches!(state, State::Prepared)) {
            // Such as one whose trigger has called NOTIFY, or for which there is no room any more. Somebody's word to
            // end is another matter.
            Err(Alone::Failure(failure)) if !failure.sqlstate().starts_with(INTERVENTION) => {
                return Err(could_not("prepare its transaction", Alone::Failure(failure)));
            }
            outcome => outcome?,
        }
        fault::point("prepared", fault::LEADER);
        Ok(())
    }

    /// Session 0 commits, which decides, then the others. From its commit on nothing stops the rest: interrupts are
    /// held when this returns without an error.
    fn commit(
        &mut self,
        work: &mut Work<'_, '_>,
        load_id: uuid::Uuid,
        dones: &[Done],
    ) -> Result<(), Alone> {
        transaction::hold_interrupts();
        let outcome = self.commit_held(work, load_id, dones);
        if outcome.is_err() {
            transaction::allow_interrupts();
        }
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
            log::warning(&format!(
                "session {} could not commit its prepared transaction of load {load_id}: {message}; resolve_loads() does it",
                session + 1
            ));
            return Ok(());
        }
        Err(Failure::in_part(session + 1, error).into())
    }
}

/// Nothing is written yet: the caller's session does it.
fn could_not(what: &str, failure: Alone) -> Alone {
    match failure {
        Alone::Failure(failure) => {
            let message = ServerError::from(*failure).message;
            let message = String::from_utf8_lossy(&message);
            Alone::Reason(format!("a parallel session could not {what}: {message}"))
        }
        reason => reason,
    }
}

/// Sessions that write at once take rows in another order than one does. Where that has led to a deadlock, nothing is
/// written yet, and the caller's session writes in order: it meets no other deadlock than any INSERT does.
fn in_order(failure: Alone) -> Alone {
    match failure {
        Alone::Failure(failure) if failure.sqlstate() == DEADLOCK => {
            Alone::Reason("parallel sessions came into a deadlock with others".into())
        }
        other => other,
    }
}
