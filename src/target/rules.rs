//! PURE. What may be done to a table beside the server's own INSERT. Each rule is a proof: it says yes only if the
//! server would do no more for these rows, and else gives the reason.
//!
//! What the server does for a row, and who does it on the bulk path (`pg/bulk.rs`):
//!
//! | the server, INSERT or COPY | the bulk path |
//! | --- | --- |
//! | planner and rewriter: rules, views, other people's plans | refused: [`bulk_insert`], and the plan is looked at |
//! | permissions of the statement, and hooks that hear of them | ExecCheckPermissions |
//! | row security | refused |
//! | BEFORE STATEMENT, AFTER STATEMENT triggers, transition tables | as COPY |
//! | BEFORE ROW, INSTEAD OF triggers | refused, as COPY does row by row |
//! | defaults, identity columns | build_column_default, as COPY; volatile ones refused |
//! | casts to the columns' types, domains | refused unless the types are the same |
//! | stored generated columns | ExecComputeStoredGenerated |
//! | NOT NULL, CHECK | ExecConstraints, but for columns that always have a value |
//! | the partition's bounds | ExecPartitionCheck |
//! | the heap, TOAST, visibility, the log | heap_multi_insert |
//! | indexes of all kinds, UNIQUE, EXCLUDE, deferrable ones | ExecInsertIndexTuples |
//! | AFTER ROW triggers, foreign keys, rechecks of deferrable keys | ExecARInsertTriggers |
//! | foreign keys whose parents are locked | left out: [`set_based_key`] |
//! | the index of a uuid key | entered at the end: [`late_key`] |

mod order;

pub use self::order::*;
use super::facts::*;
use crate::record::{Column, ColumnType, Given, Table};
use crate::value::key::KeyPart;

/// varchar, which has the operators of text (`pg_type.dat`).
const VARCHAR: u32 = 1043;

/// Why something is not done, for `last_load()`.
pub type Reason = &'static str;

/// Whether new rows with these columns may go the way of COPY (`CIM_MULTI` of `copyfrom.c`).
pub fn bulk_insert(table: &TableFacts, columns: &[Column]) -> Result<(), Reason> {
    let refused = [
        (!table.is_ordinary(), "the table is not an ordinary one"),
        (table.access_method != HEAP, "the table has another access method than heap"),
        (table.row_security, "the table has row security"),
        (table.insert_rules, "the table has a rule for INSERT"),
        (table.triggers.iter().any(fires_before_a_row), "the table has a BEFORE ROW trigger"),
        (table.checks.iter().any(|check| check.volatile), "a CHECK calls a volatile function"),
        (conditions(table).any(|when| when.volatile), "a trigger's WHEN calls a volatile function"),
    ];
    if let Some((_, reason)) = refused.iter().find(|(holds, _)| *holds) {
        return Err(reason);
    }
    for column in columns.iter().filter(|column| column.given != Given::Never) {
        let Some(facts) = table.column_facts(&column.name) else {
            return Err("a column is missing");
        };
        if (facts.type_oid, facts.typmod) != (column.kind.oid, column.kind.typmod) {
            return Err("a column has another type");
        }
        if facts.identity == Identity::Always || facts.generated != Generated::No {
            return Err("a column is generated");
        }
    }
    for column in others(table, columns) {
        if column.is_domain {
            return Err("a column of a domain has no value");
        }
        if column.default.is_some_and(|default| default.volatile) {
            return Err("a default calls a volatile function");
        }
    }
    Ok(())
}

/// The WHEN conditions that an INSERT evaluates for each row.
fn conditions(table: &TableFacts) -> impl Iterator<Item = Expression> {
    let evaluated = |trigger: &&TriggerFacts| trigger.on_insert && trigger.for_each_row;
    table.triggers.iter().filter(evaluated).map(|trigger| trigger.when)
}

/// BEFORE ROW and INSTEAD OF triggers of an INSERT: disabled ones too, as COPY asks.
fn fires_before_a_row(trigger: &TriggerFacts) -> bool {
    trigger.on_insert && trigger.for_each_row && trigger.timing != Timing::After
}

