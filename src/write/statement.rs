//! PURE. The SQL of a load. Table names come quoted and qualified, as bytes of the database's encoding; batches are
//! named relations of the connection, which no table hides.
//!
//! Nothing in a statement is left to the caller's search_path: functions, operators and types are the server's own.

use crate::options::OnConflict;
use crate::record::{Column, ORDINAL};

/// A table as a statement names it.
#[derive(Clone, Debug)]
pub struct TableName {
    /// Quoted and qualified.
    pub name: Vec<u8>,
    /// An ordinary table, whose children are not part of it for an INSERT either.
    pub ordinary: bool,
}

impl TableName {
    /// For a FROM clause.
    fn from(&self) -> Vec<u8> {
        let only: &[u8] = if self.ordinary { b"ONLY " } else { b"" };
        [only, &self.name].concat()
    }
}

/// Name of the batch of rows for a table.
pub fn batch_name(table: &str) -> String {
    format!("pg_opus_{table}")
}

fn list(columns: &[Column], each: impl Fn(&str) -> String, between: &str) -> String {
    columns.iter().map(|column| each(column.name)).collect::<Vec<_>>().join(between)
}

/// Rows known to be new.
pub fn insert(table: &TableName, batch: &str, columns: &[Column]) -> Vec<u8> {
    let names = list(columns, str::to_owned, ", ");
    let rest = format!(" ({names}) SELECT {names} FROM {batch}");
    [b"INSERT INTO ", &*table.name, rest.as_bytes()].concat()
}

/// Rows that may be there. What the record has no value for stays; a row that would not change is not touched, and one
/// about another thing is never changed.
pub fn merge(
    table: &TableName,
    batch: &str,
    columns: &[Column],
    on_conflict: OnConflict,
) -> Vec<u8> {
    let names = list(columns, str::to_owned, ", ");
    let (key, rest) = (columns[0].name, &columns[1..]);
    let action = match on_conflict {
        OnConflict::Update => {
            let set = list(rest, |c| format!("{c} = coalesce(excluded.{c}, old.{c})"), ", ");
            let alike = alike(columns, "excluded");
            format!("UPDATE SET {set} WHERE {alike}({})", differs(rest, "excluded"))
        }
        OnConflict::Skip | OnConflict::Error => "NOTHING".into(),
    };
    let rest =
        format!(" AS old ({names}) SELECT {names} FROM {batch} ON CONFLICT ({key}) DO {action}");
    [b"INSERT INTO ", &*table.name, rest.as_bytes()].concat()
}

/// [`merge`] for an update, counting what it did: rows written, and those of them that were inserted. A row that the
/// statement has locked to update it has an xmax, a new one has none; tables with partitions do not show it.
pub fn counted_merge(table: &TableName, batch: &str, columns: &[Column]) -> Vec<u8> {
    let merge = merge(table, batch, columns, OnConflict::Update);
    let returning = format!(
        " RETURNING {IS_NEW} AS inserted) SELECT pg_catalog.count(*), \
         pg_catalog.count(*) FILTER (WHERE inserted) FROM written"
    );
    [b"WITH written AS (", &*merge, returning.as_bytes()].concat()
}

/// Rows that may be there, telling of each row written whether it is new ([`counted_merge`]).
pub fn listed_merge(
    table: &TableName,
    batch: &str,
    columns: &[Column],
    on_conflict: OnConflict,
) -> Vec<u8> {
    let (statement, is_new) = match on_conflict {
        OnConflict::Update => (merge(table, batch, columns, on_conflict), IS_NEW),
        OnConflict::Skip => (merge(table, batch, columns, on_conflict), "true"),
        OnConflict::Error => (insert(table, batch, columns), "true"),
    };
    [&*statement, b" RETURNING ", is_new.as_bytes()].concat()
}

/// Whether the row `old` of an INSERT is new.
const IS_NEW: &str = "(old.xmax OPERATOR(pg_catalog.=) '0'::pg_catalog.xid)";

/// Whether a new row would change the old one.
fn differs(columns: &[Column], new: &str) -> String {
    let differs = |c: &str| {
        format!(
            "({new}.{c} IS NOT NULL AND ({new}.{c} OPERATOR(pg_catalog.=) old.{c}) IS NOT TRUE)"
        )
    };
    list(columns, differs, " OR ")
}

/// A condition, with the AND behind it: that a new row is not about another thing than the old one.
fn alike(columns: &[Column], new: &str) -> String {
    let ids = columns.iter().filter(|column| column.identity);
    ids.map(|id| format!("{} IS NOT FALSE AND ", equal(id, new))).collect()
}

/// Whether a new row and the old one have one value in a column; null if one of them has none.
fn equal(column: &Column, new: &str) -> String {
    format!("({new}.{0} OPERATOR(pg_catalog.=) old.{0})", column.name)
}

/// For the column with ids in which a new row differs from the old one, what `each` makes of its number and the column;
/// null where there is none.
fn unlike(columns: &[Column], each: impl Fn(usize, &Column) -> String) -> String {
    let ids = columns.iter().filter(|column| column.identity).enumerate();
    let when = |(number, id): (usize, &Column)| {
        format!("WHEN {} IS FALSE THEN {} ", equal(id, "new"), each(number, id))
    };
    format!("CASE {}WHEN false THEN 0 END", ids.map(when).collect::<String>())
}

