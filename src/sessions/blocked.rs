//! PURE. Whether a session waits, through whomever, for one that will not go on before it does.

use std::collections::{HashMap, VecDeque};

/// The way from `waiting` to one of `stuck`, each process waiting for the next; `None` where there is none.
pub fn path(
    waiting: i32,
    stuck: &[i32],
    mut blockers: impl FnMut(i32) -> Vec<i32>,
) -> Option<Vec<i32>> {
    let mut came_from = HashMap::from([(waiting, waiting)]);
    let mut open = VecDeque::from([waiting]);
    while let Some(process) = open.pop_front() {
        for blocker in blockers(process) {
            // 0 is a prepared transaction: somebody else's, which waits for nobody.
            if blocker == 0 || came_from.contains_key(&blocker) {
                continue;
            }
            came_from.insert(blocker, process);
            if stuck.contains(&blocker) {
                let mut path = vec![blocker];
                while let Some(last) = path.last().copied().filter(|last| *last != waiting) {
                    path.push(came_from[&last]);
                }
                path.reverse();
                return Some(path);
            }
            open.push_back(blocker);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &'static [(i32, i32)]) -> impl FnMut(i32) -> Vec<i32> {
        move |from| edges.iter().filter(|edge| edge.0 == from).map(|edge| edge.1).collect()
    }

    #[test]
    fn a_way_to_one_that_is_stuck_is_found() {
        assert_eq!(path(1, &[2], graph(&[(1, 2)])), Some(vec![1, 2]));
        assert_eq!(path(1, &[2], graph(&[(1, 7), (1, 8), (8, 9), (9, 2)])), Some(vec![1, 8, 9, 2]));
    }

    #[test]
    fn others_are_waited_for() {
        assert_eq!(path(1, &[2], graph(&[])), None);
        assert_eq!(path(1, &[2], graph(&[(1, 7), (7, 8), (8, 7), (7, 1), (1, 0)])), None);
    }
}
