//! Each rule says yes to the table of a catalogue, and no to the same table with one thing more.

use super::*;
use crate::record::work::Work;
use crate::record::{ColumnType, EQUAL, Key};

pub const TEXT: u32 = 25;
const UUID: u32 = 2950;
const UUID_OPS: u32 = 2968;
const COLUMNS: &[Column] = &[
    Column::always("work_id", ColumnType::UUID),
    Column::always("composer_id", ColumnType::TEXT),
    Column::new("subtitle", ColumnType::TEXT),
];

pub fn column(name: &str, type_oid: u32, not_null: bool) -> ColumnFacts {
    ColumnFacts {
        name: name.as_bytes().to_vec(),
        type_oid,
        typmod: -1,
        length: -1,
        alignment: 4,
        dropped: false,
        not_null,
        generated: Generated::No,
        identity: Identity::No,
        has_missing: false,
        is_domain: false,
        default: None,
        default_is_volatile: false,
    }
}

pub fn trigger(timing: Timing, for_each_row: bool) -> TriggerFacts {
    TriggerFacts {
        function: FIRST_NORMAL_OID,
        constraint: 0,
        timing,
        for_each_row,
        on_insert: true,
        deferrable: false,
        fires: true,
        when: Expression::default(),
    }
}

fn trigger_when(when: Expression) -> TriggerFacts {
    TriggerFacts { when, ..trigger(Timing::After, true) }
}

fn key() -> ForeignKeyFacts {
    ForeignKeyFacts {
        constraint: 7,
        references: 2,
        columns: vec![2],
        referenced_columns: vec![1],
        operators: vec![TEXT_EQUAL],
        equalities: true,
        enforced: true,
    }
}

/// `works`, as create_catalogue() makes it.
pub fn works() -> TableFacts {
    let check =
        TriggerFacts { function: RI_FKEY_CHECK_INS, constraint: 7, ..trigger(Timing::After, true) };
    TableFacts {
        oid: 1,
        kind: RelationKind::Table,
        access_method: HEAP,
        is_partition: false,
        ancestors: vec![],
        in_partitions: InPartitions::default(),
        row_security: false,
        insert_rules: false,
        any_rules: false,
        blocks: Some(10),
        columns: vec![
            column("work_id", UUID, true),
            column("composer_id", TEXT, true),
            column("subtitle", TEXT, false),
        ],
        checks: vec![],
        triggers: vec![check],
        indexes: vec![IndexFacts {
            oid: 3,
            unique: true,
            exclusion: false,
            primary: true,
            nulls_equal: false,
            immediate: true,
            valid: true,
            ready: true,
            partial: false,
            key: vec![1],
            includes: false,
            input_types: vec![UUID],
            families: vec![UUID_OPS],
            built_in: true,
            deterministic: true,
            expressions: Expression::default(),
        }],
        foreign_keys: vec![key()],
    }
}

pub fn with(change: impl FnOnce(&mut TableFacts)) -> TableFacts {
    let mut table = works();
    change(&mut table);
    table
}

fn bulk(table: &TableFacts) -> Result<(), Reason> {
    bulk_insert(table, COLUMNS)
}

fn as_set(table: &TableFacts) -> Result<(), Reason> {
    set_based_key(table, COLUMNS, &key(), Some(&composers()))
}

/// The table that works refer to.
fn composers() -> TableFacts {
    TableFacts {
        oid: key().references,
        columns: vec![column("composer_id", TEXT, true)],
        foreign_keys: vec![],
        triggers: vec![],
        ..works()
    }
}

/// What is written of `works`.
pub fn written() -> Table {
    Table {
        columns: COLUMNS.to_vec(),
        key: vec![Key { place: 0, equal: EQUAL.into(), collation: None, takes: None }],
        ..Table::of::<Work>()
    }
}

fn late(table: &TableFacts) -> Option<u32> {
    late_key(table, COLUMNS, UUID)
}

const VOLATILE: Expression = Expression { volatile: true, foreign_code: true };
const FOREIGN: Expression = Expression { volatile: false, foreign_code: true };
const HARMLESS: Expression = Expression { volatile: false, foreign_code: false };

#[test]
fn the_table_of_a_catalogue_goes_every_quick_way() {
    let table = works();
    assert_eq!((bulk(&table), as_set(&table), late(&table)), (Ok(()), Ok(()), Some(3)));
    assert!(tuples_fit(&table, COLUMNS) && !has_constraints(&table, COLUMNS));
    assert!(!has_user_triggers(&table));
}

