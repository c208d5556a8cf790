//! PURE. Which rows come in the document's order, and beside which others, so that each becomes what an INSERT of its own
//! would make of it.

use super::has_user_triggers;
use crate::record::{Absent, Given, Table};
use crate::target::facts::*;

/// Whether the order of new rows can be seen in what becomes of them: in the numbers of a sequence, or what else a volatile
/// default is, and in what triggers, rules, row security and volatile constraints do. `given` says which columns of `written`
/// the rows have values for.
pub fn shows_order(
    table: &TableFacts,
    written: &Table,
    given: impl FnOnce() -> Vec<Given>,
) -> bool {
    let fires =
        |trigger: &TriggerFacts| trigger.fires && trigger.on_insert && !trigger.is_of_constraint();
    let takes_default = |column: &ColumnFacts, given: &[Given]| {
        let place = written.columns.iter().position(|it| *it.name == column.name);
        place.is_none_or(|place| given[place] != Given::Always)
    };
    let mut volatile = table.columns.iter().filter(|it| it.default_is_volatile).peekable();
    // Partitions may have triggers of their own.
    table.triggers.iter().any(fires)
        || table.any_rules
        || table.kind == RelationKind::PartitionedTable
        || table.row_security
        || asks_volatile(table)
        || volatile.peek().is_some() && {
            let given = given();
            volatile.any(|column| takes_default(column, &given))
        }
}

/// Whether a constraint asks a volatile function about each row, which may see those before it. (A policy may too, of which
/// nothing is known here.)
pub fn asks_volatile(table: &TableFacts) -> bool {
    table.checks.iter().any(|check| check.volatile)
}

/// The columns by which rows may meet by more than the key of these, or refer to one another. None if a row may meet others
/// by something else too: an expression, a predicate, what a trigger or a rule makes of it, a key of a partition, another index
/// of the key's columns.
pub fn meeting(table: &TableFacts, key: &[i16]) -> Option<Vec<i16>> {
    let others = || table.other_keys(key);
    let is_plain = |number: &i16| {
        let column = usize::try_from(*number - 1).ok().and_then(|place| table.columns.get(place));
        column.is_some_and(|column| column.generated == Generated::No)
    };
    // ON CONFLICT finds a row by any index of the key's columns.
    let finds = |index: &IndexFacts| index.is_key_of(key);
    let are_plain =
        others().all(|index| !index.partial && !finds(index) && index.key.iter().all(is_plain));
    let makes_more = has_user_triggers(table) || table.any_rules || table.in_partitions.meet;
    if !are_plain || makes_more || !table.is_ordinary() {
        return None;
    }
    let referring = table.foreign_keys.iter().filter(|key| table.is_itself(key.references));
    let columns = others().flat_map(|index| &index.key);
    Some(columns.chain(referring.flat_map(|key| &key.columns)).copied().collect())
}

/// Whether an INSERT … ON CONFLICT may be given rows of which some are there, by a statement that leaves out these columns
/// of `written` and all others of the table. The server evaluates their defaults before it knows that a row is there, and
/// nobody may miss the numbers of a sequence, or what else a volatile function does.
pub fn may_propose(table: &TableFacts, written: &Table, absent: &Absent) -> bool {
    left_out(table, written, absent).all(|column| !column.default_is_volatile)
}

/// Whether nothing happens for a new row alone, and nothing is asked of it that one which is there may lack, if a record
/// leaves out these columns of `written`, and all others of the table.
pub fn may_be_new(table: &TableFacts, written: &Table, absent: &Absent) -> bool {
    let is_before = |it: &TriggerFacts| it.on_insert && it.is_before_row();
    let fires = table.in_partitions.before_insert || table.triggers.iter().any(is_before);
    let is_generated = |column: &ColumnFacts| column.generated != Generated::No;
    let mut lacks = left_out(table, written, absent).filter(|it| !is_generated(it)).peekable();
    // Of what tells things apart, a null says nothing.
    let is_whole = lacks.peek().is_none() && written.identity().next().is_none();
    let asks = !table.checks.is_empty()
        || table.columns.iter().any(is_generated)
        || table.kind == RelationKind::PartitionedTable;
    let has_all = is_whole || !asks && lacks.all(|column| !table.must_be_given(&column.name));
    has_all && !fires && !asks_volatile(table)
}

/// The columns that a statement leaves out.
fn left_out<'t>(
    table: &'t TableFacts,
    written: &'t Table,
    absent: &'t Absent,
) -> impl Iterator<Item = &'t ColumnFacts> {
    table.columns.iter().filter(|column| !column.dropped).filter(|it| {
        let place = written.columns.iter().position(|column| *column.name == it.name);
        place.is_none_or(|place| absent.contains(place))
    })
}

#[cfg(test)]
mod tests;
