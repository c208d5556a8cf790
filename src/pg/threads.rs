//! Threads beside the session's own, all deaf to signals: the rayon pool of one call, made for it and gone after it; and one
//! that works while the server does, on nothing that is the server's.

use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};

use rayon::ThreadPool;

use super::memory;

/// What a thread takes to begin with: its stack, and room for what it keeps for itself. In bytes.
const THREAD: usize = 4 << 20;

/// Runs `work` with a pool of `threads`, all of which have ended when this returns or unwinds. `None` where the
/// system gives no threads.
///
/// Signals are blocked while the threads start, and they keep that mask: a signal to the process is handled on the
/// backend's own thread, the only one on which the server's handlers may run.
pub fn with_pool<T>(threads: usize, work: impl FnOnce(&ThreadPool) -> T) -> Option<T> {
    if !memory::can_have(threads * THREAD) {
        return None;
    }
    thread::scope(|scope| {
        let mask = SignalMask::block_all();
        let mut handles = vec![];
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .spawn_handler(|worker| {
                let name = format!("pg_opus {}", worker.index());
                handles
                    .push(thread::Builder::new().name(name).spawn_scoped(scope, || worker.run())?);
                Ok(())
            })
            .build();
        drop(mask);
        let outcome = pool.ok().map(|pool| {
            // Each has what it keeps for itself before the work takes memory: the C library ends the process where a
            // thread cannot have that.
            pool.broadcast(|_| ());
            catch_unwind(AssertUnwindSafe(|| work(&pool)))
        });
        // The pool is gone, and its threads end. A scope would wait for what they run, and not until they have left the
        // process: joining them does.
        for handle in handles {
            // What a task panics with has reached `work`.
            let _ = handle.join();
        }
        outcome.map(|outcome| outcome.unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// Runs `work` on a thread of its own until it is joined, while this one goes on. None where the system gives no thread.
///
/// Whatever the server does meanwhile, an error and the end of the process included, takes nothing away that `work` owns; and
/// the thread ends with the process.
pub fn beside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<JoinHandle<T>> {
    if !memory::can_have(THREAD) {
        return None;
    }
    // As in a pool, the thread has what it keeps for itself before either of the two takes memory.
    let (started, starts) = channel();
    let mask = SignalMask::block_all();
    let thread = thread::Builder::new().name("pg_opus ahead".into()).spawn(move || {
        let _ = started.send(());
        work()
    });
    drop(mask);
    let thread = thread.ok()?;
    let _ = starts.recv();
    Some(thread)
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
