//! The indexes of a table.

use pgrx::{PgList, pg_sys};

use super::{Open, attribute_of};
use crate::pg::expression;
use crate::target::facts::*;

/// SAFETY: the relation is open and locked.
pub unsafe fn indexes(relation: pg_sys::Relation) -> Vec<IndexFacts> {
    // SAFETY: the list is a copy of the relation's own.
    unsafe {
        if (*(*relation).rd_rel).relkind as u8 != pg_sys::RELKIND_RELATION
            && (*(*relation).rd_rel).relkind as u8 != pg_sys::RELKIND_PARTITIONED_TABLE
        {
            return vec![];
        }
        let list = PgList::<pg_sys::Oid>::from_pg(pg_sys::RelationGetIndexList(relation));
        list.iter_oid().map(|oid| index(oid)).collect()
    }
}

/// SAFETY: the index is one of a locked table.
unsafe fn index(oid: pg_sys::Oid) -> IndexFacts {
    // SAFETY: the form and the operator classes are the index's own.
    unsafe {
        let open = Open::index(oid);
        let relation = open.0;
        let form = (*relation).rd_index;
        let keys = (*form).indnkeyatts as usize;
        let key = (*form).indkey.values.as_slice(keys).to_vec();
        let of = |list: *mut pg_sys::List| match list.is_null() {
            true => Expression::default(),
            false => expression::of(list.cast()),
        };
        let class = (*relation).rd_rel;
        IndexFacts {
            oid: oid.to_u32(),
            unique: (*form).indisunique,
            exclusion: (*form).indisexclusion,
            primary: (*form).indisprimary,
            nulls_equal: (*form).indnullsnotdistinct,
            immediate: (*form).indimmediate,
            valid: (*form).indisvalid,
            ready: (*form).indisready,
            partial: !(*relation).rd_indextuple.is_null()
                && !pg_sys::RelationGetIndexPredicate(relation).is_null(),
            built_in: (*class).relam.to_u32() < FIRST_NORMAL_OID
                && of_keys((*relation).rd_opfamily, keys)
                    .is_some_and(|all| all.iter().all(is_built_in))
                && of_keys((*relation).rd_support, keys * support_functions(relation))
                    .is_some_and(|all| all.iter().all(is_built_in))
                && (0..keys as i32).all(|key| {
                    let attribute = attribute_of((*relation).rd_att, key);
                    (*attribute).atttypid.to_u32() < FIRST_NORMAL_OID
                }),
            includes: (*form).indnatts > (*form).indnkeyatts,
            input_types: of_keys((*relation).rd_opcintype, keys)
                .map(|types| types.iter().map(|it| it.to_u32()).collect())
                .unwrap_or_default(),
            families: of_keys((*relation).rd_opfamily, keys)
                .map(|families| families.iter().map(|it| it.to_u32()).collect())
                .unwrap_or_default(),
            deterministic: of_keys((*relation).rd_indcollation, keys)
                .is_some_and(|all| all.iter().all(|collation| is_deterministic(*collation))),
            key,
            expressions: of(pg_sys::RelationGetIndexExpressions(relation))
                .and(of(pg_sys::RelationGetIndexPredicate(relation))),
        }
    }
}

/// How many functions an index's access method has for each key column.
///
/// SAFETY: the index is open.
unsafe fn support_functions(relation: pg_sys::Relation) -> usize {
    // SAFETY: the caller's promise.
    unsafe { usize::from((*(*relation).rd_indam).amsupport) }
}

fn is_built_in(oid: &pg_sys::Oid) -> bool {
    oid.to_u32() < FIRST_NORMAL_OID
}

/// A list of OIDs that the server keeps for the key columns of an index. None where it keeps no such list.
///
/// SAFETY: the list is one of an index that is open, and has so many members.
unsafe fn of_keys<'r>(list: *const pg_sys::Oid, keys: usize) -> Option<&'r [pg_sys::Oid]> {
    // SAFETY: the caller's promise.
    (!list.is_null()).then(|| unsafe { std::slice::from_raw_parts(list, keys) })
}

/// Whether texts are equal under a collation only if their bytes are; values without one are.
fn is_deterministic(collation: pg_sys::Oid) -> bool {
    // SAFETY: looks at the system cache.
    collation == pg_sys::InvalidOid || unsafe { pg_sys::get_collation_isdeterministic(collation) }
}
