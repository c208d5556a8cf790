//! What the server knows of a locked table: read from its own caches, so current in every isolation level, and with no
//! name that a search_path could lead elsewhere.

mod indexes;

use std::ffi::CStr;

use pgrx::{PgList, pg_sys};

use self::indexes::indexes;
use super::{expression, partition, relation};
use crate::target::facts::*;

/// A relation that is open; closed when dropped. Its lock stays to the end of the transaction.
struct Open(pg_sys::Relation);

impl Open {
    /// SAFETY: the transaction has locked the relation.
    unsafe fn table(oid: pg_sys::Oid) -> Self {
        // SAFETY: the caller's promise.
        Open(unsafe { pg_sys::relation_open(oid, pg_sys::NoLock as i32) })
    }

    /// SAFETY: the transaction has locked the index's table against a change of its indexes.
    unsafe fn index(oid: pg_sys::Oid) -> Self {
        // SAFETY: the caller's promise; the lock is the one that a statement takes to read.
        Open(unsafe { pg_sys::index_open(oid, pg_sys::AccessShareLock as i32) })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: opened by this wrapper, once.
            unsafe { pg_sys::relation_close(self.0, pg_sys::NoLock as i32) };
        }
    }
}

/// The facts of a table that the transaction has locked.
pub fn facts(oid: pg_sys::Oid) -> TableFacts {
    // SAFETY: the table is locked, so its entry stays valid while it is open; what is read is copied.
    unsafe {
        let open = Open::table(oid);
        let relation = open.0;
        let class = (*relation).rd_rel;
        let kind = match (*class).relkind as u8 {
            pg_sys::RELKIND_RELATION => RelationKind::Table,
            pg_sys::RELKIND_PARTITIONED_TABLE => RelationKind::PartitionedTable,
            pg_sys::RELKIND_FOREIGN_TABLE => RelationKind::ForeignTable,
            pg_sys::RELKIND_VIEW => RelationKind::View,
            _ => RelationKind::Other,
        };
        let stored = kind == RelationKind::Table;
        TableFacts {
            oid: oid.to_u32(),
            kind,
            access_method: (*class).relam.to_u32(),
            is_partition: (*class).relispartition,
            ancestors: partition::ancestors(oid),
            in_partitions: InPartitions::default(),
            row_security: row_security(oid),
            insert_rules: has_insert_rules(relation),
            any_rules: !(*relation).rd_rules.is_null(),
            blocks: stored.then(|| {
                let main = pg_sys::ForkNumber::MAIN_FORKNUM;
                pg_sys::RelationGetNumberOfBlocksInFork(relation, main)
            }),
            columns: columns(relation),
            checks: checks(relation),
            triggers: triggers(relation),
            indexes: indexes(relation),
            foreign_keys: foreign_keys(relation),
        }
    }
}

/// Whether the relation is an ordinary table, and who owns it.
pub fn ordinary_and_owner(oid: pg_sys::Oid) -> (bool, pg_sys::Oid) {
    // SAFETY: as in `facts`.
    unsafe {
        let open = Open::table(oid);
        let class = (*open.0).rd_rel;
        ((*class).relkind as u8 == pg_sys::RELKIND_RELATION, (*class).relowner)
    }
}

