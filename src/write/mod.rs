//! Rows → tables, through SPI, in the caller's session: steps 4 and 5 of a load.
//!
//! - [`statement`]: the SQL, all of it;
//! - [`plans`]: that SQL prepared, as rows need it;
//! - [`there`]: the rows that are there already; [`scan`]: the same by reading the table;
//! - [`insert`]: batches, and what becomes of those that fail;
//! - [`parents`]: the works' composers, proved as a set;
//! - [`convert`]: values that the server converts;
//! - [`bulk`]: new rows, written as COPY writes them;
//! - [`elsewhere`]: tables whose INSERT somebody else plans;
//! - [`rejects`]: records set aside.

use crate::error::Fault;
use crate::pg::error::ServerError;
use crate::report::Failure;

pub mod bulk;
pub mod composers;
pub mod convert;
pub mod elsewhere;
pub mod insert;
pub mod parents;
mod plans;
pub mod proof;
pub mod rejects;
mod scan;
pub mod statement;
pub mod there;

/// What becomes of rows that cannot be written, known by the ordinals of their records.
pub trait Refusals {
    /// A row that the program refuses.
    fn fault(&mut self, ordinal: u32, fault: Fault) -> Result<(), Failure>;

    /// A row that the server refuses.
    fn refusal(&mut self, ordinal: u32, error: ServerError) -> Result<(), Failure>;

    /// Whether it still matters that a record can be written: none behind a bad one does under `stop`.
    fn matters(&self, ordinal: u32) -> bool;

    /// How many rows have been set aside.
    fn count(&self) -> u64;

    /// Whether another record of the document has its turn if this one is not written.
    fn is_contested(&self, ordinal: u32) -> bool;

    /// A record that something of the owner's has kept from being written.
    fn dropped(&mut self, ordinal: u32);
}