/// The columns for which some row of `columns` has no value.
fn others<'t>(
    table: &'t TableFacts,
    columns: &'t [Column],
) -> impl Iterator<Item = &'t ColumnFacts> {
    let given = |facts: &ColumnFacts| {
        columns.iter().any(|column| column.given == Given::Always && facts.name == *column.name)
    };
    table.columns.iter().filter(move |facts| !facts.dropped && !given(facts))
}

/// Whether a tuple of `columns` is a tuple of the table as it stands: they come first, in this order, and a tuple that
/// ends behind them has nulls in the rest.
pub fn tuples_fit(table: &TableFacts, columns: &[Column]) -> bool {
    let same = |(facts, column): (&ColumnFacts, &Column)| {
        !facts.dropped && column.given == Given::Always && facts.name == *column.name
    };
    let needs_no_value = |facts: &ColumnFacts| {
        facts.dropped
            || facts.default.is_none()
                && !facts.has_missing
                && facts.identity == Identity::No
                && facts.generated == Generated::No
    };
    table.columns.len() >= columns.len()
        && table.columns.iter().zip(columns).all(same)
        && table.columns[columns.len()..].iter().all(needs_no_value)
}

/// Whether NOT NULL or CHECK constraints are to be looked at for each row. Columns marked `always` have a value.
pub fn has_constraints(table: &TableFacts, columns: &[Column]) -> bool {
    let always = |facts: &ColumnFacts| {
        columns.iter().any(|column| column.always && facts.name == *column.name)
    };
    let open = |facts: &ColumnFacts| !facts.dropped && facts.not_null && !always(facts);
    !table.checks.is_empty() || table.columns.iter().any(open)
}

/// Whether the server runs nothing but its own code between a row's arrival and its last index entry: no function of a
/// user's can look at the table, or delete what has been locked, in between.
fn runs_own_code_only(table: &TableFacts, columns: &[Column]) -> bool {
    let evaluated = table
        .checks
        .iter()
        .copied()
        .chain(others(table, columns).filter_map(|column| column.default))
        .chain(table.indexes.iter().map(|index| index.expressions))
        .chain(conditions(table));
    !evaluated.fold(Expression::default(), Expression::and).foreign_code
        && table.indexes.iter().all(|index| index.built_in)
        && !has_before_trigger(table)
        // The bounds may be expressions of a parent table.
        && !table.is_partition
}

fn has_before_trigger(table: &TableFacts) -> bool {
    table.triggers.iter().any(|trigger| trigger.on_insert && trigger.timing == Timing::Before)
}

/// The index that gets its entries when all rows are there, in its own order: that of a uuid key. Until then no row can
/// be found by it, so nothing may look.
pub fn late_key(table: &TableFacts, columns: &[Column], uuid: u32) -> Option<u32> {
    let first = columns.first()?;
    let is_uuid = first.always && first.kind.oid == uuid;
    if !is_uuid || !runs_own_code_only(table, columns) || !tuples_fit(table, columns) {
        return None;
    }
    let late = table.indexes.iter().find(|index| {
        let is_whole = index.ready && !index.partial && !index.includes;
        index.unique && index.immediate && is_whole && index.key == [1]
    })?;
    Some(late.oid)
}

