//! The version of this library, and the one that the catalogue of the database has.
//!
//! Both are replaced while sessions go on with the library that they have loaded: by installing files, and by ALTER
//! EXTENSION … UPDATE. A library serves the catalogues of earlier versions. That of a later one may give it other arguments
//! than it knows of, or expect more columns.

use std::cell::Cell;

use pgrx::pg_sys;

use super::argument::detoasted;
use super::kept;
use crate::report::Failure;

/// The version of this library.
const LIBRARY: &str = env!("CARGO_PKG_VERSION");

thread_local! {
    /// The news up to which the catalogue's version is known to be one that this library serves.
    static SERVED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Refuses to work for a catalogue of a later version. Of an update the session hears before it finds its functions.
pub fn check() -> Result<(), Failure> {
    let news = kept::news();
    if SERVED.get() != Some(news) {
        if let Some(installed) = installed()
            && is_later(&installed, LIBRARY)
        {
            return Err(Failure::old_library(LIBRARY, &installed));
        }
        SERVED.set(Some(news));
    }
    Ok(())
}

/// What the catalogue of an earlier version does not have is wanted: says how to get it.
pub fn check_updated() -> Result<(), Failure> {
    match installed() {
        Some(installed) if is_later(LIBRARY, &installed) => {
            Err(Failure::old_catalogue(LIBRARY, &installed))
        }
        _ => Ok(()),
    }
}

/// Whether a version comes behind another. One that is no row of numbers comes behind none.
fn is_later(version: &str, other: &str) -> bool {
    let numbers = |version: &str| -> Option<Vec<u64>> {
        version.split('.').map(|number| number.parse().ok()).collect()
    };
    numbers(version) > numbers(other)
}

/// The version of the extension in this database, as of now and not as of the transaction's snapshot.
fn installed() -> Option<String> {
    let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    // SAFETY: reads a table of the catalogue by its index, as get_extension_oid() does. The row is of the
    // relation's descriptor; extversion is a text that is not null, and it is copied before the scan ends.
    unsafe {
        let relation = pg_sys::table_open(pg_sys::ExtensionRelationId, lock);
        let mut key = pg_sys::ScanKeyData::default();
        pg_sys::ScanKeyInit(
            &mut key,
            pg_sys::Anum_pg_extension_extname as pg_sys::AttrNumber,
            pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
            pg_sys::Oid::from(pg_sys::F_NAMEEQ),
            pg_sys::Datum::from(c"pg_opus".as_ptr()),
        );
        let index = pg_sys::Oid::from(pg_sys::ExtensionNameIndexId);
        let snapshot = std::ptr::null_mut();
        let scan = pg_sys::systable_beginscan(relation, index, true, snapshot, 1, &mut key);
        let row = pg_sys::systable_getnext(scan);
        let version = (!row.is_null()).then(|| {
            let column = pg_sys::Anum_pg_extension_extversion as i32;
            let version = pg_sys::heap_getattr(row, column, (*relation).rd_att, &mut false);
            String::from_utf8_lossy(detoasted(version)).into_owned()
        });
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(relation, lock);
        version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (version, other) in [("0.10.0", "0.9.2"), ("1.0", "0.2.0"), ("0.2.0.1", "0.2.0")] {
            assert!(is_later(version, other) && !is_later(other, version));
        }
        assert!(!is_later("0.2.0", "0.2.0"));
        assert!(!is_later("of my own", "0.2.0"));
    }
}
