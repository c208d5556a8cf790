//! What the partitions of a table have that the table has not.

use super::Target;
use super::facts::RelationKind;
use crate::pg::partition;
use crate::pg::relation::Lock;
use crate::pg::spi::Spi;

/// Whether rows of a partitioned table may meet by more than its own keys: a partition has a unique index of its own, or a
/// foreign key of its own refers to rows of the table.
pub fn meet(spi: &Spi, target: &Target) -> bool {
    if target.facts.kind != RelationKind::PartitionedTable {
        return false;
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
             AND (k.confrelid {of_them} OR k.confrelid OPERATOR(pg_catalog.=) '{}'::pg_catalog.oid))",
        target.oid.to_u32()
    );
    spi.row(&sql, |row| row.get::<bool>(1)).flatten().unwrap_or_default()
}
