//! A large document that comes as a parameter, left where it lies.
//!
//! A statement that is planned for its parameters has their values as constants: the planner copies the document, and
//! once more with the plan. The load's planner support function (`supportnodes.h` of PostgreSQL) puts the parameter
//! back in the constant's place and frees the copy. The executor is given the same parameters.

use pgrx::pg_sys;
use pgrx::{Internal, PgList};

/// Answers a planner support request: another call in place of the one asked about, or none.
pub fn support(request: &Internal) -> Internal {
    // SAFETY: the server calls a support function with a node that it has made for this one call; nodes are cast after
    // their tags are read.
    let call = unsafe {
        match request.get::<pg_sys::Node>() {
            Some(node) if node.type_ == pg_sys::NodeTag::T_SupportRequestSimplify => {
                call_of_parameter(std::ptr::from_ref(node).cast())
            }
            _ => None,
        }
    };
    Internal::from(Some(call.map_or(pg_sys::Datum::null(), pg_sys::Datum::from)))
}

/// The same call with the parameter as its first argument; none where that is not one, or the statement is more than
/// the call: then the constant could be somebody else's too.
///
/// SAFETY: `request` is one of the planner's, with a call whose arguments have been simplified.
unsafe fn call_of_parameter(
    request: *const pg_sys::SupportRequestSimplify,
) -> Option<*mut pg_sys::FuncExpr> {
    // SAFETY: while the planner simplifies the target list, the query still has it as it was written. The constant made
    // of a parameter is a copy in the planner's memory, of which nobody else knows: nothing else of this statement
    // refers to the parameter but by its number.
    unsafe {
        let (root, call) = ((*request).root, (*request).fcall);
        if root.is_null() || !(*root).parent_root.is_null() {
            return None;
        }
        let written = only_call((*root).parse).filter(|it| (**it).funcid == (*call).funcid)?;
        let parameter = first_argument(written, pg_sys::NodeTag::T_Param)?.cast::<pg_sys::Param>();
        let constant = first_argument(call, pg_sys::NodeTag::T_Const)?.cast::<pg_sys::Const>();
        if (*parameter).paramkind != pg_sys::ParamKind::PARAM_EXTERN
            || (*constant).constisnull
            || (*constant).constbyval
        {
            return None;
        }
        let kept = pg_sys::palloc(size_of::<pg_sys::FuncExpr>()).cast::<pg_sys::FuncExpr>();
        kept.write(*call);
        (*kept).args = pg_sys::list_copy((*call).args);
        PgList::<pg_sys::Node>::from_pg((*kept).args).replace_ptr(0, parameter.cast());
        pg_sys::pfree((*constant).constvalue.cast_mut_ptr());
        Some(kept)
    }
}

/// The function call that is all of a query, its arguments parameters and constants.
///
/// SAFETY: `query` is the planner's.
unsafe fn only_call(query: *const pg_sys::Query) -> Option<*mut pg_sys::FuncExpr> {
    // SAFETY: as in `call_of_parameter`.
    unsafe {
        let tables = PgList::<pg_sys::RangeTblEntry>::from_pg((*query).rtable);
        let from_nothing =
            tables.iter_ptr().all(|table| (*table).rtekind == pg_sys::RTEKind::RTE_RESULT);
        let targets = PgList::<pg_sys::TargetEntry>::from_pg((*query).targetList);
        if !from_nothing
            || targets.len() != 1
            || !(*(*query).jointree).quals.is_null()
            || !(*query).havingQual.is_null()
            || !(*query).limitOffset.is_null()
            || !(*query).limitCount.is_null()
        {
            return None;
        }
        let call = (*targets.get_ptr(0)?).expr.cast::<pg_sys::Node>();
        if (*call).type_ != pg_sys::NodeTag::T_FuncExpr {
            return None;
        }
        let call = call.cast::<pg_sys::FuncExpr>();
        let arguments = PgList::<pg_sys::Node>::from_pg((*call).args);
        let plain = |argument: *mut pg_sys::Node| match (*argument).type_ {
            pg_sys::NodeTag::T_NamedArgExpr => {
                (*(*argument.cast::<pg_sys::NamedArgExpr>()).arg.cast::<pg_sys::Node>()).type_
            }
            kind => kind,
        };
        let plain = |argument| {
            matches!(plain(argument), pg_sys::NodeTag::T_Const | pg_sys::NodeTag::T_Param)
        };
        arguments.iter_ptr().all(plain).then_some(call)
    }
}

/// The first argument of a call, where it is a node of this kind.
///
/// SAFETY: `call` is a function call of a query or plan.
unsafe fn first_argument(
    call: *const pg_sys::FuncExpr,
    kind: pg_sys::NodeTag,
) -> Option<*mut pg_sys::Node> {
    // SAFETY: as in `call_of_parameter`.
    unsafe {
        let first = PgList::<pg_sys::Node>::from_pg((*call).args).get_ptr(0)?;
        ((*first).type_ == kind).then_some(first)
    }
}
