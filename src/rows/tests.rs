//! PURE, tests only: rows and their order.

use super::order::{Order, Repeated};
use super::*;
use crate::record::composer::Composer;
use crate::record::name::Name;
use crate::record::work::Work;
use crate::record::{Row, Table};
use crate::tuple::as_utf8;

fn rows(names: &[&'static str]) -> Rows<'static> {
    let row =
        |name: &&'static str| (!name.is_empty()).then(|| Composer::named(Name::inverted(name)));
    let rows: Vec<_> = names.iter().map(row).collect();
    let slices = rows.chunks(2).enumerate();
    Rows::new(slices.map(|(i, rows)| Slice::form(rows.to_vec(), 2 * i, as_utf8).unwrap()).collect())
}

fn ordinals(rows: &[RowRef]) -> Vec<u32> {
    rows.iter().map(|row| row.ordinal).collect()
}

#[test]
fn rows_are_ordered_by_key_without_the_faulty_ones() {
    for parallel in [false, true] {
        let order = rows(&["Cbcdefghi", "", "A", "Cbcdefgh"])
            .order(&Table::of::<Composer>(), Repeated::LastWins, parallel)
            .unwrap();
        assert_eq!(ordinals(&order.write), [2, 3, 0]);
        assert_eq!(order.duplicates.len(), 0);
    }
}

#[test]
fn a_copy_has_the_rows_in_the_order_wanted() {
    let rows = rows(&["C", "", "A", "Bé", "D"]);
    let order = rows.order(&Table::of::<Composer>(), Repeated::LastWins, false).unwrap().write;
    let copy = rows.copy(&order[1..], Slice::default());
    let bytes = postcard::to_allocvec(&copy).unwrap();
    let copy = Rows::new(vec![postcard::from_bytes(&bytes).unwrap()]);
    let all = copy.all();
    assert_eq!(ordinals(&all), [3, 0, 4]);
    for (copied, row) in all.iter().zip(&order[1..]) {
        assert_eq!(copy.key(*copied), rows.key(*row));
        assert_eq!(copy.tuple(*copied), rows.tuple(*row));
    }
}

fn work(composer: &str, id: u128) -> Option<Work<'static>> {
    Some(Work {
        composer_id: composer.into(),
        work_id: uuid::Uuid::from_u128(id),
        ..Work::nameless()
    })
}

#[test]
fn families_are_told_apart() {
    let works = [work("B", 1), work("A", 2), work("B", 0), work("AB", 3)];
    let rows = Rows::new(vec![Slice::form(works, 0, as_utf8).unwrap()]);
    for parallel in [false, true] {
        let order = rows.order(&Table::of::<Work>(), Repeated::LastWins, parallel).unwrap();
        assert_eq!(ordinals(&order.write), [1, 3, 2, 0]);
        for families in [&order.families, &rows.families(&order.write).unwrap()] {
            let told = families.iter().map(|f| (rows.parent_text(order.write[f.first]), f.size));
            assert_eq!(told.collect::<Vec<_>>(), [("A", 1), ("AB", 1), ("B", 2)]);
        }
    }
    let none = Rows::new(vec![]).order(&Table::of::<Work>(), Repeated::LastWins, true).unwrap();
    assert!(none.families.is_empty() && none.write.is_empty());
}

/// A row of a table whose parents and keys are any bytes.
#[derive(Clone)]
struct Binary {
    parent: &'static [u8],
    key: &'static [u8],
}

impl Row for Binary {
    const NAME: &'static str = "binary";
    const NOUN: &'static str = "row";
    const COLUMNS: &'static [crate::record::Column] = &[];
    const PARENT: Option<&'static [u8]> = None;

    fn parent(&self) -> &[u8] {
        self.parent
    }

    fn key(&self) -> &[u8] {
        self.key
    }

    fn put(&self, sink: &mut impl crate::record::Sink) {
        sink.int4(None);
    }
}

#[test]
fn zero_bytes_in_parents_and_keys_are_bytes_like_others() {
    let content: [(&[u8], &[u8]); 9] = [
        (b"", b"\0"),
        (b"", b"a\0b"),
        (b"", b"b"),
        (b"", b"\0\0"),
        (b"", b"a\0c"),
        (b"p\0", b"x"),
        (b"p", b"\0x"),
        (b"p", b"y"),
        (b"p\0q", b""),
    ];
    let content = content.map(|(parent, key)| Some(Binary { parent, key }));
    let rows = Rows::new(vec![Slice::form(content, 0, as_utf8).unwrap()]);
    for parallel in [false, true] {
        let order = rows.order(&Table::of::<Binary>(), Repeated::FirstWins, parallel).unwrap();
        assert_eq!(order.duplicates.len(), 0);
        assert_eq!(ordinals(&order.write), [0, 3, 1, 4, 2, 6, 7, 5, 8]);
        let families = order.families.iter().map(|family| (family.first, family.size));
        assert_eq!(families.collect::<Vec<_>>(), [(0, 5), (5, 2), (7, 1), (8, 1)]);
        let copy = Rows::new(vec![rows.copy(&order.write, Slice::default())]);
        for (copied, row) in copy.all().iter().zip(&order.write) {
            assert_eq!(copy.parent(*copied), rows.parent(*row));
            assert_eq!(copy.key(*copied), rows.key(*row));
        }
    }
}

#[test]
fn rows_stand_as_their_parents_and_keys_compare() {
    // Parents and keys that are alike in their first bytes, and beyond what the numbers hold.
    let number = |n: u128| n.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    let composer = |n: u128| format!("{}{}", "Bach,_J.".repeat(1 + n as usize % 3), n % 7);
    let works = (0..2000).map(|n| work(&composer(number(n) >> 99), number(n) << (n % 128)));
    let works: Vec<_> = works.collect();
    let slices = works.chunks(97).enumerate();
    let rows = Rows::new(
        slices.map(|(i, works)| Slice::form(works.to_vec(), 97 * i, as_utf8).unwrap()).collect(),
    );
    for parallel in [false, true] {
        let order = rows.order(&Table::of::<Work>(), Repeated::FirstWins, parallel).unwrap();
        let keys = order.write.iter().map(|row| (rows.parent(*row), rows.key(*row)));
        assert!(keys.is_sorted());
        assert_eq!(order.write.len() + order.duplicates.len(), works.len());
        let families = rows.families(&order.write).unwrap();
        let places = |families: &[Family]| {
            families.iter().map(|family| (family.first, family.size)).collect::<Vec<_>>()
        };
        assert_eq!(places(&order.families), places(&families));
    }
}

#[test]
fn the_policy_decides_between_equal_keys() {
    let rows = rows(&["B", "A", "B", "B"]);
    let told = |order: &Order| {
        let duplicates = order.duplicates.iter();
        duplicates.map(|duplicate| (duplicate.row.ordinal, duplicate.kept)).collect::<Vec<_>>()
    };
    let last = rows.order(&Table::of::<Composer>(), Repeated::LastWins, false).unwrap();
    assert_eq!(ordinals(&last.write), [1, 3]);
    assert_eq!(told(&last), [(0, 3), (2, 3)]);
    let first = rows.order(&Table::of::<Composer>(), Repeated::FirstWins, false).unwrap();
    assert_eq!(ordinals(&first.write), [1, 0]);
    assert_eq!(told(&first), [(2, 0), (3, 0)]);
    assert_eq!(rows.key(first.write[0]), b"A");
}

/// Composers of one key, told by their ids of Open Opus; 0 stands for none.
fn with_ids(ids: &[i32]) -> Rows<'static> {
    let composer = |id: &i32| {
        let openopus_id = (*id != 0).then_some(*id);
        Some(Composer { openopus_id, ..Composer::named(Name::inverted("A")) })
    };
    Rows::new(vec![Slice::form(ids.iter().map(composer), 0, as_utf8).unwrap()])
}

