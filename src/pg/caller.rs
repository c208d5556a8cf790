//! Who calls, in which statement and under which settings, and all of that taken over by another session.

use std::ffi::c_int;

use pgrx::pg_sys;
use serde::{Deserialize, Serialize};

/// Where the running call stands.
#[derive(Clone, Copy, Debug)]
pub struct Statement {
    /// In a transaction block, a savepoint, a pipeline, or a transaction that has written.
    pub in_transaction: bool,
    pub has_written: bool,
    /// In a function, DO block or other statement within the client's own.
    pub nested: bool,
    /// The client's statement is nothing but this one call.
    pub alone: bool,
}

// What pgrx leaves out of params.h.
unsafe extern "C-unwind" {
    fn ParamsErrorCallback(arg: *mut std::ffi::c_void);
}

impl Statement {
    /// Must be called before anything that adds to the chain of error context callbacks.
    pub fn current() -> Self {
        // SAFETY: reads the backend's own state. Whatever runs statements within a statement (SPI, PL/pgSQL, SQL
        // functions, DO) is in the chain of error context callbacks; of a client's own statement, only the extended
        // protocol is, which tells of its parameters.
        unsafe {
            let mut callback = pg_sys::error_context_stack;
            if !callback.is_null()
                && (*callback).callback.is_some_and(|callback| {
                    std::ptr::fn_addr_eq(
                        callback,
                        ParamsErrorCallback as unsafe extern "C-unwind" fn(*mut std::ffi::c_void),
                    )
                })
            {
                callback = (*callback).previous;
            }
            Statement {
                in_transaction: pg_sys::IsInTransactionBlock(true),
                has_written: pg_sys::GetTopTransactionIdIfAny() != pg_sys::InvalidTransactionId,
                nested: !callback.is_null(),
                alone: is_one_call(),
            }
        }
    }
}

/// Whether the client's statement is a SELECT of one function call, its arguments constants, parameters, or calls of
/// the server's own functions.
///
/// SAFETY: reads the plan of the active portal.
unsafe fn is_one_call() -> bool {
    // SAFETY: a portal that runs a SELECT has a query descriptor with a plan. Nodes are cast after their tags are read.
    unsafe {
        let portal = pg_sys::ActivePortal;
        if portal.is_null()
            || (*portal).strategy != pg_sys::PortalStrategy::PORTAL_ONE_SELECT
            || (*portal).queryDesc.is_null()
        {
            return false;
        }
        let statement = (*(*portal).queryDesc).plannedstmt;
        let plan = (*statement).planTree;
        if !(*statement).subplans.is_null()
            || (*plan).type_ != pg_sys::NodeTag::T_Result
            || !(*plan).lefttree.is_null()
            || !(*plan.cast::<pg_sys::Result>()).resconstantqual.is_null()
        {
            return false;
        }
        let targets = pgrx::PgList::<pg_sys::TargetEntry>::from_pg((*plan).targetlist);
        let Some(target) = targets.get_ptr(0).filter(|_| targets.len() == 1) else { return false };
        let call = (*target).expr.cast::<pg_sys::Node>();
        if (*call).type_ != pg_sys::NodeTag::T_FuncExpr {
            return false;
        }
        arguments_are_plain(call.cast())
    }
}

/// SAFETY: `call` is a function call of a plan.
unsafe fn arguments_are_plain(call: *mut pg_sys::FuncExpr) -> bool {
    // SAFETY: as in `is_one_call`.
    unsafe {
        let arguments = pgrx::PgList::<pg_sys::Node>::from_pg((*call).args);
        arguments.iter_ptr().all(|argument| is_plain(argument))
    }
}

/// SAFETY: `argument` is an expression of a plan.
unsafe fn is_plain(argument: *mut pg_sys::Node) -> bool {
    // SAFETY: as in `is_one_call`.
    unsafe {
        match (*argument).type_ {
            pg_sys::NodeTag::T_Const => true,
            pg_sys::NodeTag::T_Param => {
                let param = argument.cast::<pg_sys::Param>();
                (*param).paramkind == pg_sys::ParamKind::PARAM_EXTERN
            }
            pg_sys::NodeTag::T_FuncExpr => {
                let inner = argument.cast::<pg_sys::FuncExpr>();
                (*inner).funcid.to_u32() < pg_sys::FirstNormalObjectId && arguments_are_plain(inner)
            }
            pg_sys::NodeTag::T_CoerceViaIO => {
                is_plain((*argument.cast::<pg_sys::CoerceViaIO>()).arg.cast())
            }
            pg_sys::NodeTag::T_RelabelType => {
                is_plain((*argument.cast::<pg_sys::RelabelType>()).arg.cast())
            }
            _ => false,
        }
    }
}

/// Under which users and settings a session runs.
#[derive(Serialize, Deserialize)]
pub struct Identity {
    session_user: u32,
    role: u32,
    current_user: u32,
    security_context: c_int,
    /// Those that the session has loaded.
    #[serde(with = "serde_bytes")]
    libraries: Vec<u8>,
    #[serde(with = "serde_bytes")]
    settings: Vec<u8>,
}

impl Identity {
    /// That of this session.
    pub fn current() -> Self {
        let mut current_user = pg_sys::InvalidOid;
        let mut security_context = 0;
        // SAFETY: the buffer has as many bytes as the settings need.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut current_user, &mut security_context);
            let size = pg_sys::EstimateLibraryStateSpace();
            let mut libraries = vec![0u8; size];
            pg_sys::SerializeLibraryState(size, libraries.as_mut_ptr().cast());
            let size = pg_sys::EstimateGUCStateSpace();
            let mut settings = vec![0u8; size];
            pg_sys::SerializeGUCState(size, settings.as_mut_ptr().cast());
            Identity {
                session_user: pg_sys::GetSessionUserId().to_u32(),
                role: pg_sys::GetCurrentRoleId().to_u32(),
                current_user: current_user.to_u32(),
                security_context,
                libraries,
                settings,
            }
        }
    }

    /// Makes this session run as that one, as a parallel worker of the server does (`ParallelWorkerMain`). In no
    /// transaction.
    pub fn assume(mut self) {
        let oid = pg_sys::Oid::from;
        // SAFETY: the session is a new worker's, connected as the leader's authenticated user; the settings are those
        // that `current` has written. The flag makes their checks accept what the leader's session has accepted.
        unsafe {
            pg_sys::SetClientEncoding(pg_sys::GetDatabaseEncoding());
            pg_sys::InitializingParallelWorker = true;
            pg_sys::StartTransactionCommand();
            pg_sys::RestoreLibraryState(self.libraries.as_mut_ptr().cast());
            pg_sys::RestoreGUCState(self.settings.as_mut_ptr().cast());
            let (session_user, role) = (oid(self.session_user), oid(self.role));
            let session_super = pg_sys::superuser_arg(session_user);
            let role_super = match self.role {
                0 => session_super,
                _ => pg_sys::superuser_arg(role),
            };
            pg_sys::CommitTransactionCommand();
            pg_sys::SetSessionAuthorization(session_user, session_super);
            pg_sys::SetCurrentRoleId(role, role_super);
            pg_sys::SetUserIdAndSecContext(oid(self.current_user), self.security_context);
            pg_sys::InitializingParallelWorker = false;
            pg_sys::SetClientEncoding(pg_sys::GetDatabaseEncoding());
        }
    }
}
