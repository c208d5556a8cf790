//! PURE. Which rows of a document are written, and in which order.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;
use rayon::prelude::*;

use crate::record::Row;

/// Which of several rows with the same key is the document's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeated {
    FirstWins,
    LastWins,
}

/// A row that another one of the same key replaces, both by ordinal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duplicate {
    pub ordinal: u32,
    pub kept: u32,
}

/// Ordinals in the order of writing, each key once, and the rows left out, by ordinal.
pub struct Order {
    pub write: Vec<u32>,
    pub duplicates: Vec<Duplicate>,
}

/// Orders the rows that are there; `rows` stand at their ordinals.
pub fn order<'r, R: Row>(rows: &'r [Option<R>], repeated: Repeated, parallel: bool) -> Order {
    let mut kept: HashMap<R::Key<'_>, u32, RandomState> =
        HashMap::with_capacity_and_hasher(rows.len(), RandomState::default());
    let mut duplicates = vec![];
    let present = || (0u32..).zip(rows).filter_map(|(ordinal, row)| Some((ordinal, row.as_ref()?)));
    for (ordinal, row) in present() {
        match kept.entry(row.key()) {
            Entry::Vacant(vacant) => drop(vacant.insert(ordinal)),
            Entry::Occupied(mut occupied) => match repeated {
                Repeated::FirstWins => {
                    duplicates.push(Duplicate { ordinal, kept: *occupied.get() });
                }
                Repeated::LastWins => {
                    duplicates.push(Duplicate { ordinal: occupied.insert(ordinal), kept: ordinal });
                }
            },
        }
    }
    duplicates.sort_unstable_by_key(|duplicate| duplicate.ordinal);
    // Rows lie apart in memory: the prefix decides most comparisons without looking at them.
    let place = |(ordinal, row): (u32, &'r R)| (row.order_prefix(), ordinal, row);
    let mut write: Vec<(u64, u32, &R)> = if duplicates.is_empty() {
        present().map(place).collect()
    } else {
        present()
            .filter(|(ordinal, row)| kept.get(&row.key()) == Some(ordinal))
            .map(place)
            .collect()
    };
    let before =
        |a: &(u64, u32, &R), b: &(u64, u32, &R)| a.0.cmp(&b.0).then_with(|| a.2.order(b.2));
    if parallel {
        write.par_sort_unstable_by(before);
    } else {
        write.sort_unstable_by(before);
    }
    Order { write: write.into_iter().map(|(_, ordinal, _)| ordinal).collect(), duplicates }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::composer::Composer;
    use crate::record::name::Name;

    fn rows(names: &[&'static str]) -> Vec<Option<Composer<'static>>> {
        let row =
            |name: &&'static str| (!name.is_empty()).then(|| Composer::named(Name::inverted(name)));
        names.iter().map(row).collect()
    }

    #[test]
    fn rows_are_ordered_by_key_without_the_faulty_ones() {
        let order = order(&rows(&["C", "", "A", "B"]), Repeated::LastWins, true);
        assert_eq!(order.write, [2, 3, 0]);
        assert_eq!(order.duplicates, []);
    }

    #[test]
    fn the_policy_decides_between_equal_keys() {
        let rows = rows(&["B", "A", "B", "B"]);
        let last = order(&rows, Repeated::LastWins, false);
        assert_eq!(last.write, [1, 3]);
        let duplicate = |ordinal, kept| Duplicate { ordinal, kept };
        assert_eq!(last.duplicates, [duplicate(0, 2), duplicate(2, 3)]);
        let first = order(&rows, Repeated::FirstWins, false);
        assert_eq!(first.write, [1, 0]);
        assert_eq!(first.duplicates, [duplicate(2, 0), duplicate(3, 0)]);
    }
}