#[test]
fn what_is_about_another_thing_never_takes_its_place() {
    use Repeated::{FirstWins, LastWins};
    // The record that is written, and those left out that are about another thing than an earlier one.
    for (ids, repeated, kept, unlike) in [
        (&[11, 12][..], LastWins, 0, &[(1, 0)][..]),
        (&[11, 12], FirstWins, 0, &[(1, 0)]),
        (&[11, 12, 11, 12], LastWins, 2, &[(1, 0), (3, 0)]),
        (&[11, 12, 11], FirstWins, 0, &[(1, 0)]),
        (&[0, 11, 0, 12], LastWins, 2, &[(3, 1)]),
        (&[0, 0], LastWins, 1, &[]),
    ] {
        let rows = with_ids(ids);
        let order = rows.order(&Table::of::<Composer>(), repeated, false).unwrap();
        assert_eq!(ordinals(&order.write), [kept], "{ids:?}");
        let told = order.duplicates.iter().filter_map(|duplicate| {
            duplicate.unlike.map(|other| (duplicate.row.ordinal, other.ordinal))
        });
        assert_eq!(told.collect::<Vec<_>>(), unlike, "{ids:?}");
    }
}

#[test]
fn a_record_that_is_set_aside_decides_nothing() {
    for (ids, repeated, turns) in [
        // Whoever is written is set aside: then the next of its kind has its turn, at last those of another.
        (&[11, 12, 11, 0, 12][..], Repeated::LastWins, [3, 2, 0, 4, 1]),
        (&[11, 12, 11, 0, 12], Repeated::FirstWins, [0, 1, 2, 3, 4]),
    ] {
        let rows = with_ids(ids);
        let order = rows.order(&Table::of::<Composer>(), repeated, false).unwrap();
        let (mut next, mut duplicates) = (order.write, order.duplicates);
        let mut aside = vec![];
        while let [row] = next[..] {
            aside.push(row.ordinal);
            next =
                rows.superseded(&mut duplicates, &Table::of::<Composer>(), repeated, |ordinal| {
                    aside.contains(&ordinal)
                });
            assert!(duplicates.is_sorted_by_key(|duplicate| duplicate.row.ordinal));
        }
        assert_eq!(aside, turns);
        assert!(next.is_empty() && duplicates.is_empty());
    }
}

