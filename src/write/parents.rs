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

use std::collections::{HashMap, HashSet};

use pgrx::pg_sys;

use super::Refusals;
use super::statement::{Referenced, TableName, batch_name};
use crate::document::find::Resource;
use crate::error::Fault;
use crate::pg::batch::Batch;
use crate::pg::role::as_owner;
use crate::pg::spi::Spi;
use crate::pg::{encoding, relation, relcache};
use crate::record::composer::Composer;
use crate::record::{Column, ColumnType, EQUAL, ORDINAL, Row, Sink, Table, positional};
use crate::report::Failure;
use crate::rows::{Family, RowRef, Rows};
use crate::settings;
use crate::target::facts::{ForeignKeyFacts, TEXT_EQUAL, TableFacts, Timing};
use crate::target::{Target, rules};
use crate::tuple::{self, Formed, Tuples};
use crate::write::bulk;

/// Below this many rows the row-by-row check costs less than a look-up of all parents.
const FEWEST_ROWS: usize = 500;

/// So few parents are looked up one by one. Measured with 28,000 composers: 300 take 0.5 ms, all of them read 6 ms.
const FEW_PARENTS: usize = 1000;

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
    /// The name of the constraint that binds works to their composers.
    pub constraint: Option<Vec<u8>>,
    parents: Option<Parents>,
}

/// A foreign key that is proved as a set.
struct Proof {
    constraint: u32,
    /// The columns that refer, by their places.
    places: Vec<usize>,
    parents: Parents,
}

/// Parents that the transaction has locked already, while nothing has run that could delete one of them: for each foreign
/// key the values of their columns.
#[derive(Default)]
pub struct Locked(HashMap<u32, HashSet<Vec<u8>>>);

/// Of one foreign key; with more the memory begins anew.
const MOST_LOCKED: usize = 100_000;

