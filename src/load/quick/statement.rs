//! The statement that writes a few rows, whether they are there or not: prepared once for a single row, whose values are
//! parameters; once for a single record of which the server makes a row; and once for several rows, which are a batch.

use std::borrow::Cow;
use std::cell::OnceCell;

use pgrx::pg_sys;

use super::MOST_ROWS;
use super::entry::Entry;
use crate::options::OnConflict;
use crate::pg::batch::Batch;
use crate::pg::kept::Kept;
use crate::pg::parameters::Parameters;
use crate::pg::relation;
use crate::pg::spi::{Row, Spi};
use crate::record::{Absent, Column};
use crate::rows::{RowRef, Rows};
use crate::write::statement::{Statements, batch_name};

/// For rows that have no value for some columns.
pub struct Statement {
    absent: Absent,
    on_conflict: OnConflict,
    of_row: OnceCell<Pair>,
    of_record: OnceCell<Pair>,
    of_batch: OnceCell<Pair>,
}

/// What is written, and what is asked afterwards.
struct Pair {
    /// Tells of each row that it has written whether it is new.
    write: Kept,
    /// Tells whether rows that it has left as they are, are about other things ([`Statements::others`]); none if they
    /// have no ids that would tell.
    others: Option<Kept>,
}

/// What is to be written.
pub enum Put<'s> {
    /// A row's tuple.
    Row(&'s [u8]),
    /// The members of a record, as a JSON object, in the database's encoding.
    Record(Cow<'s, [u8]>),
    /// Rows in the connection's batch, which is there as long as this.
    Batch { _rows: Batch<'s> },
}

impl<'s> Put<'s> {
    pub fn rows(spi: &'s Spi, entry: &Entry, rows: &'s Rows, write: &[RowRef]) -> Self {
        if let [row] = write {
            return Put::Row(rows.tuple(*row));
        }
        let name = batch_name(entry.recipe.table().batch());
        let mut batch = Batch::register(spi, &name, &entry.columns, MOST_ROWS);
        batch.fill(write.iter().map(|row| rows.tuple(*row)));
        Put::Batch { _rows: batch }
    }
}

impl Statement {
    pub fn new(absent: Absent, on_conflict: OnConflict) -> Self {
        let [of_row, of_record, of_batch] = [const { OnceCell::new() }; 3];
        Statement { absent, on_conflict, of_row, of_record, of_batch }
    }

    pub fn is_for(&self, absent: &Absent) -> bool {
        self.absent == *absent
    }

    /// Writes the rows; of each that it has written, whether it is new.
    pub fn write(&self, spi: &Spi, entry: &Entry, put: &Put) -> Vec<bool> {
        let is_new = |row: &Row| row.get::<bool>(1).unwrap_or_default();
        self.pair(spi, entry, put).write.plan(spi).with(entry.parameters(put)).rows(is_new)
    }

    /// Whether a row that was left as it is, is about another thing than the one that is there.
    pub fn finds_others(&self, spi: &Spi, entry: &Entry, put: &Put) -> bool {
        let others = self.pair(spi, entry, put).others.as_ref();
        others.is_some_and(|others| others.plan(spi).with(entry.parameters(put)).execute() > 0)
    }

    fn pair(&self, spi: &Spi, entry: &Entry, put: &Put) -> &Pair {
        match put {
            Put::Row(_) => self.of_row.get_or_init(|| self.prepare(spi, entry, put)),
            Put::Record(_) => self.of_record.get_or_init(|| self.prepare(spi, entry, put)),
            Put::Batch { .. } => self.of_batch.get_or_init(|| self.prepare(spi, entry, put)),
        }
    }

    fn prepare(&self, spi: &Spi, entry: &Entry, put: &Put) -> Pair {
        let (table, absent) = (entry.recipe.table(), &self.absent);
        let (batch, types) = entry.source(put);
        let (name, batch, quote) = (&entry.name, &*batch, relation::quoted);
        let statements = Statements { name, table, batch, absent, quote };
        let keep = |sql: Vec<u8>| Kept::prepare(spi, entry.table, &sql, &types);
        let tells = table.identity().next().is_some() && self.on_conflict != OnConflict::Error;
        Pair {
            write: keep(statements.listed_merge(self.on_conflict)),
            others: tells.then(|| keep(statements.others())),
        }
    }

    pub fn free(self) {
        let pairs = [self.of_row, self.of_record, self.of_batch].map(OnceCell::into_inner);
        for Pair { write, others } in pairs.into_iter().flatten() {
            write.free();
            others.into_iter().for_each(Kept::free);
        }
    }
}

impl Entry {
    /// Where a statement finds the rows, as c1, c2 and so on, and the types of its parameters.
    fn source(&self, put: &Put) -> (Vec<u8>, Vec<pg_sys::Oid>) {
        let columns = &self.recipe.table().columns;
        match put {
            Put::Row(_) => {
                let value = |place: usize| format!("${place} AS c{place}");
                let values: Vec<String> = (1..=columns.len()).map(value).collect();
                (format!("(SELECT {})", values.join(", ")).into_bytes(), self.shape.types.clone())
            }
            Put::Record(_) => {
                let value = |(place, column): (usize, &Column)| {
                    let name = relation::quoted(&column.name);
                    [b"(r).", &*name, format!(" AS c{place}").as_bytes()].concat()
                };
                let values: Vec<Vec<u8>> = (1..).zip(columns).map(value).collect();
                let made = b" FROM (SELECT pg_catalog.jsonb_populate_record($1, $2::pg_catalog.jsonb) AS r OFFSET 0) made)";
                let query = [b"(SELECT ", &*values.join(&b", "[..]), made].concat();
                (query, vec![self.row_type, pg_sys::TEXTOID])
            }
            Put::Batch { .. } => (batch_name(self.recipe.table().batch()).into_bytes(), vec![]),
        }
    }

    fn parameters(&self, put: &Put) -> Parameters {
        match put {
            Put::Row(tuple) => self.shape.values(tuple),
            Put::Record(json) => Parameters::empty_row(self.row_type).and_text(json),
            Put::Batch { .. } => Parameters::default(),
        }
    }
}
