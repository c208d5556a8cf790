//! The works' composers, proved as a set.
//!
//! A foreign key checked row by row is the largest cost of loading works. Where nothing but the check itself can tell
//! the difference, the distinct composers are locked `FOR KEY SHARE` once, as the check would lock them, and the check
//! is left out of the bulk insert ([`crate::pg::bulk`]). The locks are held to the end of the transaction, so no
//! composer can be deleted or change its key before the works are there for others to see: the guarantee is that of the
//! check.
//!
//! The conditions are [`crate::target::rules::set_based_key`], READ COMMITTED, in which each statement sees what has
//! been committed, and enough rows to be worth the look-up. Rows that are written by INSERT are always checked by the
//! server.

use std::collections::HashSet;

use pgrx::pg_sys;

use super::Refusals;
use super::statement::{TableName, batch_name, parents};
use crate::document::find::Resource;
use crate::error::Fault;
use crate::pg::batch::Batch;
use crate::pg::role::as_owner;
use crate::pg::spi::Spi;
use crate::pg::{encoding, relation, relcache};
use crate::record::composer::Composer;
use crate::record::{Column, ColumnType, Row, Sink};
use crate::report::Failure;
use crate::rows::{Family, RowRef, Rows};
use crate::settings;
use crate::target::facts::{ForeignKeyFacts, TEXT_EQUAL, TableFacts, Timing};
use crate::target::{Target, rules};
use crate::tuple::Tuples;
use crate::write::bulk;

/// Below this many rows the row-by-row check costs less than a look-up of all parents.
const FEWEST_ROWS: usize = 500;

/// So few parents are looked up one by one. Measured with 28,000 composers: 300 take 0.5 ms, all of them read 6 ms.
const FEW_PARENTS: usize = 1000;

/// The column of `works` that names the composer.
const CHILD: &str = "composer_id";

const COLUMNS: &[Column] =
    &[Column::new("place", ColumnType::Int4), Column::new("key", ColumnType::Text)];

/// How a load makes sure that each work has its composer.
pub struct Check {
    /// Parents are looked up before anything is written; else the server alone finds out who is missing.
    pub looks_up: bool,
    /// A row whose parent is not found is refused here; else that is left to the server.
    decides: bool,
    /// The foreign key whose parents are locked: a bulk insert leaves its check out.
    pub proves: Option<u32>,
    /// What `last_load()` says of it.
    pub description: String,
    /// The name of the constraint that binds works to their composers.
    pub constraint: Option<Vec<u8>>,
    parents: Option<Parents>,
}

/// The table that the works refer to.
struct Parents {
    oid: pg_sys::Oid,
    name: TableName,
    /// The column that they refer to, quoted.
    column: Vec<u8>,
    /// The look-up stands for the check of a foreign key, and runs as the owner of the table, as the check does.
    owner: Option<pg_sys::Oid>,
}

impl Check {
    /// There is nothing to look up.
    fn none(description: String) -> Self {
        Check {
            looks_up: false,
            decides: true,
            proves: None,
            description,
            constraint: None,
            parents: None,
        }
    }

    /// For a table of either kind, of which `rows` are to be written; composers are made where `create` says so.
    pub fn of(resource: Resource, target: &Target, rows: usize, create: bool) -> Self {
        let facts = &target.facts;
        let name = target.table.name;
        let enforced = || facts.foreign_keys.iter().filter(|key| is_checked(facts, key));
        let key = (resource == Resource::Works)
            .then(|| facts.column(CHILD))
            .flatten()
            .and_then(|child| enforced().find(|key| key.columns == [child]));
        let Some(key) = key else {
            let mut check = Check::none(match (resource, enforced().next()) {
                (_, None) => format!("none: {name} has no foreign key"),
                (Resource::Works, Some(_)) => "row by row: no foreign key on composer_id".into(),
                (Resource::Composers, Some(_)) => {
                    "row by row: composers has no parents here".into()
                }
            });
            if resource == Resource::Works && create {
                check.parents = Parents::by_name();
                check.looks_up = check.parents.is_some();
            }
            return check;
        };
        relation::lock_for_check(pg_sys::Oid::from(key.references));
        let (parents, ordinary) = Parents::of_key(key);
        let provable = rules::set_based_key(facts, target.table.columns, key, ordinary);
        let reason =
            provable
                .err()
                .or(by_setting(rows))
                .or(bulk::allows(facts, target.table.columns, rows).err());
        Check {
            // A trigger may change a row's composer, and a deferred check lets it come later: then only the server
            // knows which one must be there, and when.
            looks_up: create || (rows >= FEWEST_ROWS && is_known_before(facts, key)),
            decides: is_known_before(facts, key),
            proves: reason.is_none().then_some(key.constraint),
            description: match reason {
                Some(reason) => format!("row by row: {reason}"),
                None => "as a set".into(),
            },
            constraint: relation::constraint_name(key.constraint),
            parents,
        }
    }

    /// The same look-up, with nothing locked.
    pub fn unlocked(self) -> Self {
        Check { proves: None, ..self }
    }

    /// Which of the families have their parent there.
    pub fn families(
        &self,
        spi: &Spi,
        rows: &Rows,
        write: &[RowRef],
        families: &[Family],
    ) -> Vec<bool> {
        let parent = |family: &Family| rows.parent_text(write[family.first]);
        self.present(spi, &families.iter().map(parent).collect::<Vec<_>>())
    }