#[test]
fn what_copy_does_row_by_row_is_refused() {
    let refused = |change: fn(&mut TableFacts)| bulk(&with(change)).is_err();
    assert!(refused(|it| it.kind = RelationKind::View));
    assert!(refused(|it| it.kind = RelationKind::PartitionedTable));
    assert!(refused(|it| it.kind = RelationKind::ForeignTable));
    assert!(refused(|it| it.access_method = HEAP + 1));
    assert!(refused(|it| it.row_security = true));
    assert!(refused(|it| it.insert_rules = true));
    assert!(refused(|it| it.triggers.push(trigger(Timing::Before, true))));
    assert!(refused(|it| it.triggers.push(trigger(Timing::InsteadOf, true))));
    assert!(refused(|it| it.checks.push(VOLATILE)));
    assert!(refused(|it| it.triggers.push(trigger_when(VOLATILE))));
    assert!(refused(|it| it.columns[2].type_oid = UUID));
    assert!(refused(|it| it.columns[2].typmod = 14));
    assert!(refused(|it| it.columns[2].generated = Generated::Stored));
    assert!(refused(|it| it.columns[0].identity = Identity::Always));
    assert!(refused(|it| it.columns[2].name = b"other".to_vec()));
    assert!(refused(|it| {
        let mut more = column("more", TEXT, false);
        more.default = Some(VOLATILE);
        it.columns.push(more);
    }));
    assert!(refused(|it| {
        let mut more = column("more", TEXT, false);
        more.is_domain = true;
        it.columns.push(more);
    }));
}

#[test]
fn what_copy_serves_is_served() {
    let served = |change: fn(&mut TableFacts)| bulk(&with(change)) == Ok(());
    assert!(served(|it| it.triggers.push(trigger(Timing::After, true))));
    assert!(served(|it| it.triggers.push(trigger(Timing::Before, false))));
    assert!(served(|it| it.triggers.push(trigger(Timing::After, false))));
    assert!(served(|it| it.checks.push(FOREIGN)));
    assert!(served(|it| it.indexes[0].immediate = false));
    assert!(served(|it| it.is_partition = true));
    assert!(served(|it| {
        let mut more = column("more", TEXT, true);
        more.default = Some(FOREIGN);
        it.columns.insert(0, more);
    }));
    assert!(served(|it| {
        let mut gone = column("........pg.dropped.1........", 0, false);
        gone.dropped = true;
        it.columns.insert(1, gone);
    }));
}

#[test]
fn nobody_may_look_before_the_late_entries_are_made() {
    let refused = |change: fn(&mut TableFacts)| late(&with(change)).is_none();
    assert!(refused(|it| it.checks.push(FOREIGN)));
    assert!(refused(|it| it.triggers.push(trigger(Timing::Before, false))));
    assert!(refused(|it| it.indexes[0].built_in = false));
    assert!(refused(|it| it.indexes[0].immediate = false));
    assert!(refused(|it| it.indexes[0].ready = false));
    assert!(refused(|it| it.indexes[0].partial = true));
    assert!(refused(|it| it.indexes[0].key = vec![1, 2]));
    assert!(refused(|it| it.indexes[0].includes = true));
    assert!(refused(|it| it.indexes[0].expressions = FOREIGN));
    assert!(refused(|it| it.columns.insert(0, column("more", UUID, false))));
    assert!(refused(|it| it.triggers.push(trigger_when(FOREIGN))));
    assert!(refused(|it| it.is_partition = true));
    // Queued, they fire when the entries are there.
    assert_eq!(late(&with(|it| it.triggers.push(trigger(Timing::After, true)))), Some(3));
    assert_eq!(late(&with(|it| it.checks.push(HARMLESS))), Some(3));
}

#[test]
fn nobody_may_delete_a_parent_behind_its_proof() {
    let refused = |change: fn(&mut TableFacts)| as_set(&with(change)).is_err();
    assert!(refused(|it| it.checks.push(FOREIGN)));
    assert!(refused(|it| it.triggers.push(trigger(Timing::Before, false))));
    assert!(refused(|it| it.triggers.push(trigger_when(FOREIGN))));
    assert!(refused(|it| it.is_partition = true));
    assert!(refused(|it| it.indexes[0].built_in = false));
    assert!(refused(|it| it.triggers[0].deferrable = true));
    assert!(refused(|it| it.triggers.clear()));
    assert!(refused(|it| {
        let mut more = column("more", TEXT, false);
        more.default = Some(FOREIGN);
        it.columns.push(more);
    }));
    let own = ForeignKeyFacts { references: works().oid, ..key() };
    assert!(set_based_key(&works(), COLUMNS, &own, Some(&composers())).is_err());
    let other = ForeignKeyFacts { equalities: false, ..key() };
    assert!(set_based_key(&works(), COLUMNS, &other, Some(&composers())).is_err());
}

#[test]
fn a_parent_is_compared_as_the_check_compares_it() {
    let to = |change: fn(&mut TableFacts)| {
        let mut composers = composers();
        change(&mut composers);
        set_based_key(&works(), COLUMNS, &key(), Some(&composers))
    };
    assert_eq!(to(|_| ()), Ok(()));
    assert!(to(|it| it.kind = RelationKind::PartitionedTable).is_err());
    assert!(to(|it| it.columns[0].type_oid = UUID).is_err());
}