/// Whether a foreign key may be proved as a set, and left out for new rows. `parents` is the table that it refers to, or
/// none where that has been looked at before: it is locked, so its columns and its kind stay what they are.
pub fn set_based_key(
    table: &TableFacts,
    columns: &[Column],
    key: &ForeignKeyFacts,
    parents: Option<&TableFacts>,
) -> Result<(), Reason> {
    let trigger = table.check_trigger(key.constraint);
    let may_be_default = |number: &i16| {
        let facts = table.columns.get(*number as usize - 1);
        let is_given = |facts: &ColumnFacts| {
            columns.iter().any(|it| it.given == Given::Always && *it.name == *facts.name)
        };
        !facts.is_some_and(|facts| is_given(facts) || table.defaults_to_null(&facts.name))
    };
    // Then the check compares as the look-up does, with no cast between them, and by the server's own code.
    let same_type = |parents: &TableFacts| {
        key.columns.iter().zip(&key.referenced_columns).all(|(child, parent)| {
            let of = |table: &TableFacts, number: i16| {
                table.columns.get(number as usize - 1).map(|column| column.type_oid)
            };
            of(table, *child).is_some_and(|it| Some(it) == of(parents, *parent))
        })
    };
    let refused = [
        (key.references == table.oid, "the foreign key refers to its own table"),
        (
            parents.is_some_and(|it| !it.is_ordinary()),
            "the referenced table is not an ordinary one",
        ),
        (parents.is_some_and(|it| !same_type(it)), "the foreign key compares two types"),
        (!key.equalities, "the foreign key compares by other operators than the server's equality"),
        (
            key.columns.iter().any(may_be_default),
            "a column of the foreign key may have its default",
        ),
        (trigger.is_none_or(|trigger| trigger.deferrable), "the foreign key is deferrable"),
        (has_before_trigger(table), "the table has a BEFORE trigger"),
        (!runs_own_code_only(table, columns), "the table runs code that is not the server's own"),
    ];
    refused.iter().find(|(holds, _)| *holds).map_or(Ok(()), |(_, reason)| Err(*reason))
}

/// Whether the server could refuse one of these rows and take the others: by more than its key and what has been proved.
/// A worker of a parallel load then writes by INSERT, which finds it; the caller's session can write all of them anew.
pub fn may_refuse_rows(table: &TableFacts, written: &Table, proved: &[u32]) -> bool {
    let key = key_numbers(table, written).unwrap_or_default();
    let fires = |trigger: &TriggerFacts| {
        trigger.on_insert && trigger.fires && !proved.contains(&trigger.constraint)
    };
    has_constraints(table, &written.columns)
        || table.is_partition
        || table.other_keys(&key).next().is_some()
        || table.triggers.iter().any(fires)
}

/// The columns of the key by their numbers; none if every row is a new one.
fn key_numbers(table: &TableFacts, written: &Table) -> Option<Vec<i16>> {
    let numbers: Option<Vec<i16>> = written.key_names().map(|name| table.column(name)).collect();
    numbers.filter(|key| !key.is_empty())
}

/// Whether two keys are equal only if their bytes are ([`KeyPart`]): so say all indexes of the key.
pub fn key_is_bytes(table: &TableFacts, written: &Table) -> bool {
    let Some(key) = key_numbers(table, written) else { return false };
    let mut indexes = table.indexes.iter().filter(|index| index.is_key_of(&key)).peekable();
    let mut of_key = written.key.iter().map(|key| &written.columns[key.place]);
    // Texts under the operators of another type are compared as that one is.
    let takes_type = |index: &IndexFacts| {
        index.key.iter().zip(&index.input_types).all(|(number, input)| {
            let type_oid = table.columns.get(*number as usize - 1).map_or(0, |it| it.type_oid);
            *input == if type_oid == VARCHAR { ColumnType::TEXT.oid } else { type_oid }
        })
    };
    indexes.peek().is_some()
        && indexes.all(|index| {
            index.built_in
                && index.deterministic
                && index.input_types.len() == index.key.len()
                && takes_type(index)
        })
        && of_key
            .all(|column| is_as_written(table, column) && KeyPart::of(column.kind.oid).is_some())
}

/// Whether the rows of a table can be told by the bytes of their keys, and compared by their own.
pub fn bytes_tell(table: &TableFacts, written: &Table) -> bool {
    let is_plain = |column: &Column| column.kind.length >= -1 && is_as_written(table, column);
    table.is_ordinary()
        && !written.nulls_equal
        && key_is_bytes(table, written)
        && written.columns.iter().all(is_plain)
}

/// Whether the table has the values of a column as the rows have them, with no cast between.
fn is_as_written(table: &TableFacts, column: &Column) -> bool {
    let facts = table.column_facts(&column.name);
    column.cast.is_none() && facts.is_some_and(|it| it.type_oid == column.kind.oid)
}

/// Whether triggers may see a few rows in a statement that is tried first, and tried again in another way if it fails:
/// only those of constraints.
pub fn has_user_triggers(table: &TableFacts) -> bool {
    table.triggers.iter().any(|trigger| !trigger.is_of_constraint())
}

#[cfg(test)]
mod tests;
