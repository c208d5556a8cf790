//! PURE, tests only: the order of rows, and which of them may be proposed.

use super::*;
use crate::target::rules::tests::{TEXT, column, trigger, with, works, written};

/// Whether the order shows if rows leave out a column sometimes.
fn shows(change: fn(&mut TableFacts), column: &str, given: Given) -> bool {
    let (facts, written) = (with(change), written());
    let all = written.columns.iter();
    let given = all.map(|it| if *it.name == *column.as_bytes() { given } else { Given::Always });
    shows_order(&facts, &written, || given.collect())
}

#[test]
fn order_is_shown_by_numbers_that_rows_get_and_by_triggers() {
    let shown = |change| shows(change, "", Given::Always);
    assert!(!shown(|_| ()));
    assert!(shown(|it| it.triggers.push(trigger(Timing::Before, true))));
    assert!(shown(|it| it.triggers.push(trigger(Timing::After, true))));
    assert!(shown(|it| it.triggers.push(trigger(Timing::After, false))));
    let silent = |it: &mut TableFacts| {
        let other = TriggerFacts { fires: false, ..trigger(Timing::After, true) };
        it.triggers.push(other);
        it.triggers.push(TriggerFacts { on_insert: false, ..trigger(Timing::Before, true) });
    };
    assert!(!shown(silent));
    assert!(shown(|it| it.any_rules = true));
    assert!(shown(|it| it.kind = RelationKind::PartitionedTable));
    assert!(shown(|it| it.checks.push(Expression { volatile: true, foreign_code: true })));
    assert!(!shown(|it| it.checks.push(Expression { volatile: false, foreign_code: true })));
    let numbered = |it: &mut TableFacts| {
        it.columns.push(ColumnFacts { default_is_volatile: true, ..column("n", TEXT, true) });
    };
    assert!(shown(numbered), "of no record");
    let default = |it: &mut TableFacts| it.columns[2].default_is_volatile = true;
    assert!(!shows(default, "subtitle", Given::Always));
    assert!(shows(default, "subtitle", Given::Sometimes));
    assert!(shows(default, "subtitle", Given::Never));
}

#[test]
fn another_index_of_the_keys_columns_is_another_key_where_it_holds_other_values_for_equal() {
    fn twin(change: fn(&mut IndexFacts)) -> TableFacts {
        with(|it| {
            let mut other = IndexFacts { oid: 4, primary: false, ..it.indexes[0].clone() };
            change(&mut other);
            it.indexes.push(other);
        })
    }
    assert!(!works().has_other_keys(&[1]) && works().has_other_keys(&[]));
    assert!(!twin(|_| ()).has_other_keys(&[1]));
    let others: [fn(&mut IndexFacts); 6] = [
        |it| it.deterministic = false,
        |it| it.families = vec![1],
        |it| it.nulls_equal = true,
        |it| it.partial = true,
        |it| it.immediate = false,
        |it| it.exclusion = true,
    ];
    for (place, change) in others.into_iter().enumerate() {
        assert!(twin(change).has_other_keys(&[1]), "{place}");
    }
    assert_eq!(meeting(&twin(|_| ()), &[1]), Some(vec![]));
    assert_eq!(meeting(&twin(|it| it.key = vec![3]), &[1]), Some(vec![3]));
    // ON CONFLICT finds a row by it.
    assert_eq!(meeting(&twin(|it| it.deterministic = false), &[1]), None);
}

#[test]
fn a_part_of_a_row_may_be_proposed_where_nothing_is_asked_of_what_it_lacks() {
    let (part, whole) = (Absent([1].into()), Absent::default());
    let is_new = |change: fn(&mut TableFacts), absent: &Absent| {
        let (mut facts, mut written) = (works(), written());
        written.columns.iter_mut().for_each(|column| column.identity = false);
        let is_written = |it: &ColumnFacts| written.columns.iter().any(|one| *one.name == it.name);
        facts.columns.retain(is_written);
        facts.columns.iter_mut().for_each(|column| column.not_null = false);
        facts.checks.clear();
        change(&mut facts);
        may_be_new(&facts, &written, absent)
    };
    let asks: [fn(&mut TableFacts); 4] = [
        |it| it.checks.push(Expression::default()),
        |it| it.kind = RelationKind::PartitionedTable,
        |it| {
            let generated = Generated::Stored;
            it.columns.push(ColumnFacts { generated, ..column("g", TEXT, false) });
        },
        |it| it.columns.iter_mut().for_each(|column| column.not_null = true),
    ];
    let happens: [fn(&mut TableFacts); 3] = [
        |it| it.triggers.push(trigger(Timing::Before, true)),
        |it| it.in_partitions.before_insert = true,
        |it| it.checks.push(Expression { volatile: true, foreign_code: true }),
    ];
    assert!(is_new(|_| (), &part));
    for (place, change) in happens.into_iter().enumerate() {
        assert!(!is_new(change, &part) && !is_new(change, &whole), "{place}");
    }
    for (place, change) in asks.into_iter().enumerate() {
        assert!(!is_new(change, &part) && is_new(change, &whole), "{place}");
    }
}
