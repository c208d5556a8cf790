//! A document in a TOAST table, fetched piece by piece on the session's thread while others read what has come.

use std::marker::PhantomData;
use std::slice;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use pgrx::{PgList, pg_sys};

use super::memory;
use crate::document::Arrival;
use crate::error::Fault;

/// Bytes fetched at a time: a thousandth of a second's work.
const PIECE: usize = 1 << 20;

/// Documents that are fetched at once: less is not worth a wait.
const SMALL: usize = 4 * PIECE;

/// The bits of `va_extinfo` that hold the size as stored (`VARLENA_EXTSIZE_MASK` of `varatt.h`).
const STORED_SIZE: u32 = (1 << 30) - 1;

/// A large document, stored as it is.
pub struct Toasted<'call> {
    pointer: pg_sys::varatt_external,
    /// Room for the whole varlena, header included.
    varlena: *mut u8,
    size: usize,
    progress: Mutex<Progress>,
    more: Condvar,
    call: PhantomData<&'call [u8]>,
}

struct Progress {
    arrived: usize,
    stopped: bool,
}

// SAFETY: other threads read the bytes that have arrived, which are not written any more, and fetch() writes behind
// them. It calls the server, which pgrx allows on the session's thread only.
unsafe impl Sync for Toasted<'_> {}

impl Toasted<'_> {
    /// `None` for what is not stored in a TOAST table, or compressed, or small. Else the table and its indexes are locked
    /// to the end of the transaction, so that no piece waits for a lock.
    ///
    /// # Safety
    /// The datum is a varlena, and the current memory context lives as long as what reads the document.
    pub unsafe fn of(datum: pg_sys::Datum) -> Option<Self> {
        // SAFETY: the caller's promise; the pointer of an external value lies behind its tag, unaligned.
        unsafe {
            let varlena = datum.cast_mut_ptr::<pg_sys::varlena>();
            if !pgrx::varlena::varatt_is_1b_e(varlena)
                || u32::from(pgrx::varlena::vartag_1b_e(varlena))
                    != pg_sys::vartag_external::VARTAG_ONDISK
            {
                return None;
            }
            let pointer: pg_sys::varatt_external = pgrx::varlena::vardata_1b_e(varlena)
                .cast::<pg_sys::varatt_external>()
                .read_unaligned();
            let size = (pointer.va_extinfo & STORED_SIZE) as usize;
            let whole = size + pg_sys::VARHDRSZ;
            if whole != pointer.va_rawsize as usize || size <= SMALL {
                return None;
            }
            lock_with_indexes(pointer.va_toastrelid);
            let varlena: *mut u8 = pg_sys::palloc(whole).cast();
            memory::wish_large_pages(varlena, whole);
            Some(Toasted {
                pointer,
                varlena,
                size,
                progress: Mutex::new(Progress { arrived: 0, stopped: false }),
                more: Condvar::new(),
                call: PhantomData,
            })
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// SAFETY: the relation is a TOAST table.
unsafe fn lock_with_indexes(relation: pg_sys::Oid) {
    let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    // SAFETY: opened and closed here; the list is a copy. An index that is gone behind the look is an error, as it is for
    // who reads the value.
    unsafe {
        let table = pg_sys::table_open(relation, lock);
        let indexes = PgList::<pg_sys::Oid>::from_pg(pg_sys::RelationGetIndexList(table));
        for index in indexes.iter_oid() {
            pg_sys::LockRelationOid(index, lock);
        }
        pg_sys::table_close(table, pg_sys::NoLock as pg_sys::LOCKMODE);
    }
}

impl<'call> Arrival<'call> for Toasted<'call> {
    fn size(&self) -> usize {
        self.size
    }

    fn wait(&self, least: usize) -> Result<&'call [u8], Fault> {
        let least = least.min(self.size);
        let missing = |progress: &mut Progress| progress.arrived < least && !progress.stopped;
        let progress = self.more.wait_while(self.progress(), missing);
        let arrived = progress.unwrap_or_else(PoisonError::into_inner).arrived;
        if arrived < least {
            return Err(Fault::Stopped);
        }
        // SAFETY: so many bytes behind the header have been written, and will not be again.
        Ok(unsafe { slice::from_raw_parts(self.varlena.add(pg_sys::VARHDRSZ), arrived) })
    }

    fn fetch(&self) -> bool {
        let arrived = self.progress().arrived;
        let piece = PIECE.min(self.size - arrived);
        // SAFETY: as detoast.c fetches a slice of a value, into a varlena that begins so far into our own: what is
        // written of it are the bytes behind its header.
        unsafe {
            let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
            let relation = pg_sys::table_open(self.pointer.va_toastrelid, lock);
            pg_sys::table_relation_fetch_toast_slice(
                relation,
                self.pointer.va_valueid,
                self.size as i32,
                arrived as i32,
                piece as i32,
                self.varlena.add(arrived).cast(),
            );
            pg_sys::table_close(relation, lock);
        }
        self.progress().arrived += piece;
        self.more.notify_all();
        arrived + piece < self.size
    }

    fn stop(&self) {
        self.progress().stopped = true;
        self.more.notify_all();
    }
}