#[test]
fn a_key_that_may_have_its_default_is_checked_by_the_server() {
    let mut columns = COLUMNS.to_vec();
    columns[1].given = Given::Sometimes;
    let refers = |table: &TableFacts| set_based_key(table, &columns, &key(), Some(&composers()));
    assert_eq!(refers(&works()), Ok(()));
    assert!(refers(&with(|it| it.columns[1].default = Some(HARMLESS))).is_err());
}

#[test]
fn a_worker_inserts_what_could_be_refused() {
    let refuses = |change: fn(&mut TableFacts)| may_refuse_rows(&with(change), &written(), &[7]);
    assert!(!refuses(|_| ()));
    assert!(may_refuse_rows(&works(), &written(), &[]));
    assert!(refuses(|it| it.checks.push(HARMLESS)));
    assert!(refuses(|it| it.columns[2].not_null = true));
    assert!(refuses(|it| it.triggers.push(trigger(Timing::After, true))));
    assert!(refuses(|it| {
        let mut other = it.indexes[0].clone();
        other.key = vec![3];
        it.indexes.push(other);
    }));
    assert!(refuses(|it| {
        let excludes = IndexFacts { unique: false, exclusion: true, ..it.indexes[0].clone() };
        it.indexes.push(excludes);
    }));
    // The key is the table's, wherever it stands.
    let moved = with(|it| {
        it.columns.swap(0, 1);
        it.indexes[0].key = vec![2];
    });
    assert!(!may_refuse_rows(&moved, &written(), &[7]), "no other key");
    let no_key = Table { key: vec![], ..written() };
    assert!(may_refuse_rows(&works(), &no_key, &[7]));
}

#[test]
fn a_short_tuple_must_not_hide_a_value() {
    let fits = |change: fn(&mut TableFacts)| tuples_fit(&with(change), COLUMNS);
    assert!(fits(|it| it.columns.push(column("more", TEXT, false))));
    assert!(!fits(|it| it.columns.swap(1, 2)));
    assert!(!fits(|it| {
        it.columns.push(column("more", TEXT, false));
        it.columns[3].has_missing = true;
    }));
    assert!(!fits(|it| {
        it.columns.push(column("more", TEXT, false));
        it.columns[3].default = Some(HARMLESS);
    }));
    assert!(!fits(|it| {
        it.columns.push(column("more", TEXT, false));
        it.columns[3].generated = Generated::Virtual;
    }));
}

#[test]
fn only_columns_without_a_value_are_looked_at() {
    assert!(has_constraints(&with(|it| it.columns[2].not_null = true), COLUMNS));
    assert!(has_constraints(&with(|it| it.checks.push(HARMLESS)), COLUMNS));
    assert!(has_constraints(&with(|it| it.columns.push(column("more", TEXT, true))), COLUMNS));
}

#[test]
fn a_trigger_of_an_extension_is_no_trigger_of_a_constraint() {
    // Such as pg_ivm's: internal, and of no constraint.
    assert!(has_user_triggers(&with(|it| it.triggers.push(trigger(Timing::After, false)))));
}

#[test]
fn a_key_is_an_index_that_on_conflict_finds() {
    assert!(works().has_key(&[1]) && !works().has_key(&[2]));
    assert!(!with(|it| it.indexes[0].immediate = false).has_key(&[1]));
    assert!(!with(|it| it.indexes[0].valid = false).has_key(&[1]));
    assert!(!with(|it| it.indexes[0].partial = true).has_key(&[1]));
    assert!(!with(|it| it.indexes[0].exclusion = true).has_key(&[1]));
}

#[test]
fn bytes_tell_rows_apart_where_all_indexes_of_the_key_say_so() {
    let tell = |change: fn(&mut TableFacts)| bytes_tell(&with(change), &written());
    assert!(tell(|_| ()));
    assert!(!tell(|it| it.indexes[0].deterministic = false));
    assert!(!tell(|it| it.indexes[0].built_in = false));
    assert!(!tell(|it| it.indexes[0].input_types = vec![TEXT]));
    assert!(!tell(|it| it.indexes[0].input_types.clear()));
    assert!(!tell(|it| it.kind = RelationKind::View));
    assert!(!tell(|it| it.columns[2].type_oid = 1043));
    assert!(!tell(|it| {
        let mut other = it.indexes[0].clone();
        other.deterministic = false;
        it.indexes.push(other);
    }));
    let of = |change: fn(&mut Table)| {
        let mut table = written();
        change(&mut table);
        bytes_tell(&works(), &table)
    };
    assert!(!of(|it| it.key.clear()));
    assert!(!of(|it| it.nulls_equal = true));
    assert!(!of(|it| it.columns[1].cast = Some(b"pg_catalog.varchar".to_vec())));
    let numeric = |it: &mut TableFacts| it.columns[0].type_oid = 1700;
    let mut written = written();
    written.columns[0].kind.oid = 1700;
    assert!(!bytes_tell(&with(numeric), &written));
}
