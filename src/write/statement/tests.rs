//! PURE, tests only: the SQL of a load.

use super::*;
use crate::record::{ColumnType, Key};

const COLUMNS: &[Column] = &[
    Column::new("id", ColumnType::TEXT),
    Column::new("a", ColumnType::TEXT),
    Column::new("b", ColumnType::DATE),
    Column::identity("n", ColumnType::INTEGER),
];

fn table() -> Table {
    Table {
        name: "t".into(),
        noun: "row".into(),
        columns: COLUMNS.to_vec(),
        key: vec![Key { place: 0, equal: EQUAL.into(), collation: None, takes: None }],
        nulls_equal: false,
        parent: vec![],
        null: Null::Unknown,
    }
}

fn quote(name: &[u8]) -> Vec<u8> {
    [b"\"", name, b"\""].concat()
}

fn name(ordinary: bool) -> TableName {
    TableName { name: b"s.t".to_vec(), ordinary }
}

fn of_all(table: &Table, sql: impl Fn(Statements) -> Vec<u8>) -> String {
    of_some(table, &[], sql)
}

fn of_some(table: &Table, absent: &[u16], sql: impl Fn(Statements) -> Vec<u8>) -> String {
    let absent = Absent(absent.to_vec());
    let sql = sql(Statements { name: &name(true), table, batch: b"batch", absent: &absent, quote });
    String::from_utf8(sql).unwrap()
}

#[test]
fn statements_name_the_columns_that_rows_have() {
    let insert = of_all(&table(), |s| s.insert());
    let names = r#"("id", "a", "b", "n") SELECT c1, c2, c3, c4 FROM batch"#;
    assert_eq!(insert, format!("INSERT INTO s.t {names}"));
    let insert = of_some(&table(), &[1, 3], |s| s.insert());
    assert_eq!(insert, r#"INSERT INTO s.t ("id", "b") SELECT c1, c3 FROM batch"#);
    let insert = of_some(&table(), &[0, 1, 2, 3], |s| s.insert());
    assert_eq!(insert, "INSERT INTO s.t SELECT  FROM batch");
}

#[test]
fn a_merge_changes_what_the_record_says() {
    let skip = of_all(&table(), |s| s.merge(OnConflict::Skip));
    assert!(skip.ends_with(r#"ON CONFLICT ("id") DO NOTHING"#), "{skip}");
    let update = of_all(&table(), |s| s.merge(OnConflict::Update));
    assert!(update.contains(r#"SET "a" = coalesce(excluded."a", old."a"), "b" = "#), "{update}");
    assert!(!update.contains(r#" "id" = "#), "{update}");
    let alike = r#"WHERE (excluded."n" OPERATOR(pg_catalog.=) old."n") IS NOT FALSE AND (("#;
    assert!(update.contains(alike), "{update}");
    let says = Table { null: Null::Value, ..table() };
    let update = of_some(&says, &[1, 3], |s| s.merge(OnConflict::Update));
    let set =
        r#"DO UPDATE SET "b" = excluded."b" WHERE (pg_catalog.record_image_ne(ROW(excluded."b"), "#;
    assert!(update.contains(set), "{update}");
    let nothing = of_some(&says, &[1, 2, 3], |s| s.merge(OnConflict::Update));
    assert!(nothing.ends_with("DO NOTHING"), "{nothing}");
}

#[test]
fn an_update_names_no_other_columns() {
    let says = Table { null: Null::Value, nulls_equal: true, ..table() };
    let update = of_some(&says, &[1, 3], |s| s.update());
    let key = r#"((old."id" OPERATOR(pg_catalog.=) new.c1) OR (old."id" IS NULL AND "#;
    let set = r#"UPDATE ONLY s.t AS old SET "b" = new.c3 FROM batch new WHERE "#;
    assert!(update.starts_with(&format!("{set}{key}")), "{update}");
    assert!(update.contains(") AND (pg_catalog.record_image_ne(ROW(new.c3)"), "{update}");
}

#[test]
fn keys_are_compared_column_by_column() {
    let mut table = table();
    let collation = Some(br#"x."de""#.to_vec());
    let equal = b"OPERATOR(x.===)".to_vec().into();
    table.key.push(Key { place: 2, equal, collation, takes: None });
    let compare = of_all(&table, |s| s.compare(OnConflict::Skip, None, false));
    let on = r#"ON old."id" OPERATOR(pg_catalog.=) new.c1 AND old."b" COLLATE x."de" OPERATOR(x.===) new.c3 OFFSET 0)"#;
    assert!(compare.contains(on), "{compare}");
    let merge = of_all(&table, |s| s.merge(OnConflict::Skip));
    assert!(merge.ends_with(r#"ON CONFLICT ("id", "b") DO NOTHING"#), "{merge}");
    table.key[1].takes = Some(b"x.t".to_vec());
    let compare = of_all(&table, |s| s.compare(OnConflict::Skip, None, false));
    let on = r#"old."b"::x.t COLLATE x."de" OPERATOR(x.===) new.c3::x.t OFFSET 0)"#;
    assert!(compare.contains(on), "{compare}");
}

#[test]
fn children_are_read_only_where_they_are_written() {
    let of = |ordinary| {
        let (name, table, absent) = (name(ordinary), table(), Absent::default());
        let all = Statements { name: &name, table: &table, batch: b"b", absent: &absent, quote };
        String::from_utf8(all.compare(OnConflict::Skip, None, false)).unwrap()
    };
    assert!(of(true).contains("JOIN ONLY s.t old"));
    assert!(of(false).contains("JOIN s.t old"));
}

#[test]
fn names_are_kept_as_they_are() {
    let name = TableName { name: b"\"caf\xe9\".t".to_vec(), ordinary: true };
    let (table, absent) = (table(), Absent::default());
    let sql =
        Statements { name: &name, table: &table, batch: b"b", absent: &absent, quote }.insert();
    assert!(sql.windows(6).any(|bytes| bytes == b"\"caf\xe9\""));
}
