//! The statement that writes a few rows, whether they are there or not: prepared once for a single row, whose values are
//! parameters, and once for several, which are a batch.

use std::cell::OnceCell;

use super::MOST_ROWS;
use super::entry::Entry;
use crate::options::OnConflict;
use crate::pg::batch::Batch;
use crate::pg::kept::Kept;
use crate::pg::parameters::Parameters;
use crate::pg::relation;
use crate::pg::spi::{Row, Spi};
use crate::record::Absent;
use crate::rows::{RowRef, Rows};
use crate::write::statement::{Statements, batch_name};

/// For rows that have no value for some columns.
pub struct Statement {
    absent: Absent,
    on_conflict: OnConflict,
    of_one: OnceCell<Pair>,
    of_several: OnceCell<Pair>,
}

/// What is written, and what is asked afterwards.
struct Pair {
    /// Tells of each row that it has written whether it is new.
    write: Kept,
    /// Tells whether rows that it has left as they are, are about other things ([`Statements::others`]); none if they
    /// have no ids that would tell.
    others: Option<Kept>,
}

/// Rows on their way to the statement.
pub struct Put<'s> {
    spi: &'s Spi,
    entry: &'s Entry,
    statement: &'s Statement,
    /// Several rows are in the connection's batch.
    batch: Option<Batch<'s>>,
    /// The tuple of a single one.
    one: &'s [u8],
}

impl Statement {
    pub fn new(absent: Absent, on_conflict: OnConflict) -> Self {
        let (of_one, of_several) = (OnceCell::new(), OnceCell::new());
        Statement { absent, on_conflict, of_one, of_several }
    }

    pub fn is_for(&self, absent: &Absent) -> bool {
        self.absent == *absent
    }

    /// Makes the rows ready.
    pub fn put<'s>(
        &'s self,
        spi: &'s Spi,
        entry: &'s Entry,
        rows: &'s Rows,
        write: &[RowRef],
    ) -> Put<'s> {
        let (mut batch, mut one) = (None, &[][..]);
        match write {
            [row] => one = rows.tuple(*row),
            write => {
                let name = batch_name(entry.recipe.table().batch());
                let mut filled = Batch::register(spi, &name, &entry.columns, MOST_ROWS);
                filled.fill(write.iter().map(|row| rows.tuple(*row)));
                batch = Some(filled);
            }
        }
        Put { spi, entry, statement: self, batch, one }
    }

    pub fn free(self) {
        let pairs = [self.of_one.into_inner(), self.of_several.into_inner()];
        for Pair { write, others } in pairs.into_iter().flatten() {
            write.free();
            others.into_iter().for_each(Kept::free);
        }
    }
}

impl Put<'_> {
    /// Writes the rows; of each that it has written, whether it is new.
    pub fn write(&self) -> Vec<bool> {
        let is_new = |row: &Row| row.get::<bool>(1).unwrap_or_default();
        self.pair().write.plan(self.spi).with(self.parameters()).rows(is_new)
    }

    /// Whether a row that was left as it is, is about another thing than the one that is there.
    pub fn has_others(&self) -> bool {
        let found = |others: &Kept| others.plan(self.spi).with(self.parameters()).execute() > 0;
        self.pair().others.as_ref().is_some_and(found)
    }

    fn parameters(&self) -> Parameters {
        match self.batch {
            Some(_) => Parameters::default(),
            None => self.entry.shape.values(self.one),
        }
    }

    fn pair(&self) -> &Pair {
        let Put { spi, entry, statement, ref batch, .. } = *self;
        let (table, types) = (entry.recipe.table(), &entry.shape.types);
        let prepare = |batch: &str, types| {
            let (name, absent, quote) = (&entry.name, &statement.absent, relation::quoted);
            let statements = Statements { name, table, batch, absent, quote };
            let keep = |sql: Vec<u8>| Kept::prepare(spi, entry.table, &sql, types);
            let on_conflict = statement.on_conflict;
            let tells = table.identity().next().is_some() && on_conflict != OnConflict::Error;
            Pair {
                write: keep(statements.listed_merge(on_conflict)),
                others: tells.then(|| keep(statements.others())),
            }
        };
        let of_one = || {
            let values: Vec<String> =
                (1..=types.len()).map(|number| format!("${number} AS c{number}")).collect();
            prepare(&format!("(SELECT {})", values.join(", ")), types)
        };
        match batch {
            Some(_) => {
                statement.of_several.get_or_init(|| prepare(&batch_name(table.batch()), &[]))
            }
            None => statement.of_one.get_or_init(of_one),
        }
    }
}
