//! What a table has of a document's rows, found out by reading the table: for many rows that is less work than a join,
//! which copies both sides, and files them where they exceed `work_mem`.
//!
//! The rows of a table that a load has filled lie as the next load would write them: most are found where the one before
//! them leads to, and only the others by a map of all keys. Values are compared as bytes ([`rules::bytes_tell`]). A row
//! that differs in its bytes alone counts as changed; the statement that is to change it looks again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::insert::Writer;
use super::statement::Statements;
use super::there::{Found, There};
use crate::document::push;
use crate::error::Fault;
use crate::options::OnConflict;
use crate::pg::batch::{AHEAD, prefetch};
use crate::pg::relation;
use crate::pg::scan::Seen;
use crate::record::{Absent, Given, Null, Table};
use crate::report::Failure;
use crate::rows::{RowRef, Rows, keys};
use crate::target::{Target, rules};
use crate::tuple::{integer, values};

/// The table is read where the document has so many rows for each of its blocks: a look into the key's index takes
/// about as long as to read a quarter of a block.
const ROWS_PER_BLOCK: usize = 4;

/// So many of the rows that may come next are looked at before the map: some of the document's are new.
const NEAR: usize = 3;

impl Writer<'_> {
    /// Whether what the table has of so many rows is better found out by reading it.
    pub fn may_scan(&self, rows: usize) -> bool {
        let Target { facts, table, .. } = self.target;
        let blocks = facts.blocks.unwrap_or(u32::MAX) as usize;
        let mut key = table.key.iter().map(|key| &table.columns[key.place]);
        rows / ROWS_PER_BLOCK >= blocks
            && key.all(|column| column.given != Given::Never)
            && rules::bytes_tell(facts, table)
    }

    /// What the table has of the rows, of which no two have the same key.
    pub fn scan(&self, rows: &Rows, write: &[RowRef]) -> Result<There, Failure> {
        let table = &self.target.table;
        // A statement that writes the rows asks for no privilege on other columns either.
        let is_read = |place: &usize| match self.on_conflict {
            OnConflict::Update => table.columns[*place].given != Given::Never,
            OnConflict::Skip | OnConflict::Error => {
                table.is_key(*place) || table.columns[*place].identity
            }
        };
        let read: Vec<usize> = (0..table.columns.len()).filter(is_read).collect();
        let key: Vec<usize> = table.key.iter().map(|key| key.place).collect();
        let (read, key) = (&*read, &*key);
        let (meeting, on_conflict) = (self.target.meeting(), self.on_conflict);
        let compared = Compared { rows, table, read, key, meeting, on_conflict };
        let mut search = Search::new(&compared, write);
        let statements = Statements {
            name: &self.target.name,
            table,
            batch: b"",
            absent: &Absent::default(),
            quote: relation::quoted,
        };
        let mut there = There::default();
        let plan = self.spi.prepare_for(self.target.oid, &statements.read(read));
        plan.see_each(|seen| {
            if let Some(row) = search.find(seen)? {
                there.note(row.ordinal, compared.found(row, seen));
            }
            Ok::<(), Fault>(())
        })?;
        Ok(there.noted())
    }
}

/// What is compared, and how.
struct Compared<'t> {
    rows: &'t Rows<'t>,
    table: &'t Table,
    /// The columns that are read, by their places.
    read: &'t [usize],
    /// Those of the key.
    key: &'t [usize],
    /// See [`Target::meeting`].
    meeting: Option<Vec<usize>>,
    on_conflict: OnConflict,
}