#[test]
fn the_row_that_is_there_decides_who_is_another() {
    // The records of one key, those that are about another thing than the row that is there, and who is written then.
    for (ids, aside, repeated, kept, unlike) in [
        (&[11, 0, 12][..], &[0][..], Repeated::LastWins, 2, &[][..]),
        (&[0, 11, 12], &[1], Repeated::FirstWins, 0, &[]),
        (&[11, 0, 13, 12], &[0, 2], Repeated::LastWins, 3, &[]),
        (&[11, 13, 12], &[1], Repeated::LastWins, 0, &[2]),
        (&[0, 11, 0, 12], &[1], Repeated::LastWins, 3, &[]),
    ] {
        let rows = with_ids(ids);
        let mut order = rows.order(&Table::of::<Composer>(), repeated, false).unwrap();
        let aside = aside.iter().copied().collect();
        let write = rows
            .without(
                &order.write,
                &mut order.duplicates,
                &Table::of::<Composer>(),
                repeated,
                &aside,
            )
            .unwrap();
        assert_eq!(ordinals(&write), [kept], "{ids:?}");
        let left = order.duplicates.iter().filter(|duplicate| duplicate.unlike.is_some());
        assert_eq!(left.map(|duplicate| duplicate.row.ordinal).collect::<Vec<_>>(), unlike);
        assert_eq!(order.duplicates.len() + 1 + aside.len(), ids.len());
    }
    let mut order =
        with_ids(&[11, 0]).order(&Table::of::<Composer>(), Repeated::LastWins, false).unwrap();
    let none = with_ids(&[11, 0]).without(
        &order.write,
        &mut order.duplicates,
        &Table::of::<Composer>(),
        Repeated::LastWins,
        &[7].into(),
    );
    assert!(none.is_none() && order.duplicates.len() == 1);
}

#[test]
fn a_fault_tells_both_ids() {
    let rows = with_ids(&[0, 11, 12]);
    let [_, first, second] = rows.all()[..] else { panic!() };
    let fault = rows.unlike(second, first, &Table::of::<Composer>());
    assert_eq!(fault.to_string(), "key \"A\" is already that of another composer");
    let detail = "The openopus_id of that one is 11, of this one 12.";
    assert_eq!(fault.detail().as_deref(), Some(detail));
    let fault = rows.another(second, &Table::of::<Composer>(), 0, 13);
    assert!(fault.detail().is_some_and(|detail| detail.contains("that one is 13, of this one 12")));
}
