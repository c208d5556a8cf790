//! PURE. The rows of a document: formed as tuples slice by slice, then put in [`order`], each key once.
//!
//! A row is known by its [`RowRef`]. Its parent and its key decide its order, and its key its identity (see
//! [`Row::parent`] and [`Row::key`]). Both may be any bytes: they are kept by their lengths.

pub mod order;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::document::{push, with_room};
use crate::error::{Another, Fault};
use crate::record::{Row, Table};
use crate::tuple::{self, Encode, Former};

/// Room for a tuple, and for a row's parent and key, in bytes: IMSLP's works take about as much.
const TUPLE: usize = 256;
const KEYS: usize = 48;

/// Some rows of a document, one behind the other; those of a message lie in it.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Slice<'m> {
    #[serde(borrow, with = "serde_bytes")]
    tuples: Cow<'m, [u8]>,
    #[serde(borrow, with = "serde_bytes")]
    /// The parent of each row, then its key.
    keys: Cow<'m, [u8]>,
    rows: Vec<SliceRow>,
    /// Ordinals of rows with a text that the database's encoding does not have.
    pub unencodable: Vec<u32>,
}

/// Where a row's tuple, parent and key end. The tuple and the parent begin where the tuple and the key of the row before
/// it end; the key begins where its parent ends.
#[derive(Clone, Serialize, Deserialize)]
struct SliceRow {
    ordinal: u32,
    tuple_end: u32,
    parent_end: u32,
    key_end: u32,
}

impl Slice<'static> {
    /// Forms rows; `first` is the ordinal of the first of them, `None` stands for a faulty record.
    pub fn form<R: Row>(
        rows: impl IntoIterator<Item = Option<R>>,
        first: usize,
        encode: Encode,
    ) -> Result<Self, Fault> {
        let rows = rows.into_iter();
        let (_, most) = rows.size_hint();
        let most = most.unwrap_or_default();
        let (mut tuples, mut keys, mut formed) = (vec![], vec![], vec![]);
        let mut unencodable = vec![];
        let mut former = Former::new(encode);
        for (ordinal, row) in (first as u32..).zip(rows) {
            let Some(row) = row else { continue };
            if formed.is_empty() {
                tuples = with_room(most * TUPLE)?;
                keys = with_room(most * KEYS)?;
                formed = with_room(most)?;
            }
            row.put(&mut former);
            former.reserve(&mut tuples)?;
            if !former.finish(&mut tuples) {
                unencodable.push(ordinal);
                continue;
            }
            // More than 4 GB in one slice is more than any server takes.
            let tuple_end = u32::try_from(tuples.len()).map_err(|_| Fault::OutOfMemory)?;
            let (parent, key) = (row.parent(), row.key());
            keys.try_reserve(parent.len() + key.len()).map_err(|_| Fault::OutOfMemory)?;
            push(&mut formed, place(ordinal, tuple_end, parent, key, &mut keys))?;
        }
        // Slices of few rows are many where most records are faulty.
        if formed.len() < most / 2 {
            tuples.shrink_to_fit();
            keys.shrink_to_fit();
            formed.shrink_to_fit();
        }
        Ok(Slice { tuples: tuples.into(), keys: keys.into(), rows: formed, unencodable })
    }

    /// The memory that the rows take.
    pub fn bytes(&self) -> usize {
        let rows = self.tuples.len() + self.keys.len() + self.rows.len() * size_of::<SliceRow>();
        size_of::<Self>() + rows + self.unencodable.len() * size_of::<u32>()
    }
}

/// Appends a row's parent and key.
fn place(ordinal: u32, tuple_end: u32, parent: &[u8], key: &[u8], keys: &mut Vec<u8>) -> SliceRow {
    keys.extend_from_slice(parent);
    let parent_end = keys.len() as u32;
    keys.extend_from_slice(key);
    SliceRow { ordinal, tuple_end, parent_end, key_end: keys.len() as u32 }
}

impl Slice<'_> {
    /// Where the row's tuple and parent begin.
    fn before(&self, row: u32) -> (usize, usize) {
        match row.checked_sub(1).map(|before| &self.rows[before as usize]) {
            Some(before) => (before.tuple_end as usize, before.key_end as usize),
            None => (0, 0),
        }
    }
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct RowRef {
    slice: u32,
    row: u32,
    pub ordinal: u32,
}

/// All rows of a document, or of a message.
pub struct Rows<'m> {
    slices: Vec<Slice<'m>>,
}

/// Rows that stand together in the order of writing, and have one parent.
pub struct Family {
    /// The first of them, and how many they are.
    pub first: usize,
    pub size: usize,
}

