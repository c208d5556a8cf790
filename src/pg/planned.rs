//! Tests only: an extension that keeps the rows of a table elsewhere. By the catalog the table is an ordinary one, and
//! stays empty: whatever names it is planned for another table of the same columns, under a node of the extension's. As the
//! executors of such extensions it knows no named tuplestore, and locks no rows.

use std::cell::Cell;

use pgrx::{PgList, PgSqlErrorCode, pg_guard, pg_sys};

thread_local! {
    /// The table, and where its rows are.
    static MOVED: Cell<Option<(pg_sys::Oid, pg_sys::Oid)>> = const { Cell::new(None) };
}

/// From here on, the rows of a table are in another one, for this session.
pub fn keep_elsewhere(table: pg_sys::Oid, elsewhere: pg_sys::Oid) {
    MOVED.set(Some((table, elsewhere)));
    // SAFETY: the hook is a function of this library, which is never unloaded; what was planned before is planned anew.
    unsafe {
        pg_sys::planner_hook = Some(plan);
        pg_sys::ResetPlanCache();
    }
}

struct Methods<T>(T);

// SAFETY: they are never written.
unsafe impl<T> Sync for Methods<T> {}

static SCAN: Methods<pg_sys::CustomScanMethods> = Methods(pg_sys::CustomScanMethods {
    CustomName: c"Kept elsewhere".as_ptr(),
    CreateCustomScanState: Some(create),
});

static EXECUTE: Methods<pg_sys::CustomExecMethods> = Methods(pg_sys::CustomExecMethods {
    CustomName: c"Kept elsewhere".as_ptr(),
    BeginCustomScan: Some(begin),
    ExecCustomScan: Some(next),
    EndCustomScan: Some(end),
    ReScanCustomScan: Some(again),
    MarkPosCustomScan: None,
    RestrPosCustomScan: None,
    EstimateDSMCustomScan: None,
    InitializeDSMCustomScan: None,
    ReInitializeDSMCustomScan: None,
    InitializeWorkerCustomScan: None,
    ShutdownCustomScan: None,
    ExplainCustomScan: None,
});

/// What a query reads.
#[derive(Default)]
struct Found {
    moved: bool,
    named_tuplestore: bool,
    locks: bool,
}

#[pg_guard]
unsafe extern "C-unwind" fn plan(
    parse: *mut pg_sys::Query,
    source: *const std::ffi::c_char,
    options: std::ffi::c_int,
    parameters: pg_sys::ParamListInfo,
) -> *mut pg_sys::PlannedStmt {
    // SAFETY: the server calls it with a query of its own copying, as a planner is called.
    unsafe {
        let mut found = Found::default();
        if let Some(moved) = MOVED.get() {
            replace(parse, moved, &mut found);
        }
        let planned = pg_sys::standard_planner(parse, source, options, parameters);
        // At the execution, as elsewhere: the plan can be looked at.
        let private = match (found.named_tuplestore, found.locks) {
            (true, _) => 1,
            (_, true) => 2,
            _ => 0,
        };
        if found.moved {
            (*planned).planTree = wrap((*planned).planTree, private);
        }
        planned
    }
}

/// SAFETY: the query is alive, and the caller may change it.
unsafe fn replace(query: *mut pg_sys::Query, moved: (pg_sys::Oid, pg_sys::Oid), found: &mut Found) {
    // SAFETY: the caller's promise; the lists are the query's own.
    unsafe {
        found.locks |= !(*query).rowMarks.is_null();
        for entry in PgList::<pg_sys::RangeTblEntry>::from_pg((*query).rtable).iter_ptr() {
            match (*entry).rtekind {
                pg_sys::RTEKind::RTE_RELATION if (*entry).relid == moved.0 => {
                    found.moved = true;
                    (*entry).relid = moved.1;
                    let lock = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
                    pg_sys::LockRelationOid(moved.1, lock);
                }
                pg_sys::RTEKind::RTE_SUBQUERY => replace((*entry).subquery, moved, found),
                pg_sys::RTEKind::RTE_NAMEDTUPLESTORE => found.named_tuplestore = true,
                _ => {}
            }
        }
        #[cfg(not(feature = "pg15"))]
        for info in PgList::<pg_sys::RTEPermissionInfo>::from_pg((*query).rteperminfos).iter_ptr() {
            if (*info).relid == moved.0 {
                (*info).relid = moved.1;
            }
        }
        for table in PgList::<pg_sys::CommonTableExpr>::from_pg((*query).cteList).iter_ptr() {
            replace((*table).ctequery.cast(), moved, found);
        }
    }
}

