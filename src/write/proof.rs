//! A foreign key of any table, proved as a set: the distinct parents of new rows are locked, and the rows found whose parent
//! is not there.

use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use pgrx::pg_sys;

use super::parents::Parents;
use crate::pg::spi::Spi;
use crate::pg::{encoding, relation, relcache};
use crate::record::{Column, Sink, Table, positional};
use crate::rows::{RowRef, Rows};
use crate::target::facts::ForeignKeyFacts;
use crate::target::{Target, rules};
use crate::tuple::{self, Tuples};

/// A foreign key that is proved as a set.
pub struct Proof {
    pub constraint: u32,
    /// The columns that refer, by their places.
    places: Vec<usize>,
    parents: Parents,
}

/// Parents that the transaction has locked already, while nothing has run that could delete one of them: for each foreign
/// key the values of their columns.
#[derive(Default)]
pub struct Locked(HashMap<u32, Values>);

/// The values of a foreign key's columns, one behind the other, of several rows.
pub type Values = HashSet<Vec<u8>, RandomState>;

/// Of one foreign key; with more the memory begins anew.
const MOST_LOCKED: usize = 100_000;

impl Locked {
    /// Those by one foreign key.
    pub fn by(&mut self, constraint: u32) -> &mut Values {
        self.0.entry(constraint).or_default()
    }

    /// Other code than the load's own is about to run, which may delete what this transaction alone has locked.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

/// What a row refers to by one foreign key.
enum Refers {
    ToSomething,
    ToNothing,
    /// Some columns are null, which MATCH FULL refuses, and nobody else.
    InPart,
}

impl Proof {
    /// Why a foreign key cannot be proved as a set, or how it is. Its parents' table is locked.
    pub fn of(target: &Target, key: &ForeignKeyFacts) -> Result<Self, rules::Reason> {
        relation::lock_for_check(pg_sys::Oid::from(key.references));
        is_provable(target, key)?;
        let name = |number: &i16| &*target.facts.columns[*number as usize - 1].name;
        let columns = &target.table.columns;
        let place = |number| columns.iter().position(|column| *column.name == *name(number));
        let places: Vec<usize> = key.columns.iter().filter_map(place).collect();
        if places.len() != key.columns.len() {
            return Err("a column of the foreign key has its default");
        }
        let parents = Parents::of_key(key).ok_or("the referenced table is gone")?;
        Ok(Proof { constraint: key.constraint, places, parents })
    }

    /// The ordinals of those rows whose parent is not there. The parents of the others are locked.
    pub fn orphans(
        &self,
        spi: &Spi,
        rows: &Rows,
        table: &Table,
        new: &[RowRef],
        locked: &mut Values,
    ) -> HashSet<u32> {
        // The values of each parent, and the rows that have them.
        let mut orphans = HashSet::new();
        let mut places: HashMap<Vec<u8>, usize, RandomState> = HashMap::default();
        let mut parents: Vec<(RowRef, Vec<u32>)> = vec![];
        let by_family = table.parent == self.places;
        let mut key = vec![];
        let matches_fully = LazyCell::new(|| self.matches_fully(spi));
        let mut last: Option<(&[u8], usize)> = None;
        for row in new {
            let parent = rows.parent(*row);
            if by_family && let Some((_, place)) = last.filter(|(of_last, _)| *of_last == parent) {
                parents[place].1.push(row.ordinal);
                continue;
            }
            match self.key(rows.tuple(*row), table, &mut key) {
                Refers::ToSomething => {}
                Refers::ToNothing => continue,
                Refers::InPart => {
                    if *matches_fully {
                        orphans.insert(row.ordinal);
                    }
                    continue;
                }
            }
            if locked.contains(&key) {
                continue;
            }
            let place = places.get(&key).copied().unwrap_or_else(|| {
                parents.push((*row, vec![]));
                places.insert(key.clone(), parents.len() - 1);
                parents.len() - 1
            });
            parents[place].1.push(row.ordinal);
            last = Some((parent, place));
        }
        let mut missing: Vec<usize> = (0..parents.len()).collect();
        // Twice: a look-up that has waited for another transaction sees only then what that one has committed.
        for _ in 0..2 {
            if missing.is_empty() {
                break;
            }
            let of_missing = missing.iter().map(|place| parents[*place].0);
            let found = self.look_up(spi, rows, table, of_missing);
            let mut is_there = vec![false; missing.len()];
            found.into_iter().for_each(|place| is_there[place as usize] = true);
            missing = missing.into_iter().zip(is_there).filter(|it| !it.1).map(|it| it.0).collect();
        }
        orphans.extend(missing.into_iter().flat_map(|place| std::mem::take(&mut parents[place].1)));
        if locked.len() + places.len() > MOST_LOCKED {
            locked.clear();
        }
        let is_there = |place: &usize| !parents[*place].1.is_empty();
        let there = places.into_iter().filter(|(_, place)| is_there(place)).map(|(key, _)| key);
        locked.extend(there.take(MOST_LOCKED));
        orphans
    }

    fn matches_fully(&self, spi: &Spi) -> bool {
        let sql = format!(
            "SELECT confmatchtype OPERATOR(pg_catalog.=) 'f'::pg_catalog.\"char\" \
             FROM pg_catalog.pg_constraint WHERE oid OPERATOR(pg_catalog.=) '{}'::pg_catalog.oid",
            self.constraint
        );
        spi.row(&sql, |row| row.get::<bool>(1)).flatten().unwrap_or(true)
    }

    /// Makes `key` of the values of the columns, one behind the other.
    fn key(&self, tuple: &[u8], table: &Table, key: &mut Vec<u8>) -> Refers {
        key.clear();
        let (mut nulls, end) = (0, self.places.iter().max().map_or(0, |last| last + 1));
        for (place, value) in tuple::values(tuple, &table.columns[..end]).enumerate() {
            match value.filter(|_| self.places.contains(&place)) {
                Some(value) => {
                    key.extend_from_slice(&(value.len() as u32).to_ne_bytes());
                    key.extend_from_slice(value);
                }
                None => nulls += usize::from(self.places.contains(&place)),
            }
        }
        match nulls {
            0 => Refers::ToSomething,
            all if all == self.places.len() => Refers::ToNothing,
            _ => Refers::InPart,
        }
    }

    fn look_up(
        &self,
        spi: &Spi,
        rows: &Rows,
        table: &Table,
        of: impl Iterator<Item = RowRef>,
    ) -> Vec<i32> {
        let columns = self.places.iter().map(|place| table.columns[*place].clone());
        let columns: Vec<Column> = columns.collect();
        let mut tuples = Tuples::new(encoding::encode());
        let mut count = 0;
        for row in of {
            let values: Vec<_> = tuple::values(rows.tuple(row), &table.columns).collect();
            tuples.add(|former| {
                for (place, column) in self.places.iter().zip(&columns) {
                    former.raw(column.kind, values[*place]);
                }
                former.int4(Some(count));
            });
            count += 1;
        }
        let columns = positional(&columns);
        self.parents.look_up(spi, columns, &tuples.formed(), count as usize, true)
    }
}

/// Whether a foreign key may be proved as a set: see [`rules::set_based_key`]. The parents' table is locked.
pub fn is_provable(target: &Target, key: &ForeignKeyFacts) -> Result<(), rules::Reason> {
    let parents = relcache::facts(pg_sys::Oid::from(key.references));
    rules::set_based_key(&target.facts, &target.table.columns, key, Some(&parents))
}
