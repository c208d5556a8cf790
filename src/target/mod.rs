//! The table that a load writes to: found, locked, and judged by what it is.
//!
//! - [`facts`]: what the server knows of it, as plain data;
//! - [`key`]: how its key is compared;
//! - [`partitions`]: what its partitions have that it has not;
//! - [`rules`]: what may be done to it beside the server's own INSERT, each with its proof;
//! - [`create`]: the tables of a catalogue, made where they are missing.

pub mod create;
pub mod facts;
pub mod key;
pub mod partitions;
pub mod rules;

use pgrx::PgSqlErrorCode::*;
use pgrx::pg_sys;

use self::facts::{RelationKind, TableFacts};
use crate::options::OnConflict;
use crate::pg::relation::{self, Lock, Privilege, may};
use crate::pg::{encoding, log, relcache};
use crate::record::{Column, EQUAL, Given, Key, Null, Table};
use crate::report::{Failure, needed_privileges};
use crate::write::statement::TableName;

/// A table, found and locked for writing until the end of the transaction.
pub struct Target {
    pub table: Table,
    pub oid: pg_sys::Oid,
    pub name: TableName,
    pub facts: TableFacts,
    /// Columns of a source's rows that the table lacks: they are not written.
    pub left_out: Vec<String>,
    /// Somebody else plans its INSERT, and keeps the rows where this session knows nothing of them.
    pub kept_elsewhere: bool,
}

/// Finds a table by its unqualified name, locks it and checks that it has the key that `on_conflict` needs.
pub fn find(table: &Table, on_conflict: OnConflict) -> Result<Target, Failure> {
    let missing = || missing(&table.name);
    let oid = relation::find(&table.name, Lock::No).ok_or_else(missing)?;
    if !is_permitted(oid, table, on_conflict) {
        return Err(no_permission(table, on_conflict));
    }
    // It may be another one by now: then the privileges are looked at again.
    let oid = relation::find(&table.name, Lock::Insert).ok_or_else(missing)?;
    if !is_permitted(oid, table, on_conflict) {
        return Err(no_permission(table, on_conflict));
    }
    let target = Target::of(table.clone(), oid).ok_or_else(missing)?.with_columns()?.with_key();
    target.check_key(on_conflict)?;
    Ok(target)
}

/// The same of a table that the transaction has locked.
pub fn open(table: Table, oid: pg_sys::Oid, on_conflict: OnConflict) -> Result<Target, Failure> {
    if !is_permitted(oid, &table, on_conflict) {
        return Err(no_permission(&table, on_conflict));
    }
    let name = table.name.clone();
    let target = Target::of(table, oid).ok_or_else(|| Failure::replaced(&name))?;
    target.check_key(on_conflict)?;
    Ok(target)
}

/// Whether the caller has the privileges that INSERT … ON CONFLICT asks for, whether or not there will be a conflict, and
/// may read the ids that tell one thing from another.
pub fn is_permitted(oid: pg_sys::Oid, table: &Table, on_conflict: OnConflict) -> bool {
    let columns = |wanted: fn(&Table, usize, &Column) -> bool| {
        let given = table.columns.iter().enumerate().filter(|(_, c)| c.given != Given::Never);
        let wanted = given.filter(move |(place, column)| wanted(table, *place, column));
        wanted.map(|(_, column)| &*column.name)
    };
    let all = || columns(|_, _, _| true);
    let rest = columns(|table, place, _| !table.is_key(place));
    let told_by = columns(|table, place, column| table.is_key(place) || column.identity);
    may(oid, Privilege::Insert, all())
        && match on_conflict {
            OnConflict::Update => {
                may(oid, Privilege::Select, all()) && may(oid, Privilege::Update, rest)
            }
            OnConflict::Skip => may(oid, Privilege::Select, told_by),
            OnConflict::Error => true,
        }
}

/// There is no table of this name.
pub fn missing(name: &str) -> Failure {
    Failure::Refused {
        code: ERRCODE_UNDEFINED_TABLE,
        message: format!("relation \"{name}\" does not exist"),
        hint: Some(
            "Set search_path, or call create_catalogue() to make the tables that are missing."
                .into(),
        ),
    }
}

