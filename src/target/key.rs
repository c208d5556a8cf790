//! The columns that identify a row of a table, as its index has them.

use crate::pg::relation;
use crate::pg::spi::{Row, Spi};
use crate::write::statement::{cast, is_null};

/// A column of a unique index, by its number in the table.
pub struct KeyColumn {
    pub number: i16,
    /// The operators by which the index compares, as a statement names them, in the database's encoding.
    pub equal: Vec<u8>,
    pub less: Vec<u8>,
    /// The collation by which it does, quoted and qualified.
    pub collation: Option<Vec<u8>>,
    /// The type that it compares, as a statement names it, where that is another one than the column's: text, say, of
    /// which `bpchar_ops` does not count the blanks at the end.
    pub takes: Option<Vec<u8>>,
}

/// The columns of an index, in its order.
pub fn columns(spi: &Spi, index: u32) -> Vec<KeyColumn> {
    let sql = format!(
        "SELECT k.attribute, equal.amopopr::pg_catalog.int8, less.amopopr::pg_catalog.int8, \
           pg_catalog.quote_ident(s.nspname) OPERATOR(pg_catalog.||) '.'::pg_catalog.text \
             OPERATOR(pg_catalog.||) pg_catalog.quote_ident(l.collname), \
           CASE WHEN t.typtype OPERATOR(pg_catalog.<>) 'p'::pg_catalog.\"char\" \
             AND t.oid OPERATOR(pg_catalog.<>) a.atttypid THEN t.oid::pg_catalog.int8 END \
         FROM pg_catalog.pg_index i, \
           LATERAL ROWS FROM (pg_catalog.unnest(i.indkey::pg_catalog.int2[]), \
             pg_catalog.unnest(i.indclass::pg_catalog.oid[]), \
             pg_catalog.unnest(i.indcollation::pg_catalog.oid[])) \
             WITH ORDINALITY AS k(attribute, operators, collated, place) \
           JOIN pg_catalog.pg_opclass c ON c.oid OPERATOR(pg_catalog.=) k.operators \
           JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) c.opcintype \
           JOIN pg_catalog.pg_attribute a ON a.attnum OPERATOR(pg_catalog.=) k.attribute \
           JOIN pg_catalog.pg_amop equal ON equal.amopfamily OPERATOR(pg_catalog.=) c.opcfamily \
             AND equal.amoplefttype OPERATOR(pg_catalog.=) c.opcintype \
             AND equal.amoprighttype OPERATOR(pg_catalog.=) c.opcintype \
             AND equal.amopstrategy OPERATOR(pg_catalog.=) '3'::pg_catalog.int2 \
           JOIN pg_catalog.pg_amop less ON less.amopfamily OPERATOR(pg_catalog.=) c.opcfamily \
             AND less.amoplefttype OPERATOR(pg_catalog.=) c.opcintype \
             AND less.amoprighttype OPERATOR(pg_catalog.=) c.opcintype \
             AND less.amopstrategy OPERATOR(pg_catalog.=) '1'::pg_catalog.int2 \
           LEFT JOIN pg_catalog.pg_collation l ON l.oid OPERATOR(pg_catalog.=) k.collated \
           LEFT JOIN pg_catalog.pg_namespace s ON s.oid OPERATOR(pg_catalog.=) l.collnamespace \
         WHERE i.indexrelid OPERATOR(pg_catalog.=) '{index}'::pg_catalog.oid \
           AND a.attrelid OPERATOR(pg_catalog.=) i.indrelid \
           AND k.place OPERATOR(pg_catalog.<=) i.indnkeyatts::pg_catalog.int8 \
         ORDER BY k.place USING OPERATOR(pg_catalog.<)"
    );
    let read = |row: &Row| {
        let oid = |column| row.get::<i64>(column).and_then(|oid| u32::try_from(oid).ok());
        let operator = |column| oid(column).and_then(relation::operator);
        Some(KeyColumn {
            number: row.get::<i16>(1)?,
            equal: operator(2)?,
            less: operator(3)?,
            collation: row.get::<Vec<u8>>(4),
            takes: oid(5).map(relation::type_name),
        })
    };
    spi.prepare(&sql).rows(read).into_iter().flatten().collect()
}

/// The statement that ranks the rows of a batch by a key that only the server can compare: the ordinal and the rank of
/// each row that has no null in its key, and equal keys have one rank. The batch has the key's columns in c1 and so on, and
/// the ordinals in `o`; `casts` are the types of those that have another one.
pub fn rank(
    columns: &[&KeyColumn],
    casts: &[Option<Vec<u8>>],
    nulls_equal: bool,
    batch: &str,
) -> Vec<u8> {
    let (mut by, mut known) = (vec![], vec![]);
    for ((place, column), to) in (1..).zip(columns).zip(casts) {
        let collate = column.collation.as_ref();
        let collate = collate.map(|name| [b" COLLATE ", &**name].concat()).unwrap_or_default();
        let name = format!("c{place}");
        let value = cast(cast(name.clone().into_bytes(), to.as_ref()), column.takes.as_ref());
        by.push([&*value, &collate, b" USING ", &column.less].concat());
        if !nulls_equal {
            known.push([b"NOT ", &*is_null(name.as_bytes())].concat());
        }
    }
    let (by, known) = (by.join(&b", "[..]), known.join(&b" AND "[..]));
    let known = if known.is_empty() { b"true".to_vec() } else { known };
    let select = b"SELECT o, pg_catalog.dense_rank() OVER (ORDER BY ";
    [&select[..], &by, b") FROM ", batch.as_bytes(), b" WHERE ", &known].concat()
}
