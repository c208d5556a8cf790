//! Works whose document tells the id of their composer: the composer that has the name must have that id, or none.
//!
//! Keys of composers are made of names, and two composers may have one name. A work of the second one is never put under
//! the first. Of a composer who is not there, or whose id is not known, the first work that tells an id decides.

use std::collections::HashMap;

use super::elsewhere::{self, Joined};
use super::parents::Parents;
use super::statement::{Referenced, batch_name};
use crate::error::{Another, Fault};
use crate::pg::relation::{self, Privilege, may};
use crate::pg::role::as_owner;
use crate::pg::spi::{Row as Found, Spi};
use crate::pg::{encoding, relcache};
use crate::prepare::Places;
use crate::record::composer::Composer;
use crate::record::work::Work;
use crate::record::{Column, ColumnType, ORDINAL, Row, Sink};
use crate::rows::{RowRef, Rows};
use crate::target::Target;
use crate::target::facts::{ForeignKeyFacts, TEXT_EQUAL};
use crate::tuple::{self, Tuples};

const KEY: &[Column] = &[Column::new("c1", ColumnType::TEXT), ORDINAL];

/// A work of another composer than the one who has the name, and what its record is told.
pub struct Stranger {
    pub ordinal: u32,
    pub fault: Fault,
}

/// Those of the works in `write`, rows of `fields` of a work, that are of another composer. Where no foreign key leads to
/// the composers they are looked for by name if the load makes those that are missing.
pub fn strangers(
    spi: &Spi,
    target: &Target,
    places: &dyn Places,
    (rows, write): (&Rows, &[RowRef]),
    fields: &[bool],
    create: bool,
) -> Vec<Stranger> {
    let told: HashMap<u32, i32> = places.composer_ids().into_iter().collect();
    if told.is_empty() {
        return vec![];
    }
    let Some(known) = Composers::of(target, fields, create) else { return vec![] };
    let tells = |row: &RowRef| {
        let found = i64::from(*told.get(&row.ordinal)?);
        let key = tuple::values(rows.tuple(*row), &target.table.columns).nth(known.place)??;
        Some((row.ordinal, key, found))
    };
    let mut works: Vec<(u32, &[u8], i64)> = write.iter().filter_map(tells).collect();
    works.sort_unstable_by_key(|(ordinal, ..)| *ordinal);
    let mut keys: Vec<&[u8]> = works.iter().map(|(_, key, _)| *key).collect();
    keys.sort_unstable();
    keys.dedup();
    let there = known.ids(spi, &keys);
    let mut decided: HashMap<&[u8], i64> = HashMap::new();
    let mut strangers = vec![];
    for (ordinal, key, found) in works {
        let is_there = there.get(key).copied();
        let id = is_there.unwrap_or_else(|| *decided.entry(key).or_insert(found));
        if id == found {
            continue;
        }
        let another = Another {
            noun: Composer::NOUN.into(),
            key: encoding::of_message(key).into(),
            column: known.column.name_text().into(),
            there: (is_there.is_none() || known.may_be_told).then_some(id),
            found,
        };
        strangers.push(Stranger { ordinal, fault: Fault::Another(Box::new(another)) });
    }
    strangers
}

/// The table of composers, and its column of ids.
struct Composers {
    parents: Parents,
    /// Of the works' column that names them, among those that are written.
    place: usize,
    column: &'static Column,
    /// The caller may read the ids of all rows.
    may_be_told: bool,
}

impl Composers {
    /// None if there is no such table, or it has no such column.
    fn of(target: &Target, fields: &[bool], create: bool) -> Option<Self> {
        let is_key = |field: &Column| Some(&*field.name) == Work::PARENT;
        let field = Work::COLUMNS.iter().position(is_key).filter(|field| fields[*field])?;
        let place = fields[..field].iter().filter(|kept| **kept).count();
        let number = target.facts.column(&target.table.columns.get(place)?.name)?;
        // A key to a partitioned table has another entry for each partition, and one trigger that checks it.
        let facts = &target.facts;
        let is_its = |key: &&ForeignKeyFacts| {
            key.columns == [number] && facts.check_trigger(key.constraint).is_some()
        };
        let key = facts.foreign_keys.iter().find(is_its);
        let parents = match key {
            Some(key) if key.operators != [TEXT_EQUAL] => return None,
            Some(key) => {
                relation::lock_for_check(key.references.into());
                Parents::of_key(key)?
            }
            None if create => Parents::by_name()?,
            None => return None,
        };
        let column = Composer::COLUMNS.iter().find(|column| column.identity)?;
        let facts = relcache::facts(parents.oid);
        let kind = facts.column_facts(&column.name)?.type_oid;
        let may_read = may(parents.oid, Privilege::Select, [&*column.name]);
        let may_be_told = may_read && !facts.row_security;
        let tells = ColumnType::INTEGERS.contains(&kind);
        tells.then_some(Composers { parents, place, column, may_be_told })
    }

    /// The ids of those of the composers that have one.
    fn ids<'k>(&self, spi: &Spi, keys: &[&'k [u8]]) -> HashMap<&'k [u8], i64> {
        let mut tuples = Tuples::new(encoding::encode());
        for (place, key) in (0i32..).zip(keys) {
            tuples.add(|row| {
                row.raw(ColumnType::TEXT, Some(key));
                row.int4(Some(place));
            });
        }
        let name = batch_name("named");
        let elsewhere = elsewhere::reads(spi, &self.parents.name);
        if elsewhere && !self.may_be_told {
            return HashMap::new();
        }
        let joined = Joined::of(spi, elsewhere, &name, KEY, &tuples.formed(), |_| true);
        let referenced = Referenced { name: &self.parents.name, columns: &self.parents.columns };
        let sql = referenced.values(&name, &relation::quoted(&self.column.name), !elsewhere);
        let read = |row: &Found| {
            let places = row.get::<Vec<i32>>(1).unwrap_or_default();
            places.into_iter().zip(row.get::<Vec<i64>>(2).unwrap_or_default()).collect()
        };
        let run = || joined.prepare(self.parents.oid, &sql).row(read);
        let found: Option<Vec<(i32, i64)>> = match self.parents.owner {
            Some(owner) if !elsewhere => as_owner(owner, run),
            _ => run(),
        };
        let named = |(place, id): (i32, i64)| Some((*keys.get(place as usize)?, id));
        found.unwrap_or_default().into_iter().filter_map(named).collect()
    }
}
