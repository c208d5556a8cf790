//! PURE. Rows split among sessions: in parts, each a run of families, so that no key and no parent is in two of them.
//!
//! Each session begins with a large part of its own. What is left is in small ones, for whoever is done first: the
//! sessions are not equally fast, and the load takes as long as the last of them.

use crate::rows::{Family, RowRef};

/// A large part has as many rows as so many small ones, of which there are [`SMALL_PARTS`] for each session: a quarter of
/// all rows.
const LARGE_PART: usize = 12;
const SMALL_PARTS: usize = 4;

/// How large the parts for so many sessions are beside each other, first the large ones.
pub fn shares(sessions: usize) -> Vec<usize> {
    let large = std::iter::repeat_n(LARGE_PART, sessions);
    large
        .chain(std::iter::repeat_n(1, if sessions > 1 { SMALL_PARTS * sessions } else { 0 }))
        .collect()
}

/// The parts as ranges of the rows, in their order. There are fewer than `shares` where there are too few families.
pub fn parts(rows: usize, families: &[Family], shares: &[usize]) -> Vec<std::ops::Range<usize>> {
    let parts = shares.len();
    let all: usize = shares.iter().sum();
    let mut ranges = Vec::with_capacity(parts);
    let mut start = 0;
    for family in families {
        let end = family.first + family.size;
        let wanted = rows * shares.iter().take(ranges.len() + 1).sum::<usize>() / all;
        // The nearest end of a family to where the part should end.
        if ranges.len() + 1 < parts && end > wanted.max(start) {
            let before = family.first > start && wanted - family.first.min(wanted) < end - wanted;
            let cut = if before { family.first } else { end };
            ranges.push(start..cut);
            start = cut;
        }
    }
    if start < rows {
        ranges.push(start..rows);
    }
    ranges
}

/// Families of rows without parents: each row by itself.
pub fn singly(rows: &[RowRef]) -> Vec<Family> {
    (0..rows.len()).map(|first| Family { first, size: 1 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(sizes: &[usize], wanted: usize) -> Vec<usize> {
        let mut families = vec![];
        let mut first = 0;
        for &size in sizes {
            families.push(Family { first, size });
            first += size;
        }
        let ranges = parts(first, &families, &vec![1; wanted]);
        assert_eq!(ranges.iter().map(|range| range.len()).sum::<usize>(), first);
        assert!(ranges.iter().all(|range| !range.is_empty()), "{sizes:?} {ranges:?}");
        assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
        for range in &ranges {
            let at_family = |at| at == first || families.iter().any(|family| family.first == at);
            assert!(at_family(range.start) && at_family(range.end), "{sizes:?} {ranges:?}");
        }
        ranges.iter().map(|range| range.len()).collect()
    }

    #[test]
    fn families_stay_together() {
        assert_eq!(split(&[], 3), [0usize; 0]);
        assert_eq!(split(&[5], 3), [5]);
        assert_eq!(split(&[1, 1, 1, 1], 2), [2, 2]);
        assert_eq!(split(&[1, 2, 1, 2, 1, 2, 1, 2], 4), [3, 3, 3, 3]);
        assert_eq!(split(&[10, 1, 1], 2), [10, 2]);
        assert_eq!(split(&[1, 1, 10], 2), [2, 10]);
        assert_eq!(split(&[4, 1, 1, 4], 2), [5, 5]);
    }

    #[test]
    fn large_parts_come_first() {
        assert_eq!(shares(1), [12]);
        let families: Vec<Family> = (0..32).map(|first| Family { first, size: 1 }).collect();
        let sizes: Vec<usize> =
            parts(32, &families, &shares(2)).into_iter().map(|range| range.len()).collect();
        assert_eq!(sizes, [12, 12, 1, 1, 1, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn any_split_is_whole() {
        for seed in 1..400usize {
            let sizes: Vec<usize> =
                (0..seed % 37).map(|i| 1 + (i * seed * 7919) % (seed % 11 + 1)).collect();
            for wanted in 1..9 {
                assert!(split(&sizes, wanted).len() <= wanted);
            }
        }
    }
}