impl Family {
    /// The families of so many rows, of which those begin one that `starts` says.
    fn between(rows: usize, starts: impl Fn(usize) -> bool) -> Result<Vec<Self>, Fault> {
        let mut families: Vec<Family> = vec![];
        for place in 0..rows {
            match families.last_mut() {
                Some(last) if !starts(place) => last.size += 1,
                _ => push(&mut families, Family { first: place, size: 1 })?,
            }
        }
        Ok(families)
    }

    /// The family's rows, of all in that order.
    pub fn of<'r>(&self, write: &'r [RowRef]) -> &'r [RowRef] {
        &write[self.first..self.first + self.size]
    }
}

impl<'m> Rows<'m> {
    pub fn new(slices: Vec<Slice<'m>>) -> Self {
        Rows { slices }
    }

    pub fn tuple(&self, row: RowRef) -> &[u8] {
        let slice = &self.slices[row.slice as usize];
        let (start, _) = slice.before(row.row);
        &slice.tuples[start..slice.rows[row.row as usize].tuple_end as usize]
    }

    /// The key of the row's parent; empty if rows have no parent.
    fn parent(&self, row: RowRef) -> &[u8] {
        let slice = &self.slices[row.slice as usize];
        let (_, start) = slice.before(row.row);
        &slice.keys[start..slice.rows[row.row as usize].parent_end as usize]
    }

    /// The parent of a row as text.
    pub fn parent_text(&self, row: RowRef) -> &str {
        std::str::from_utf8(self.parent(row)).unwrap_or_default()
    }

    /// The row's own key.
    pub fn key(&self, row: RowRef) -> &[u8] {
        let slice = &self.slices[row.slice as usize];
        let place = &slice.rows[row.row as usize];
        &slice.keys[place.parent_end as usize..place.key_end as usize]
    }

    /// The ids that sources give to what the row is about, one for each of the table's columns with ids.
    pub fn identity(&self, row: RowRef, table: Table) -> Vec<Option<i64>> {
        tuple::identity(self.tuple(row), table.columns)
    }

    /// What the record of this row is told if a row of its key is there with other ids: with this one in the n-th column
    /// that holds ids.
    pub fn another(&self, row: RowRef, table: Table, column: usize, there: i64) -> Fault {
        let found = self.identity(row, table).get(column).copied().flatten();
        Fault::Another(Box::new(Another {
            noun: table.noun.into(),
            key: table.key_text(self.key(row)).into(),
            column: table.identity().nth(column).map_or("", |column| column.name).into(),
            there,
            found: found.unwrap_or_default(),
        }))
    }

    /// The same if an earlier record of the document has the key and other ids.
    pub fn unlike(&self, row: RowRef, other: RowRef, table: Table) -> Fault {
        let ids = self.identity(row, table).into_iter().zip(self.identity(other, table));
        let differ = |(_, (a, b)): &(usize, (Option<i64>, Option<i64>))| {
            a.is_some() && b.is_some() && a != b
        };
        let (column, there) = ids.enumerate().find(differ).map_or((0, None), |(n, ids)| (n, ids.1));
        self.another(row, table, column, there.unwrap_or_default())
    }

    /// A copy of some of the rows, in the order given, in the room of an earlier one.
    pub fn copy(&self, rows: &[RowRef], room: Slice<'static>) -> Slice<'static> {
        let (mut tuples, mut keys) = (room.tuples.into_owned(), room.keys.into_owned());
        let mut copied = room.rows;
        tuples.clear();
        keys.clear();
        copied.clear();
        for row in rows {
            tuples.extend_from_slice(self.tuple(*row));
            let tuple_end = tuples.len() as u32;
            let (parent, key) = (self.parent(*row), self.key(*row));
            copied.push(place(row.ordinal, tuple_end, parent, key, &mut keys));
        }
        Slice { tuples: tuples.into(), keys: keys.into(), rows: copied, unencodable: vec![] }
    }

    pub fn len(&self) -> usize {
        self.slices.iter().map(|slice| slice.rows.len()).sum()
    }

    /// All rows, in the order of the slices.
    pub fn all(&self) -> Vec<RowRef> {
        let mut all = vec![];
        self.add_all(&mut all);
        all
    }

    fn add_all(&self, all: &mut Vec<RowRef>) {
        for (slice, content) in (0..).zip(&self.slices) {
            let rows = (0..).zip(&content.rows);
            all.extend(rows.map(|(row, place)| RowRef { slice, row, ordinal: place.ordinal }));
        }
    }

    /// The families of ordered rows; those of works have a parent, composers have none.
    pub fn families(&self, write: &[RowRef]) -> Result<Vec<Family>, Fault> {
        let starts = |place: usize| self.parent(write[place]) != self.parent(write[place - 1]);
        Family::between(write.len(), starts)
    }
}

#[cfg(test)]
mod tests;
