//! PURE. Some rows of a document, formed together on one thread, or sent in one message.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::keys::Keys;
use crate::document::{push, with_room};
use crate::error::Fault;
use crate::record::{Absent, Column, Row};
use crate::tuple::{self, Encode, Former, as_utf8};

/// Room for a tuple, and for a row's parent and key, in bytes: IMSLP's works take about as much.
const TUPLE: usize = 256;
const KEYS: usize = 48;

/// Rows one behind the other; those of a message lie in it.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Slice<'m> {
    #[serde(borrow, with = "serde_bytes")]
    tuples: Cow<'m, [u8]>,
    #[serde(borrow, with = "serde_bytes")]
    /// The parent of each row, then its key.
    keys: Cow<'m, [u8]>,
    rows: Vec<SliceRow>,
    /// The different sets of columns that rows have no value for; of a row that has all values there is none.
    absents: Vec<Absent>,
    /// By column: all rows are known to have a value that is not null. In a message, nothing is known.
    #[serde(skip)]
    filled: Vec<bool>,
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
    /// Of `absents`, counted from 1; 0 for a row that has all values.
    absent: u32,
}

/// Those of a source's fields that are written.
pub struct Fields<'f> {
    /// All of them.
    pub columns: &'f [Column],
    pub kept: &'f [bool],
    /// What rows are told by, if it is not what the source tells them by.
    pub keys: Option<&'f Keys>,
}

/// Nothing is absent.
static NONE: Absent = Absent(vec![]);

/// Forms the rows of a slice one after the other.
pub struct Forming {
    pub former: Former,
    slice: Slice<'static>,
    /// How many rows there are at most.
    most: usize,
}

impl Forming {
    pub fn new(most: usize, encode: Encode) -> Self {
        Forming { former: Former::new(encode), slice: Slice::default(), most }
    }

    /// Ends the row whose columns have been put. `keys` appends the row's parent and key, made of its tuple or not, and
    /// says how long the parent is.
    pub fn finish(
        &mut self,
        ordinal: u32,
        absent: Absent,
        keys: impl FnOnce(&[u8], &Absent, &mut Vec<u8>) -> Result<usize, Fault>,
    ) -> Result<(), Fault> {
        let slice = &mut self.slice;
        if slice.rows.is_empty() {
            slice.tuples = with_room(self.most * TUPLE)?.into();
            slice.keys = with_room(self.most * KEYS)?.into();
            slice.rows = with_room(self.most)?;
        }
        let (tuples, all_keys) = (slice.tuples.to_mut(), slice.keys.to_mut());
        let (tuple_start, keys_start) = (tuples.len(), all_keys.len());
        self.former.reserve(tuples)?;
        if !self.former.finish(tuples) {
            slice.unencodable.push(ordinal);
            return Ok(());
        }
        let parent = keys(&tuples[tuple_start..], &absent, all_keys)?;
        let row = SliceRow {
            ordinal,
            tuple_end: end(tuples.len())?,
            parent_end: end(keys_start + parent)?,
            key_end: end(all_keys.len())?,
            absent: 0,
        };
        slice.add(row, &absent)
    }

    pub fn into_slice(self) -> Slice<'static> {
        let mut slice = self.slice;
        slice.filled = self.former.filled().to_vec();
        // Slices of few rows are many where most records are faulty.
        if slice.rows.len() < self.most / 2 {
            slice.tuples.to_mut().shrink_to_fit();
            slice.keys.to_mut().shrink_to_fit();
            slice.rows.shrink_to_fit();
        }
        slice
    }
}

/// Where something ends in a slice. More than 4 GB in one is more than any server takes.
fn end(length: usize) -> Result<u32, Fault> {
    u32::try_from(length).map_err(|_| Fault::OutOfMemory)
}

