//! The works' composers, proved as a set.
//!
//! A foreign key checked row by row is the largest cost of loading works. Where nothing but the check itself can tell
//! the difference, the distinct composers are locked `FOR KEY SHARE` once, as the check would lock them, and the rows
//! are inserted with the check off. The locks are held to the end of the transaction, so no composer can be deleted or
//! change its key before the works are there for others to see: the guarantee is that of the check.
//!
//! The conditions: the table is an ordinary one with exactly the expected foreign key, not deferrable; no trigger of a
//! user's, no rule and no function of a user's (in a default, a check, an index, a policy or a type), which would run
//! unchecked or see something else; READ COMMITTED, in which each statement sees what has been committed; and enough
//! rows to be worth the look-up. Only new rows are inserted so: to those that change, other tables may refer.

use std::collections::HashSet;

use pgrx::pg_sys;

use super::Refusals;
use super::statement::{batch_name, parents};
use super::target::Target;
use crate::document::find::Resource;
use crate::error::Fault;
use crate::pg::batch::Batch;
use crate::pg::encoding;
use crate::pg::kept::ask;
use crate::pg::relation;
use crate::pg::role::as_owner;
use crate::pg::spi::Spi;
use crate::record::{Column, ColumnType, Sink};
use crate::report::Failure;
use crate::rows::{Family, RowRef, Rows};
use crate::settings;
use crate::tuple::Tuples;

/// Below this many rows the row-by-row check costs less than a look-up of all parents.
const FEWEST_ROWS: usize = 500;

/// So few parents are looked up one by one. Measured with 28,000 composers: 300 take 0.5 ms, all of them read 6 ms.
const FEW_PARENTS: usize = 1000;

const KEY: &str = "composer_id";

const COLUMNS: &[Column] =
    &[Column::new("place", ColumnType::Int4), Column::new(KEY, ColumnType::Text)];

/// How a load makes sure that each work has its composer.
pub struct Check {
    /// Parents are looked up before anything is written; else the server alone finds out who is missing.
    pub looks_up: bool,
    /// They are locked, and the rows are not checked one by one.
    pub as_set: bool,
    /// What `last_load()` says of it.
    pub description: String,
    composers: Option<Composers>,
}

/// The table that the works refer to.
struct Composers {
    name: String,
    owner: pg_sys::Oid,
    /// The foreign key refers to this table: the look-up stands for the check, which runs as the owner. Otherwise it is
    /// the caller's own.
    referenced: bool,
}

impl Check {
    /// There is nothing to check.
    fn none(description: &str) -> Self {
        Check { looks_up: false, as_set: false, description: description.into(), composers: None }
    }

    /// Composers have no parents.
    fn composers() -> Self {
        Check::none("none: composers has no foreign key")
    }

    /// For a table of either kind; the other arguments as those of [`Check::decide`].
    pub fn of(spi: &Spi, resource: Resource, table: &Target, rows: usize, create: bool) -> Self {
        match resource {
            Resource::Composers => Check::composers(),
            Resource::Works => Check::decide(spi, table, rows, create),
        }
    }

