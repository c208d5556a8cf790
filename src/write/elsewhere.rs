//! Tables whose INSERT somebody else plans: an extension keeps their rows in places of its own, on other servers perhaps. By
//! the catalog such a table is an ordinary one; only the plan tells.
//!
//! They are written by that INSERT and by nothing else. Its rows come from a function of the session ([`LoadRows`]), and
//! it counts what it has written: the number of rows that a statement reports is that of the rows sent. What is read of
//! them is joined with arrays ([`Arrays`]). An executor of somebody else's knows no named tuplestore, and runs functions
//! where it likes.

use pgrx::{PgLogLevel, pg_sys};

use super::plans::{Plans, Use};
use super::statement::{TableName, batch_name};
use crate::options::OnConflict;
use crate::pg::arrays::Arrays;
use crate::pg::batch::Batch;
use crate::pg::error::raise;
use crate::pg::load_rows::LoadRows;
use crate::pg::spi::{Plan, Spi};
use crate::pg::subtransaction;
use crate::pg::{relation, relcache, version};
use crate::record::{Absent, Column, positional};
use crate::target::Target;
use crate::target::facts::{ColumnFacts, Generated, Identity, RelationKind};
use crate::tuple::Formed;

/// What `last_load()` says of such a table.
pub const REASON: &str = "an extension plans its INSERT";

/// So many rows are joined with a table at a time, and so many bytes of them: arrays are values of one piece.
pub const MOST_JOINED: usize = 100_000;
pub const MOST_JOINED_BYTES: usize = 64 << 20;

/// Whether somebody else plans the INSERT of these columns.
pub fn plans_insert(spi: &Spi, target: &Target) -> bool {
    let is_written = matches!(
        target.facts.kind,
        RelationKind::Table | RelationKind::PartitionedTable | RelationKind::View
    );
    if !is_written {
        return false;
    }
    // Where an error undoes the look, what has its name with the connection is still there to be taken back.
    let name = batch_name("planned");
    let _shape = Batch::register(spi, &name, &positional(&target.table.columns), 1);
    let look = || {
        let plans = Plans::new(spi, target, OnConflict::Error, name.into_bytes());
        plans.get(&Absent::default(), Use::Insert).is_planned_elsewhere()
    };
    seen(look)
}

/// Whether somebody else plans the INSERT of all columns into a table that the caller may write to.
pub fn keeps_rows(spi: &Spi, table: pg_sys::Oid) -> bool {
    if !relation::lock_for_insert(table) {
        return false;
    }
    let Some(name) = relation::qualified_name(table) else { return false };
    let may_be_given = |column: &&ColumnFacts| {
        let generated = column.generated != Generated::No || column.identity == Identity::Always;
        !column.dropped && !generated
    };
    let facts = relcache::facts(table);
    let columns = facts.columns.iter().filter(may_be_given);
    let columns: Vec<Vec<u8>> = columns.map(|column| relation::quoted(&column.name)).collect();
    let columns = columns.join(&b", "[..]);
    let insert = [b"INSERT INTO ", &*name, b" (", &columns, b") SELECT ", &columns].concat();
    let sql = [&*insert, b" FROM ", &name].concat();
    seen(|| spi.prepare(&sql).is_planned_elsewhere())
}

/// Whether somebody else reads the table.
pub fn reads(spi: &Spi, table: &TableName) -> bool {
    let sql = [b"SELECT 1 FROM ", &*table.name].concat();
    seen(|| spi.prepare(&sql).is_read_elsewhere())
}

/// What is seen in a plan, or found by a query that a load can do without. What the server says against the statement,
/// it says when there are rows for it; what ends any statement (a cancel, a lock that is not to be had, no memory) ends
/// the load.
pub fn seen(look: impl FnOnce() -> bool) -> bool {
    const ENDS: [&str; 5] = ["40", "53", "55", "57", "58"];
    match subtransaction::within(look) {
        Err(error) if ENDS.contains(&&error.sqlstate()[..2]) => {
            raise(error).report(PgLogLevel::ERROR);
            false
        }
        seen => seen.unwrap_or_default(),
    }
}

/// The function of these rows as a statement reads from it: with their columns, which are positional.
pub fn function(spi: &Spi, rows: &LoadRows, columns: &[Column]) -> Vec<u8> {
    // Version 0.1.0 has no such function.
    if let Err(failure) = version::check_updated() {
        raise(failure.into()).report(PgLogLevel::ERROR);
    }
    let column = |column: &Column| {
        let kind = relation::type_with_length(column.kind.oid, column.kind.typmod);
        [&*column.name, b" ", &kind].concat()
    };
    let columns = columns.iter().map(column).collect::<Vec<_>>().join(&b", "[..]);
    let call = format!(".load_rows({}) AS new(", rows.number());
    [&*relation::extension_schema(spi), call.as_bytes(), &columns, b")"].concat()
}

/// Rows that a query joins with a table.
pub struct Joined<'s> {
    spi: &'s Spi,
    carrier: Carrier<'s>,
}

enum Carrier<'s> {
    /// In the connection's memory, under their name.
    Batch { _batch: Batch<'s> },
    /// In front of the query.
    Arrays { arrays: Arrays, table: Vec<u8> },
}

impl<'s> Joined<'s> {
    /// Tuples of these columns, under this name; `elsewhere` if the table is one that somebody else reads, and then those
    /// of the columns are enough that the query uses.
    pub fn of(
        spi: &'s Spi,
        elsewhere: bool,
        name: &str,
        columns: &[Column],
        tuples: &Formed,
        uses: impl Fn(usize) -> bool,
    ) -> Self {
        let carrier = match elsewhere {
            true => {
                let arrays = Arrays::of(columns, tuples.iter(), uses);
                let table = arrays.table(name, columns);
                Carrier::Arrays { arrays, table }
            }
            false => {
                let mut batch = Batch::register(spi, name, columns, tuples.len());
                batch.fill(tuples.iter());
                Carrier::Batch { _batch: batch }
            }
        };
        Joined { spi, carrier }
    }

    /// A query about a table that the transaction has locked.
    pub fn prepare(&self, table: pg_sys::Oid, sql: &[u8]) -> Plan<'s> {
        match &self.carrier {
            Carrier::Batch { .. } => self.spi.prepare_for(table, sql),
            Carrier::Arrays { arrays, table: rows } => {
                let sql = [rows, sql].concat();
                self.spi.prepare_for_values(table, &sql, &arrays.types).with(arrays.parameters())
            }
        }
    }
}
