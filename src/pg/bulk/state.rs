//! What a bulk insert is set up with: the executor's own state, as COPY makes it.

use std::ptr;

use pgrx::pg_sys;

use super::Source;
use crate::record::{Column, Given};
use crate::target::facts::{ColumnFacts, Generated, TableFacts};

/// `InvalidSubTransactionId` of `c.h`.
const NO_SUBTRANSACTION: pg_sys::SubTransactionId = 0;

/// SAFETY: `tag` is that of `T`, a node.
pub unsafe fn make_node<T>(tag: pg_sys::NodeTag) -> *mut T {
    // SAFETY: makeNode() of nodes.h: zeroed memory that begins with its tag.
    unsafe {
        let node = pg_sys::palloc0(size_of::<T>());
        node.cast::<pg_sys::NodeTag>().write(tag);
        node.cast()
    }
}

/// Gives the statement its one table and asks for the permission to insert these columns: hooks hear of it.
///
/// SAFETY: the state is new.
pub unsafe fn range_table(
    state: *mut pg_sys::EState,
    oid: pg_sys::Oid,
    table: &TableFacts,
    columns: &[Column],
) {
    // SAFETY: the nodes are those that COPY makes.
    unsafe {
        let entry = make_node::<pg_sys::RangeTblEntry>(pg_sys::NodeTag::T_RangeTblEntry);
        (*entry).rtekind = pg_sys::RTEKind::RTE_RELATION;
        (*entry).relid = oid;
        (*entry).relkind = pg_sys::RELKIND_RELATION as std::ffi::c_char;
        (*entry).rellockmode = pg_sys::RowExclusiveLock as i32;
        let mut inserted = ptr::null_mut();
        let given = columns.iter().filter(|column| column.given != Given::Never);
        for number in given.filter_map(|column| table.column(&column.name)) {
            let member = i32::from(number) - pg_sys::FirstLowInvalidHeapAttributeNumber;
            inserted = pg_sys::bms_add_member(inserted, member);
        }
        let entries = pg_sys::lappend(ptr::null_mut(), entry.cast());
        init_range_table(state, entries, entry, inserted);
    }
}

#[cfg(feature = "pg15")]
unsafe fn init_range_table(
    state: *mut pg_sys::EState,
    entries: *mut pg_sys::List,
    entry: *mut pg_sys::RangeTblEntry,
    inserted: *mut pg_sys::Bitmapset,
) {
    // SAFETY: as in `range_table`.
    unsafe {
        (*entry).requiredPerms = pg_sys::ACL_INSERT as _;
        (*entry).insertedCols = inserted;
        pg_sys::ExecCheckRTPerms(entries, true);
        pg_sys::ExecInitRangeTable(state, entries);
    }
}

#[cfg(not(feature = "pg15"))]
unsafe fn init_range_table(
    state: *mut pg_sys::EState,
    entries: *mut pg_sys::List,
    entry: *mut pg_sys::RangeTblEntry,
    inserted: *mut pg_sys::Bitmapset,
) {
    // SAFETY: as in `range_table`.
    unsafe {
        let mut permissions = ptr::null_mut();
        let permission = pg_sys::addRTEPermissionInfo(&mut permissions, entry);
        (*permission).requiredPerms = pg_sys::ACL_INSERT as _;
        (*permission).insertedCols = inserted;
        pg_sys::ExecCheckPermissions(entries, permissions, true);
        #[cfg(feature = "pg18")]
        {
            let unpruned = pg_sys::bms_make_singleton(1);
            pg_sys::ExecInitRangeTable(state, entries, permissions, unpruned);
        }
        #[cfg(not(feature = "pg18"))]
        pg_sys::ExecInitRangeTable(state, entries, permissions);
    }
}

