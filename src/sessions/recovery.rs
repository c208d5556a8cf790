//! What becomes of the prepared transactions of a load that has lost its leader: what became of session 0's.
//!
//! Their names say so: `pg_opus:<load id>:<session>:<id of session 0's transaction>`. While a load runs its leader
//! and its sessions share a lock made of the load's id: who can take it alone knows that they are gone.

use uuid::Uuid;

use crate::pg::spi::Spi;
use crate::pg::{lock, transaction, xact};

const PREFIX: &str = "pg_opus:";

/// What is known of session 0's transaction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Status {
    Committed,
    Aborted,
    InProgress,
    /// Too old, or the name is not of this form.
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
    let Some((.., first)) = parts(gid) else { return Status::Unknown };
    match xact::status(first).as_deref() {
        Some("committed") => Status::Committed,
        Some("aborted") => Status::Aborted,
        Some("in progress") => Status::InProgress,
        _ => Status::Unknown,
    }
}

/// Commits or rolls back what loads without a leader have left in this database; how many transactions.
pub fn resolve(spi: &Spi) -> u64 {
    let sql = format!(
        "SELECT array_agg(gid::text ORDER BY gid)::text[] FROM pg_catalog.pg_prepared_xacts
         WHERE database = current_database() AND gid LIKE '{PREFIX}%'
           AND (owner = current_user OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user))"
    );
    let gids = spi.row(&sql, |row| row.get::<Vec<String>>(1)).flatten().unwrap_or_default();
    let mut resolved = 0;
    // Session 0 comes first of each load: if it is still prepared nothing has been decided, and it is rolled back.
    for gid in gids {
        let Some((load_id, session, _)) = parts(&gid) else { continue };
        if !lock::load_has_ended(lock_number(load_id)) {
            continue;
        }
        // It may have come to its end before the lock was taken.
        let there = format!("SELECT 1 FROM pg_catalog.pg_prepared_xacts WHERE gid = '{gid}'");
        if spi.row(&there, |_| ()).is_none() {
            continue;
        }
        let commit = match (session, status(&gid)) {
            (0, _) | (_, Status::Aborted) => false,
            (_, Status::Committed) => true,
            (_, Status::InProgress | Status::Unknown) => continue,
        };
        transaction::finish_prepared_here(&gid, commit);
        resolved += 1;
    }
    resolved
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
