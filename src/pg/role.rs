//! Under whom, and with which replication role, a statement runs. Each guard restores what it found, also when an
//! error unwinds past it; the transaction's abort would restore the user in any case.

use pgrx::pg_sys;

/// Runs `work` as `owner`, as Postgres runs its own checks of foreign keys (`ri_PerformCheck`): without the forced
/// row security of an owner, and without leave to change the session's user.
pub fn as_owner<T>(owner: pg_sys::Oid, work: impl FnOnce() -> T) -> T {
    struct Restore(pg_sys::Oid, i32);
    impl Drop for Restore {
        fn drop(&mut self) {
            // SAFETY: sets two variables of the backend to what they were; raises nothing.
            unsafe { pg_sys::SetUserIdAndSecContext(self.0, self.1) };
        }
    }
    let mut found = Restore(pg_sys::InvalidOid, 0);
    // SAFETY: both pointers are to fields of `found`.
    unsafe {
        pg_sys::GetUserIdAndSecContext(&mut found.0, &mut found.1);
        let flags = pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_NOFORCE_RLS;
        pg_sys::SetUserIdAndSecContext(owner, found.1 | flags as i32);
    }
    let _restore = found;
    work()
}

/// Runs `work` with `session_replication_role` = replica: no foreign key is checked row by row.
///
/// The server's variable is set directly. Going through the setting's machinery would reset the session's plan cache
/// twice a batch; the variable is read where a row's triggers are queued, and nowhere in a plan of a table without
/// rules.
pub fn as_replica<T>(work: impl FnOnce() -> T) -> T {
    struct Restore(i32);
    impl Drop for Restore {
        fn drop(&mut self) {
            // SAFETY: sets a variable of the backend to what it was.
            unsafe { pg_sys::SessionReplicationRole = self.0 };
        }
    }
    // SAFETY: one thread reads and writes the variable.
    let _restore = unsafe {
        let found = pg_sys::SessionReplicationRole;
        pg_sys::SessionReplicationRole = pg_sys::SESSION_REPLICATION_ROLE_REPLICA as i32;
        Restore(found)
    };
    work()
}
