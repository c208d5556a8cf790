//! The memory of the Rust side, and a reserve of it that a load holds.
//!
//! Lists that grow with a document ask before they grow. Everything else (a string of a record, what the pool needs)
//! is small, and Rust ends the process where such an allocation fails: here that would end the server. So a load
//! reserves some address space, untouched, before it starts. Where an allocation fails, the reserve is given back to
//! the system, the allocation is tried again, and [`is_short`] says so from then on. The load looks at that more often
//! than it can use the reserve up, and ends with the server's error "out of memory".
//!
//! The server's own allocations (palloc) need none of this: they raise its error.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::Fault;

/// The system's allocator, with the reserve behind it.
struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// Where the reserve lies, and its size; taken out by whoever gives it back. One load runs at a time in a process: the
/// reserve of a load within a load (a trigger's) is held by the outer one.
static RESERVE: Mutex<Option<(usize, usize)>> = Mutex::new(None);

/// Whether the reserve had to be given back.
static SHORT: AtomicBool = AtomicBool::new(false);

/// What the reserve holds whatever the document: for each thread the texts of a record that is not large, several times
/// over, and what 512 records leave behind.
const LEAST: usize = 16 << 20;

// SAFETY: every call is passed on to the system's allocator; a second try is one of its own calls, with the same layout.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        retried(|| unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        retried(|| unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise; where it fails, the block is as it was.
        retried(|| unsafe { System.realloc(block, layout, size) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}

fn retried(allocate: impl Fn() -> *mut u8) -> *mut u8 {
    let block = allocate();
    if block.is_null() { again(&allocate) } else { block }
}

#[cold]
#[inline(never)]
fn again(allocate: &dyn Fn() -> *mut u8) -> *mut u8 {
    // Whoever comes second waits until the memory is free.
    if give_back() {
        SHORT.store(true, Ordering::Relaxed);
    }
    allocate()
}

/// Whether there was something to give back.
fn give_back() -> bool {
    // The lock allocates nothing, and nothing panics under it.
    let mut reserve = RESERVE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some((start, size)) = reserve.take() else { return false };
    // SAFETY: mapped by Reserve::hold, and nobody has an address in it.
    unsafe { libc::munmap(start as *mut libc::c_void, size) == 0 }
}

/// Whether an allocation has failed since the load began: it is to end.
pub fn is_short() -> bool {
    SHORT.load(Ordering::Relaxed)
}

/// Holds the reserve of a load; given back when dropped.
pub struct Reserve {
    outermost: bool,
}

impl Reserve {
    /// For a document of so many bytes. A fault where there is not so much address space.
    pub fn hold(document: usize) -> Result<Self, Fault> {
        let mut reserve = RESERVE.lock().unwrap_or_else(PoisonError::into_inner);
        if reserve.is_some() {
            return Ok(Reserve { outermost: false });
        }
        let size = LEAST + document / 4;
        // SAFETY: a new mapping, where the system likes; it is written to by nobody, so it takes no memory.
        let start = unsafe {
            let (protection, flags) =
                (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            libc::mmap(ptr::null_mut(), size, protection, flags, -1, 0)
        };
        if start == libc::MAP_FAILED {
            return Err(Fault::OutOfMemory);
        }
        *reserve = Some((start as usize, size));
        SHORT.store(false, Ordering::Relaxed);
        Ok(Reserve { outermost: true })
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        if self.outermost {
            give_back();
            SHORT.store(false, Ordering::Relaxed);
        }
    }
}

/// Whether so much can be had at once, beside the reserve.
pub fn can_have(bytes: usize) -> bool {
    // SAFETY: a new mapping, given back at once.
    unsafe {
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        let start = libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0);
        start != libc::MAP_FAILED && libc::munmap(start, bytes) == 0
    }
}

/// Asks for large pages behind memory that is about to be written: the system takes longer for pages of 4 kB than it takes
/// to write them. A wish, which it may not grant.
///
/// # Safety
/// The memory is the caller's.
#[cfg_attr(not(target_os = "linux"), expect(unused_variables))]
pub unsafe fn wish_large_pages(start: *mut u8, size: usize) {
    #[cfg(target_os = "linux")]
    // SAFETY: whole pages within the caller's memory, of which nothing is changed.
    unsafe {
        const PAGE: usize = 4096;
        let first = start.align_offset(PAGE);
        let whole = size.saturating_sub(first) / PAGE * PAGE;
        libc::madvise(start.wrapping_add(first).cast(), whole, libc::MADV_HUGEPAGE);
    }
}
