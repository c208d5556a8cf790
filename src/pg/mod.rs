//! The only unsafe code: one small safe wrapper for each thing of the server that the load needs.
//!
//! - [`argument`]: a function's document, detoasted once;
//! - [`background`]: dynamic background workers;
//! - [`batch`]: rows in a tuplestore that a statement reads as a table;
//! - [`caller`]: the calling session, its users and settings;
//! - [`encoding`]: the database's encoding and UTF-8;
//! - [`error`]: a server error as a value, and back;
//! - [`guc`]: the prefix of settings;
//! - [`interrupt`]: cancel and termination;
//! - [`kept`]: statements that outlive their call;
//! - [`lock`]: locks of loads, and who waits for whom;
//! - [`log`]: notices of a session without a client;
//! - [`pages`]: rows laid into a table's pages, and its indexes' entries;
//! - [`parameter`]: a document that is a parameter, not copied into the plan;
//! - [`progress`]: a row of `pg_stat_progress_copy`;
//! - [`queue`]: shared memory and the queues in it;
//! - [`relation`]: tables found by name and locked;
//! - [`role`]: the user and the replication role that a statement runs under;
//! - [`spi`]: plans and their results;
//! - [`subtransaction`]: work that is undone when it fails;
//! - [`threads`]: the rayon pool of a call;
//! - [`transaction`]: begun, prepared and committed;
//! - [`wal`]: the log, written while the load goes on;
//! - [`xact`]: what became of a transaction.
//!
//! Everything here but [`threads`] runs on the backend's only Postgres thread. A wrapper owns one resource, and its
//! `Drop` does not call into Postgres while panicking: the transaction's abort cleans up then.

pub mod argument;
pub mod background;
pub mod batch;
pub mod caller;
pub mod encoding;
pub mod error;
pub mod guc;
pub mod interrupt;
pub mod kept;
pub mod lock;
pub mod log;
pub mod pages;
pub mod parameter;
pub mod progress;
pub mod queue;
pub mod relation;
pub mod role;
pub mod spi;
pub mod subtransaction;
pub mod threads;
pub mod toast;
pub mod transaction;
pub mod wal;
pub mod xact;
