//! Dynamic background workers: started by a leader, each connected as the leader's user.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};

use pgrx::pg_sys;

use super::queue::Segment;

/// The library and the function in it that a worker runs (`src/lib.rs`).
const LIBRARY: &str = "$libdir/pg_opus";
/// Version 0.1.0, whose workers do not ask whose they are, calls it otherwise.
const FUNCTION: &str = "pg_opus_worker";

/// Of which sources this library is made (`build.rs`). A file that is installed over another one is what workers load,
/// while the sessions that are there keep theirs.
const SOURCES: &[u8] = concat!("pg_opus sources ", env!("PG_OPUS_SOURCES")).as_bytes();

// pgrx has it behind a wrapper that is no signal handler.
unsafe extern "C-unwind" {
    fn die(signal: std::ffi::c_int);
}

/// A worker that has been started, or will be.
#[derive(Clone, Copy)]
pub struct Worker(*mut pg_sys::BackgroundWorkerHandle);

/// What a worker is told at its start.
#[derive(Clone, Copy)]
pub struct Orders {
    pub segment: u32,
    pub session: u32,
    database: pg_sys::Oid,
    user: pg_sys::Oid,
    /// They come from this library, and not from one of other sources.
    pub of_this_library: bool,
}

/// As they stand in the library, where a test changes them.
fn sources() -> &'static [u8] {
    std::hint::black_box(SOURCES)
}

thread_local! {
    /// The workers of the running load.
    static RUNNING: RefCell<Vec<Worker>> = const { RefCell::new(vec![]) };
}

impl Worker {
    /// `None` where `max_worker_processes` leaves no room.
    pub fn start(segment: &Segment, session: usize, title: &str) -> Option<Self> {
        let mut worker = pg_sys::BackgroundWorker {
            bgw_flags: (pg_sys::BGWORKER_SHMEM_ACCESS
                | pg_sys::BGWORKER_BACKEND_DATABASE_CONNECTION) as i32,
            bgw_start_time: pg_sys::BgWorkerStartTime::BgWorkerStart_RecoveryFinished,
            bgw_restart_time: pg_sys::BGW_NEVER_RESTART,
            ..Default::default()
        };
        put(&mut worker.bgw_name, title.as_bytes());
        put(&mut worker.bgw_type, title.as_bytes());
        put(&mut worker.bgw_library_name, LIBRARY.as_bytes());
        put(&mut worker.bgw_function_name, FUNCTION.as_bytes());
        // SAFETY: reads variables of the backend. The handle is allocated for the life of the process, so that it can
        // be used while a transaction is aborted.
        let handle = unsafe {
            worker.bgw_notify_pid = pg_sys::MyProcPid;
            let orders = [
                segment.handle(),
                session as u32,
                pg_sys::MyDatabaseId.to_u32(),
                pg_sys::GetAuthenticatedUserId().to_u32(),
            ];
            let orders = orders.map(u32::to_ne_bytes);
            put(&mut worker.bgw_extra, &[orders.as_flattened(), sources()].concat());
            let before = pg_sys::MemoryContextSwitchTo(pg_sys::TopMemoryContext);
            let mut handle = std::ptr::null_mut();
            let registered = pg_sys::RegisterDynamicBackgroundWorker(&mut worker, &mut handle);
            pg_sys::MemoryContextSwitchTo(before);
            registered.then_some(handle)
        };
        let worker = Worker(handle?);
        RUNNING.with_borrow_mut(|running| running.push(worker));
        Some(worker)
    }

    pub fn handle(self) -> *mut pg_sys::BackgroundWorkerHandle {
        self.0
    }

    /// The process, once it has been started and as long as it runs.
    pub fn pid(self) -> Option<i32> {
        let mut pid = 0;
        // SAFETY: the handle is that of a worker registered by this process.
        let status = unsafe { pg_sys::GetBackgroundWorkerPid(self.0, &mut pid) };
        (status == pg_sys::BgwHandleStatus::BGWH_STARTED).then_some(pid)
    }

    /// Whether the process has ended, or never will be started.
    pub fn has_stopped(self) -> bool {
        let mut pid = 0;
        // SAFETY: as in `pid`.
        let status = unsafe { pg_sys::GetBackgroundWorkerPid(self.0, &mut pid) };
        !matches!(
            status,
            pg_sys::BgwHandleStatus::BGWH_STARTED | pg_sys::BgwHandleStatus::BGWH_NOT_YET_STARTED
        )
    }
}