/// A row for each one of a few that is about another thing than the row that is there. They are looked up one by one.
pub fn others(table: &TableName, batch: &str, columns: &[Column]) -> Vec<u8> {
    let key = columns[0].name;
    let select = format!("SELECT true FROM {batch} new, LATERAL (SELECT * FROM ");
    let number = unlike(columns, |number, _| number.to_string());
    let on = format!(
        " parent WHERE parent.{key} OPERATOR(pg_catalog.=) new.{key} OFFSET 0) old \
         WHERE {number} IS NOT NULL"
    );
    [select.as_bytes(), &table.from(), on.as_bytes()].concat()
}

/// Which rows of the batch are there: arrays of the ordinals of those that would change, of those that would not, and of
/// those that are about another thing than the row that is there; for each of these the number of the column that tells
/// it, among those with ids, and the id that is there.
pub fn compare(
    table: &TableName,
    batch: &str,
    columns: &[Column],
    on_conflict: OnConflict,
) -> Vec<u8> {
    let (key, ordinal) = (columns[0].name, ORDINAL.name);
    let differs = match on_conflict {
        OnConflict::Update => differs(&columns[1..], "new"),
        OnConflict::Skip | OnConflict::Error => "false".into(),
    };
    let number = unlike(columns, |number, _| number.to_string());
    let id = unlike(columns, |_, column| format!("old.{}::pg_catalog.int8", column.name));
    let select = format!(
        "SELECT pg_catalog.array_agg(ordinal) FILTER (WHERE number IS NULL AND differs), \
         pg_catalog.array_agg(ordinal) FILTER (WHERE number IS NULL AND NOT differs), \
         pg_catalog.array_agg(ordinal) FILTER (WHERE number IS NOT NULL), \
         pg_catalog.array_agg(number) FILTER (WHERE number IS NOT NULL), \
         pg_catalog.array_agg(id) FILTER (WHERE number IS NOT NULL) \
         FROM (SELECT new.{ordinal} AS ordinal, {differs} AS differs, {number} AS number, \
         ({id})::pg_catalog.int8 AS id FROM {batch} new JOIN "
    );
    let on = format!(" old ON old.{key} OPERATOR(pg_catalog.=) new.{key}) there");
    [select.as_bytes(), &table.from(), on.as_bytes()].concat()
}

/// Which parents of the batch are there: an array of their places; with `lock`, they are locked against deletion and
/// change of key; `one_by_one` they are looked up by their index, where the planner would read all of them for a few.
/// `key` is the parents' column, quoted; the batch has the keys in `key` and their places in `place`.
pub fn parents(
    table: &TableName,
    batch: &str,
    key: &[u8],
    lock: bool,
    one_by_one: bool,
) -> Vec<u8> {
    let lock: &[u8] = if lock { b" FOR KEY SHARE OF parent" } else { b"" };
    let table = table.from();
    let equal = [b" parent.", key, b" OPERATOR(pg_catalog.=) child.key"].concat();
    let batch = batch.as_bytes();
    let parts: &[&[u8]] = match one_by_one {
        true => &[
            b"SELECT pg_catalog.array_agg(child.place) FROM ",
            batch,
            b" child, LATERAL (SELECT FROM ",
            &table,
            b" parent WHERE",
            &equal,
            b" OFFSET 0",
            lock,
            b") there",
        ],
        false => &[
            b"SELECT pg_catalog.array_agg(place) FROM (SELECT child.place FROM ",
            batch,
            b" child JOIN ",
            &table,
            b" parent ON",
            &equal,
            lock,
            b") there",
        ],
    };
    parts.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::ColumnType;

    const COLUMNS: &[Column] = &[
        Column::new("id", ColumnType::Text),
        Column::new("a", ColumnType::Text),
        Column::new("b", ColumnType::Date),
        Column::identity("n", ColumnType::Int4),
    ];

    fn table(ordinary: bool) -> TableName {
        TableName { name: b"s.t".to_vec(), ordinary }
    }

    fn text(sql: Vec<u8>) -> String {
        String::from_utf8(sql).unwrap()
    }

    #[test]
    fn statements_name_all_columns() {
        assert_eq!(
            text(insert(&table(true), "batch", COLUMNS)),
            "INSERT INTO s.t (id, a, b, n) SELECT id, a, b, n FROM batch"
        );
        let skip = text(merge(&table(true), "batch", COLUMNS, OnConflict::Skip));
        assert!(skip.ends_with("ON CONFLICT (id) DO NOTHING"), "{skip}");
        let update = text(merge(&table(true), "batch", COLUMNS, OnConflict::Update));
        assert!(update.contains("SET a = coalesce(excluded.a, old.a), b = "), "{update}");
        assert!(!update.contains(" id = "), "{update}");
        let alike = "WHERE (excluded.n OPERATOR(pg_catalog.=) old.n) IS NOT FALSE AND ((";
        assert!(update.contains(alike), "{update}");
    }

    #[test]
    fn children_are_read_only_where_they_are_written() {
        let of = |ordinary| text(compare(&table(ordinary), "batch", COLUMNS, OnConflict::Skip));
        assert!(of(true).contains("JOIN ONLY s.t old"));
        assert!(of(false).contains("JOIN s.t old"));
    }

    #[test]
    fn a_name_is_kept_as_it_is() {
        let name = TableName { name: b"\"caf\xe9\".t".to_vec(), ordinary: true };
        let sql = insert(&name, "batch", COLUMNS);
        assert!(sql.windows(6).any(|bytes| bytes == b"\"caf\xe9\""));
    }
}
