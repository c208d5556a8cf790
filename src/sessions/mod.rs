//! Parallel sessions: a load's rows written by several background workers, all of them or none.
//!
//! The leader is the caller's session. It decodes, orders and compares as for any load, writes nothing itself, and
//! holds no lock on a table while its sessions write: see [`leader`]. A session is a worker that runs as the caller,
//! and writes its part of the rows as the caller's session would: see [`session`]. They speak in [`message`]s:
//!
//! ```text
//! leader                                session 0..n
//! Start: who calls, what is loaded  ─▶  becomes the caller
//! Lock                              ─▶  BEGIN; locks every table at once, or none of them
//!                                   ◀─  Locked, or not: then the caller's session writes
//! Proceed                           ─▶
//! Composers, Parents, Rows, …       ─▶  parents locked, batch inserted; and so on, part by part
//!                                   ◀─  Refused, UnknownComposer, Notice, Written
//! Finish                            ─▶  deferred constraints are checked
//!                                   ◀─  Done
//! Rejects (session 0)               ─▶  rows of rejected_records
//! Prepare                           ─▶  PREPARE TRANSACTION               one-phase: nothing
//!                                   ◀─  Prepared: deaf to all but the leader
//! Commit, to session 0 first        ─▶  COMMIT PREPARED                   one-phase: COMMIT
//!                                   ◀─  Committed; the worker ends
//! ```
//!
//! **All or nothing.** Until session 0 has committed, any error ends all of them; from then on the load is there.
//! A crash between leaves prepared transactions, and [`recovery`] does with them what session 0 has done: its
//! transaction's id is part of their names. In one phase a crash between two commits leaves a part, which loading
//! again completes.
//!
//! **No deadlock among them.** Rows are split by composer ([`split`]), so no two sessions want the same key or parent;
//! rows that are laid ([`crate::pg::pages`]) wait for no key at all. Tables are locked before anything is written, by all or by none, so nobody who waits for one session stands before
//! another. Two loads of which one is parallel go one after the other. What is left (a trigger's locks, somebody else
//! between two sessions) the server cannot see, since the leader waits for no lock: [`blocked`] looks for it, and the load is
//! then written in the caller's session, in order.
//!
//! **No hang.** The leader never waits for one session alone, and acts on interrupts until session 0 commits. A worker
//! that is to end is sent a SIGTERM; one that has prepared acts on the leader's word, or, without it, on session 0's
//! transaction.

mod blocked;
pub mod eligible;
#[cfg(feature = "fault_points")]
pub mod fault;
pub mod leader;
mod link;
mod member;
pub mod message;
pub mod part;
pub mod recovery;
pub mod session;
pub mod split;
pub mod team;

/// Stops here where a test asks for it.
#[cfg(not(feature = "fault_points"))]
pub mod fault {
    pub const LEADER: usize = 0;

    pub fn point(_: &str, _: usize) {}

    pub fn stops(_: &str, _: usize) -> bool {
        false
    }
}