/// How many workers the server has at most (`max_worker_processes`).
pub fn most_workers() -> usize {
    // SAFETY: reads a setting of the server.
    unsafe { pg_sys::max_worker_processes }.max(0) as usize
}

/// How many transactions can be prepared (`max_prepared_transactions`).
pub fn most_prepared() -> usize {
    // SAFETY: the setting is there in every server; its value is read at once.
    unsafe {
        let value = pg_sys::GetConfigOption(c"max_prepared_transactions".as_ptr(), true, false);
        if value.is_null() {
            return 0;
        }
        CStr::from_ptr(value).to_str().ok().and_then(|value| value.parse().ok()).unwrap_or(0)
    }
}

/// This process, as `pg_stat_activity` knows it.
pub fn own_pid() -> i32 {
    // SAFETY: reads a variable of the backend.
    unsafe { pg_sys::MyProcPid }
}

/// Asks all workers of the running load to end. They do, whatever they are doing: within a statement at once.
pub fn terminate_all() {
    RUNNING.with_borrow(|running| {
        for worker in running {
            // SAFETY: the handle is that of a worker registered by this process; raises nothing.
            unsafe { pg_sys::TerminateBackgroundWorker(worker.0) };
        }
    });
}

/// Forgets the workers, which have ended.
pub fn forget_all() {
    for worker in RUNNING.take() {
        // SAFETY: allocated by RegisterDynamicBackgroundWorker, and nobody's from here on.
        unsafe { pg_sys::pfree(worker.0.cast()) };
    }
}

/// Called when the leader leaves the segment of a load that has not ended, by an error or by its own end.
pub unsafe extern "C-unwind" fn leader_gone(_: *mut pg_sys::dsm_segment, _: pg_sys::Datum) {
    terminate_all();
    // What is left of the handles goes with the process, or is a few bytes.
    RUNNING.take();
}

impl Orders {
    /// Those of this worker.
    pub fn read() -> Self {
        // SAFETY: a worker's entry is there as long as it runs; `start` has filled bgw_extra.
        let extra = unsafe { (*pg_sys::MyBgworkerEntry).bgw_extra };
        let word =
            |at: usize| u32::from_ne_bytes(std::array::from_fn(|byte| extra[4 * at + byte] as u8));
        Orders {
            segment: word(0),
            session: word(1),
            database: pg_sys::Oid::from(word(2)),
            user: pg_sys::Oid::from(word(3)),
            of_this_library: extra[16..].iter().zip(sources()).all(|(a, b)| *a as u8 == *b),
        }
    }

    /// Makes this process a session of the leader's database and authenticated user, which a SIGTERM ends.
    pub fn connect(self) {
        // SAFETY: called once, first thing in the worker. die() is the handler of every backend.
        unsafe {
            #[cfg(feature = "pg18")]
            pg_sys::pqsignal_be(libc::SIGTERM, Some(die));
            #[cfg(not(feature = "pg18"))]
            pg_sys::pqsignal(libc::SIGTERM, Some(die));
            pg_sys::BackgroundWorkerUnblockSignals();
            pg_sys::BackgroundWorkerInitializeConnectionByOid(self.database, self.user, 0);
        }
    }
}

/// Shows in pg_stat_activity what the session works for.
pub fn report_running(query: &[u8]) {
    let query = CString::new(query).unwrap_or_default();
    // SAFETY: the text is copied into shared memory.
    unsafe {
        pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, query.as_ptr());
    }
}

/// What a session shows of a statement is cut by the server, at `track_activity_query_size`: this is its default.
const QUERY_BYTES: usize = 1024;

/// The beginning of the statement that the client has sent.
pub fn client_query() -> Vec<u8> {
    // SAFETY: null or the text of the running statement.
    unsafe {
        let query = pg_sys::debug_query_string;
        if query.is_null() {
            return vec![];
        }
        let query = CStr::from_ptr(query).to_bytes();
        query[..query.len().min(QUERY_BYTES)].to_vec()
    }
}

fn put(field: &mut [c_char], bytes: &[u8]) {
    // The last one stays NUL.
    let room = field.len() - 1;
    for (place, byte) in field.iter_mut().zip(bytes.iter().take(room)) {
        *place = *byte as c_char;
    }
}

/// Ends this process; what its transaction has written is rolled back.
pub fn leave() -> ! {
    // SAFETY: the orderly end of a process of the server.
    unsafe { pg_sys::proc_exit(0) };
    #[allow(unreachable_code)]
    std::process::exit(0)
}
