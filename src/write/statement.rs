//! PURE. The SQL of a load. Table names come quoted and qualified, as bytes of the database's encoding; batches are
//! named relations of the connection, which no table hides, and their columns are c1, c2 and so on.
//!
//! Nothing in a statement is left to the caller's search_path: functions, operators and types are the server's own, or
//! named with their schema.

mod name;
mod referenced;
mod there;

pub use self::name::TableName;
pub use self::referenced::Referenced;
use self::there::equal;
pub use self::there::is_null;
use crate::options::OnConflict;
use crate::record::{Absent, Column, EQUAL, Null, Table};

/// The statements for rows that have no value for some columns.
pub struct Statements<'t> {
    pub name: &'t TableName,
    pub table: &'t Table,
    /// The batch that the rows are in, or a query in parentheses with the same columns.
    pub batch: &'t [u8],
    pub absent: &'t Absent,
    /// Quotes a name where it must be.
    pub quote: fn(&[u8]) -> Vec<u8>,
}

/// A column of the statement: its place in the batch, and its name, quoted.
struct Named<'t> {
    place: usize,
    batch: Vec<u8>,
    name: Vec<u8>,
    is_key: bool,
    column: &'t Column,
}

/// The places of all columns.
const ALL: Option<&[usize]> = None;

/// Texts with another one between them.
fn join(texts: impl IntoIterator<Item = Vec<u8>>, between: &str) -> Vec<u8> {
    let mut joined = vec![];
    for (place, text) in texts.into_iter().enumerate() {
        if place > 0 {
            joined.extend_from_slice(between.as_bytes());
        }
        joined.extend_from_slice(&text);
    }
    joined
}

/// A row's name in a statement, and what stands in it: `old."title"`.
fn of(row: &str, name: &[u8]) -> Vec<u8> {
    [row.as_bytes(), b".", name].concat()
}