pub unsafe fn check_result_relation(relation: *mut pg_sys::ResultRelInfo) {
    // SAFETY: the relation has been opened.
    unsafe {
        #[cfg(feature = "pg18")]
        pg_sys::CheckValidResultRel(
            relation,
            pg_sys::CmdType::CMD_INSERT,
            pg_sys::OnConflictAction::ONCONFLICT_NONE,
            ptr::null_mut(),
        );
        #[cfg(feature = "pg17")]
        pg_sys::CheckValidResultRel(relation, pg_sys::CmdType::CMD_INSERT, ptr::null_mut());
        #[cfg(any(feature = "pg15", feature = "pg16"))]
        pg_sys::CheckValidResultRel(relation, pg_sys::CmdType::CMD_INSERT);
    }
}

/// As COPY: a table whose file is new in this transaction has no free space to look for.
///
/// SAFETY: the relation is open.
pub unsafe fn options(table: pg_sys::Relation) -> i32 {
    // SAFETY: the caller's promise.
    let is_new = unsafe { (*table).rd_createSubid != NO_SUBTRANSACTION || has_new_file(table) };
    if is_new { pg_sys::TABLE_INSERT_SKIP_FSM as i32 } else { 0 }
}

#[cfg(feature = "pg15")]
unsafe fn has_new_file(table: pg_sys::Relation) -> bool {
    // SAFETY: as in `options`.
    unsafe { (*table).rd_firstRelfilenodeSubid != NO_SUBTRANSACTION }
}

#[cfg(not(feature = "pg15"))]
unsafe fn has_new_file(table: pg_sys::Relation) -> bool {
    // SAFETY: as in `options`.
    unsafe { (*table).rd_firstRelfilelocatorSubid != NO_SUBTRANSACTION }
}

/// Takes the check of a foreign key for new rows out of the statement's own copy of the table's triggers.
///
/// SAFETY: the relation has been initialised, and none of its triggers has been looked at.
pub unsafe fn leave_out(relation: *mut pg_sys::ResultRelInfo, constraint: u32) {
    // SAFETY: InitResultRelInfo() has made the copy; the arrays beside it are still empty.
    unsafe {
        let description = (*relation).ri_TrigDesc;
        if description.is_null() {
            return;
        }
        let count = (*description).numtriggers as usize;
        let triggers = std::slice::from_raw_parts_mut((*description).triggers, count);
        let is_proved = |trigger: &pg_sys::Trigger| {
            trigger.tgconstraint.to_u32() == constraint
                && trigger.tgfoid.to_u32() == pg_sys::F_RI_FKEY_CHECK_INS
        };
        let Some(place) = triggers.iter().position(is_proved) else { return };
        triggers.copy_within(place + 1.., place);
        (*description).numtriggers -= 1;
        let after_insert = |trigger: &pg_sys::Trigger| {
            let has = |bit: u32| trigger.tgtype as u32 & bit != 0;
            has(pg_sys::TRIGGER_TYPE_ROW)
                && has(pg_sys::TRIGGER_TYPE_INSERT)
                && !has(pg_sys::TRIGGER_TYPE_BEFORE)
                && !has(pg_sys::TRIGGER_TYPE_INSTEAD)
        };
        (*description).trig_insert_after_row = triggers[..count - 1].iter().any(after_insert);
    }
}

/// For each column of the table, where its value comes from.
///
/// SAFETY: `table` describes the open relation; the current memory context is the statement's.
pub unsafe fn sources(
    state: *mut pg_sys::EState,
    relation: pg_sys::Relation,
    table: &TableFacts,
    columns: &[Column],
) -> Vec<Source> {
    let source = |(number, facts): (i32, &ColumnFacts)| {
        let from = columns.iter().position(|column| *column.name == facts.name);
        let tuple = from.filter(|_| !facts.dropped);
        let given = tuple.is_some_and(|from| columns[from].given == Given::Always);
        let has_default = facts.default.is_some() && facts.generated == Generated::No;
        let default = (has_default && !given).then(|| {
            // SAFETY: as COPY prepares a default.
            unsafe {
                let default = pg_sys::build_column_default(relation, number);
                pg_sys::ExecPrepareExpr(default.cast(), state)
            }
        });
        Source { tuple, default }
    };
    (1..).zip(&table.columns).map(source).collect()
}
