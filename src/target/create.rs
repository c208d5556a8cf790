//! The tables of a catalogue, made where they are missing: in the caller's current schema, and the caller's own.

use pgrx::pg_sys;

use crate::pg::relation::{self, Lock};
use crate::pg::spi::Spi;
use crate::pg::{encoding, lock, log};

/// Each table with the SQL that makes it, parents first. Types and functions in it are qualified.
const CATALOGUE: [(&str, &str); 3] = [
    ("composers", include_str!("../../sql/composers.sql")),
    (WORKS, include_str!("../../sql/works.sql")),
    (REJECTED_RECORDS, include_str!("../../sql/rejected_records.sql")),
];

const WORKS: &str = "works";

/// What [`create_table`] leaves out of the table of works.
const INDEXES: &str = include_str!("../../sql/works_indexes.sql");

pub const REJECTED_RECORDS: &str = "rejected_records";

/// Whether neither of the two tables that loads write is there.
pub fn is_first_load() -> bool {
    let exists = |table| relation::find(table, Lock::No).is_some();
    !exists("composers") && !exists(WORKS)
}

/// Makes the tables if neither of the two is there; the schema in which they were made, as UTF-8. The indexes of the
/// works are still to be made ([`create_indexes`]).
pub fn create_missing_tables(spi: &Spi) -> Option<String> {
    if !is_first_load() {
        return None;
    }
    let schema = relation::current_schema();
    wait_for_others(schema.as_ref().map(|(schema, _)| *schema));
    // Whoever was making them may have come to the end of it.
    if !is_first_load() {
        return None;
    }
    create_those_missing(spi);
    schema.map(|(_, name)| encoding::of_message(&name))
}

/// Makes those of the tables that the current schema does not have.
pub fn create_tables(spi: &Spi) {
    wait_for_others(relation::current_schema().map(|(schema, _)| schema));
    if create_those_missing(spi).contains(&WORKS) {
        create_indexes(spi);
    }
}

/// Two transactions that make the same table meet in the catalog, and one of them fails. Waits for the other one, if
/// the caller may make tables there.
fn wait_for_others(schema: Option<pg_sys::Oid>) {
    if let Some(schema) = schema.filter(|schema| relation::may_create_in(*schema)) {
        lock::creation(schema);
    }
}

fn create_those_missing(spi: &Spi) -> Vec<&'static str> {
    let schema = relation::current_schema();
    let mut made = vec![];
    for (table, _) in CATALOGUE {
        if schema.as_ref().is_some_and(|(schema, _)| relation::is_in(*schema, table)) {
            log::notice(&format!("relation \"{table}\" already exists, skipping"));
        } else {
            create_table(spi, table);
            made.push(table);
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
