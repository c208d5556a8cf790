//! What becomes of the prepared transactions of a load that has lost its leader: what became of session 0's.
//!
//! Their names say so: `pg_opus:<load id>:<session>:<id of session 0's transaction>`. While a load runs its leader
//! and its sessions share a lock made of the load's id: who can take it alone knows that they are gone.

use uuid::Uuid;

use crate::pg::spi::Spi;
use crate::pg::{encoding, lock, log, subtransaction, transaction, xact};

const PREFIX: &str = "pg_opus:";

/// What is known of session 0's transaction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Status {
    Committed,
    Aborted,
    InProgress,
    /// Too old or still to come, or the name is not of this form.
    Unknown,
}

/// The name of a session's prepared transaction.
pub fn gid(load_id: Uuid, session: usize, first: u64) -> String {
    format!("{PREFIX}{load_id}:{session}:{first}")
}

/// The number by which a load's lock is known.
pub fn lock_number(load_id: Uuid) -> u32 {
    load_id.as_fields().0
}

fn parts(gid: &str) -> Option<(Uuid, usize, u64)> {
    let mut parts = gid.strip_prefix(PREFIX)?.split(':');
    let (load, session, first) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    Some((load.parse().ok()?, session.parse().ok()?, first.parse().ok()?))
}

/// What became of session 0's transaction, by the name of another's. In a transaction.
pub fn status(gid: &str) -> Status {
    let Some((.., first)) = parts(gid).filter(|(.., first)| transaction::exists(*first)) else {
        return Status::Unknown;
    };
    match xact::status(first).as_deref() {
        Some("committed") => Status::Committed,
        Some("aborted") => Status::Aborted,
        Some("in progress") => Status::InProgress,
        _ => Status::Unknown,
    }
}

/// Commits or rolls back what loads of the current user have left in this database without a leader; how many
/// transactions. One that cannot be finished is a WARNING. Only in a transaction that has written nothing.
pub fn resolve(spi: &Spi) -> u64 {
    // Names are bytes of any encoding; those of a load are ASCII.
    let sql = format!(
        "SELECT pg_catalog.array_agg(p.gid ORDER BY p.gid), \
                pg_catalog.array_agg(p.transaction::pg_catalog.text::pg_catalog.int8 ORDER BY p.gid) \
         FROM pg_catalog.pg_prepared_xacts p \
         WHERE p.database OPERATOR(pg_catalog.=) pg_catalog.current_database() \
           AND p.owner OPERATOR(pg_catalog.=) current_user \
           AND p.gid OPERATOR(pg_catalog.~) '^{PREFIX}[-0-9a-f:]+$'"
    );
    let found = spi.row(&sql, |row| (row.get::<Vec<String>>(1), row.get::<Vec<i64>>(2)));
    let (gids, ids) = found.unwrap_or_default();
    let found = gids.unwrap_or_default().into_iter().zip(ids.unwrap_or_default());
    // Session 0 comes first of each load: if it is still prepared nothing has been decided, and it is rolled back.
    found.filter(|(gid, id)| finish(spi, gid, *id as u64)).count() as u64
}

/// Finishes one transaction, whose id is `id` without its epoch, if its load has ended; whether it did.
fn finish(spi: &Spi, gid: &str, id: u64) -> bool {
    let Some((load_id, session, first)) = parts(gid) else { return false };
    // Session 0 decides by its own id: another one is no transaction of a load.
    let is_own = session != 0 || first & u64::from(u32::MAX) == id;
    if !is_own || !lock::load_has_ended(lock_number(load_id)) {
        return false;
    }
    // It may have come to its end before the lock was taken.
    let exists = format!(
        "SELECT 1 FROM pg_catalog.pg_prepared_xacts p WHERE p.gid OPERATOR(pg_catalog.=) '{gid}'"
    );
    if spi.row(&exists, |_| ()).is_none() {
        return false;
    }
    let commit = match (session, status(gid)) {
        (0, _) | (_, Status::Aborted) => false,
        (_, Status::Committed) => true,
        (_, Status::InProgress | Status::Unknown) => return false,
    };
    match subtransaction::within(|| transaction::finish_prepared_here(gid, commit)) {
        Ok(()) => true,
        Err(error) => {
            let message = encoding::of_message(&error.message);
            log::warning(&format!(
                "prepared transaction \"{gid}\" could not be finished: {message}"
            ));
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_which_load_and_whose_decision() {
        let load_id = Uuid::from_u128(7);
        assert_eq!(parts(&gid(load_id, 3, 1 << 40)), Some((load_id, 3, 1 << 40)));
        assert_eq!(parts("pg_opus:7"), None);
        assert_eq!(parts("other"), None);
        assert_eq!(parts(&(gid(load_id, 3, 1) + ":4")), None);
        assert!(gid(Uuid::max(), 1023, u64::MAX).len() < 200);
    }
}
