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
            }
        }
    }
}

/// Under which users and settings a session runs.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(Default))]
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
    pub fn assume(&mut self) {
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
