//! What an expression of a table may do when the server evaluates it: proved from its nodes.
//!
//! Of nodes and functions only those named here count as harmless; whatever is unknown may run anything.

use std::ptr;

use pgrx::pg_sys;

use crate::target::facts::{Expression, FIRST_NORMAL_OID};

/// Functions that are not immutable and yet look at no table: clocks, sequences, and what else tables have as defaults.
const HARMLESS: [u32; 6] = [
    pg_sys::F_NOW,
    pg_sys::F_TRANSACTION_TIMESTAMP,
    pg_sys::F_STATEMENT_TIMESTAMP,
    pg_sys::F_CLOCK_TIMESTAMP,
    pg_sys::F_NEXTVAL,
    pg_sys::F_GEN_RANDOM_UUID,
];

/// A CHECK constraint, or the expressions or the predicate of an index (a list).
///
/// SAFETY: `node` is an expression tree.
pub unsafe fn of(node: *mut pg_sys::Node) -> Expression {
    // SAFETY: the caller's promise.
    unsafe {
        Expression {
            volatile: pg_sys::contain_volatile_functions(node),
            foreign_code: runs_foreign_code(node, ptr::null_mut()),
        }
    }
}

/// A column's default: `nextval()` is not volatile here, as for COPY.
///
/// SAFETY: `node` is an expression tree.
pub unsafe fn of_default(node: *mut pg_sys::Node) -> Expression {
    // SAFETY: the caller's promise.
    unsafe {
        Expression {
            volatile: pg_sys::contain_volatile_functions_not_nextval(node),
            foreign_code: runs_foreign_code(node, ptr::null_mut()),
        }
    }
}

/// Walks the tree until a node is found that may run foreign code.
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn runs_foreign_code(
    node: *mut pg_sys::Node,
    context: *mut std::ffi::c_void,
) -> bool {
    use pg_sys::NodeTag::*;
    if node.is_null() {
        return false;
    }
    // SAFETY: nodes are cast after their tags are read. The server's walkers visit the children of the node and the
    // functions that it calls.
    unsafe {
        let foreign = match (*node).type_ {
            T_List | T_Var | T_Const | T_FuncExpr | T_OpExpr | T_DistinctExpr | T_NullIfExpr
            | T_ScalarArrayOpExpr | T_BoolExpr | T_RelabelType | T_CoerceViaIO | T_CaseExpr
            | T_CaseWhen | T_CaseTestExpr | T_CoalesceExpr | T_NullTest | T_BooleanTest
            | T_ArrayExpr | T_ArrayCoerceExpr | T_SQLValueFunction | T_NextValueExpr
            | T_CollateExpr => false,
            T_MinMaxExpr => {
                (*node.cast::<pg_sys::MinMaxExpr>()).minmaxtype.to_u32() >= FIRST_NORMAL_OID
            }
            _ => true,
        };
        foreign
            || pg_sys::check_functions_in_node(node, Some(is_foreign), context)
            || walk(node, context)
    }
}

/// Whether a function is not the server's own, or could run statements.
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn is_foreign(
    function: pg_sys::Oid,
    _context: *mut std::ffi::c_void,
) -> bool {
    let oid = function.to_u32();
    if oid >= FIRST_NORMAL_OID {
        return true;
    }
    // SAFETY: looks the function up in the system cache.
    let volatility = unsafe { pg_sys::func_volatile(function) } as u8;
    volatility != pg_sys::PROVOLATILE_IMMUTABLE && !HARMLESS.contains(&oid)
}

#[cfg(any(feature = "pg16", feature = "pg17", feature = "pg18"))]
unsafe fn walk(node: *mut pg_sys::Node, context: *mut std::ffi::c_void) -> bool {
    // SAFETY: as in `runs_foreign_code`.
    unsafe { pg_sys::expression_tree_walker_impl(node, Some(runs_foreign_code), context) }
}

#[cfg(feature = "pg15")]
unsafe fn walk(node: *mut pg_sys::Node, context: *mut std::ffi::c_void) -> bool {
    // SAFETY: as in `runs_foreign_code`.
    unsafe {
        // The header has a declaration without arguments.
        let walker = runs_foreign_code
            as unsafe extern "C-unwind" fn(*mut pg_sys::Node, *mut std::ffi::c_void) -> bool;
        expression_tree_walker(node, Some(walker), context)
    }
}

#[cfg(feature = "pg15")]
unsafe extern "C-unwind" {
    fn expression_tree_walker(
        node: *mut pg_sys::Node,
        walker: Option<
            unsafe extern "C-unwind" fn(*mut pg_sys::Node, *mut std::ffi::c_void) -> bool,
        >,
        context: *mut std::ffi::c_void,
    ) -> bool;
}
