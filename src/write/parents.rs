//! The parents of new rows, proved as a set: the works' composers, and those of any other foreign key.
//!
//! A foreign key checked row by row is the largest cost of loading works. Where nothing but the check itself can tell
//! the difference, the distinct parents are locked `FOR KEY SHARE` once, as the check would lock them, and the check is
//! left out of the bulk insert ([`crate::pg::bulk`]). The locks are held to the end of the transaction, so no parent can
//! be deleted or change its key before the rows are there for others to see: the guarantee is that of the check. A row
//! whose parent is not found goes to the server.
//!
//! The conditions are [`crate::target::rules::set_based_key`], READ COMMITTED, in which each statement sees what has
//! been committed, and enough rows to be worth the look-up. Rows that are written by INSERT are always checked by the
//! server.

mod look_up;

use std::collections::HashSet;

use pgrx::pg_sys;

pub use self::look_up::Parents;
use super::Refusals;
use super::elsewhere;
use super::proof::{Locked, Proof, is_provable};
use crate::document::find::Resource;
use crate::error::Fault;
use crate::pg::relation::Privilege;
use crate::pg::spi::Spi;
use crate::pg::{encoding, relation, relcache};
use crate::record::{Column, ColumnType, Sink, Table};
use crate::report::Failure;
use crate::rows::{Family, RowRef, Rows};
use crate::settings;
use crate::target::facts::{ForeignKeyFacts, TEXT_EQUAL, TableFacts, Timing};
use crate::target::{Target, rules};
use crate::tuple::Tuples;
use crate::write::bulk;

/// Below this many rows the row-by-row check costs less than a look-up of all parents.
const FEWEST_ROWS: usize = 500;

/// The field of a work that names its composer.
const CHILD: &[u8] = b"composer_id";

/// How a load makes sure that each row has its parents.
pub struct Check {
    /// Composers are looked up before anything is written; else the server alone finds out who is missing.
    pub looks_up: bool,
    /// A work whose composer is not found is refused here; else that is left to the server.
    decides: bool,
    /// The foreign key whose parents are locked by the look-up: a bulk insert leaves its check out.
    pub proves: Option<u32>,
    /// The other foreign keys that can be proved as a set: see [`Check::prove`].
    others: Vec<Proof>,
    /// What `last_load()` says of it.
    pub description: String,
    parents: Option<Parents>,
}

impl Check {
    /// There is nothing to look up.
    fn none(description: String) -> Self {
        Check {
            looks_up: false,
            decides: true,
            proves: None,
            others: vec![],
            description,
            parents: None,
        }
    }

    /// For a table of which `rows` are to be written; composers are made where `create` says so.
    pub fn of(resource: Option<Resource>, target: &Target, rows: usize, create: bool) -> Self {
        let facts = &target.facts;
        let enforced = facts.foreign_keys.iter().filter(|key| is_checked(facts, key));
        let works = resource == Some(Resource::Works);
        let own = works.then(|| key_of_composers(facts)).flatten();
        let elsewhere = target.kept_elsewhere.then_some(elsewhere::REASON);
        let reason = by_setting(rows).or(elsewhere);
        let reason = reason.or(bulk::allows(facts, &target.table.columns, rows).err());
        let mut check = match own {
            Some(key) => Check::of_composers(target, key, rows, create, reason),
            None => Check::none(String::new()),
        };
        let mut told: Vec<(&ForeignKeyFacts, String)> = vec![];
        for key in enforced {
            if own.is_some_and(|own| own.constraint == key.constraint) {
                told.push((key, check.description.clone()));
                continue;
            }
            let proof = match reason {
                Some(reason) => Err(reason),
                None => Proof::of(target, key),
            };
            told.push((key, describe(proof.as_ref().err().copied())));
            check.others.extend(proof);
        }
        check.description = match &*told {
            [] if facts.foreign_keys.is_empty() => {
                format!("none: {} has no foreign key", target.table.name)
            }
            [] => "none: the server checks no foreign key".to_owned(),
            [(_, one)] => one.clone(),
            several => {
                let told = several.iter().map(|(key, told)| {
                    let name = relation::constraint_name(key.constraint).unwrap_or_default();
                    format!("{}: {told}", encoding::of_message(&name))
                });
                told.collect::<Vec<_>>().join("; ")
            }
        };
        if own.is_none() && works && create {
            check.parents = Parents::by_name();
            check.looks_up = check.parents.is_some();
        }
        check
    }

    /// For works that a foreign key binds to their composers.
    fn of_composers(
        target: &Target,
        key: &ForeignKeyFacts,
        rows: usize,
        create: bool,
        reason: Option<rules::Reason>,
    ) -> Self {
        let facts = &target.facts;
        relation::lock_for_check(pg_sys::Oid::from(key.references));
        let parents = Parents::of_key(key);
        let reason = is_provable(target, key).err().or(reason);
        Check {
            // A trigger may change a row's composer, and a deferred check lets it come later: then only the server
            // knows which one must be there, and when.
            looks_up: create
                || rows >= FEWEST_ROWS
                    && is_known_before(facts, key)
                    && (!target.kept_elsewhere || sees_all(key)),
            decides: is_known_before(facts, key),
            proves: reason.is_none().then_some(key.constraint),
            parents,
            ..Check::none(describe(reason))
        }
    }

