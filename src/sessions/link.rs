//! A session's ways from its leader and to it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::message::{FromSession, ToSession, from_bytes, to_bytes};
use crate::error::{Fault, LoadError};
use crate::options::OnError;
use crate::pg::error::ServerError;
use crate::pg::queue::{self, Receiver, Segment, Sender, Sent};
use crate::pg::{background, interrupt, log};
use crate::report::Failure;
use crate::write::Refusals;

/// How long a wait lasts before its reason is looked at again.
pub const LOOK: Duration = Duration::from_millis(100);

/// What the leader says.
pub struct Inbox(pub Receiver);

impl Inbox {
    /// Waits for the leader's next word. Where it has gone the worker ends.
    pub fn receive(&mut self) -> ToSession<'_> {
        interrupt::check();
        let message = self.0.receive(|| {
            queue::wait(LOOK);
            interrupt::check();
        });
        message.and_then(from_bytes).unwrap_or_else(|| background::leave())
    }
}

/// A session's way to its leader.
pub struct Link {
    sender: Sender,
    segment: Segment,
    pub session: usize,
    pub on_error: OnError,
    refused: u64,
    /// How many batches have come.
    pub batch: u64,
    /// Rows are being written in bulk: which of them the server refuses is not known.
    pub in_bulk: bool,
}

impl Link {
    pub fn new(sender: Sender, segment: Segment, session: usize) -> Self {
        let on_error = OnError::Stop;
        Link { sender, segment, session, on_error, refused: 0, batch: 0, in_bulk: false }
    }

    /// Tells the leader, after the notices that came before.
    pub fn send(&mut self, message: FromSession) {
        if !self.try_to_send(message) {
            background::leave();
        }
    }

    /// The same where the worker has more to do even without a leader.
    pub fn send_or_go_on(&mut self, message: FromSession) {
        self.try_to_send(message);
    }

    fn try_to_send(&mut self, message: FromSession) -> bool {
        let notices = log::take().into_iter().map(FromSession::Notice);
        notices.chain([message]).all(|message| {
            let bytes = to_bytes(&message);
            loop {
                match self.sender.try_send(&bytes) {
                    Sent::Whole => return true,
                    Sent::Full => {
                        interrupt::check();
                        queue::wait(LOOK);
                    }
                    Sent::Gone => return false,
                }
            }
        })
    }

    fn refuse(&mut self, ordinal: u32, message: FromSession) -> Result<(), Failure> {
        self.refused += 1;
        if self.on_error == OnError::Stop {
            self.segment.lowest().fetch_min(ordinal, Ordering::Relaxed);
        }
        self.send(message);
        Ok(())
    }
}

impl Refusals for Link {
    fn fault(&mut self, ordinal: u32, fault: Fault) -> Result<(), Failure> {
        match fault {
            Fault::UnknownComposer(key) => {
                self.refuse(ordinal, FromSession::UnknownComposer { ordinal, key: key.into() })
            }
            Fault::Another(another) => {
                self.refuse(ordinal, FromSession::Another { ordinal, another })
            }
            fault => {
                let (ordinal, path) = (Some(u64::from(ordinal)), "$".into());
                Err(Failure::load(LoadError { ordinal, line: None, path, fault }))
            }
        }
    }

    fn refusal(&mut self, ordinal: u32, error: ServerError) -> Result<(), Failure> {
        self.refuse(ordinal, FromSession::Refused { ordinal, error })
    }

    fn matters(&self, ordinal: u32) -> bool {
        self.on_error == OnError::Ignore || ordinal < self.segment.lowest().load(Ordering::Relaxed)
    }

    fn count(&self) -> u64 {
        self.refused
    }

    /// Where a row may be taken, parallel sessions write no keys that several records have.
    fn is_contested(&self, _: u32) -> bool {
        false
    }

    fn dropped(&mut self, _: u32) {}
}