    /// Those of the distinct `keys` that are not there.
    pub fn missing(&self, spi: &Spi, keys: Vec<String>) -> HashSet<String> {
        let present = self.present(spi, &keys.iter().map(String::as_str).collect::<Vec<_>>());
        keys.into_iter().zip(present).filter(|(_, present)| !present).map(|(key, _)| key).collect()
    }

    /// Those of the rows whose family has its parent; the others are refused.
    pub fn known(
        &self,
        rows: &Rows,
        write: Vec<RowRef>,
        families: &[Family],
        present: &[bool],
        refusals: &mut dyn Refusals,
    ) -> Result<Vec<RowRef>, Failure> {
        if !self.decides || !present.contains(&false) {
            return Ok(write);
        }
        let mut known = vec![];
        for (family, present) in families.iter().zip(present) {
            let members = family.of(&write);
            if *present {
                known.extend_from_slice(members);
                continue;
            }
            for row in members {
                let key = rows.parent_text(*row).into();
                refusals.fault(row.ordinal, Fault::UnknownComposer(key))?;
            }
        }
        Ok(known)
    }

    /// Which of the distinct `keys` are there, by their places; those that [`Check::proves`] needs are then locked.
    ///
    /// Those that seem to be missing are looked up once more: a look-up that has waited for another transaction sees
    /// only now what that one has committed.
    fn present(&self, spi: &Spi, keys: &[&str]) -> Vec<bool> {
        let mut present = vec![false; keys.len()];
        for _ in 0..2 {
            let missing: Vec<usize> = (0..keys.len()).filter(|&place| !present[place]).collect();
            if missing.is_empty() {
                break;
            }
            let wanted: Vec<&str> = missing.iter().map(|&place| keys[place]).collect();
            for found in self.look_up(spi, &wanted) {
                present[missing[found as usize]] = true;
            }
        }
        present
    }

    /// The places of the `keys` that are there.
    fn look_up(&self, spi: &Spi, keys: &[&str]) -> Vec<i32> {
        let Some(Parents { oid, name, column, owner }) = &self.parents else { return vec![] };
        let batch_name = batch_name("parents");
        let mut batch = Batch::register(spi, &batch_name, COLUMNS, keys.len());
        let mut tuples = Tuples::new(encoding::encode());
        for (place, key) in (0i32..).zip(keys) {
            // A key that the encoding lacks has no tuple: such rows have been set aside before.
            tuples.add(|row| {
                row.int4(Some(place));
                row.text(Some(key));
            });
        }
        batch.fill(tuples.formed().iter());
        let few = keys.len() < FEW_PARENTS;
        let sql = parents(name, &batch_name, column, self.proves.is_some(), few);
        let run = || spi.prepare_for(*oid, &sql).row(|row| row.get::<Vec<i32>>(1));
        let places = match owner {
            Some(owner) => as_owner(*owner, run),
            None => run(),
        };
        places.flatten().unwrap_or_default()
    }
}

/// Whether the server checks a foreign key for new rows, under the session's replication role.
fn is_checked(table: &TableFacts, key: &ForeignKeyFacts) -> bool {
    key.enforced && table.check_trigger(key.constraint).is_some_and(|trigger| trigger.fires)
}

/// Whether the parent of a row can be told before the row is written.
fn is_known_before(table: &TableFacts, key: &ForeignKeyFacts) -> bool {
    let changes = |trigger: &crate::target::facts::TriggerFacts| {
        trigger.on_insert && trigger.timing != Timing::After
    };
    table.is_ordinary()
        && key.references != table.oid
        && !table.insert_rules
        && key.operators == [TEXT_EQUAL]
        && !table.triggers.iter().any(changes)
        && table.check_trigger(key.constraint).is_some_and(|trigger| !trigger.deferrable)
}

fn by_setting(rows: usize) -> Option<&'static str> {
    let reasons = [
        (!settings::set_based_foreign_keys(), "pg_opus.set_based_foreign_keys is off"),
        (!relation::reads_committed(), "the isolation level is not read committed"),
        (rows < FEWEST_ROWS, "too few rows"),
    ];
    reasons.iter().find(|(holds, _)| *holds).map(|(_, reason)| *reason)
}

impl Parents {
    /// Those of a foreign key, and whether their table is an ordinary one. It is locked.
    fn of_key(key: &ForeignKeyFacts) -> (Option<Self>, bool) {
        let oid = pg_sys::Oid::from(key.references);
        let (ordinary, owner) = relcache::ordinary_and_owner(oid);
        let column = key.referenced_columns.first();
        let column = column.and_then(|column| relation::column_name(oid, *column));
        let parents = relation::qualified_name(oid).zip(column).map(|(name, column)| Parents {
            oid,
            name: TableName { name, ordinary },
            column: relation::quoted(&column),
            owner: Some(owner),
        });
        (parents, ordinary)
    }

    /// The table `composers` of the search_path, for works that no foreign key binds to it: the caller reads it.
    fn by_name() -> Option<Self> {
        let oid = relation::find(Composer::TABLE.name, relation::Lock::Read)?;
        let (ordinary, _) = relcache::ordinary_and_owner(oid);
        let name = TableName { name: relation::qualified_name(oid)?, ordinary };
        Some(Parents { oid, name, column: Composer::TABLE.key().into(), owner: None })
    }
}
