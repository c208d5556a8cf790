//! Rows → tables, through SPI, in the caller's session: steps 4 and 5 of a load.
//!
//! - [`target`]: what the catalog says of the table;
//! - [`statement`]: the SQL, all of it;
//! - [`insert`]: batches, and what becomes of those that fail;
//! - [`parents`]: the works' composers, proved as a set;
//! - [`rejects`]: records set aside.

pub mod insert;
pub mod parents;
pub mod rejects;
pub mod statement;
pub mod target;