/// The privileges are not there.
pub fn no_permission(table: &Table, on_conflict: OnConflict) -> Failure {
    Failure::Refused {
        code: ERRCODE_INSUFFICIENT_PRIVILEGE,
        message: format!("permission denied for table {}", table.name),
        hint: Some(needed_privileges(on_conflict).into()),
    }
}

impl Target {
    /// A table of the caller's, given by its OID, and locked for writing; what is written of it is not yet known.
    pub fn any(oid: pg_sys::Oid, on_conflict: OnConflict) -> Result<Self, Failure> {
        let name = relation::display_name(oid).ok_or_else(|| Failure::Refused {
            code: ERRCODE_UNDEFINED_TABLE,
            message: format!("relation with OID {} does not exist", oid.to_u32()),
            hint: None,
        })?;
        let table = Table {
            name: name.clone(),
            noun: "row".into(),
            columns: vec![],
            key: vec![],
            nulls_equal: false,
            parent: vec![],
            null: Null::Value,
        };
        if !relation::lock_for_insert(oid) {
            return Err(no_permission(&table, on_conflict));
        }
        let target = Target::of(table, oid).ok_or_else(|| Failure::replaced(&name))?;
        match target.facts.kind {
            RelationKind::Other => Err(Failure::Refused {
                code: ERRCODE_WRONG_OBJECT_TYPE,
                message: format!("cannot load into \"{name}\""),
                hint: Some(
                    "Rows can be loaded into tables, partitioned tables, foreign tables and views."
                        .into(),
                ),
            }),
            _ => Ok(target),
        }
    }

    /// The target that a table is which the transaction has locked; none where it is gone.
    pub fn of(table: Table, oid: pg_sys::Oid) -> Option<Self> {
        let name = relation::qualified_name(oid)?;
        let facts = relcache::facts(oid);
        let name = TableName { name, ordinary: facts.is_ordinary() };
        Some(Target { table, oid, name, facts, left_out: vec![], kept_elsewhere: false })
    }

    /// Whether rows may meet by more than the key that tells them apart.
    pub fn has_other_keys(&self) -> bool {
        self.facts.has_other_keys(&self.key_numbers().unwrap_or_default())
    }

    /// By which columns, by their places among those that are written, rows may meet by more than that key, or refer to one
    /// another; none if only the server can tell. A row that keeps what it has there meets no other.
    pub fn meeting(&self) -> Option<Vec<usize>> {
        if !self.has_other_keys() {
            return Some(vec![]);
        }
        let key: Vec<i16> = self.key_numbers()?;
        let numbers = rules::meeting(&self.facts, &key)?;
        let meets = |column: &Column| {
            self.facts.column(&column.name).is_some_and(|number| numbers.contains(&number))
        };
        let columns = self.table.columns.iter().enumerate();
        Some(columns.filter(|(_, column)| meets(column)).map(|(place, _)| place).collect())
    }

    fn key_numbers(&self) -> Option<Vec<i16>> {
        self.table.key_names().map(|name| self.facts.column(name)).collect()
    }

    /// Whether rows may meet by more than that key, or refer to one another: they come in the document's order.
    pub fn keeps_order(&self) -> bool {
        self.has_other_keys() || self.facts.refers_to_itself()
    }

    /// No row can be there: an ordinary table without a block.
    pub fn is_empty(&self) -> bool {
        self.facts.blocks == Some(0) && !self.kept_elsewhere
    }

    /// Leaves out what the table has no column for. Without the column that tells its rows apart it is another table.
    fn with_columns(mut self) -> Result<Self, Failure> {
        let lacks = |column: &Column| self.facts.column(&column.name).is_none();
        let missing = |column: &&Column| lacks(column);
        if let Some(key) = self.table.columns.first().filter(missing) {
            return Err(Failure::Refused {
                code: ERRCODE_UNDEFINED_COLUMN,
                message: format!(
                    "column \"{}\" of relation \"{}\" does not exist",
                    key.name_text(),
                    self.table.name
                ),
                hint: Some("create_catalogue() makes the table with all columns.".into()),
            });
        }
        let left_out = self.table.columns.iter().filter(missing);
        self.left_out = left_out.map(|column| column.name_text().to_owned()).collect();
        self.table = self.table.without(lacks);
        Ok(self)
    }

