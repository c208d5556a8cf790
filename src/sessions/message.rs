//! Data only. What a leader and its sessions tell each other.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::document::find::Resource;
use crate::error::Another;
use crate::options::{OnConflict, OnError};
use crate::pg::caller::Identity;
use crate::pg::error::ServerError;
use crate::pg::log::{self, Notice};
use crate::record::Table;
use crate::report::Counts;
use crate::rows::Slice;
use crate::tuple::Formed;
use crate::write::insert::{Known, Method};

/// What one side makes of the bytes that the other has sent.
pub trait Message<'m>: Deserialize<'m> {
    /// Whether all that it says about itself is so: what lies within its bytes, and how far.
    fn is_sound(&self) -> bool;
}

/// Rows that are received lie in the message.
#[derive(Serialize, Deserialize)]
pub enum ToSession<'m> {
    Start(Box<Start>),
    /// Begin a transaction and lock these tables, all of them or none.
    Lock(Vec<Relation>),
    /// All sessions have their locks.
    Proceed,
    /// Composers to be made for the rows that follow.
    Composers(#[serde(borrow)] Slice<'m>),
    /// The composers of all rows that follow, to be locked at once.
    Parents(Vec<String>),
    Rows {
        known: Known,
        #[serde(borrow)]
        rows: Slice<'m>,
    },
    /// All rows have been sent.
    Finish,
    /// Records set aside, for `rejected_records`.
    Rejects(Vec<Formed>),
    /// PREPARE TRANSACTION under this name; in one phase, be deaf from here on to all but the leader.
    Prepare(Option<String>),
    Commit,
    Rollback,
}

#[derive(Serialize, Deserialize)]
pub struct Start {
    pub identity: Identity,
    /// The beginning of what the caller has sent, for pg_stat_activity.
    #[serde(with = "serde_bytes")]
    pub query: Vec<u8>,
    pub load_id: Uuid,
    pub resource: Option<Resource>,
    /// As `rejected_records` has it.
    pub kind: String,
    pub on_conflict: OnConflict,
    pub on_error: OnError,
    /// The table, by its OID, and what is written of it.
    pub oid: u32,
    pub table: Table,
    /// All rows of the load.
    pub rows: usize,
    /// How many sessions there are.
    pub sessions: usize,
}

/// A table to be locked, by its OID: as INSERT does, or as a foreign key's check does.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Relation {
    pub oid: u32,
    pub written: bool,
}

#[derive(Serialize, Deserialize)]
pub enum FromSession {
    Locked(bool),
    Notice(Notice),
    /// The server refuses a row.
    Refused {
        ordinal: u32,
        error: ServerError,
    },
    UnknownComposer {
        ordinal: u32,
        key: String,
    },
    /// The key of a row belongs to a row about another thing.
    Another {
        ordinal: u32,
        another: Box<Another>,
    },
    /// A batch, and how many of its rows are set aside.
    Written {
        rows: u64,
        excluded: u64,
    },
    Done(Done),
    Stored,
    Prepared,
    Committed,
    /// The session ends; its transaction is rolled back.
    Failed(ServerError),
    /// The same for the sake of a row: which one, and what becomes of the others, is found out in the caller's session.
    Unwritable(ServerError),
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Done {
    pub counts: Counts,
    /// The transaction's id, with its epoch.
    pub transaction: u64,
    /// As `last_load()` has it.
    pub foreign_key_check: String,
    pub method: Method,
}

/// Bytes of a message, in the room of an earlier one. Of memory there is enough, and nothing else can fail.
pub fn put(message: &impl Serialize, mut room: Vec<u8>) -> Vec<u8> {
    room.clear();
    postcard::to_extend(message, room).unwrap_or_default()
}

/// Bytes of a short message.
pub fn to_bytes(message: &impl Serialize) -> Vec<u8> {
    put(message, vec![])
}

impl<'m> Message<'m> for ToSession<'m> {
    fn is_sound(&self) -> bool {
        match self {
            ToSession::Composers(rows) | ToSession::Rows { rows, .. } => rows.is_sound(),
            ToSession::Rejects(rejects) => rejects.iter().all(Formed::is_sound),
            ToSession::Start(start) => start.sessions > 0,
            _ => true,
        }
    }
}

impl Message<'_> for FromSession {
    fn is_sound(&self) -> bool {
        match self {
            FromSession::Notice(notice) => log::is_notice(notice),
            _ => true,
        }
    }
}

/// `None` for what is no message, whatever the bytes are: both sides are the same library, so it is a defect.
pub fn from_bytes<'m, M: Message<'m>>(bytes: &'m [u8]) -> Option<M> {
    let (message, rest) = postcard::take_from_bytes::<M>(bytes).ok()?;
    (rest.is_empty() && message.is_sound()).then_some(message)
}

#[cfg(test)]
mod random_tests;