/// Appends a row's parent and key; the length of the parent.
fn append(keys: &mut Vec<u8>, parent: &[u8], key: &[u8]) -> Result<usize, Fault> {
    keys.try_reserve(parent.len() + key.len()).map_err(|_| Fault::OutOfMemory)?;
    keys.extend_from_slice(parent);
    keys.extend_from_slice(key);
    Ok(parent.len())
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
        let mut forming = Forming::new(most.unwrap_or_default(), encode);
        for (ordinal, row) in (first as u32..).zip(rows) {
            let Some(row) = row else { continue };
            row.put(&mut forming.former);
            let keys =
                |_: &[u8], _: &Absent, keys: &mut Vec<u8>| append(keys, row.parent(), row.key());
            forming.finish(ordinal, Absent::default(), keys)?;
        }
        Ok(forming.into_slice())
    }

    /// The same rows with some of their columns. They keep their parents and keys, or get others.
    pub fn project(&self, fields: &Fields<'_>) -> Result<Self, Fault> {
        let Fields { columns, kept, keys } = fields;
        let mut forming = Forming::new(self.len(), as_utf8);
        let left: Vec<Column> =
            columns.iter().zip(*kept).filter(|it| *it.1).map(|it| it.0.clone()).collect();
        for (place, row) in (0..).zip(&self.rows) {
            let values = tuple::values(self.tuple(place), columns).zip(*columns).zip(*kept);
            for ((value, column), _) in values.filter(|(_, kept)| **kept) {
                forming.former.raw(column.kind, value);
            }
            forming.finish(row.ordinal, Absent::default(), |tuple, absent, out| match keys {
                Some(keys) => keys.append(tuple, absent, &left, out),
                None => append(out, self.parent(place), self.key(place)),
            })?;
        }
        let unencodable = self.unencodable.clone();
        Ok(Slice { unencodable, ..forming.into_slice() })
    }

    /// Adds a row of these columns that was formed elsewhere.
    pub fn push(
        &mut self,
        tuple: &[u8],
        columns: &[Column],
        ordinal: u32,
        absent: &Absent,
        keys: impl FnOnce(&[u8], &mut Vec<u8>) -> Result<usize, Fault>,
    ) -> Result<(), Fault> {
        let (tuples, all_keys) = (self.tuples.to_mut(), self.keys.to_mut());
        tuples.try_reserve(tuple.len()).map_err(|_| Fault::OutOfMemory)?;
        tuples.extend_from_slice(tuple);
        let has_value = tuple::values(tuple, columns).map(|value| value.is_some());
        match self.rows.is_empty() {
            true => self.filled = has_value.collect(),
            false => self.filled.iter_mut().zip(has_value).for_each(|(all, has)| *all &= has),
        }
        let keys_start = all_keys.len();
        let parent = keys(tuple, all_keys)?;
        let (tuple_end, key_end) = (end(tuples.len())?, end(all_keys.len())?);
        let parent_end = end(keys_start + parent)?;
        self.add(SliceRow { ordinal, tuple_end, parent_end, key_end, absent: 0 }, absent)
    }

    /// The memory that the rows take.
    pub fn bytes(&self) -> usize {
        let rows = self.tuples.len() + self.keys.len() + self.rows.len() * size_of::<SliceRow>();
        let absents = self.absents.iter().map(|absent| size_of_val(&absent.0[..])).sum::<usize>();
        size_of::<Self>() + rows + absents + self.unencodable.len() * size_of::<u32>()
    }

    /// The room of these rows, for others.
    pub fn emptied(mut self) -> Self {
        self.tuples.to_mut().clear();
        self.keys.to_mut().clear();
        self.rows.clear();
        self.absents.clear();
        self.filled.clear();
        self.unencodable.clear();
        self
    }

    /// Adds a row of another slice.
    pub fn push_copy(&mut self, from: &Slice<'_>, row: u32, ordinal: u32) {
        self.filled.clear();
        self.tuples.to_mut().extend_from_slice(from.tuple(row));
        let keys = self.keys.to_mut();
        keys.extend_from_slice(from.parent(row));
        let parent_end = keys.len() as u32;
        keys.extend_from_slice(from.key(row));
        let (tuple_end, key_end) = (self.tuples.len() as u32, self.keys.len() as u32);
        let row_of_copy = SliceRow { ordinal, tuple_end, parent_end, key_end, absent: 0 };
        // There was memory for the same.
        let _ = self.add(row_of_copy, from.absent(row));
    }

    fn add(&mut self, mut row: SliceRow, absent: &Absent) -> Result<(), Fault> {
        if !absent.0.is_empty() {
            // Records with the same members mostly follow one another, or are few kinds.
            let known = self.absents.iter().rposition(|known| known == absent);
            let place = match known {
                Some(place) => place,
                None => {
                    push(&mut self.absents, absent.clone())?;
                    self.absents.len() - 1
                }
            };
            row.absent = place as u32 + 1;
        }
        push(&mut self.rows, row)
    }
}

