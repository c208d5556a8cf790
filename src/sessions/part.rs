//! What a session is sent: its parts of the rows, message by message.

use std::collections::VecDeque;
use std::mem::replace;

use super::message::ToSession;
use crate::rows::{RowRef, Rows, Slice};
use crate::write::insert::Known;

/// Rows of a message. So many lie in the processor's caches from the leader's copy to the session's.
const MESSAGE_ROWS: usize = 1000;

/// Rows that one session writes.
#[derive(Default)]
pub struct Part {
    /// Composers to be made.
    pub composers: Option<Slice<'static>>,
    /// The composers of the rows.
    pub parents: Vec<String>,
    pub new: Vec<RowRef>,
    pub changed: Vec<RowRef>,
}

/// What a session is sent. It is made when it is sent: of each session one batch at a time is in memory.
pub enum Step<'r> {
    Composers(&'r Slice<'static>),
    Parents(&'r [String]),
    Rows(Known, &'r [RowRef]),
    Finish,
}

/// What is still to be sent to a session: of its parts first what is new, which is laid, and at the end what changes.
pub struct Outbox<'r> {
    steps: VecDeque<Step<'r>>,
    changed: VecDeque<Step<'r>>,
    finished: bool,
}

impl<'r> Outbox<'r> {
    pub fn new(part: &'r Part) -> Self {
        let (steps, changed) = (VecDeque::new(), VecDeque::new());
        let mut outbox = Outbox { steps, changed, finished: false };
        outbox.add(part);
        outbox
    }

    fn add(&mut self, part: &'r Part) {
        let batches = |known, rows: &'r [RowRef]| {
            rows.chunks(MESSAGE_ROWS).map(move |batch| Step::Rows(known, batch))
        };
        self.steps.extend(part.composers.iter().map(Step::Composers));
        self.steps.push_back(Step::Parents(&part.parents));
        self.steps.extend(batches(Known::New, &part.new));
        self.changed.extend(batches(Known::Changed, &part.changed));
    }

    /// The next step. What changes comes when there is no other of the `rest` of the parts to be taken.
    pub fn next(&mut self, rest: &mut impl Iterator<Item = &'r Part>) -> Option<Step<'r>> {
        if self.steps.is_empty()
            && let Some(part) = rest.next()
        {
            self.add(part);
        }
        let step = self.steps.pop_front().or_else(|| self.changed.pop_front());
        step.or_else(|| (!replace(&mut self.finished, true)).then_some(Step::Finish))
    }
}

impl Step<'_> {
    /// `room` is that of an earlier batch.
    pub fn message(self, rows: &Rows<'static>, room: Slice<'static>) -> ToSession<'static> {
        match self {
            Step::Composers(composers) => ToSession::Composers(composers.clone()),
            Step::Parents(keys) => ToSession::Parents(keys.to_vec()),
            Step::Rows(known, batch) => ToSession::Rows { known, rows: rows.copy(batch, room) },
            Step::Finish => ToSession::Finish,
        }
    }
}