    /// Tells the caller which columns are not written.
    pub fn tell_left_out(&self) {
        let names: Vec<String> = self.left_out.iter().map(|name| format!("\"{name}\"")).collect();
        if !names.is_empty() {
            let columns = if names.len() == 1 { "column" } else { "columns" };
            let (names, table) = (names.join(", "), &self.table.name);
            log::notice(&format!(
                "{columns} {names} of relation \"{table}\" left out: the table lacks them"
            ));
        }
    }

    /// Where no index is of the key alone, takes the columns of a primary key that has it among them: the columns by which a
    /// table is partitioned, or distributed, are part of each of its keys.
    fn with_key(mut self) -> Self {
        let (facts, table) = (&self.facts, &self.table);
        let key: Option<Vec<i16>> = table.key_names().map(|name| facts.column(name)).collect();
        let Some(key) = key.filter(|key| !key.is_empty() && !facts.has_key(key)) else {
            return self;
        };
        let place = |number: &i16| {
            let column = facts.columns.get(*number as usize - 1).filter(|it| it.not_null)?;
            table.columns.iter().position(|it| *it.name == *column.name && it.cast.is_none())
        };
        let places = facts.indexes.iter().find_map(|index| {
            let tells = index.primary
                && index.is_key_of(&index.key)
                && index.built_in
                && index.deterministic;
            let has_key = key.iter().all(|number| index.key.contains(number));
            let whole = tells && has_key && index.key.iter().all(|number| *number > 0);
            whole.then(|| index.key.iter().map(place).collect::<Option<Vec<usize>>>()).flatten()
        });
        if let Some(places) = places {
            let key = |place| Key { place, equal: EQUAL.into(), collation: None, takes: None };
            self.table.key = places.into_iter().map(key).collect();
        }
        self
    }

    fn check_key(&self, on_conflict: OnConflict) -> Result<(), Failure> {
        let numbers: Option<Vec<i16>> =
            self.table.key_names().map(|name| self.facts.column(name)).collect();
        let has_key = numbers.is_some_and(|key| self.facts.has_key(&key));
        if has_key || on_conflict == OnConflict::Error {
            return Ok(());
        }
        Err(self.no_key())
    }

    /// There is no index by which ON CONFLICT could find a row.
    pub fn no_key(&self) -> Failure {
        let has_none = "Set on_conflict => 'error': such a relation has no unique constraint.";
        if self.table.key.is_empty() {
            let (kind, hint) = match self.facts.kind {
                RelationKind::View => ("view", has_none),
                RelationKind::ForeignTable => ("foreign table", has_none),
                _ => (
                    "table",
                    "Name the columns of a unique index in the mapping's \"key\", or set on_conflict => 'error'.",
                ),
            };
            let table = self.display();
            let message = match self.facts.indexes.iter().find(|index| index.primary) {
                Some(index) if index.exclusion => {
                    format!("the primary key of table {table} is WITHOUT OVERLAPS")
                }
                Some(index) if !index.immediate => {
                    format!("the primary key of table {table} is deferrable")
                }
                _ => format!("{kind} {table} has no primary key"),
            };
            return Failure::Refused {
                code: ERRCODE_INVALID_COLUMN_REFERENCE,
                message,
                hint: Some(hint.into()),
            };
        }
        let names: Vec<String> = self.table.key_names().map(encoding::of_message).collect();
        let key = names.join(", ");
        let hint = match self.facts.kind {
            RelationKind::Table => {
                format!("Add PRIMARY KEY ({key}), not deferrable, or set on_conflict => 'error'.")
            }
            RelationKind::PartitionedTable => format!(
                "Add a PRIMARY KEY of {key} and the columns of the partition key, all of them among those that are loaded, or set on_conflict => 'error'."
            ),
            _ => has_none.into(),
        };
        Failure::Refused {
            code: ERRCODE_INVALID_COLUMN_REFERENCE,
            message: format!("table {} has no unique constraint on ({key})", self.display()),
            hint: Some(hint),
        }
    }

    /// The name for a message, as UTF-8.
    fn display(&self) -> String {
        encoding::of_message(&self.name.name)
    }
}
