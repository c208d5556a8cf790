//! The rayon pool of one call: made for it, gone after it, deaf to signals.

use std::mem::MaybeUninit;

use rayon::ThreadPool;

/// Runs `work` with a pool of `threads`, all of which have ended when this returns or unwinds. `None` where the
/// system gives no threads.
///
/// Signals are blocked while the threads start, and they keep that mask: a signal to the process is handled on the
/// backend's own thread, the only one on which the server's handlers may run.
pub fn with_pool<T>(threads: usize, work: impl FnOnce(&ThreadPool) -> T) -> Option<T> {
    let mut mask = Some(SignalMask::block_all());
    let builder = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("pg_opus {index}"));
    let outcome = builder.build_scoped(rayon::ThreadBuilder::run, |pool| {
        // All threads have been started by now.
        drop(mask.take());
        work(pool)
    });
    drop(mask);
    outcome.ok()
}

/// The signals that were blocked before; restores them when dropped.
struct SignalMask(libc::sigset_t);

impl SignalMask {
    fn block_all() -> Self {
        let mut all = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: both sets are written before they are read; pthread_sigmask fails only for a wrong first argument.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            SignalMask(before.assume_init())
        }
    }
}

impl Drop for SignalMask {
    fn drop(&mut self) {
        // SAFETY: the set was filled by pthread_sigmask.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut()) };
    }
}
