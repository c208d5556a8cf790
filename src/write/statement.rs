//! PURE. The SQL of a load. Table names come quoted and qualified; batches are named relations of the connection.

use crate::options::OnConflict;
use crate::record::{Column, ORDINAL};

/// Name of the batch of rows for a table.
pub fn batch_name(table: &str) -> String {
    format!("pg_opus_{table}")
}

fn list(columns: &[Column], each: impl Fn(&str) -> String, between: &str) -> String {
    columns.iter().map(|column| each(column.name)).collect::<Vec<_>>().join(between)
}

/// Rows known to be new.
pub fn insert(table: &str, batch: &str, columns: &[Column]) -> String {
    let names = list(columns, str::to_owned, ", ");
    format!("INSERT INTO {table} ({names}) SELECT {names} FROM {batch}")
}

/// Rows that may be there. What the record has no value for stays; a row that would not change is not touched.
pub fn merge(table: &str, batch: &str, columns: &[Column], on_conflict: OnConflict) -> String {
    let names = list(columns, str::to_owned, ", ");
    let (key, rest) = (columns[0].name, &columns[1..]);
    let action = match on_conflict {
        OnConflict::Update => {
            let set = list(rest, |c| format!("{c} = coalesce(excluded.{c}, old.{c})"), ", ");
            format!("UPDATE SET {set} WHERE {}", differs(rest, "excluded"))
        }
        OnConflict::Skip | OnConflict::Error => "NOTHING".into(),
    };
    format!(
        "INSERT INTO {table} AS old ({names}) SELECT {names} FROM {batch} \
         ON CONFLICT ({key}) DO {action}"
    )
}

/// [`merge`] for an update, counting what it did: rows written, and those of them that were inserted. A row that the
/// statement has locked to update it has an xmax, a new one has none; tables with partitions do not show it.
pub fn counted_merge(table: &str, batch: &str, columns: &[Column]) -> String {
    let merge = merge(table, batch, columns, OnConflict::Update);
    format!(
        "WITH written AS ({merge} RETURNING old.xmax = 0 AS inserted) \
         SELECT count(*)::bigint, count(*) FILTER (WHERE inserted)::bigint FROM written"
    )
}

/// Rows that may be there, telling of each row written whether it is new ([`counted_merge`]).
pub fn listed_merge(
    table: &str,
    batch: &str,
    columns: &[Column],
    on_conflict: OnConflict,
) -> String {
    match on_conflict {
        OnConflict::Update => {
            format!(
                "{} RETURNING (old.xmax = 0)::boolean",
                merge(table, batch, columns, on_conflict)
            )
        }
        OnConflict::Skip => format!("{} RETURNING true", merge(table, batch, columns, on_conflict)),
        OnConflict::Error => format!("{} RETURNING true", insert(table, batch, columns)),
    }
}

/// Whether a new row would change the old one.
fn differs(columns: &[Column], new: &str) -> String {
    list(
        columns,
        |c| format!("({new}.{c} IS NOT NULL AND {new}.{c} IS DISTINCT FROM old.{c})"),
        " OR ",
    )
}

/// Which rows of the batch are there: two arrays of their ordinals, those that would change and those that would not.
pub fn compare(table: &str, batch: &str, columns: &[Column], on_conflict: OnConflict) -> String {
    let (key, ordinal) = (columns[0].name, ORDINAL.name);
    let differs = match on_conflict {
        OnConflict::Update => differs(&columns[1..], "new"),
        OnConflict::Skip | OnConflict::Error => "false".into(),
    };
    format!(
        "SELECT array_agg(ordinal) FILTER (WHERE differs), array_agg(ordinal) FILTER (WHERE NOT differs) \
         FROM (SELECT new.{ordinal} AS ordinal, {differs} AS differs FROM {batch} new \
               JOIN {table} old ON old.{key} = new.{key}) there"
    )
}

/// Which parents of the batch are there: an array of their places; with `lock`, they are locked against deletion and
/// change of key; `one_by_one` they are looked up by their index, where the planner would read all of them for a few.
/// Run as the owner of the parents' table, so nothing is left to the search_path.
pub fn parents(table: &str, batch: &str, key: &str, lock: bool, one_by_one: bool) -> String {
    let lock = if lock { "FOR KEY SHARE OF parent" } else { "" };
    if one_by_one {
        return format!(
            "SELECT pg_catalog.array_agg(child.place) FROM {batch} child, LATERAL (SELECT FROM ONLY {table} parent \
             WHERE parent.{key} OPERATOR(pg_catalog.=) child.{key} OFFSET 0 {lock}) there"
        );
    }
    format!(
        "SELECT pg_catalog.array_agg(place) FROM (SELECT child.place FROM {batch} child \
         JOIN ONLY {table} parent ON parent.{key} OPERATOR(pg_catalog.=) child.{key} {lock}) there"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::ColumnType;

    const COLUMNS: &[Column] = &[
        Column::new("id", ColumnType::Text),
        Column::new("a", ColumnType::Text),
        Column::new("b", ColumnType::Date),
    ];

    #[test]
    fn statements_name_all_columns() {
        assert_eq!(
            insert("s.t", "batch", COLUMNS),
            "INSERT INTO s.t (id, a, b) SELECT id, a, b FROM batch"
        );
        let skip = merge("s.t", "batch", COLUMNS, OnConflict::Skip);
        assert!(skip.ends_with("ON CONFLICT (id) DO NOTHING"), "{skip}");
        let update = merge("s.t", "batch", COLUMNS, OnConflict::Update);
        assert!(update.contains("SET a = coalesce(excluded.a, old.a), b = "), "{update}");
        assert!(!update.contains("id = "), "{update}");
    }
}
