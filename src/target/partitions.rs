//! What the partitions of a table have that the table has not.

use super::Target;
use super::facts::{InPartitions, RelationKind};
use crate::pg::partition;
use crate::pg::relation::Lock;
use crate::pg::spi::{Row, Spi};

/// A trigger for each row before an INSERT, in `pg_trigger.tgtype` (`pg_trigger.h`).
const BEFORE_ROW_INSERT: u8 = 1 | 2 | 4;

/// What partitions of a table have of their own.
pub fn look(spi: &Spi, target: &Target) -> InPartitions {
    if target.facts.kind != RelationKind::PartitionedTable {
        return InPartitions::default();
    }
    let family = partition::family(target.oid, Lock::No);
    let family = family.iter().skip(1).map(ToString::to_string).collect::<Vec<_>>().join(",");
    let of_them = format!("OPERATOR(pg_catalog.=) ANY ('{{{family}}}'::pg_catalog.oid[])");
    let sql = format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_index i \
             JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid \
             WHERE i.indrelid {of_them} AND NOT c.relispartition AND (i.indisunique OR i.indisexclusion)) \
           OR EXISTS (SELECT FROM pg_catalog.pg_constraint k \
             WHERE k.conrelid {of_them} AND k.contype OPERATOR(pg_catalog.=) 'f'::pg_catalog.\"char\" \
             AND k.conparentid OPERATOR(pg_catalog.=) '0'::pg_catalog.oid \
             AND (k.confrelid {of_them} OR k.confrelid OPERATOR(pg_catalog.=) '{}'::pg_catalog.oid)), \
         EXISTS (SELECT FROM pg_catalog.pg_trigger t \
             WHERE t.tgrelid {of_them} AND t.tgparentid OPERATOR(pg_catalog.=) '0'::pg_catalog.oid \
             AND (t.tgtype OPERATOR(pg_catalog.&) '{BEFORE_ROW_INSERT}'::pg_catalog.int2) \
                 OPERATOR(pg_catalog.=) '{BEFORE_ROW_INSERT}'::pg_catalog.int2)",
        target.oid.to_u32()
    );
    let yes = |row: &Row, column| row.get::<bool>(column).unwrap_or_default();
    let read = |row: &Row| InPartitions { meet: yes(row, 1), before_insert: yes(row, 2) };
    spi.row(&sql, read).unwrap_or_default()
}
