//! PURE. What a row is: [`composer`] and [`work`], and how their fields become columns.
//!
//! - [`scalar`]: a field as it stands in the document;
//! - [`field`]: a field's value for a column, or what is wrong with it;
//! - [`name`]: composers' names and the key made of them; [`alike`]: keys that may be one's; [`date`]: dates of lives.
//!
//! Another resource is one file here and one in `source/`.

pub mod alike;
pub mod composer;
pub mod date;
pub mod field;
pub mod name;
pub mod scalar;
pub mod work;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
/// A column's type, and how its values lie in a tuple: `atttypid`, `atttypmod`, `attlen`, `attalign` of `pg_attribute`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnType {
    pub oid: u32,
    pub typmod: i32,
    /// In bytes; -1 for a varlena.
    pub length: i16,
    /// In bytes: 1, 2, 4 or 8.
    pub alignment: u8,
}

/// By their names in SQL, as `pg_type.dat` has them.
impl ColumnType {
    pub const BOOLEAN: Self = Self::of(16, 1, 1);
    pub const BIGINT: Self = Self::of(20, 8, 8);
    pub const INTEGER: Self = Self::of(23, 4, 4);
    pub const TEXT: Self = Self::of(25, -1, 4);
    pub const TEXT_ARRAY: Self = Self::of(1009, -1, 4);
    pub const DATE: Self = Self::of(1082, 4, 4);
    pub const UUID: Self = Self::of(2950, 16, 1);
    pub const JSONB: Self = Self::of(3802, -1, 4);

    /// The OIDs of bigint, smallint and integer.
    pub const INTEGERS: [u32; 3] = [Self::BIGINT.oid, 21, Self::INTEGER.oid];

    const fn of(oid: u32, length: i16, alignment: u8) -> Self {
        ColumnType { oid, typmod: -1, length, alignment }
    }
}

/// A column that the loader writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// In the database's encoding, not quoted.
    pub name: Cow<'static, [u8]>,
    pub kind: ColumnType,
    /// Each row has a value for it, which is not null.
    pub always: bool,
    /// The id, an integer, that a source gives to what the row is about: rows that both have one, and not the same, are
    /// about two things.
    pub identity: bool,
    /// How many of the rows have a value for it; the others get the default.
    pub given: Given,
    /// The type of the table's column, where it is another one than that of the rows: without a length, as a statement
    /// names it.
    pub cast: Option<Vec<u8>>,
}

impl Column {
    pub const fn new(name: &'static str, kind: ColumnType) -> Self {
        Column::of(name, kind, false, false)
    }

    pub const fn always(name: &'static str, kind: ColumnType) -> Self {
        Column::of(name, kind, true, false)
    }

    const fn of(name: &'static str, kind: ColumnType, always: bool, identity: bool) -> Self {
        let (name, given) = (Cow::Borrowed(name.as_bytes()), Given::Always);
        Column { name, kind, always, identity, given, cast: None }
    }

    /// The name, for a message; columns of sources have names of ASCII.
    pub fn name_text(&self) -> &str {
        std::str::from_utf8(&self.name).unwrap_or_default()
    }

    pub const fn identity(name: &'static str, kind: ColumnType) -> Self {
        Column::of(name, kind, false, true)
    }
}

/// The columns of a batch, by their places: c1, c2 and so on, which need no quotes in any encoding.
pub fn positional(columns: &[Column]) -> Vec<Column> {
    let name = |place: usize| Cow::Owned(format!("c{place}").into_bytes());
    (1..)
        .zip(columns)
        .map(|(place, column)| Column { name: name(place), ..column.clone() })
        .collect()
}

/// The column of a batch that tells its rows apart.
pub const ORDINAL: Column = Column::new("o", ColumnType::INTEGER);

/// How many rows have a value for a column, be it null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Given {
    Always,
    Sometimes,
    Never,
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

/// A row that a source's records are transformed to.
pub trait Row: Send + Sync {
    /// The name of its table, not qualified.
    const NAME: &'static str;
    /// What one of them is about, for messages.
    const NOUN: &'static str;
    /// The columns of its table, the key first.
    const COLUMNS: &'static [Column];

    /// The column that refers to the parent.
    const PARENT: Option<&'static [u8]>;

    /// The key of the row's parent, by which rows are ordered first. Empty if the table has no parent.
    fn parent(&self) -> &[u8];

