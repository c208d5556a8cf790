//! Under whom a statement runs. The guard restores what it found, also when an error unwinds past it; the transaction's
//! abort would restore the user in any case.

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