/// SAFETY: the plan is that of a planned statement.
unsafe fn wrap(child: *mut pg_sys::Plan, private: i32) -> *mut pg_sys::Plan {
    // SAFETY: the nodes are new, and zero is a valid value of all their fields.
    unsafe {
        let scan: *mut pg_sys::CustomScan = pg_sys::palloc0(size_of::<pg_sys::CustomScan>()).cast();
        (*scan).scan.plan = pg_sys::Plan {
            type_: pg_sys::NodeTag::T_CustomScan,
            startup_cost: (*child).startup_cost,
            total_cost: (*child).total_cost,
            plan_rows: (*child).plan_rows,
            plan_width: (*child).plan_width,
            ..Default::default()
        };
        let mut targets = PgList::<pg_sys::TargetEntry>::new();
        for entry in PgList::<pg_sys::TargetEntry>::from_pg((*child).targetlist).iter_ptr() {
            let value = (*entry).expr.cast::<pg_sys::Node>();
            let variable = pg_sys::makeVar(
                pg_sys::INDEX_VAR,
                (*entry).resno,
                pg_sys::exprType(value),
                pg_sys::exprTypmod(value),
                pg_sys::exprCollation(value),
                0,
            );
            let name = (*entry).resname;
            let target = pg_sys::makeTargetEntry(variable.cast(), (*entry).resno, name, false);
            targets.push(target);
        }
        (*scan).scan.plan.targetlist = targets.into_pg();
        (*scan).custom_scan_tlist = (*child).targetlist;
        (*scan).custom_plans = pg_sys::lappend(std::ptr::null_mut(), child.cast());
        (*scan).custom_private = pg_sys::lappend_int(std::ptr::null_mut(), private);
        (*scan).methods = &SCAN.0;
        scan.cast()
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn create(_scan: *mut pg_sys::CustomScan) -> *mut pg_sys::Node {
    // SAFETY: the node is new, and zero is a valid value of all its fields.
    unsafe {
        let size = size_of::<pg_sys::CustomScanState>();
        let state: *mut pg_sys::CustomScanState = pg_sys::palloc0(size).cast();
        (*state).ss.ps.type_ = pg_sys::NodeTag::T_CustomScanState;
        (*state).methods = &EXECUTE.0;
        state.cast()
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn begin(
    node: *mut pg_sys::CustomScanState,
    state: *mut pg_sys::EState,
    flags: std::ffi::c_int,
) {
    // SAFETY: the node is of a scan that `wrap` made.
    unsafe {
        let scan = (*node).ss.ps.plan.cast::<pg_sys::CustomScan>();
        let refused = PgList::<std::ffi::c_int>::from_pg((*scan).custom_private).get_int(0);
        if refused == Some(1) {
            let message = "kept elsewhere: unrecognized RTE kind";
            pgrx::ereport!(ERROR, PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, message);
        }
        if refused == Some(2) {
            let message = "kept elsewhere: could not lock rows";
            pgrx::ereport!(ERROR, PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED, message);
        }
        let child = PgList::<pg_sys::Plan>::from_pg((*scan).custom_plans).get_ptr(0);
        let child = child.unwrap_or(std::ptr::null_mut());
        let child = pg_sys::ExecInitNode(child, state, flags);
        (*node).custom_ps = pg_sys::lappend(std::ptr::null_mut(), child.cast());
    }
}

/// SAFETY: the node has begun.
unsafe fn child_of(node: *mut pg_sys::CustomScanState) -> *mut pg_sys::PlanState {
    // SAFETY: the caller's promise.
    let child = unsafe { PgList::<pg_sys::PlanState>::from_pg((*node).custom_ps).get_ptr(0) };
    child.unwrap_or(std::ptr::null_mut())
}

#[pg_guard]
unsafe extern "C-unwind" fn next(
    node: *mut pg_sys::CustomScanState,
) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: the node has begun. The boundary makes a panic of an ERROR, as pgrx does for what it binds.
    unsafe {
        let child = child_of(node);
        match (*child).ExecProcNode {
            Some(execute) => pg_sys::ffi::pg_guard_ffi_boundary(|| execute(child)),
            None => std::ptr::null_mut(),
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn end(node: *mut pg_sys::CustomScanState) {
    // SAFETY: the node has begun.
    unsafe { pg_sys::ExecEndNode(child_of(node)) };
}

#[pg_guard]
unsafe extern "C-unwind" fn again(node: *mut pg_sys::CustomScanState) {
    // SAFETY: the node has begun.
    unsafe { pg_sys::ExecReScan(child_of(node)) };
}
