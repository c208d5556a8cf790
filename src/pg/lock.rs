//! Locks of the load's own, and tables locked without waiting. All are held to the end of the transaction.

use pgrx::pg_sys;

/// Who may load beside whom.
#[derive(Clone, Copy)]
pub enum Share {
    /// Beside other loads of this kind.
    Shared,
    /// Beside no other load.
    Alone,
}

impl Share {
    fn mode(self) -> u32 {
        match self {
            Share::Shared => pg_sys::ShareLock,
            Share::Alone => pg_sys::ExclusiveLock,
        }
    }
}

/// What a lock is on. It looks like one on an object of the database: of the class of extensions, with a sub-number
/// that no object has.
fn tag(object: u32, sub: u16, method: u32) -> pg_sys::LOCKTAG {
    pg_sys::LOCKTAG {
        // SAFETY: reads a variable of the backend.
        locktag_field1: unsafe { pg_sys::MyDatabaseId }.to_u32(),
        locktag_field2: pg_sys::ExtensionRelationId.to_u32(),
        locktag_field3: object,
        locktag_field4: sub,
        locktag_type: pg_sys::LockTagType::LOCKTAG_OBJECT as u8,
        locktag_lockmethodid: method as u8,
    }
}

const CATALOGUE: u16 = 1;
const LOAD: u16 = 2;
const CREATION: u16 = 3;

/// Waits until nobody else makes the tables of a catalogue in this schema.
pub fn creation(schema: pg_sys::Oid) {
    let tag = tag(schema.to_u32(), CREATION, pg_sys::DEFAULT_LOCKMETHOD);
    acquire(tag, pg_sys::ExclusiveLock, false);
    // What the other one has made is not in this session's caches yet.
    // SAFETY: the transaction is in progress.
    unsafe { pg_sys::AcceptInvalidationMessages() };
}

/// Which processes belong to which running load, as two arrays: processes, and the numbers of their loads.
pub const LOADS: &str = "SELECT pg_catalog.array_agg(l.pid), pg_catalog.array_agg(l.objid::pg_catalog.int8) \
     FROM pg_catalog.pg_locks l \
     WHERE l.locktype OPERATOR(pg_catalog.=) 'object' AND l.classid OPERATOR(pg_catalog.=) '3079'::pg_catalog.oid \
       AND l.objsubid OPERATOR(pg_catalog.=) '2'::pg_catalog.int2 AND l.mode OPERATOR(pg_catalog.=) 'ShareLock' AND l.granted";

/// Which processes wait to extend a relation, as one array. Such a lock is never held while its owner waits for another:
/// it is part of no deadlock.
pub const EXTENDING: &str = "SELECT pg_catalog.array_agg(l.pid) FROM pg_catalog.pg_locks l \
     WHERE l.locktype OPERATOR(pg_catalog.=) 'extend' AND NOT l.granted";

/// Waits until a load may write to the catalogue that this table stands for.
pub fn catalogue(table: pg_sys::Oid, share: Share) {
    acquire(tag(table.to_u32(), CATALOGUE, pg_sys::DEFAULT_LOCKMETHOD), share.mode(), false);
}

/// The same where that needs no waiting.
pub fn catalogue_at_once(table: pg_sys::Oid, share: Share) -> bool {
    acquire(tag(table.to_u32(), CATALOGUE, pg_sys::DEFAULT_LOCKMETHOD), share.mode(), true)
}

/// Gives back what one call of these has taken.
pub fn release_catalogue(table: pg_sys::Oid, share: Share) {
    let tag = tag(table.to_u32(), CATALOGUE, pg_sys::DEFAULT_LOCKMETHOD);
    // SAFETY: the tag is whole; a lock that is not held is a warning.
    unsafe { pg_sys::LockRelease(&tag, share.mode() as pg_sys::LOCKMODE, false) };
}

/// One of the method of advisory locks: those that a session holds go when its process ends, whatever it was doing.
fn load_tag(load: u32) -> pg_sys::LOCKTAG {
    tag(load, LOAD, pg_sys::USER_LOCKMETHOD)
}

/// Marks a load as running, by a number made of its id: for the transaction of its leader.
pub fn load(load: u32) {
    acquire(load_tag(load), pg_sys::ShareLock, false);
}

/// The same for as long as this process runs, beyond the transaction that it prepares.
pub fn load_until_exit(load: u32) {
    let tag = load_tag(load);
    // SAFETY: the tag is whole; the lock belongs to the session, and goes with it.
    unsafe { pg_sys::LockAcquire(&tag, pg_sys::ShareLock as pg_sys::LOCKMODE, true, false) };
}

/// Whether a load has neither a leader nor sessions any more, and nobody else looks after what it has left. Nobody will
/// until the end of this transaction.
pub fn load_has_ended(load: u32) -> bool {
    acquire(load_tag(load), pg_sys::ExclusiveLock, true)
}

fn acquire(tag: pg_sys::LOCKTAG, mode: u32, dont_wait: bool) -> bool {
    // SAFETY: the tag is whole; the lock belongs to the transaction, which releases it.
    let result = unsafe { pg_sys::LockAcquire(&tag, mode as pg_sys::LOCKMODE, false, dont_wait) };
    result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
}

/// As INSERT locks a table, or as a foreign key's check does.
fn mode(written: bool) -> pg_sys::LOCKMODE {
    let mode = if written { pg_sys::RowExclusiveLock } else { pg_sys::RowShareLock };
    mode as pg_sys::LOCKMODE
}

/// Locks a table where that needs no waiting, neither for a lock nor behind somebody who waits.
pub fn relation_at_once(relation: pg_sys::Oid, written: bool) -> bool {
    // SAFETY: a relation that is gone is locked for nothing; its name is looked up afterwards.
    unsafe { pg_sys::ConditionalLockRelationOid(relation, mode(written)) }
}

/// The processes that `pid` waits for; 0 stands for a prepared transaction.
pub fn blockers(pid: i32) -> Vec<i32> {
    // SAFETY: pg_blocking_pids takes an int4 and returns an int4[].
    unsafe {
        pgrx::direct_function_call::<Vec<i32>>(pg_sys::pg_blocking_pids, &[Some(pid.into())])
            .unwrap_or_default()
    }
}

/// How long a wait for a lock lasts before it may be a deadlock.
pub fn deadlock_timeout() -> std::time::Duration {
    // SAFETY: reads a setting of the backend.
    let milliseconds = unsafe { pg_sys::DeadlockTimeout };
    std::time::Duration::from_millis(milliseconds.max(1) as u64)
}
