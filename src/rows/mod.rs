//! PURE. The rows of a document: formed as tuples slice by slice, then put in [`order`], each key once.
//!
//! A row is known by its [`RowRef`]. Its parent and its key decide its order, and its key its identity. Both may be any
//! bytes: they are kept by their lengths. A row whose key is empty has none: it is like no other.

pub mod keys;
pub mod order;
pub mod seen;
mod slice;

use std::collections::HashMap;

use rayon::prelude::*;
use uuid::Uuid;

use crate::document::push;
use crate::error::{Another, Fault};
use crate::record::{Absent, Column, ColumnType, Given, Key, Table};
use crate::tuple;

/// What stands behind a text in a key that is made of a tuple (`value::key`).
const END_OF_TEXT: char = '\0';

pub use self::slice::{Fields, Forming, Slice};

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
        self.slices[row.slice as usize].tuple(row.row)
    }

    /// The key of the row's parent; empty if rows have no parent.
    pub fn parent(&self, row: RowRef) -> &[u8] {
        self.slices[row.slice as usize].parent(row.row)
    }

    /// The parent of a row as text.
    pub fn parent_text(&self, row: RowRef) -> &str {
        std::str::from_utf8(self.parent(row)).unwrap_or_default()
    }

    /// The row's own key; empty if it has none.
    pub fn key(&self, row: RowRef) -> &[u8] {
        self.slices[row.slice as usize].key(row.row)
    }

    /// The row's key as a user knows it.
    pub fn key_text(&self, row: RowRef, table: &Table) -> String {
        let values: Vec<_> = tuple::values(self.tuple(row), &table.columns).collect();
        let text = |key: &Key| match (table.columns[key.place].kind, values[key.place]) {
            // It is no text of the database's encoding, if it stands in a document of a source.
            (ColumnType::TEXT, _) if table.key.len() == 1 => {
                let key = String::from_utf8_lossy(self.key(row));
                key.trim_end_matches(END_OF_TEXT).to_owned()
            }
            (ColumnType::UUID, Some(id)) => Uuid::from_slice(id).unwrap_or_default().to_string(),
            (ColumnType::INTEGER | ColumnType::BIGINT, Some(number)) => {
                tuple::integer(number).unwrap_or_default().to_string()
            }
            (_, value) => String::from_utf8_lossy(value.unwrap_or_default()).into_owned(),
        };
        table.key.iter().map(text).collect::<Vec<_>>().join(", ")
    }

    /// The columns that the row has no value for.
    pub fn absent(&self, row: RowRef) -> &Absent {
        self.slices[row.slice as usize].absent(row.row)
    }

    /// Whether there is a row that has no value for a column.
    pub fn any_absent(&self) -> bool {
        self.slices.iter().any(Slice::any_absent)
    }

    /// The rows by what `reduce` makes of the columns that they have no value for, in the order given.
    pub fn by_absent(
        &self,
        write: &[RowRef],
        reduce: impl Fn(&Absent) -> Absent,
    ) -> Vec<(Absent, Vec<RowRef>)> {
        if !self.any_absent() {
            return vec![(Absent::default(), write.to_vec())];
        }
        let mut groups: Vec<(Absent, Vec<RowRef>)> = vec![];
        let mut places: HashMap<Absent, usize> = HashMap::new();
        let mut last: Option<(&Absent, usize)> = None;
        for row in write {
            let absent = self.absent(*row);
            let place = match last {
                // Of one slice, or of none.
                Some((known, place)) if std::ptr::eq(known, absent) => place,
                _ => {
                    let reduced = reduce(absent);
                    *places.entry(reduced).or_insert_with_key(|reduced| {
                        groups.push((reduced.clone(), vec![]));
                        groups.len() - 1
                    })
                }
            };
            last = Some((absent, place));
            groups[place].1.push(*row);
        }
        groups
    }

    /// The rows in portions of at most so many, and about so many bytes of tuples.
    pub fn portions<'r>(
        &self,
        write: &'r [RowRef],
        most: usize,
        most_bytes: usize,
    ) -> Vec<&'r [RowRef]> {
        let (mut portions, mut rest, mut count, mut bytes) = (vec![], write, 0, 0);
        for row in write {
            bytes += self.tuple(*row).len();
            count += 1;
            if count == most || bytes >= most_bytes {
                let (portion, others) = rest.split_at(count);
                portions.push(portion);
                (rest, count, bytes) = (others, 0, 0);
            }
        }
        if !rest.is_empty() {
            portions.push(rest);
        }
        portions
    }

    /// How many of the rows have a value, for each of so many columns.
    pub fn given(&self, columns: usize) -> Vec<Given> {
        let mut absent = vec![0usize; columns];
        for row in self.slices.iter().flat_map(Slice::absents) {
            row.0.iter().for_each(|place| absent[usize::from(*place)] += 1);
        }
        let all = self.len();
        let given = |absent: usize| match absent {
            0 => Given::Always,
            some if some < all => Given::Sometimes,
            _ => Given::Never,
        };
        absent.into_iter().map(given).collect()
    }

    /// For each of so many columns, whether all rows are known to have a value for it that is not null.
    pub fn always(&self, columns: usize) -> Vec<bool> {
        let always = |place: usize| self.slices.iter().all(|slice| slice.is_filled(place));
        (0..columns).map(always).collect()
    }

    /// The ids that sources give to what the row is about, one for each of the table's columns with ids.
    pub fn identity(&self, row: RowRef, table: &Table) -> Vec<Option<i64>> {
        tuple::identity(self.tuple(row), &table.columns)
    }

    /// What the record of this row is told if a row of its key is there with other ids: with this one in the n-th column
    /// that holds ids.
    pub fn another(&self, row: RowRef, table: &Table, column: usize, there: i64) -> Fault {
        let found = self.identity(row, table).get(column).copied().flatten();
        Fault::Another(Box::new(Another {
            noun: (*table.noun).into(),
            key: self.key_text(row, table).into(),
            column: table.identity().nth(column).map_or("", Column::name_text).into(),
            there: Some(there),
            found: found.unwrap_or_default(),
        }))
    }

    /// The same if an earlier record of the document has the key and other ids.
    pub fn unlike(&self, row: RowRef, other: RowRef, table: &Table) -> Fault {
        let ids = self.identity(row, table).into_iter().zip(self.identity(other, table));
        let differ = |(_, (a, b)): &(usize, (Option<i64>, Option<i64>))| {
            a.is_some() && b.is_some() && a != b
        };
        let (column, there) = ids.enumerate().find(differ).map_or((0, None), |(n, ids)| (n, ids.1));
        self.another(row, table, column, there.unwrap_or_default())
    }

    /// Adds rows that were made elsewhere.
    pub fn add(&mut self, slice: Slice<'m>) {
        self.slices.push(slice);
    }

    /// Gives rows other keys, by their ordinals; those of which none is known have none.
    pub fn set_keys(&mut self, keys: &HashMap<u32, u64>) -> Result<(), Fault> {
        self.slices.iter_mut().try_for_each(|slice| slice.set_keys(keys))
    }

    /// A copy of some of the rows, in the order given, in the room of an earlier one.
    pub fn copy(&self, rows: &[RowRef], room: Slice<'static>) -> Slice<'static> {
        let mut copy = room.emptied();
        for row in rows {
            copy.push_copy(&self.slices[row.slice as usize], row.row, row.ordinal);
        }
        copy
    }

    pub fn len(&self) -> usize {
        self.slices.iter().map(Slice::len).sum()
    }

    /// All rows, in the order of the slices.
    pub fn all(&self) -> Vec<RowRef> {
        let mut all = vec![];
        self.add_all(&mut all);
        all
    }

    fn add_all(&self, all: &mut Vec<RowRef>) {
        for (slice, content) in (0..).zip(&self.slices) {
            let rows = (0..).zip(content.ordinals());
            all.extend(rows.map(|(row, ordinal)| RowRef { slice, row, ordinal }));
        }
    }

    /// The families of ordered rows; those of works have a parent, composers have none.
    pub fn families(&self, write: &[RowRef]) -> Result<Vec<Family>, Fault> {
        let starts = |place: usize| self.parent(write[place]) != self.parent(write[place - 1]);
        Family::between(write.len(), starts)
    }
}

impl Rows<'static> {
    /// The same rows with some of their fields; `parallel` on the current rayon pool.
    pub fn project(&self, fields: &Fields<'_>, parallel: bool) -> Result<Self, Fault> {
        let project = |slice: &Slice<'static>| slice.project(fields);
        let slices: Result<Vec<_>, Fault> = match parallel {
            true => self.slices.par_iter().map(project).collect(),
            false => self.slices.iter().map(project).collect(),
        };
        Ok(Rows::new(slices?))
    }
}

#[cfg(test)]
mod tests;
