//! What the catalog says of a table that a load writes to.

use pgrx::PgSqlErrorCode::*;
use pgrx::pg_sys;

use crate::options::OnConflict;
use crate::pg::kept::ask;
use crate::pg::relation::{self, Lock};
use crate::pg::spi::Spi;
use crate::record::Table;
use crate::report::Failure;

/// The tables of a catalogue, each with the SQL that makes it, parents first.
const CATALOGUE: [(&str, &str); 3] = [
    ("composers", include_str!("../../sql/composers.sql")),
    (WORKS, include_str!("../../sql/works.sql")),
    (REJECTED_RECORDS, include_str!("../../sql/rejected_records.sql")),
];

const WORKS: &str = "works";

/// What [`create_table`] leaves out of the table of works.
const INDEXES: &str = include_str!("../../sql/works_indexes.sql");

pub const REJECTED_RECORDS: &str = "rejected_records";

/// A table, found and locked for writing.
pub struct Target {
    pub table: Table,
    pub oid: pg_sys::Oid,
    /// Qualified and quoted.
    pub name: String,
    /// The table has no pages yet: nothing can be there.
    pub empty: bool,
    /// An ordinary table: no partitions, no view, not foreign.
    pub ordinary: bool,
    /// Row security may refuse single rows.
    pub refuses_rows: bool,
}

/// Makes the tables where neither of the two is there; the schema in which they were made. The indexes of the works are
/// still to be made ([`create_indexes`]).
pub fn create_missing_tables(spi: &Spi) -> Option<String> {
    let there = |table| relation::find(table, Lock::Share).is_some();
    if there("composers") || there("works") {
        return None;
    }
    create_those_missing(spi);
    spi.row("SELECT current_schema()::text", |row| row.get::<String>(1)).flatten()
}

/// Makes those of the tables that the current schema does not have.
pub fn create_tables(spi: &Spi) {
    if create_those_missing(spi).contains(&WORKS) {
        create_indexes(spi);
    }
}

fn create_those_missing(spi: &Spi) -> Vec<&'static str> {
    let mut made = vec![];
    for (table, _) in CATALOGUE {
        let there = format!(
            "SELECT (to_regclass(quote_ident(current_schema()) || '.{table}') IS NOT NULL)::boolean"
        );
        match spi.row(&there, |row| row.get::<bool>(1)).flatten() {
            Some(true) => pgrx::notice!("relation \"{table}\" already exists, skipping"),
            _ => {
                create_table(spi, table);
                made.push(table);
            }
        }
    }
    made
}

/// Makes the indexes of the works that this transaction has made.
pub fn create_indexes(spi: &Spi) {
    spi.run(INDEXES);
}

/// Makes one of the tables in the current schema.
pub fn create_table(spi: &Spi, table: &str) {
    CATALOGUE.iter().filter(|(name, _)| *name == table).for_each(|(_, sql)| spi.run(sql));
}

/// Finds a table by its unqualified name, locks it and checks that it has the key that `on_conflict` needs.
pub fn find(spi: &Spi, table: Table, on_conflict: OnConflict) -> Result<Target, Failure> {
    let Some(oid) = relation::find(table.name, Lock::Insert) else {
        return Err(Failure::Refused {
            code: ERRCODE_UNDEFINED_TABLE,
            message: format!("relation \"{}\" does not exist", table.name),
            hint: Some(
                "Set search_path, or call create_catalogue() to make the tables that are missing."
                    .into(),
            ),
        });
    };
    let key = table.key();
    let columns: Vec<_> = table.columns.iter().map(|column| format!("'{}'", column.name)).collect();
    let may = |privilege: &str, which: &str| {
        format!(
            "(SELECT coalesce(bool_and(has_column_privilege(c.oid, a.attname, '{privilege}')), true) FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attname IN ({}) {which})",
            columns.join(", ")
        )
    };
    // As INSERT … ON CONFLICT asks for them, whether or not there will be a conflict.
    let privileges = match on_conflict {
        OnConflict::Update => format!(
            "{} AND {} AND {}",
            may("INSERT", ""),
            may("SELECT", ""),
            may("UPDATE", &format!("AND a.attname <> '{key}'"))
        ),
        OnConflict::Skip => {
            format!(
                "{} AND {}",
                may("INSERT", ""),
                may("SELECT", &format!("AND a.attname = '{key}'"))
            )
        }
        OnConflict::Error => may("INSERT", ""),
    };
    let facts = format!(
        "SELECT format('%I.%I', n.nspname, c.relname)::text,
                (c.relkind = 'r' AND pg_relation_size(c.oid) = 0)::boolean,
                (SELECT coalesce(bool_and(i.indimmediate), false)
                 FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                 WHERE i.indrelid = c.oid AND a.attname = '{key}' AND i.indnkeyatts = 1 AND i.indisunique
                   AND i.indisvalid AND i.indpred IS NULL)::boolean,
                row_security_active(c.oid)::boolean,
                (c.relkind = 'r')::boolean,
                ({privileges})::boolean
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = {}",
        oid.to_u32(),
    );
    let target = ask(spi, &facts, |row| {
        let (has_key, permitted) =
            (row.get::<bool>(3).unwrap_or_default(), row.get::<bool>(6).unwrap_or_default());
        let target = Target {
            table,
            oid,
            name: row.get(1).unwrap_or_default(),
            empty: row.get(2).unwrap_or_default(),
            refuses_rows: row.get(4).unwrap_or_default(),
            ordinary: row.get(5).unwrap_or_default(),
        };
        (target, has_key, permitted)
    });
    match target {
        Some((_, _, false)) => Err(Failure::Refused {
            code: ERRCODE_INSUFFICIENT_PRIVILEGE,
            message: format!("permission denied for table {}", table.name),
            hint: Some(
                match on_conflict {
                    OnConflict::Update => {
                        "on_conflict => 'update' needs INSERT, SELECT and UPDATE."
                    }
                    OnConflict::Skip => "on_conflict => 'skip' needs INSERT and SELECT.",
                    OnConflict::Error => "on_conflict => 'error' needs INSERT.",
                }
                .into(),
            ),
        }),
        Some((target, has_key, _)) if has_key || on_conflict == OnConflict::Error => Ok(target),
        Some((target, ..)) => Err(Failure::Refused {
            code: ERRCODE_INVALID_COLUMN_REFERENCE,
            message: format!("table {} has no unique constraint on ({key})", target.name),
            hint: Some(format!(
                "Add PRIMARY KEY ({key}), not deferrable, or set on_conflict => 'error'."
            )),
        }),
        None => Err(Failure::Refused {
            code: ERRCODE_UNDEFINED_TABLE,
            message: format!("relation \"{}\" was dropped meanwhile", table.name),
            hint: None,
        }),
    }
}