/// The tables that the foreign keys of a table refer to.
pub fn referenced(table: pg_sys::Oid) -> Vec<u32> {
    // SAFETY: the lock is the one that a statement takes to read; it is held to the end.
    unsafe {
        let relation =
            pg_sys::try_relation_open(table, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        if relation.is_null() {
            return vec![];
        }
        let open = Open(relation);
        foreign_keys(open.0).iter().map(|key| key.references).collect()
    }
}

pub fn is_temporary(table: pg_sys::Oid) -> bool {
    // SAFETY: looks at the system cache.
    let persistence = unsafe { pg_sys::get_rel_persistence(table) };
    persistence as u8 == pg_sys::RELPERSISTENCE_TEMP
}

pub fn is_foreign(table: pg_sys::Oid) -> bool {
    // SAFETY: looks at the system cache; 0 for a table that is gone.
    let kind = unsafe { pg_sys::get_rel_relkind(table) };
    kind as u8 == pg_sys::RELKIND_FOREIGN_TABLE
}

/// Whether row security may hide rows of the table from the current user.
pub fn row_security(oid: pg_sys::Oid) -> bool {
    // SAFETY: looks at the relation's entry in pg_class and at the caller's rights; `true` asks for no error.
    let state = unsafe { pg_sys::check_enable_rls(oid, pg_sys::InvalidOid, true) };
    state == pg_sys::CheckEnableRlsResult::RLS_ENABLED as i32
}

/// SAFETY: the relation is open.
unsafe fn has_insert_rules(relation: pg_sys::Relation) -> bool {
    // SAFETY: the rules are the relation's own.
    unsafe {
        let rules = (*relation).rd_rules;
        if rules.is_null() {
            return false;
        }
        let rules = std::slice::from_raw_parts((*rules).rules, (*rules).numLocks as usize);
        rules.iter().any(|rule| (**rule).event == pg_sys::CmdType::CMD_INSERT)
    }
}

/// SAFETY: the relation is open.
unsafe fn columns(relation: pg_sys::Relation) -> Vec<ColumnFacts> {
    // SAFETY: the descriptor is the relation's own and has `natts` attributes.
    unsafe {
        let descriptor = (*relation).rd_att;
        let column = |place: i32| {
            let attribute = &*attribute_of(descriptor, place);
            let dropped = attribute.attisdropped;
            let default = if dropped {
                std::ptr::null_mut()
            } else {
                pg_sys::build_column_default(relation, place + 1)
            };
            ColumnFacts {
                name: CStr::from_ptr(attribute.attname.data.as_ptr()).to_bytes().to_vec(),
                type_oid: attribute.atttypid.to_u32(),
                typmod: attribute.atttypmod,
                length: attribute.attlen,
                alignment: match attribute.attalign as u8 {
                    pg_sys::TYPALIGN_DOUBLE => 8,
                    pg_sys::TYPALIGN_INT => 4,
                    pg_sys::TYPALIGN_SHORT => 2,
                    _ => 1,
                },
                dropped,
                not_null: attribute.attnotnull,
                generated: match attribute.attgenerated as u8 {
                    0 => Generated::No,
                    pg_sys::ATTRIBUTE_GENERATED_STORED => Generated::Stored,
                    _ => Generated::Virtual,
                },
                identity: match attribute.attidentity as u8 {
                    0 => Identity::No,
                    pg_sys::ATTRIBUTE_IDENTITY_ALWAYS => Identity::Always,
                    _ => Identity::ByDefault,
                },
                has_missing: attribute.atthasmissing,
                is_domain: !dropped
                    && pg_sys::get_typtype(attribute.atttypid) as u8 == pg_sys::TYPTYPE_DOMAIN,
                default: (!default.is_null()).then(|| expression::of_default(default)),
                default_is_volatile: pg_sys::contain_volatile_functions(default)
                    || attribute.attidentity != 0,
            }
        };
        (0..(*descriptor).natts).map(column).collect()
    }
}

/// `TupleDescAttr()` of `tupdesc.h`.
///
/// SAFETY: the descriptor has such an attribute, counted from 0.
pub(super) unsafe fn attribute_of(
    descriptor: pg_sys::TupleDesc,
    place: i32,
) -> *mut pg_sys::FormData_pg_attribute {
    // SAFETY: the caller's promise.
    unsafe {
        #[cfg(feature = "pg18")]
        let attribute = pg_sys::TupleDescAttr(descriptor, place);
        #[cfg(not(feature = "pg18"))]
        let attribute = (*descriptor).attrs.as_mut_ptr().add(place as usize);
        attribute
    }
}

/// SAFETY: the relation is open.
unsafe fn checks(relation: pg_sys::Relation) -> Vec<Expression> {
    // SAFETY: the constraints are those of the relation's descriptor; each has its expression as text.
    unsafe {
        let constraints = (*(*relation).rd_att).constr;
        if constraints.is_null() || (*constraints).num_check == 0 {
            return vec![];
        }
        let count = usize::from((*constraints).num_check);
        let checks = std::slice::from_raw_parts((*constraints).check, count);
        let enforced = checks.iter().filter(|check| is_enforced(check));
        enforced.map(|check| expression::of(pg_sys::stringToNode(check.ccbin).cast())).collect()
    }
}

#[cfg(feature = "pg18")]
fn is_enforced(check: &pg_sys::ConstrCheck) -> bool {
    check.ccenforced
}

#[cfg(not(feature = "pg18"))]
fn is_enforced(_: &pg_sys::ConstrCheck) -> bool {
    true
}

/// SAFETY: the relation is open.
unsafe fn triggers(relation: pg_sys::Relation) -> Vec<TriggerFacts> {
    // SAFETY: the triggers are those of the relation's entry.
    unsafe {
        let description = (*relation).trigdesc;
        if description.is_null() {
            return vec![];
        }
        let count = (*description).numtriggers as usize;
        let triggers = std::slice::from_raw_parts((*description).triggers, count);
        triggers.iter().map(trigger).collect()
    }
}

fn trigger(trigger: &pg_sys::Trigger) -> TriggerFacts {
    let has = |bit: u32| trigger.tgtype as u32 & bit != 0;
    TriggerFacts {
        function: trigger.tgfoid.to_u32(),
        constraint: trigger.tgconstraint.to_u32(),
        timing: match (has(pg_sys::TRIGGER_TYPE_BEFORE), has(pg_sys::TRIGGER_TYPE_INSTEAD)) {
            (true, _) => Timing::Before,
            (_, true) => Timing::InsteadOf,
            _ => Timing::After,
        },
        for_each_row: has(pg_sys::TRIGGER_TYPE_ROW),
        on_insert: has(pg_sys::TRIGGER_TYPE_INSERT),
        deferrable: trigger.tgdeferrable,
        fires: fires(trigger.tgenabled as u8),
        // SAFETY: null, or the text of an expression tree.
        when: unsafe {
            match trigger.tgqual.is_null() {
                true => Expression::default(),
                false => expression::of(pg_sys::stringToNode(trigger.tgqual).cast()),
            }
        },
    }
}

/// As `TriggerEnabled()` of `trigger.c` decides.
fn fires(enabled: u8) -> bool {
    let is_replica =
        relation::replication_role() as u32 == pg_sys::SESSION_REPLICATION_ROLE_REPLICA;
    match enabled {
        pg_sys::TRIGGER_FIRES_ALWAYS => true,
        pg_sys::TRIGGER_FIRES_ON_ORIGIN => !is_replica,
        pg_sys::TRIGGER_FIRES_ON_REPLICA => is_replica,
        _ => false,
    }
}

/// SAFETY: the relation is open.
unsafe fn foreign_keys(relation: pg_sys::Relation) -> Vec<ForeignKeyFacts> {
    // SAFETY: the list belongs to the relation's entry, which nothing invalidates before it is copied.
    unsafe {
        let list = pg_sys::RelationGetFKeyList(relation);
        let list = PgList::<pg_sys::ForeignKeyCacheInfo>::from_pg(list);
        let key = |key: *mut pg_sys::ForeignKeyCacheInfo| {
            let key = &*key;
            let count = key.nkeys as usize;
            ForeignKeyFacts {
                constraint: key.conoid.to_u32(),
                references: key.confrelid.to_u32(),
                columns: key.conkey[..count].to_vec(),
                referenced_columns: key.confkey[..count].to_vec(),
                operators: key.conpfeqop[..count].iter().map(|oid| oid.to_u32()).collect(),
                equalities: key.conpfeqop[..count].iter().all(|oid| is_equality(*oid)),
                enforced: key_is_enforced(key),
            }
        };
        list.iter_ptr().map(key).collect()
    }
}

/// Whether an operator of the server's own is called `=`.
fn is_equality(operator: pg_sys::Oid) -> bool {
    // SAFETY: gives a copy of the name, or a null pointer.
    unsafe {
        let name = pg_sys::get_opname(operator);
        operator.to_u32() < FIRST_NORMAL_OID && !name.is_null() && CStr::from_ptr(name) == c"="
    }
}

#[cfg(feature = "pg18")]
fn key_is_enforced(key: &pg_sys::ForeignKeyCacheInfo) -> bool {
    key.conenforced
}

#[cfg(not(feature = "pg18"))]
fn key_is_enforced(_: &pg_sys::ForeignKeyCacheInfo) -> bool {
    true
}
