//! Shared memory of a load's sessions: a queue in each direction for every session, and one number for all of them.
//!
//! Layout: the number and the size of a queue in, padded to [`HEADER`] bytes; then, for each session, its queue in, of
//! that size, and its queue out, of [`OUT`] bytes. A queue's other end is told when one detaches, however it ends.

use std::slice;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use pgrx::pg_sys;

const HEADER: usize = 64;

/// Where the size stands in the header.
const SIZE_AT: usize = 8;

/// Bytes of all queues in, of which each has its part between these bounds. A message of rows has about 0.3 MB, so that the
/// next ones lie ready while one is written; longer messages pass through piece by piece.
const ALL_IN: usize = 16 << 20;
const LEAST_IN: usize = 512 << 10;
const MOST_IN: usize = 1 << 20;

/// Bytes of a queue out: what a session says is short.
const OUT: usize = 64 << 10;

/// The segment; the leader creates it, sessions attach to it.
pub struct Segment(*mut pg_sys::dsm_segment);

/// One side's ends of a session's two queues.
pub struct Ends {
    pub sender: Sender,
    pub receiver: Receiver,
}

impl Segment {
    /// `None` where the server has no room for another segment.
    pub fn create(sessions: usize) -> Option<Self> {
        let into = (ALL_IN / sessions.max(1)).clamp(LEAST_IN, MOST_IN).next_multiple_of(HEADER);
        let size = HEADER + sessions * (into + OUT);
        // SAFETY: the segment is new, `size` bytes long and nobody else's yet; queues are created once in their places.
        unsafe {
            let segment = pg_sys::dsm_create(size, pg_sys::DSM_CREATE_NULL_IF_MAXSEGMENTS as i32);
            if segment.is_null() {
                return None;
            }
            let segment = Segment(segment);
            segment.lowest_at().write(AtomicU32::new(u32::MAX));
            segment.at(SIZE_AT).cast::<usize>().write(into);
            for session in 0..sessions {
                let (queue_in, queue_out) = segment.queues(session);
                pg_sys::shm_mq_create(queue_in.cast(), into);
                pg_sys::shm_mq_create(queue_out.cast(), OUT);
            }
            Some(segment)
        }
    }

    pub fn handle(&self) -> u32 {
        // SAFETY: the segment is attached.
        unsafe { pg_sys::dsm_segment_handle(self.0) }
    }

    /// `None` where the leader has gone.
    pub fn attach(handle: u32) -> Option<Self> {
        // SAFETY: no resource owner is current: the segment stays attached until the process ends.
        let segment = unsafe { pg_sys::dsm_attach(handle) };
        (!segment.is_null()).then_some(Segment(segment))
    }

    /// The lowest ordinal of a bad record that a session has found: under `stop` no record behind it counts.
    pub fn lowest(&self) -> &AtomicU32 {
        // SAFETY: written by `create`; from then on used as an atomic only, for as long as the segment is attached.
        unsafe { &*self.lowest_at() }
    }

    fn lowest_at(&self) -> *mut AtomicU32 {
        self.at(0).cast()
    }

    fn at(&self, offset: usize) -> *mut std::ffi::c_void {
        // SAFETY: the offsets of this file lie within the segment.
        unsafe { pg_sys::dsm_segment_address(self.0).cast::<u8>().add(offset).cast() }
    }

    fn queues(&self, session: usize) -> (*mut pg_sys::shm_mq, *mut pg_sys::shm_mq) {
        // SAFETY: written by `create`, and by nobody after it.
        let into = unsafe { self.at(SIZE_AT).cast::<usize>().read() };
        let at = HEADER + session * (into + OUT);
        (self.at(at).cast(), self.at(at + into).cast())
    }

    /// The leader's ends, before the session is started.
    pub fn leader_ends(&self, session: usize) -> Ends {
        let (into, out) = self.queues(session);
        self.ends(into, out)
    }

    pub fn session_ends(&self, session: usize) -> Ends {
        let (into, out) = self.queues(session);
        self.ends(out, into)
    }

    fn ends(&self, send: *mut pg_sys::shm_mq, receive: *mut pg_sys::shm_mq) -> Ends {
        // SAFETY: both queues were created by `create`; each side takes its own ends once. The handles live in the
        // memory of the process, longer than the segment.
        unsafe {
            let before = pg_sys::MemoryContextSwitchTo(pg_sys::TopMemoryContext);
            pg_sys::shm_mq_set_sender(send, pg_sys::MyProc);
            pg_sys::shm_mq_set_receiver(receive, pg_sys::MyProc);
            let ends = Ends {
                sender: Sender(pg_sys::shm_mq_attach(send, self.0, std::ptr::null_mut())),
                receiver: Receiver(pg_sys::shm_mq_attach(receive, self.0, std::ptr::null_mut())),
            };
            pg_sys::MemoryContextSwitchTo(before);
            ends
        }
    }

