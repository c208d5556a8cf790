//! PURE. What a row is: [`composer`] and [`work`], and how their fields become columns.
//!
//! - [`scalar`]: a field as it stands in the document;
//! - [`field`]: a field's value for a column, or what is wrong with it;
//! - [`name`]: composers' names and the key made of them; [`date`]: dates of lives.
//!
//! Another resource is one file here and one in `source/`.

pub mod composer;
pub mod date;
pub mod field;
pub mod name;
pub mod scalar;
pub mod work;

use std::borrow::Cow;

use uuid::Uuid;

/// A column's type, by its name in SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    Text,
    TextArray,
    Uuid,
    Date,
    Boolean,
    Int4,
    Int8,
    Jsonb,
}

/// A column that the loader writes.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub name: &'static str,
    pub kind: ColumnType,
    /// Each row has a value for it.
    pub always: bool,
    /// The id, an integer, that a source gives to what the row is about: rows that both have one, and not the same, are
    /// about two things.
    pub identity: bool,
}

impl Column {
    pub const fn new(name: &'static str, kind: ColumnType) -> Self {
        Column { name, kind, always: false, identity: false }
    }

    pub const fn always(name: &'static str, kind: ColumnType) -> Self {
        Column { always: true, ..Column::new(name, kind) }
    }

    pub const fn identity(name: &'static str, kind: ColumnType) -> Self {
        Column { identity: true, ..Column::new(name, kind) }
    }
}

/// Takes the values of one row, in the order of its columns.
pub trait Sink {
    fn text(&mut self, value: Option<&str>);
    fn texts(&mut self, value: Option<&[Cow<'_, str>]>);
    fn uuid(&mut self, value: [u8; 16]);
    /// Days since 2000-01-01, as Postgres counts them.
    fn date(&mut self, value: Option<i32>);
    fn boolean(&mut self, value: Option<bool>);
    fn int4(&mut self, value: Option<i32>);
    fn int8(&mut self, value: Option<i64>);
}

/// A row of one of the two tables.
pub trait Row: Send + Sync {
    const TABLE: Table;

    /// The key of the row's parent, by which rows are ordered first. Empty if the table has no parent.
    fn parent(&self) -> &[u8];

    /// The row's own key: any bytes, which compare as the rows of one parent are ordered.
    fn key(&self) -> &[u8];

    fn put(&self, sink: &mut impl Sink);
}

/// The column behind those of a row that tells from which record the row comes.
pub const ORDINAL: Column = Column::new("pg_opus_ordinal", ColumnType::Int4);

/// A table that the loader writes.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Unqualified.
    pub name: &'static str,
    /// What one of its rows is about, for messages.
    pub noun: &'static str,
    /// The columns that the loader writes, the key first.
    pub columns: &'static [Column],
}

impl Table {
    pub fn key(&self) -> &'static str {
        self.columns.first().map_or("", |column| column.name)
    }

    /// A row's key as a user knows it.
    pub fn key_text(&self, key: &[u8]) -> String {
        match (self.columns.first().map(|column| column.kind), Uuid::from_slice(key)) {
            (Some(ColumnType::Uuid), Ok(id)) => id.to_string(),
            _ => String::from_utf8_lossy(key).into_owned(),
        }
    }

    /// The columns that hold ids of sources.
    pub fn identity(&self) -> impl Iterator<Item = &'static Column> + use<> {
        self.columns.iter().filter(|column| column.identity)
    }
}
