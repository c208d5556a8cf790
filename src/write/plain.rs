//! Whether a table is plain: new rows may be laid into its pages, since an INSERT would do no more than that.
//!
//! That is a heap of its own with the columns that a load writes in front, no trigger of a user's, rule, row security,
//! CHECK or exclusion constraint, nothing to be computed or refused for a column that the load does not write, and
//! btree indexes over columns. Whatever is unique besides the key may refuse single rows, and is left to INSERT, which
//! finds them. So are tables on which an extension wants to hear of each statement's permissions (pgaudit, sepgsql).

use super::target::Target;
use crate::pg::kept::ask;
use crate::pg::relation;
use crate::pg::spi::Spi;

/// `proved`: the parents of the rows are proved, so the foreign key needs no check.
pub fn is_plain(spi: &Spi, target: &Target, proved: bool) -> bool {
    if !target.ordinary || target.refuses_rows || relation::permissions_are_watched() {
        return false;
    }
    let oid = target.oid.to_u32();
    let columns = target.table.columns;
    let (written, list) = (columns.len(), |only_always: bool| {
        let columns = columns.iter().filter(|column| column.always || !only_always);
        columns.map(|column| format!("'{}'", column.name)).collect::<Vec<_>>().join(", ")
    });
    let checked = if proved { "'c', 'x'" } else { "'c', 'x', 'f'" };
    let facts = format!(
        "SELECT (c.relam = (SELECT a.oid FROM pg_am a WHERE a.amname = 'heap') AND NOT c.relispartition
            AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)
            AND NOT EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid)
            AND NOT EXISTS (SELECT FROM pg_constraint o WHERE o.conrelid = c.oid AND o.contype IN ({checked}))
            AND (SELECT array_agg(a.attname::text ORDER BY a.attnum) = ARRAY[{names}]
                    AND NOT bool_or(a.attgenerated <> '' OR a.attidentity <> ''
                                    OR a.attnotnull AND a.attname NOT IN ({always}))
                 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum BETWEEN 1 AND {written})
            AND NOT EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                            WHERE a.attrelid = c.oid AND a.attnum > {written} AND NOT a.attisdropped
                              AND (a.attnotnull OR a.atthasdef OR a.atthasmissing OR a.attidentity <> ''
                                   OR a.attgenerated <> '' OR t.typtype = 'd'))
            AND NOT EXISTS (SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
                            WHERE i.indrelid = c.oid
                              AND (x.relam <> (SELECT a.oid FROM pg_am a WHERE a.amname = 'btree')
                                   OR i.indexprs IS NOT NULL OR i.indpred IS NOT NULL OR NOT i.indimmediate
                                   OR i.indisunique AND (i.indnatts > 1 OR i.indkey[0] <> 1))))::boolean
         FROM pg_class c WHERE c.oid = {oid}",
        names = list(false),
        always = list(true),
    );
    ask(spi, &facts, |row| row.get::<bool>(1)).flatten().unwrap_or_default()
}
