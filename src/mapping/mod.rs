//! PURE. Where in a record each column's value is.
//!
//! A load is a mapping and a target: the table's types, keys and rules come from the catalog, and the mapping says what
//! the catalog does not know. Nothing here knows Postgres: a target is a list of [`resolve::ColumnInfo`].
//!
//! ```text
//! text ─▶ Mapping::parse ─▶ resolve (with the target's columns) ─▶ Program ─▶ values of a record
//!                      └──▶ records::find (with the document) ──▶ records ──┘
//! ```
//!
//! - [`path`]: SQL/JSON paths, as many of them as a mapping may have;
//! - [`json`], [`parse`]: the mapping's own JSON;
//! - [`resolve`]: which columns are written, and from what;
//! - [`records`]: where a document's records are;
//! - [`program`]: the values of a record, in one walk over it;
//! - [`fault`]: what can be wrong with a mapping.

pub mod fault;
mod json;
mod parse;
pub mod path;
pub mod program;
pub mod records;
pub mod resolve;

use self::path::Path;
use crate::document::find::Resource;
use crate::record::{Column, Row, composer::Composer, work::Work};

/// What a user says of a document and a table. The default is what a load without a mapping has: records where they
/// stand, and members named as the columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapping {
    /// The first of these paths that is there leads to the records. Without any, they are where the document has them:
    /// see [`records`].
    pub records: Vec<Path>,
    pub columns: Columns,
    /// The names of the key's columns: one at least.
    pub key: Option<Vec<String>>,
    pub others: Others,
    /// The records are those of IMSLP or Open Opus, and their fields are what the transforms make of them.
    pub fields_of: Option<Resource>,
}

/// Where the values of the columns are.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Columns {
    /// Each column is the member, or the field, of its name.
    #[default]
    ByName,
    /// The name of each column, and the paths of which the first that is there has its value.
    Paths(Vec<(String, Vec<Path>)>),
    /// The name of each column, and the field that is its value: only with `fields_of`.
    Fields(Vec<(String, &'static str)>),
}

/// What becomes of members that no column takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Others {
    #[default]
    Ignore,
    /// A record that has such a member is refused.
    Error,
    /// A jsonb column takes them.
    Column(String),
}

/// The fields that a record has after the transforms of its source.
pub fn fields_of(resource: Resource) -> impl Iterator<Item = &'static str> + Clone {
    let columns: &'static [Column] = match resource {
        Resource::Composers => Composer::COLUMNS,
        Resource::Works => Work::COLUMNS,
    };
    columns.iter().map(Column::name_text)
}

#[cfg(test)]
mod random_tests;