impl Statements<'_> {
    /// The columns that the rows have values for.
    fn columns(&self) -> Vec<Named<'_>> {
        let columns = self.table.columns.iter().enumerate();
        let present = columns.filter(|(place, _)| !self.absent.contains(*place));
        present
            .map(|(place, column)| Named {
                place,
                batch: cast(format!("c{}", place + 1).into_bytes(), column.cast.as_ref()),
                name: (self.quote)(&column.name),
                is_key: self.table.is_key(place),
                column,
            })
            .collect()
    }

    /// The columns and where they come from, as in `(a, b) SELECT c1, c2 FROM batch`.
    fn source(&self) -> Vec<u8> {
        let columns = self.columns();
        let names = join(columns.iter().map(|column| column.name.clone()), ", ");
        let batch = join(columns.iter().map(|column| column.batch.clone()), ", ");
        // With no column at all the server wants no parentheses.
        let names = if columns.is_empty() { vec![] } else { [b" (", &*names, b")"].concat() };
        // PostgreSQL 15 wants a name for a query.
        let name: &[u8] = if self.batch.starts_with(b"(") { b" new" } else { b"" };
        [&*names, b" SELECT ", &batch, b" FROM ", self.batch, name].concat()
    }

    /// Rows known to be new.
    pub fn insert(&self) -> Vec<u8> {
        [b"INSERT INTO ", &*self.name.name, &self.source()].concat()
    }

    /// Rows that may be there. What the record has no value for stays; a row that would not change is not touched, and
    /// one about another thing is never changed.
    pub fn merge(&self, on_conflict: OnConflict) -> Vec<u8> {
        let columns = self.columns();
        let rest: Vec<_> = columns.iter().filter(|column| !column.is_key).collect();
        let action = match on_conflict {
            OnConflict::Update if !rest.is_empty() => {
                let set = rest.iter().map(|column| {
                    let (old, new) = (of("old", &column.name), of("excluded", &column.name));
                    match self.table.null {
                        Null::Unknown => {
                            [&*column.name, b" = coalesce(", &new, b", ", &old, b")"].concat()
                        }
                        Null::Value => [&*column.name, b" = ", &column.kept(new)].concat(),
                    }
                });
                let set = join(set, ", ");
                let differs = self.differs(ALL, "excluded", |column| column.name.clone());
                let alike = self.alike();
                [b"UPDATE SET ", &*set, b" WHERE ", &alike, b"(", &differs, b")"].concat()
            }
            _ => b"NOTHING".to_vec(),
        };
        let key = join(self.table.key_names().map(self.quote), ", ");
        let into = [b"INSERT INTO ", &*self.name.name, b" AS old"].concat();
        [&*into, &self.source(), b" ON CONFLICT (", &key, b") DO ", &action].concat()
    }

    /// Rows that are there, to be changed: those of their columns that the record has values for, whatever an INSERT would
    /// say of the others.
    pub fn update(&self) -> Vec<u8> {
        let columns = self.columns();
        let rest = columns.iter().filter(|column| !column.is_key);
        let value = |column: &Named| column.kept(of("new", &column.batch));
        let set = rest.map(|column| [&*column.name, b" = ", &value(column)].concat());
        let set = join(set, ", ");
        let differs = self.differs(ALL, "new", |column| column.batch.clone());
        let update = [b"UPDATE ", &*self.name.from(), b" AS old SET ", &set].concat();
        let from = [b" FROM ", self.batch, b" new WHERE ", &self.has_key("old")].concat();
        [&*update, &from, b" AND (", &differs, b")"].concat()
    }

    /// [`Statements::merge`] for an update, counting what it did: rows written, and those of them that were inserted. A
    /// row that the statement has locked to update it has an xmax, a new one has none; tables with partitions do not show
    /// it.
    pub fn counted_merge(&self) -> Vec<u8> {
        counted(&self.merge(OnConflict::Update), IS_NEW)
    }

    /// Rows that may be there, telling of each row written whether it is new ([`Statements::counted_merge`]).
    pub fn listed_merge(&self, on_conflict: OnConflict) -> Vec<u8> {
        let (statement, is_new) = match on_conflict {
            OnConflict::Update => (self.merge(on_conflict), IS_NEW),
            OnConflict::Skip => (self.merge(on_conflict), "true"),
            OnConflict::Error => (self.insert(), "true"),
        };
        [&*statement, b" RETURNING ", is_new.as_bytes()].concat()
    }

    /// The same, counting what it did as [`Statements::counted_merge`] does, whether or not the table shows which of the
    /// rows are new; all of them are counted as new where it does not.
    pub fn counted(&self, on_conflict: OnConflict, shows_new: bool) -> Vec<u8> {
        let (statement, is_new) = match on_conflict {
            OnConflict::Update if shows_new => (self.merge(on_conflict), IS_NEW),
            OnConflict::Update | OnConflict::Skip => (self.merge(on_conflict), "true"),
            OnConflict::Error => (self.insert(), "true"),
        };
        counted(&statement, is_new)
    }

    /// Whether a new row would change the old one in one of the columns at these places; `value` is a column's in the new
    /// row.
    fn differs(
        &self,
        places: Option<&[usize]>,
        new: &str,
        value: impl Fn(&Named) -> Vec<u8>,
    ) -> Vec<u8> {
        let columns = self.columns();
        let is_one = |place| places.is_none_or(|places| places.contains(&place));
        let rest = columns.iter().filter(|column| !column.is_key && is_one(column.place));
        let rest: Vec<&Named> = rest.collect();
        if rest.is_empty() {
            return b"false".to_vec();
        }
        if self.table.null == Null::Value {
            // Two values may be equal and not the same: what is written is what the record says.
            let new = join(rest.iter().map(|column| column.kept(of(new, &value(column)))), ", ");
            let old = join(rest.iter().map(|column| of("old", &column.name)), ", ");
            // As a function: written out for another server, the operator would compare column by column.
            let differ = b"pg_catalog.record_image_ne(ROW(";
            return [&differ[..], &new, b"), ROW(", &old, b"))"].concat();
        }
        let differs = rest.iter().map(|column| {
            let (new, old) = (of(new, &value(column)), of("old", &column.name));
            let equal = [&*new, b" ", EQUAL, b" ", &old].concat();
            [b"(", &*new, b" IS NOT NULL AND (", &equal, b") IS NOT TRUE)"].concat()
        });
        join(differs, " OR ")
    }

    /// A condition, with the AND behind it: that a new row is not about another thing than the old one.
    fn alike(&self) -> Vec<u8> {
        let columns = self.columns();
        let ids = columns.iter().filter(|column| column.column.identity);
        let alike = ids.map(|id| {
            let equal = equal(&of("excluded", &id.name), &of("old", &id.name));
            [&*equal, b" IS NOT FALSE AND "].concat()
        });
        alike.collect::<Vec<_>>().concat()
    }
}

/// A value as one of another type, if there is one.
pub fn cast(value: Vec<u8>, to: Option<&Vec<u8>>) -> Vec<u8> {
    to.map_or(value.clone(), |name| [&*value, b"::", name].concat())
}

/// A statement that writes, counting its rows, and those of them that are new.
fn counted(statement: &[u8], is_new: &str) -> Vec<u8> {
    let returning = format!(
        " RETURNING {is_new} AS inserted) SELECT pg_catalog.count(*), \
         pg_catalog.count(*) FILTER (WHERE inserted) FROM written"
    );
    [b"WITH written AS (", statement, returning.as_bytes()].concat()
}

/// Whether a row of an INSERT is new.
const IS_NEW: &str = "(old.xmax OPERATOR(pg_catalog.=) '0'::pg_catalog.xid)";

impl Named<'_> {
    /// What a row that is there gets for a value that is null where the record says so: what tells things apart is not
    /// taken from it.
    fn kept(&self, new: Vec<u8>) -> Vec<u8> {
        match self.column.identity {
            true => [b"coalesce(", &*new, b", ", &of("old", &self.name), b")"].concat(),
            false => new,
        }
    }
}

/// Name of the batch of rows for a purpose.
pub fn batch_name(purpose: &str) -> String {
    format!("pg_opus_{purpose}")
}

#[cfg(test)]
mod tests;