    /// The row's own key: any bytes, which compare as the rows of one parent are ordered.
    fn key(&self) -> &[u8];

    fn put(&self, sink: &mut impl Sink);
}

/// What a load writes of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// As messages name it: not qualified, not quoted.
    pub name: String,
    /// What one of its rows is about, for messages.
    pub noun: Cow<'static, str>,
    pub columns: Vec<Column>,
    /// The columns that identify a row; none if every record is a new row.
    pub key: Vec<Key>,
    /// Two nulls in the key are equal, and a row with null has a key.
    pub nulls_equal: bool,
    /// The columns that refer to the parent by which rows are ordered, by their places.
    pub parent: Vec<usize>,
    pub null: Null,
}

/// A column of the key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// Among the columns that are written, from 0.
    pub place: usize,
    /// The operator that says whether two values are equal, as a statement names it, in the database's encoding.
    pub equal: Cow<'static, [u8]>,
    /// The collation by which it does, quoted and qualified, where that is not the column's own matter.
    pub collation: Option<Vec<u8>>,
    /// The type that the operator takes, as a statement names it, where that is another one than the column's.
    pub takes: Option<Vec<u8>>,
}

/// What a null of a row means for a row that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Null {
    /// The record has no value: what is there stays.
    Unknown,
    /// The record says null.
    Value,
}

/// `=` of the server's own types.
pub const EQUAL: &[u8] = b"OPERATOR(pg_catalog.=)";

impl Table {
    /// The name of the batch that its rows are written from: works and the composers that they name are written at a time.
    pub fn batch(&self) -> &'static str {
        if self.noun == composer::Composer::NOUN { "composers" } else { "rows" }
    }

    /// The table of a source's rows, with all their columns.
    pub fn of<R: Row>() -> Self {
        let parent = R::COLUMNS.iter().position(|column| Some(&*column.name) == R::PARENT);
        Table {
            name: R::NAME.into(),
            noun: R::NOUN.into(),
            columns: R::COLUMNS.to_vec(),
            key: vec![Key { place: 0, equal: Cow::Borrowed(EQUAL), collation: None, takes: None }],
            nulls_equal: false,
            parent: parent.into_iter().collect(),
            null: Null::Unknown,
        }
    }

    /// The table of a source's rows as far as it has the columns: without those that `lacks` says. Its key and its parent
    /// are told by others then, or by none.
    pub fn without(mut self, mut lacks: impl FnMut(&Column) -> bool) -> Self {
        let kept: Vec<bool> = self.columns.iter().map(|column| !lacks(column)).collect();
        let place = |of: usize| kept[of].then(|| kept[..of].iter().filter(|kept| **kept).count());
        let key = self.key.into_iter().map(|key| Some(Key { place: place(key.place)?, ..key }));
        self.key = key.collect::<Option<Vec<_>>>().unwrap_or_default();
        let parent = self.parent.iter().map(|it| place(*it));
        self.parent = parent.collect::<Option<Vec<_>>>().unwrap_or_default();
        let mut kept = kept.iter();
        self.columns.retain(|_| kept.next().is_some_and(|kept| *kept));
        self
    }

    /// For each of a source's fields, whether it is a column of this table.
    pub fn fields<R: Row>(&self) -> Vec<bool> {
        let has = |field: &Column| self.columns.iter().any(|column| column.name == field.name);
        R::COLUMNS.iter().map(has).collect()
    }

    /// The names of the key's columns.
    pub fn key_names(&self) -> impl Iterator<Item = &[u8]> {
        self.key.iter().filter_map(|key| self.columns.get(key.place)).map(|column| &*column.name)
    }

    /// The columns that hold ids of sources.
    pub fn identity(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.identity)
    }

    /// Whether a column, by its place, is one of the key.
    pub fn is_key(&self, place: usize) -> bool {
        self.key.iter().any(|key| key.place == place)
    }
}

/// The columns that a row has no value for, not even null, by their places, in order. Mostly there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Absent(pub Vec<u16>);

impl Absent {
    /// Those of the places that `keep` says.
    pub fn only(&self, keep: impl Fn(usize) -> bool) -> Absent {
        Absent(self.0.iter().copied().filter(|place| keep(usize::from(*place))).collect())
    }

    pub fn contains(&self, place: usize) -> bool {
        !self.0.is_empty() && self.0.iter().any(|absent| usize::from(*absent) == place)
    }
}