impl Slice<'_> {
    /// The same rows in room of their own.
    pub fn into_owned(self) -> Slice<'static> {
        let Slice { tuples, keys, rows, absents, filled, unencodable } = self;
        let (tuples, keys) = (tuples.into_owned().into(), keys.into_owned().into());
        Slice { tuples, keys, rows, absents, filled, unencodable }
    }

    /// Whether its rows lie within it, one behind the other.
    pub fn is_sound(&self) -> bool {
        (0..).zip(&self.rows).all(|(place, row)| {
            let (tuple_start, keys_start) = self.before(place);
            let keys = self.keys.get(row.parent_end as usize..row.key_end as usize);
            let tuple = self.tuples.get(tuple_start..row.tuple_end as usize);
            tuple.is_some_and(tuple::is_sound)
                && keys.is_some()
                && keys_start <= row.parent_end as usize
                && row.absent as usize <= self.absents.len()
        })
    }

    /// Whether all rows are known to have a value for a column, by its place, that is not null.
    pub fn is_filled(&self, place: usize) -> bool {
        self.rows.is_empty() || self.filled.get(place) == Some(&true)
    }

    /// See [`super::Rows::set_keys`].
    pub fn set_keys(&mut self, keys: &HashMap<u32, u64>) -> Result<(), Fault> {
        let mut new = with_room(self.keys.len() + self.rows.len() * size_of::<u64>())?;
        let mut rows: Vec<SliceRow> = with_room(self.rows.len())?;
        for (place, row) in (0..).zip(&self.rows) {
            new.extend_from_slice(self.parent(place));
            let parent_end = end(new.len())?;
            if let Some(key) = keys.get(&row.ordinal) {
                new.extend_from_slice(&key.to_be_bytes());
            }
            rows.push(SliceRow { parent_end, key_end: end(new.len())?, ..row.clone() });
        }
        (self.keys, self.rows) = (new.into(), rows);
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn ordinals(&self) -> impl Iterator<Item = u32> {
        self.rows.iter().map(|row| row.ordinal)
    }

    /// What each row has no value for, of those that lack any.
    pub fn absents(&self) -> impl Iterator<Item = &Absent> {
        let lacking = self.rows.iter().filter(|row| row.absent > 0);
        lacking.map(|row| &self.absents[row.absent as usize - 1])
    }

    pub fn any_absent(&self) -> bool {
        !self.absents.is_empty()
    }

    pub fn tuple(&self, row: u32) -> &[u8] {
        let (start, _) = self.before(row);
        &self.tuples[start..self.rows[row as usize].tuple_end as usize]
    }

    pub fn parent(&self, row: u32) -> &[u8] {
        let (_, start) = self.before(row);
        &self.keys[start..self.rows[row as usize].parent_end as usize]
    }

    pub fn key(&self, row: u32) -> &[u8] {
        let row = &self.rows[row as usize];
        &self.keys[row.parent_end as usize..row.key_end as usize]
    }

    pub fn absent(&self, row: u32) -> &Absent {
        match self.rows[row as usize].absent {
            0 => &NONE,
            number => &self.absents[number as usize - 1],
        }
    }

    /// Where the row's tuple and parent begin.
    fn before(&self, row: u32) -> (usize, usize) {
        match row.checked_sub(1).map(|before| &self.rows[before as usize]) {
            Some(before) => (before.tuple_end as usize, before.key_end as usize),
            None => (0, 0),
        }
    }
}