impl Locked {
    /// Other code than the load's own is about to run, which may delete what this transaction alone has locked.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

/// What a row refers to by one foreign key.
enum Refers {
    /// The values of the columns, one behind the other.
    To(Vec<u8>),
    ToNothing,
    /// Some columns are null: what that means depends on the key's MATCH.
    InPart,
}

/// A table that rows refer to.
pub struct Parents {
    pub oid: pg_sys::Oid,
    pub name: TableName,
    /// The columns that they refer to, quoted, and the operators that compare them with the rows'.
    pub columns: Vec<(Vec<u8>, Vec<u8>)>,
    /// The look-up stands for the check of a foreign key, and runs as the owner of the table, as the check does.
    pub owner: Option<pg_sys::Oid>,
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
            constraint: None,
            parents: None,
        }
    }

    /// For a table of which `rows` are to be written; composers are made where `create` says so.
    pub fn of(resource: Option<Resource>, target: &Target, rows: usize, create: bool) -> Self {
        let facts = &target.facts;
        let enforced: Vec<_> =
            facts.foreign_keys.iter().filter(|key| is_checked(facts, key)).collect();
        let composer = (resource == Some(Resource::Works)).then(|| facts.column(CHILD)).flatten();
        let own = enforced.iter().find(|key| composer.is_some_and(|it| key.columns == [it]));
        let reason = by_setting(rows).or(bulk::allows(facts, &target.table.columns, rows).err());
        let mut check = match own {
            Some(key) => Check::of_composers(target, key, rows, create, reason),
            None => Check::none(String::new()),
        };
        let mut told: Vec<(&ForeignKeyFacts, String)> = vec![];
        for key in &enforced {
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
            [] => format!("none: {} has no foreign key", target.table.name),
            [(_, one)] => one.clone(),
            several => {
                let told = several.iter().map(|(key, told)| {
                    let name = relation::constraint_name(key.constraint).unwrap_or_default();
                    format!("{}: {told}", encoding::of_message(&name))
                });
                told.collect::<Vec<_>>().join("; ")
            }
        };
        if own.is_none() && resource == Some(Resource::Works) && create {
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
            looks_up: create || (rows >= FEWEST_ROWS && is_known_before(facts, key)),
            decides: is_known_before(facts, key),
            proves: reason.is_none().then_some(key.constraint),
            constraint: relation::constraint_name(key.constraint),
            parents,
            ..Check::none(describe(reason))
        }
    }

    /// The foreign keys that [`Check::prove`] proves.
    pub fn others(&self) -> impl Iterator<Item = u32> {
        self.others.iter().map(|proof| proof.constraint)
    }

    /// Locks the parents of new rows by all other foreign keys that can be proved: these keys, and the rows of which a
    /// parent is not there, or no longer, and which the server is to check. Those are taken out of `new`.
    pub fn prove(
        &self,
        spi: &Spi,
        rows: &Rows,
        table: &Table,
        new: &mut Vec<RowRef>,
        locked: &mut Locked,
    ) -> (Vec<u32>, Vec<RowRef>) {
        let mut doubtful = vec![];
        for proof in &self.others {
            let locked = locked.0.entry(proof.constraint).or_default();
            let orphans = proof.orphans(spi, rows, table, new, locked);
            if orphans.is_empty() {
                continue;
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

impl Proof {
    /// Why a foreign key cannot be proved as a set, or how it is. Its parents' table is locked.
    fn of(target: &Target, key: &ForeignKeyFacts) -> Result<Self, rules::Reason> {
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
    fn orphans(
        &self,
        spi: &Spi,
        rows: &Rows,
        table: &Table,
        new: &[RowRef],
        locked: &mut HashSet<Vec<u8>>,
    ) -> HashSet<u32> {
        // The values of each parent, and the rows that have them.
        let mut orphans = HashSet::new();
        let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut parents: Vec<(RowRef, Vec<u32>)> = vec![];
        let by_family = table.parent == self.places;
        let mut last: Option<(&[u8], usize)> = None;
        for row in new {
            let parent = rows.parent(*row);
            if by_family && let Some((_, place)) = last.filter(|(of_last, _)| *of_last == parent) {
                parents[place].1.push(row.ordinal);
                continue;
            }
            let key = match self.key(rows.tuple(*row), table) {
                Refers::To(key) => key,
                Refers::ToNothing => continue,
                Refers::InPart => {
                    orphans.insert(row.ordinal);
                    continue;
                }
            };
            if locked.contains(&key) {
                continue;
            }
            let place = *places.entry(key).or_insert_with(|| {
                parents.push((*row, vec![]));
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
        locked.extend(places.into_iter().filter(|(_, place)| is_there(place)).map(|(key, _)| key));
        orphans
    }

    fn key(&self, tuple: &[u8], table: &Table) -> Refers {
        let (mut key, mut nulls) = (vec![], 0);
        for (place, value) in tuple::values(tuple, &table.columns).enumerate() {
            match value.filter(|_| self.places.contains(&place)) {
                Some(value) => {
                    key.extend_from_slice(&(value.len() as u32).to_ne_bytes());
                    key.extend_from_slice(value);
                }
                None => nulls += usize::from(self.places.contains(&place)),
            }
        }
        match nulls {
            0 => Refers::To(key),
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

impl Parents {
    /// Which of the rows of a batch have their parent there, by their ordinals: tuples of these columns, named c1 and so
    /// on, and the ordinal.
    fn look_up(
        &self,
        spi: &Spi,
        mut columns: Vec<Column>,
        keys: &Formed,
        count: usize,
        lock: bool,
    ) -> Vec<i32> {
        let batch_name = batch_name("parents");
        columns.push(ORDINAL);
        let mut batch = Batch::register(spi, &batch_name, &columns, count);
        batch.fill(keys.iter());
        let referenced = Referenced { name: &self.name, columns: &self.columns };
        let sql = referenced.present(&batch_name, lock, count < FEW_PARENTS);
        let run = || spi.prepare_for(self.oid, &sql).row(|row| row.get::<Vec<i32>>(1));
        let places = match self.owner {
            Some(owner) => as_owner(owner, run),
            None => run(),
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

/// Whether a foreign key may be proved as a set: see [`rules::set_based_key`]. The parents' table is locked.
fn is_provable(target: &Target, key: &ForeignKeyFacts) -> Result<(), rules::Reason> {
    let parents = relcache::facts(pg_sys::Oid::from(key.references));
    rules::set_based_key(&target.facts, &target.table.columns, key, Some(&parents))
}

fn describe(reason: Option<rules::Reason>) -> String {
    reason.map_or_else(|| "as a set".into(), |reason| format!("row by row: {reason}"))
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
