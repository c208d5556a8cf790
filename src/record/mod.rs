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
use std::cmp::Ordering;
use std::hash::Hash;

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
    /// The table's unqualified name.
    const TABLE: &'static str;
    /// Its columns; the first is the key.
    const COLUMNS: &'static [Column];
    type Key<'k>: Eq + Hash
    where
        Self: 'k;

    fn key(&self) -> Self::Key<'_>;

    /// The key as a user knows it.
    fn key_text(&self) -> String;

    /// The order in which rows are written.
    fn order(&self, other: &Self) -> Ordering;

    /// What decides the order of most rows: the first eight bytes of what it compares first.
    fn order_prefix(&self) -> u64;

    /// The composer that must be there, where there must be one.
    fn parent(&self) -> Option<&str>;

    fn put(&self, sink: &mut impl Sink);
}

/// The first eight bytes of a text, as a number that compares as the bytes do.
pub fn prefix(text: &str) -> u64 {
    let mut first = [0; 8];
    let length = text.len().min(first.len());
    first[..length].copy_from_slice(&text.as_bytes()[..length]);
    u64::from_be_bytes(first)
}
