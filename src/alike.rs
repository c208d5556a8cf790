//! Which composers of the catalogue are likely the same: read from the table, with the caller's rights.

use crate::pg::relation::{self, Lock};
use crate::pg::{encoding, spi};
use crate::record::composer::Composer;
use crate::record::{Row, alike};
use crate::report::Failure;
use crate::target;

/// Pairs of the keys of composers; none of them is written.
pub fn likely_same_composers() -> Result<Vec<(String, String)>, Failure> {
    let table = relation::find(Composer::NAME, Lock::Read);
    let name = table.and_then(relation::qualified_name);
    let name = name.ok_or_else(|| target::missing(Composer::NAME))?;
    // Texts compare by their bytes, whatever the column's collation.
    let sql = [
        b"SELECT DISTINCT composer_id::pg_catalog.text COLLATE pg_catalog.\"C\" FROM ",
        &*name,
        b" WHERE composer_id IS NOT NULL ORDER BY 1",
    ]
    .concat();
    let keys = spi::connect(|spi| {
        let keys = spi.prepare(&sql).rows(|row| row.get::<Vec<u8>>(1));
        keys.into_iter().flatten().map(|key| encoding::of_message(&key)).collect::<Vec<_>>()
    });
    let pairs = alike::pairs(&keys).into_iter();
    Ok(pairs.map(|(one, other)| (one.to_owned(), other.to_owned())).collect())
}
