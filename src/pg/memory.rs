//! The memory of the Rust side, and a reserve of it that a load holds.
//!
//! Lists that grow with a document ask before they grow. Everything else (a string of a record, what the pool needs)
//! is small, and Rust ends the process where such an allocation fails: here that would end the server. So a load
//! reserves some address space, untouched, before it starts. Where an allocation fails, the reserve is given back to
//! the system, the allocation is tried again, and [`is_short`] says so from then on. The load looks at that more often
//! than it can use the reserve up, and ends with the server's error "out of memory".
//!
//! The server's own allocations (palloc) need none of this: they raise its error.
//!
//! What is large comes from the system and goes back to it at once. The C library would keep as much for the session, and
//! twice as much, once it has seen a block of that size freed (`M_MMAP_THRESHOLD` of mallopt(3)).

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::Fault;

/// The C library's allocator, and the system for large blocks; with the reserve behind both.
struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// The reserve, which all hold together: a load, those within it (a trigger's), the part of a document that is decoded
/// meanwhile.
static RESERVE: Mutex<Held> = Mutex::new(Held { mapping: None, holders: 0 });

struct Held {
    /// Where it lies, and its size; taken out by whoever gives it back.
    mapping: Option<(usize, usize)>,
    holders: usize,
}

/// Whether the reserve had to be given back.
static SHORT: AtomicBool = AtomicBool::new(false);

/// What the reserve holds whatever the document: for each thread the texts of a record that is not large, several times
/// over, and what 512 records leave behind.
const LEAST: usize = 16 << 20;

/// Blocks of so many bytes and more come from the system.
const LARGE: usize = 8 << 20;

/// The least that a page has, of which the system's blocks are: no alignment of ours is greater.
const PAGE: usize = 4096;

fn is_large(layout: Layout) -> bool {
    cfg!(target_os = "linux") && layout.size() >= LARGE && layout.align() <= PAGE
}

// SAFETY: every call is passed on to the C library's allocator or, by the size of the layout, to the system; a second try is
// one of their own calls, with the same layout.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        retried(|| match is_large(layout) {
            true => map(layout.size()),
            // SAFETY: the caller's promise.
            false => unsafe { System.alloc(layout) },
        })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        retried(|| match is_large(layout) {
            true => map(layout.size()),
            // SAFETY: the caller's promise.
            false => unsafe { System.alloc_zeroed(layout) },
        })
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise: with this alignment the new size is no overflow.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (is_large(layout), is_large(new)) {
            // SAFETY: the caller's promise; where it fails, the block is as it was.
            (false, false) => retried(|| unsafe { System.realloc(block, layout, size) }),
            // SAFETY: the block is a mapping of `map`, and where it fails it is as it was.
            (true, true) => retried(|| unsafe { remap(block, layout.size(), size) }),
            // SAFETY: the caller's promise: the blocks are two, of these layouts.
            _ => unsafe {
                let moved = self.alloc(new);
                if !moved.is_null() {
                    ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                    self.dealloc(block, layout);
                }
                moved
            },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match is_large(layout) {
            // SAFETY: a mapping of `map` of this size, which nobody uses any more.
            true => _ = unsafe { libc::munmap(block.cast(), layout.size()) },
            // SAFETY: the caller's promise.
            false => unsafe { System.dealloc(block, layout) },
        }
    }
}

/// Memory from the system, with nothing in it; null where there is none.
fn map(size: usize) -> *mut u8 {
    // SAFETY: a new mapping, where the system likes.
    let start = unsafe {
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        libc::mmap(ptr::null_mut(), size, protection, flags, -1, 0)
    };
    if start == libc::MAP_FAILED { ptr::null_mut() } else { start.cast() }
}

/// The same memory in another size, wherever it lies then; null where that cannot be, and it is as it was.
///
/// # Safety
/// The block is one of [`map`], of this size.
#[cfg(target_os = "linux")]
unsafe fn remap(block: *mut u8, from: usize, to: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    let moved = unsafe { libc::mremap(block.cast(), from, to, libc::MREMAP_MAYMOVE) };
    if moved == libc::MAP_FAILED { ptr::null_mut() } else { moved.cast() }
}

#[cfg(not(target_os = "linux"))]
unsafe fn remap(_: *mut u8, _: usize, _: usize) -> *mut u8 {
    unreachable!("no block is large here")
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
    reserve.unmap()
}

impl Held {
    fn unmap(&mut self) -> bool {
        let Some((start, size)) = self.mapping.take() else { return false };
        // SAFETY: mapped by Reserve::hold, and nobody has an address in it.
        unsafe { libc::munmap(start as *mut libc::c_void, size) == 0 }
    }
}

/// Whether an allocation has failed since the load began: it is to end.
pub fn is_short() -> bool {
    SHORT.load(Ordering::Relaxed)
}

/// Holds the reserve; it is given back when the last one is dropped.
pub struct Reserve(());

impl Reserve {
    /// For a document of so many bytes. A fault where there is not so much address space.
    pub fn hold(document: usize) -> Result<Self, Fault> {
        let mut reserve = RESERVE.lock().unwrap_or_else(PoisonError::into_inner);
        let size = LEAST + document / 4;
        let is_enough = reserve.mapping.is_some_and(|(_, there)| there >= size) || is_short();
        if !is_enough {
            // It is written to by nobody, so it takes no memory.
            let start = map(size);
            if start.is_null() {
                return Err(Fault::OutOfMemory);
            }
            reserve.unmap();
            reserve.mapping = Some((start as usize, size));
        }
        reserve.holders += 1;
        Ok(Reserve(()))
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        let mut reserve = RESERVE.lock().unwrap_or_else(PoisonError::into_inner);
        reserve.holders -= 1;
        if reserve.holders == 0 {
            reserve.unmap();
            SHORT.store(false, Ordering::Relaxed);
        }
    }
}

/// Whether so much can be had at once, beside the reserve.
pub fn can_have(bytes: usize) -> bool {
    let start = map(bytes);
    // SAFETY: a new mapping, given back at once.
    !start.is_null() && unsafe { libc::munmap(start.cast(), bytes) == 0 }
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
        let first = start.align_offset(PAGE);
        let whole = size.saturating_sub(first) / PAGE * PAGE;
        libc::madvise(start.wrapping_add(first).cast(), whole, libc::MADV_HUGEPAGE);
    }
}
