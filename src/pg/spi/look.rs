//! What is to be seen in what the server has planned for a statement.

use std::ptr;

use pgrx::{PgList, PgSqlErrorCode, pg_sys};

use super::Plan;

impl Plan<'_> {
    /// Whether the server plans the statement, an INSERT, as one that writes to this table and nothing else: no rule has
    /// rewritten it, and no extension has put a node of its own on top.
    pub fn only_inserts_into(&self, table: pg_sys::Oid) -> bool {
        self.look(|statements| match statements {
            // SAFETY: the statement is a planned one.
            [statement] => unsafe { is_insert_into(*statement, table) },
            _ => false,
        })
    }

    /// Whether somebody else than the server has planned the statement, which writes: another node stands where the one that
    /// writes to a table would.
    pub fn is_planned_elsewhere(&self) -> bool {
        // SAFETY: the statements are planned ones.
        self.look(|statements| statements.iter().any(|it| unsafe { writes_elsewhere(*it) }))
    }

    /// The same of a query: a node of somebody else's stands on top.
    pub fn is_read_elsewhere(&self) -> bool {
        self.look(|statements| {
            // SAFETY: the statements are planned ones, with a tree.
            let is_custom = |statement: &*mut pg_sys::PlannedStmt| unsafe {
                let plan = (**statement).planTree;
                !plan.is_null() && (*plan).type_ == pg_sys::NodeTag::T_CustomScan
            };
            statements.iter().any(is_custom)
        })
    }

    /// Raises an error if the statement is not about its table any more.
    pub(super) fn check_relation(&self) {
        let Some(relation) = self.relation else { return };
        let is_about = |statement: &*mut pg_sys::PlannedStmt| {
            // SAFETY: the list is the plan's own.
            let relations = unsafe { PgList::<pg_sys::Oid>::from_pg((**statement).relationOids) };
            relations.iter_oid().any(|oid| oid == relation)
        };
        // A rule may have made several statements of one, or none.
        let is_about = |statements: &[_]| statements.is_empty() || statements.iter().any(is_about);
        if (self.custom || !self.look(is_about)) && !self.names(relation) {
            pgrx::ereport!(
                ERROR,
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "a table of the load was renamed or replaced meanwhile"
            );
        }
    }

    /// Whether the statement, as it was parsed last, is about a table. What somebody else plans for it may not say so.
    fn names(&self, relation: pg_sys::Oid) -> bool {
        // SAFETY: the plan is a prepared statement's, and the lists are its sources' own.
        unsafe {
            let sources = pg_sys::SPI_plan_get_plan_sources(self.plan);
            let sources = PgList::<pg_sys::CachedPlanSource>::from_pg(sources);
            sources.iter_ptr().any(|source| {
                let relations = PgList::<pg_sys::Oid>::from_pg((*source).relationOids);
                relations.iter_oid().any(|oid| oid == relation)
            })
        }
    }

    /// What is to be seen in what the server has planned; `false` where it plans nothing.
    fn look(&self, see: impl FnOnce(&[*mut pg_sys::PlannedStmt]) -> bool) -> bool {
        // SAFETY: the plan is a prepared statement's; it is released behind the look, for the owner that the server has
        // counted it for.
        unsafe {
            let cached = pg_sys::SPI_plan_get_cached_plan(self.plan);
            if cached.is_null() {
                return false;
            }
            let list = PgList::<pg_sys::PlannedStmt>::from_pg((*cached).stmt_list);
            let answer = see(&list.iter_ptr().collect::<Vec<_>>());
            let owner = if self.kept { pg_sys::CurrentResourceOwner } else { ptr::null_mut() };
            pg_sys::ReleaseCachedPlan(cached, owner);
            answer
        }
    }
}

/// SAFETY: `statement` is a planned one.
unsafe fn is_insert_into(statement: *mut pg_sys::PlannedStmt, table: pg_sys::Oid) -> bool {
    // SAFETY: the caller's promise; result relations are numbers of the range table, from 1.
    unsafe {
        let plan = (*statement).planTree;
        if (*statement).commandType != pg_sys::CmdType::CMD_INSERT
            || (*plan).type_ != pg_sys::NodeTag::T_ModifyTable
        {
            return false;
        }
        let plan = plan.cast::<pg_sys::ModifyTable>();
        let relations = PgList::<std::ffi::c_int>::from_pg((*plan).resultRelations);
        let number = relations.get_int(0).filter(|_| relations.len() == 1);
        let tables = PgList::<pg_sys::RangeTblEntry>::from_pg((*statement).rtable);
        let entry = number.and_then(|number| tables.get_ptr(number as usize - 1));
        entry.is_some_and(|entry| (*entry).relid == table)
    }
}

/// SAFETY: `statement` is a planned one.
unsafe fn writes_elsewhere(statement: *mut pg_sys::PlannedStmt) -> bool {
    use pg_sys::CmdType::*;
    // SAFETY: the caller's promise.
    unsafe {
        let (command, plan) = ((*statement).commandType, (*statement).planTree);
        [CMD_INSERT, CMD_UPDATE, CMD_DELETE, CMD_MERGE].contains(&command)
            && !plan.is_null()
            && (*plan).type_ != pg_sys::NodeTag::T_ModifyTable
    }
}