impl Compared<'_> {
    /// Writes the key of a row of the document; nothing if it has none.
    fn key_of_row(&self, row: RowRef, key: &mut Vec<u8>) -> Result<(), Fault> {
        let columns = &self.table.columns;
        let value = |place| values(self.rows.tuple(row), columns).nth(place).flatten();
        key.clear();
        keys::append(self.key, false, columns, value, key)
    }

    fn key_of_seen(&self, seen: &Seen, key: &mut Vec<u8>) -> Result<(), Fault> {
        let column = |place| self.read.iter().position(|read| *read == place);
        key.clear();
        keys::append(self.key, false, &self.table.columns, |place| seen.value(column(place)?), key)
    }

    /// What the row that is seen is to one of the document.
    fn found(&self, row: RowRef, seen: &Seen) -> Found {
        let absent = self.rows.absent(row);
        let mut new = values(self.rows.tuple(row), &self.table.columns).enumerate();
        let (mut ids, mut changed, mut moves) = (0, false, false);
        for (number, &place) in self.read.iter().enumerate() {
            let new = new.find(|(of_new, _)| *of_new == place).and_then(|(_, value)| value);
            let is_id = self.table.columns[place].identity;
            let id = ids;
            ids += usize::from(is_id);
            let says_nothing = new.is_none() && self.table.null == Null::Unknown;
            if says_nothing || absent.contains(place) {
                continue;
            }
            let old = seen.value(number);
            if old.as_deref() == new {
                continue;
            }
            match (&old, new) {
                (Some(old), Some(_)) if is_id => {
                    return Found::Another(id, integer(old).unwrap_or_default());
                }
                _ => changed |= !self.table.is_key(place),
            }
            moves |= self.meeting.as_ref().is_none_or(|meeting| meeting.contains(&place));
        }
        let updates = changed && self.on_conflict == OnConflict::Update;
        if updates { Found::Changed { moves } } else { Found::Same }
    }
}

/// The document's rows, looked for by their keys.
struct Search<'c> {
    compared: &'c Compared<'c>,
    write: &'c [RowRef],
    /// Where the next one is expected.
    next: usize,
    places: Option<Places>,
    /// The keys of the row that is seen and of the one that it may be.
    seen: Vec<u8>,
    of_row: Vec<u8>,
}

/// The places of rows by the hashes of their keys.
struct Places {
    state: RandomState,
    first: HashMap<u64, u32>,
    /// Those whose hash another key has.
    others: Vec<(u64, u32)>,
}

impl<'c> Search<'c> {
    fn new(compared: &'c Compared<'c>, write: &'c [RowRef]) -> Self {
        Search { compared, write, next: 0, places: None, seen: vec![], of_row: vec![] }
    }

    /// The row that has the key of this one.
    fn find(&mut self, seen: &Seen) -> Result<Option<RowRef>, Fault> {
        self.compared.key_of_seen(seen, &mut self.seen)?;
        if self.seen.is_empty() {
            return Ok(None);
        }
        if let Some(ahead) = self.write.get(self.next + AHEAD) {
            prefetch(self.compared.rows.tuple(*ahead));
        }
        let place = match self.first_of(self.next..self.next + NEAR)? {
            Some(place) => Some(place),
            None => self.place()?,
        };
        let Some(place) = place else { return Ok(None) };
        self.next = place + 1;
        Ok(Some(self.write[place]))
    }

    /// The first of these places at which a row has the key that is seen.
    fn first_of(
        &mut self,
        places: impl IntoIterator<Item = usize>,
    ) -> Result<Option<usize>, Fault> {
        for place in places {
            let Some(row) = self.write.get(place) else { continue };
            self.compared.key_of_row(*row, &mut self.of_row)?;
            if self.of_row == self.seen {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// The same of all places.
    fn place(&mut self) -> Result<Option<usize>, Fault> {
        if self.places.is_none() {
            self.places = Some(self.all_places()?);
        }
        let Some(Places { state, first, others }) = &self.places else { return Ok(None) };
        let hash = state.hash_one(&*self.seen);
        let first = first.get(&hash).map(|place| *place as usize);
        let others = others.iter().filter(|(other, _)| *other == hash);
        let places = first.into_iter().chain(others.map(|(_, place)| *place as usize));
        let places: Vec<usize> = places.collect();
        self.first_of(places)
    }

    fn all_places(&mut self) -> Result<Places, Fault> {
        let (state, mut first, mut others) = (RandomState::default(), HashMap::new(), vec![]);
        first.try_reserve(self.write.len()).map_err(|_| Fault::OutOfMemory)?;
        for (place, row) in (0..).zip(self.write) {
            self.compared.key_of_row(*row, &mut self.of_row)?;
            if self.of_row.is_empty() {
                continue;
            }
            let hash = state.hash_one(&*self.of_row);
            match first.entry(hash) {
                Entry::Vacant(vacant) => _ = vacant.insert(place),
                Entry::Occupied(_) => push(&mut others, (hash, place))?,
            }
        }
        Ok(Places { state, first, others })
    }
}
