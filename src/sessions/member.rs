//! A session as its leader sees it: what is on its way to it, and what it has said.

use std::time::Duration;

use super::leader::Work;
use super::message::{Done, FromSession, ToSession, from_bytes, to_bytes};
use crate::error::Fault;
use crate::pg::background::Worker;
use crate::pg::queue::{self, Ends, Received, Segment, Sent};
use crate::pg::{interrupt, log};
use crate::report::Failure;
use crate::write::Refusals;

/// How long a wait lasts before something else is looked at.
pub const LOOK: Duration = Duration::from_millis(100);

pub struct Member {
    pub session: usize,
    pub worker: Worker,
    ends: Ends,
    /// A message that is on its way.
    pub pending: Option<Vec<u8>>,
    /// The room of one that has gone.
    pub room: Vec<u8>,
    pub state: State,
}

/// How far a session is.
#[derive(Clone)]
pub enum State {
    Running,
    Locked(bool),
    Done(Done),
    Stored,
    Prepared,
    Committed,
    /// It has met a row that the server refuses, for this reason, and is gone.
    Unwritable(String),
}

impl Member {
    /// Starts the worker; `None` where the server has no room for it.
    pub fn start(segment: &Segment, session: usize, title: &str) -> Option<Self> {
        let ends = segment.leader_ends(session);
        let worker = Worker::start(segment, session, title)?;
        ends.set_worker(worker.handle());
        Some(Member { session, worker, ends, pending: None, room: vec![], state: State::Running })
    }

    /// Puts a message on its way, behind the one that may still be.
    pub fn tell(&mut self, message: &ToSession) {
        let bytes = to_bytes(message);
        while self.pending.is_some() {
            match self.push() {
                Ok(true) => {}
                Ok(false) => {
                    interrupt::check();
                    queue::wait(LOOK);
                }
                // What becomes of the session is heard when it is listened to.
                Err(_) => self.pending = None,
            }
        }
        self.pending = Some(bytes);
        let _ = self.push();
    }

    /// Sends as much as the queue takes; whether the message has gone.
    pub fn push(&mut self) -> Result<bool, Failure> {
        let Some(message) = &self.pending else { return Ok(false) };
        match self.ends.sender.try_send(message) {
            Sent::Full => Ok(false),
            // Where the session has gone, its last words, if there are any, say why.
            Sent::Whole | Sent::Gone => {
                self.room = self.pending.take().unwrap_or_default();
                Ok(true)
            }
        }
    }

    /// Takes all that the session has said.
    pub fn hear(&mut self, work: &mut Work<'_, '_>) -> Result<bool, Failure> {
        let mut heard = false;
        loop {
            let message = match self.ends.receiver.try_receive(|message| from_bytes(message)) {
                Received::Message(message) => message,
                Received::Nothing => return Ok(heard),
                Received::Gone if matches!(self.state, State::Committed) => return Ok(heard),
                Received::Gone => return Err(Failure::session_ended(self.session + 1)),
            };
            heard = true;
            self.take(work, message)?;
            if matches!(self.state, State::Unwritable(_)) {
                return Ok(heard);
            }
        }
    }

    fn take(
        &mut self,
        work: &mut Work<'_, '_>,
        message: Option<FromSession>,
    ) -> Result<(), Failure> {
        match message {
            Some(FromSession::Locked(all)) => self.state = State::Locked(all),
            Some(FromSession::Notice(notice)) => log::emit(&notice),
            Some(FromSession::Refused { ordinal, error }) => {
                work.rejects.refusal(ordinal, error)?
            }
            Some(FromSession::UnknownComposer { ordinal, key }) => {
                work.rejects.fault(ordinal, Fault::UnknownComposer(key.into()))?;
            }
            Some(FromSession::Another { ordinal, another }) => {
                work.rejects.fault(ordinal, Fault::Another(another))?;
            }
            Some(FromSession::Written { rows, excluded }) => {
                work.progress.tuples(rows);
                work.progress.excluded(excluded);
            }
            Some(FromSession::Done(done)) => self.state = State::Done(done),
            Some(FromSession::Stored) => self.state = State::Stored,
            Some(FromSession::Prepared) => self.state = State::Prepared,
            Some(FromSession::Committed) => self.state = State::Committed,
            Some(FromSession::Failed(error)) => {
                let line = format!("session {} of the load", self.session + 1);
                return Err(error.with_context(line.into_bytes()).into());
            }
            Some(FromSession::Unwritable(error)) => {
                let message = String::from_utf8_lossy(&error.message).into_owned();
                self.state = State::Unwritable(message);
            }
            None => return Err(Failure::session_ended(self.session + 1)),
        }
        Ok(())
    }
}
