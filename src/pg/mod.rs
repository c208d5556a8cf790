//! The only unsafe code: one small safe wrapper for each thing of the server that the load needs.
//!
//! - [`argument`]: a function's document, detoasted once;
//! - [`arrays`]: rows as parameters, an array for each column;
//! - [`background`]: dynamic background workers;
//! - [`batch`]: rows in a tuplestore that a statement reads as a table;
//! - [`bulk`]: rows written as COPY writes them;
//! - [`caller`]: the calling session, its users and settings;
//! - [`encoding`]: the database's encoding and UTF-8;
//! - [`ending`]: the ends of transactions;
//! - [`error`]: a server error as a value, and back;
//! - [`expression`]: what an expression of a table may do;
//! - [`guc`]: the prefix of settings;
//! - [`interrupt`]: cancel and termination;
//! - [`kept`]: statements that outlive their call;
//! - [`load_rows`]: rows as the result of a function;
//! - [`lock`]: locks of loads, and who waits for whom;
//! - [`log`]: notices of a session without a client;
//! - [`memory`]: a reserve for allocations that would fail;
//! - [`memory_context`]: where the server allocates;
//! - [`partition`]: the partitions of a table, and what it is a partition of;
//! - [`progress`]: a row of `pg_stat_progress_copy`;
//! - [`queue`]: shared memory and the queues in it;
//! - [`relation`]: tables found by name and locked;
//! - [`relcache`]: what the server knows of a locked table;
//! - [`result`]: texts that functions give back;
//! - [`role`]: the user that a statement runs under;
//! - [`scan`]: the rows of a query, seen where they lie;
//! - [`spi`]: plans and their results;
//! - [`subtransaction`]: work that is undone when it fails;
//! - [`threads`]: the rayon pool of a call;
//! - [`toast`]: a text that is fetched while it is read;
//! - [`transaction`]: begun, prepared and committed;
//! - [`trigger`]: how a trigger function is called;
//! - [`version`]: this library beside the catalogue of another version;
//! - [`wal`]: the log, written while the load goes on;
//! - [`xact`]: what became of a transaction.
//!
//! Everything here but [`threads`], and [`toast`]'s waiting for what has been fetched, runs on the backend's only
//! Postgres thread. A wrapper owns one resource, and its
//! `Drop` does not call into Postgres while panicking: the transaction's abort cleans up then.

pub mod argument;
pub mod arrays;
pub mod background;
pub mod batch;
pub mod bulk;
pub mod caller;
pub mod encoding;
pub mod ending;
pub mod error;
pub mod expression;
pub mod guc;
pub mod interrupt;
pub mod kept;
pub mod load_rows;
pub mod lock;
pub mod log;
pub mod memory;
pub mod memory_context;
pub mod parameters;
pub mod partition;
#[cfg(all(feature = "pg_test", not(test)))]
pub mod planned;
pub mod progress;
pub mod queue;
pub mod relation;
pub mod relcache;
pub mod result;
pub mod role;
pub mod scan;
pub mod spi;
pub mod subtransaction;
pub mod threads;
pub mod toast;
pub mod transaction;
pub mod trigger;
pub mod version;
pub mod wal;
pub mod xact;