    /// Calls `detached` when this process leaves the segment, also by an error or its own end.
    pub fn on_detach(
        &self,
        detached: unsafe extern "C-unwind" fn(*mut pg_sys::dsm_segment, pg_sys::Datum),
    ) {
        // SAFETY: the function is static and looks at no argument.
        unsafe { pg_sys::on_dsm_detach(self.0, Some(detached), pg_sys::Datum::null()) };
    }

    pub fn detach(self) {
        // SAFETY: the segment is attached; nobody uses its queues afterwards, since their ends are used with it only.
        unsafe { pg_sys::dsm_detach(self.0) };
    }
}

impl Ends {
    /// The ends are told when the worker stops, even if it never attaches.
    pub fn set_worker(&self, worker: *mut pg_sys::BackgroundWorkerHandle) {
        // SAFETY: both handles are attached; the worker's handle outlives them.
        unsafe {
            pg_sys::shm_mq_set_handle(self.sender.0, worker);
            pg_sys::shm_mq_set_handle(self.receiver.0, worker);
        }
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sent {
    Whole,
    /// The queue is full: the same message is to be sent again.
    Full,
    /// The other side has gone.
    Gone,
}

pub struct Sender(*mut pg_sys::shm_mq_handle);

impl Sender {
    /// Never waits.
    pub fn try_send(&mut self, message: &[u8]) -> Sent {
        // SAFETY: the queue is attached, the message `len` bytes long. After `Full` callers come back with the same.
        let result = unsafe {
            pg_sys::shm_mq_send(self.0, message.len(), message.as_ptr().cast(), true, true)
        };
        match result {
            pg_sys::shm_mq_result::SHM_MQ_SUCCESS => Sent::Whole,
            pg_sys::shm_mq_result::SHM_MQ_WOULD_BLOCK => Sent::Full,
            _ => Sent::Gone,
        }
    }
}

pub enum Received<T> {
    Message(T),
    Nothing,
    /// The other side has gone, and all that it sent has been received.
    Gone,
}

pub struct Receiver(*mut pg_sys::shm_mq_handle);

impl Receiver {
    /// Waits for the next message, which lies in the queue until the next call; `rest` is called as long as there is
    /// none. `None` where the other side has gone.
    pub fn receive(&mut self, mut rest: impl FnMut()) -> Option<&[u8]> {
        let (mut length, mut data) = (0, std::ptr::null_mut());
        // SAFETY: the queue is attached. The message is valid until the next call, which needs this borrow's end.
        unsafe {
            loop {
                match pg_sys::shm_mq_receive(self.0, &mut length, &mut data, true) {
                    pg_sys::shm_mq_result::SHM_MQ_SUCCESS => {
                        return Some(slice::from_raw_parts(data.cast(), length));
                    }
                    pg_sys::shm_mq_result::SHM_MQ_WOULD_BLOCK => rest(),
                    _ => return None,
                }
            }
        }
    }

    /// Hands the next message to `read`. Never waits.
    pub fn try_receive<T>(&mut self, read: impl FnOnce(&[u8]) -> T) -> Received<T> {
        let (mut length, mut data) = (0, std::ptr::null_mut());
        // SAFETY: the queue is attached. The message is valid until the next call, and `read` keeps nothing of it.
        unsafe {
            match pg_sys::shm_mq_receive(self.0, &mut length, &mut data, true) {
                pg_sys::shm_mq_result::SHM_MQ_SUCCESS => {
                    Received::Message(read(slice::from_raw_parts(data.cast(), length)))
                }
                pg_sys::shm_mq_result::SHM_MQ_WOULD_BLOCK => Received::Nothing,
                _ => Received::Gone,
            }
        }
    }
}

/// Waits until something happens to this process (a queue moves, a signal comes) or the time is over. Acts on nothing.
pub fn wait(at_most: Duration) {
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: the latch is this process's own.
    unsafe {
        let milliseconds = at_most.as_millis() as std::ffi::c_long;
        pg_sys::WaitLatch(pg_sys::MyLatch, events as i32, milliseconds, pg_sys::PG_WAIT_EXTENSION);
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
}