    /// The foreign keys whose check a bulk insert leaves out.
    pub fn proved(&self) -> impl Iterator<Item = u32> {
        self.proves.into_iter().chain(self.others())
    }

    /// The foreign keys that [`Check::prove`] proves.
    fn others(&self) -> impl Iterator<Item = u32> {
        self.others.iter().map(|proof| proof.constraint)
    }

    /// Locks the parents of new rows by all other foreign keys that can be proved: these keys, and the rows of which a
    /// parent is not there, or no longer, and which the server is to check. Those are taken out of `new`; with them all
    /// that are to be written `in_order`.
    pub fn prove(
        &self,
        spi: &Spi,
        rows: &Rows,
        table: &Table,
        new: &mut Vec<RowRef>,
        locked: &mut Locked,
        in_order: bool,
    ) -> (Vec<u32>, Vec<RowRef>) {
        let mut doubtful = vec![];
        for proof in &self.others {
            let locked = locked.by(proof.constraint);
            let orphans = proof.orphans(spi, rows, table, new, locked);
            if orphans.is_empty() {
                continue;
            }
            if in_order {
                doubtful.append(new);
                break;
            }
            let is_orphan = |row: &RowRef| orphans.contains(&row.ordinal);
            doubtful.extend(new.iter().copied().filter(is_orphan));
            new.retain(|row| !is_orphan(row));
        }
        (self.others().collect(), doubtful)
    }

    /// The same look-up, with nothing locked.
    pub fn unlocked(self) -> Self {
        Check { proves: None, others: vec![], ..self }
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

    /// Whether the composer of a work that the server refuses for a foreign key is missing: by this key, as far as the table
    /// knows it. A partition, or a table on another server, may have it under another name.
    pub fn lacks_composer(
        spi: &Spi,
        target: &Target,
        rows: &Rows,
        work: RowRef,
        refused_by: Option<&[u8]>,
    ) -> bool {
        let facts = &target.facts;
        let is_named = |key: &ForeignKeyFacts| {
            refused_by.is_some()
                && relation::constraint_name(key.constraint).as_deref() == refused_by
        };
        let Some(key) = key_of_composers(facts) else { return false };
        let others = facts.foreign_keys.iter().filter(|it| it.constraint != key.constraint);
        let may_look = !target.kept_elsewhere || sees_all(key);
        may_look
            && !others.into_iter().any(is_named)
            && elsewhere::seen(|| {
                let check = Check::of_composers(target, key, 1, false, None).unlocked();
                !check.missing(spi, vec![rows.parent_text(work).to_owned()]).is_empty()
            })
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
        let Some(parents) = &self.parents else { return vec![] };
        let mut tuples = Tuples::new(encoding::encode());
        for (place, key) in (0i32..).zip(keys) {
            // A key that the encoding lacks has no tuple: such rows have been set aside before.
            tuples.add(|row| {
                row.text(Some(key));
                row.int4(Some(place));
            });
        }
        const KEY: &[Column] = &[Column::new("c1", ColumnType::TEXT)];
        parents.look_up(spi, KEY.to_vec(), &tuples.formed(), keys.len(), self.proves.is_some())
    }
}

fn describe(reason: Option<rules::Reason>) -> String {
    reason.map_or_else(|| "as a set".into(), |reason| format!("row by row: {reason}"))
}

/// The foreign key that binds works to their composers.
fn key_of_composers(table: &TableFacts) -> Option<&ForeignKeyFacts> {
    let composer = table.column(CHILD)?;
    table.foreign_keys.iter().find(|key| key.columns == [composer] && is_checked(table, key))
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

/// Whether the caller sees all rows that a foreign key may refer to.
fn sees_all(key: &ForeignKeyFacts) -> bool {
    let parents = pg_sys::Oid::from(key.references);
    let columns =
        key.referenced_columns.iter().filter_map(|it| relation::column_name(parents, *it));
    let columns: Vec<Vec<u8>> = columns.collect();
    relation::may(parents, Privilege::Select, columns.iter().map(Vec::as_slice))
        && !relcache::row_security(parents)
}

fn by_setting(rows: usize) -> Option<&'static str> {
    let reasons = [
        (!settings::set_based_foreign_keys(), "pg_opus.set_based_foreign_keys is off"),
        (!relation::reads_committed(), "the isolation level is not read committed"),
        (rows < FEWEST_ROWS, "too few rows"),
    ];
    reasons.iter().find(|(holds, _)| *holds).map(|(_, reason)| *reason)
}