    /// Decides for `works`, of which `rows` are to be written; composers are made where `create` says so.
    fn decide(spi: &Spi, works: &Target, rows: usize, create: bool) -> Self {
        let facts = facts(spi, works);
        if facts.foreign_keys == 0 {
            let mut check = Check::none("none: works has no foreign key to composers");
            check.composers = facts.composers.filter(|_| create);
            check.looks_up = check.composers.is_some();
            return check;
        }
        let alone = [
            (!facts.ordinary, "works is not an ordinary table"),
            (facts.foreign_keys > 1, "works has several foreign keys"),
            (!facts.expected, "the foreign key of works is not the expected one"),
            (facts.triggers, "works has a trigger"),
            (facts.rules, "works has a rule"),
            (facts.functions, "works calls functions that are not built in"),
            (facts.deferrable, "the foreign key of works is deferrable"),
        ];
        let by_server = [
            (!settings::set_based_foreign_keys(), "pg_opus.set_based_foreign_keys is off"),
            (!relation::reads_committed(), "the isolation level is not read committed"),
            (rows < FEWEST_ROWS, "too few rows"),
        ];
        let reason = |reasons: &[(bool, &'static str)]| {
            reasons.iter().find(|(holds, _)| *holds).map(|(_, reason)| *reason)
        };
        // A trigger may change a row's composer, and a deferred check lets it come later: then only the server knows
        // which one must be there, and when.
        let unknown = reason(&alone);
        let row_by_row = unknown.or_else(|| reason(&by_server));
        Check {
            looks_up: (unknown.is_none() && rows >= FEWEST_ROWS) || create,
            as_set: row_by_row.is_none(),
            description: match row_by_row {
                Some(reason) => format!("row by row: {reason}"),
                None => "as a set".into(),
            },
            composers: facts.composers,
        }
    }

    /// The same look-up, with nothing locked.
    pub fn unlocked(self) -> Self {
        Check { as_set: false, ..self }
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
        rows: &Rows,
        write: Vec<RowRef>,
        families: &[Family],
        present: &[bool],
        refusals: &mut dyn Refusals,
    ) -> Result<Vec<RowRef>, Failure> {
        if !present.contains(&false) {
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

    /// Which of the distinct `keys` are there, by their places; with [`Check::as_set`] those are then locked.
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
        let Some(composers) = &self.composers else { return vec![] };
        let name = batch_name("parents");
        let mut batch = Batch::register(spi, &name, COLUMNS, keys.len());
        let mut tuples = Tuples::new(encoding::encode());
        for (place, key) in (0i32..).zip(keys) {
            // A key that the encoding lacks has no tuple: such rows have been set aside before.
            tuples.add(|row| {
                row.int4(Some(place));
                row.text(Some(key));
            });
        }
        batch.fill(tuples.formed().iter());
        let sql = parents(&composers.name, &name, KEY, self.as_set, keys.len() < FEW_PARENTS);
        let run = || spi.row(&sql, |row| row.get::<Vec<i32>>(1));
        let places = match composers.referenced {
            true => as_owner(composers.owner, run),
            false => run(),
        };
        places.flatten().unwrap_or_default()
    }
}

struct Facts {
    ordinary: bool,
    /// Those that are enforced.
    foreign_keys: i64,
    expected: bool,
    deferrable: bool,
    triggers: bool,
    rules: bool,
    functions: bool,
    composers: Option<Composers>,
}

fn facts(spi: &Spi, works: &Target) -> Facts {
    let oid = works.oid.to_u32();
    let composers =
        relation::find("composers", relation::Lock::Share).unwrap_or(pg_sys::InvalidOid);
    // to_jsonb: conenforced came with version 18.
    let sql = format!(
        "WITH foreign_keys AS (
             SELECT f.* FROM pg_constraint f WHERE f.conrelid = {oid} AND f.contype = 'f'
                AND coalesce((to_jsonb(f) ->> 'conenforced')::boolean, true)),
         key AS (SELECT a.attrelid, a.attnum FROM pg_attribute a
                 WHERE a.attrelid IN ({oid}, {composers}) AND a.attname = '{KEY}' AND a.atttypid = 'text'::regtype)
         SELECT (SELECT c.relkind = 'r' AND NOT c.relispartition FROM pg_class c WHERE c.oid = {oid})::boolean,
                (SELECT count(*) FROM foreign_keys)::bigint,
                EXISTS (SELECT FROM foreign_keys f
                        JOIN key child ON child.attrelid = f.conrelid AND f.conkey = ARRAY[child.attnum]
                        JOIN key parent ON parent.attrelid = f.confrelid AND f.confkey = ARRAY[parent.attnum]
                        JOIN pg_class c ON c.oid = f.confrelid AND c.relkind = 'r')::boolean,
                coalesce((SELECT bool_or(f.condeferrable) FROM foreign_keys f), false)::boolean,
                EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = {oid} AND NOT t.tgisinternal)::boolean,
                EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = {oid})::boolean,
                EXISTS (SELECT FROM pg_depend d
                        WHERE d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass)
                          AND (d.classid, d.objid) IN (
                              SELECT 'pg_class'::regclass, {oid}::oid
                              UNION ALL SELECT 'pg_class'::regclass, i.indexrelid FROM pg_index i WHERE i.indrelid = {oid}
                              UNION ALL SELECT 'pg_attrdef'::regclass, a.oid FROM pg_attrdef a WHERE a.adrelid = {oid}
                              UNION ALL SELECT 'pg_constraint'::regclass, c.oid FROM pg_constraint c WHERE c.conrelid = {oid}
                              UNION ALL SELECT 'pg_policy'::regclass, p.oid FROM pg_policy p WHERE p.polrelid = {oid})
                       )::boolean,
                (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c
                 JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = {composers})::text,
                (SELECT c.relowner FROM pg_class c WHERE c.oid = {composers})::oid",
        composers = composers.to_u32()
    );
    let facts = ask(spi, &sql, |row| Facts {
        ordinary: row.get(1).unwrap_or_default(),
        foreign_keys: row.get(2).unwrap_or_default(),
        expected: row.get(3).unwrap_or_default(),
        deferrable: row.get(4).unwrap_or_default(),
        triggers: row.get(5).unwrap_or_default(),
        rules: row.get(6).unwrap_or_default(),
        functions: row.get(7).unwrap_or_default(),
        composers: row.get::<String>(8).zip(row.get::<pg_sys::Oid>(9)).map(|(name, owner)| {
            Composers { name, owner, referenced: row.get(3).unwrap_or_default() }
        }),
    });
    facts.unwrap_or(Facts {
        ordinary: false,
        foreign_keys: 1,
        expected: false,
        deferrable: false,
        triggers: false,
        rules: false,
        functions: false,
        composers: None,
    })
}
