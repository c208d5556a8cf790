//! PURE. Rows split among sessions: in as many parts of about the same size, each a run of families, so that no key
//! and no parent is in two of them.

use crate::rows::{Family, RowRef};

/// The parts as ranges of the rows, in their order. There are fewer than `parts` where there are too few families.
pub fn parts(rows: usize, families: &[Family], parts: usize) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::with_capacity(parts);
    let mut start = 0;
    for family in families {
        let end = family.first + family.size;
        let wanted = rows * (ranges.len() + 1) / parts;
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
        let ranges = parts(first, &families, wanted);
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
