//! The look-up of parents.

use pgrx::pg_sys;

use crate::pg::role::as_owner;
use crate::pg::spi::Spi;
use crate::pg::{relation, relcache};
use crate::record::composer::Composer;
use crate::record::{Column, EQUAL, ORDINAL, Row};
use crate::target::facts::ForeignKeyFacts;
use crate::tuple::Formed;
use crate::write::elsewhere::{self, Joined};
use crate::write::statement::{Referenced, TableName, batch_name};

/// So few parents are looked up one by one. Measured with 28,000 composers: 300 take 0.5 ms, all of them read 6 ms.
const FEW_PARENTS: usize = 1000;

/// A table that rows refer to.
pub struct Parents {
    pub oid: pg_sys::Oid,
    pub name: TableName,
    /// The columns that they refer to, quoted, and the operators that compare them with the rows'.
    pub columns: Vec<(Vec<u8>, Vec<u8>)>,
    /// The look-up stands for the check of a foreign key, and runs as the owner of the table, as the check does.
    pub owner: Option<pg_sys::Oid>,
}

impl Parents {
    /// Which of the rows of a batch have their parent there, by their ordinals: tuples of these columns, named c1 and so
    /// on, and the ordinal.
    pub fn look_up(
        &self,
        spi: &Spi,
        mut columns: Vec<Column>,
        keys: &Formed,
        count: usize,
        lock: bool,
    ) -> Vec<i32> {
        let batch_name = batch_name("parents");
        columns.push(ORDINAL);
        let elsewhere = !lock && elsewhere::reads(spi, &self.name);
        let joined = Joined::of(spi, elsewhere, &batch_name, &columns, keys, |_| true);
        let referenced = Referenced { name: &self.name, columns: &self.columns };
        let sql = referenced.present(&batch_name, lock, count < FEW_PARENTS && !elsewhere);
        let run = || joined.prepare(self.oid, &sql).row(|row| row.get::<Vec<i32>>(1));
        let places = match self.owner {
            // For somebody else another user may be another session, which sees nothing of this transaction.
            Some(owner) if !elsewhere => as_owner(owner, run),
            _ => run(),
        };
        places.flatten().unwrap_or_default()
    }

    /// Those of a foreign key. Their table is locked.
    pub fn of_key(key: &ForeignKeyFacts) -> Option<Self> {
        let oid = pg_sys::Oid::from(key.references);
        let (ordinary, owner) = relcache::ordinary_and_owner(oid);
        let columns =
            key.referenced_columns.iter().zip(&key.operators).map(|(number, operator)| {
                let name = relation::column_name(oid, *number)?;
                Some((relation::quoted(&name), relation::operator(*operator)?))
            });
        Some(Parents {
            oid,
            name: TableName { name: relation::qualified_name(oid)?, ordinary },
            columns: columns.collect::<Option<Vec<_>>>()?,
            owner: Some(owner),
        })
    }

    /// The table `composers` of the search_path, for works that no foreign key binds to it: the caller reads it.
    pub fn by_name() -> Option<Self> {
        let oid = relation::find(Composer::NAME, relation::Lock::Read)?;
        let (ordinary, _) = relcache::ordinary_and_owner(oid);
        let name = TableName { name: relation::qualified_name(oid)?, ordinary };
        let column = (relation::quoted(&Composer::COLUMNS[0].name), EQUAL.to_vec());
        Some(Parents { oid, name, columns: vec![column], owner: None })
    }
}
