//! What the documents promise: same bytes for the same seed, every key distinct, every parent there, every oddity.
//!
//! Reads the documents back line by line with serde_json, as any JSON; assumes nothing of how they were made.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;

use serde_json::Value;

use crate::catalogue::{self, Size};
use crate::json::Spelling;
use crate::parse;

const SIZE: Size = Size { composers: 2_000, works: 20_000, seed: 1 };

fn documents(size: Size, spelling: Spelling) -> (String, String) {
    let (mut composers, mut works) = (Vec::new(), Vec::new());
    catalogue::write(size, spelling, &mut composers, &mut works).expect("a Vec takes all");
    let text = |bytes| String::from_utf8(bytes).expect("JSON is UTF-8");
    (text(composers), text(works))
}

/// The records, each parsed from its own line.
fn records(document: &str) -> Vec<Value> {
    let lines: Vec<&str> = document.lines().collect();
    let (first, rest) = lines.split_first().expect("a document has lines");
    let (last, records) = rest.split_last().expect("a document ends");
    assert_eq!((*first, *last), ("[", "]"));
    for (place, line) in records.iter().enumerate() {
        assert_eq!(line.ends_with(','), place + 1 < records.len(), "{line}");
    }
    let record = |line: &&str| serde_json::from_str(line.trim_end_matches(',')).expect(line);
    let records: Vec<Value> = records.iter().map(record).collect();
    assert_eq!(serde_json::from_str::<Vec<Value>>(document).expect("the whole parses"), records);
    records
}

fn text<'a>(record: &'a Value, path: &str) -> &'a str {
    record.pointer(path).and_then(Value::as_str).unwrap_or_else(|| panic!("{path} of {record}"))
}

fn title(work: &Value) -> &str {
    text(work, "/intvals/worktitle")
}

/// `composer_id` as pg_opus makes it.
fn key(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join("_")
}

fn identity(work: &Value) -> String {
    match &work["intvals"]["pageid"] {
        Value::Null => text(work, "/id").split_whitespace().collect::<Vec<_>>().join(" "),
        Value::String(page) => page.clone(),
        page => page.to_string(),
    }
}

#[test]
fn the_seed_decides() {
    let size = Size { composers: 200, works: 2_000, seed: 7 };
    assert!(documents(size, Spelling::Raw) == documents(size, Spelling::Raw));
    let other = Size { seed: 8, ..size };
    let ((composers, works), (other_composers, other_works)) =
        (documents(size, Spelling::Raw), documents(other, Spelling::Raw));
    assert!(composers != other_composers && works != other_works);
}

/// Figures are compared between releases, so a change of the documents has to be meant.
#[test]
fn the_documents_are_pinned() {
    let fnv1a = |text: &str| {
        text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    let (composers, works) = documents(SIZE, Spelling::Raw);
    assert_eq!(
        (fnv1a(&composers), fnv1a(&works)),
        (3_330_036_894_165_160_040, 15_789_699_171_621_460_700)
    );
}

#[test]
fn every_key_is_distinct_and_every_parent_is_there() {
    let (composers, works) = documents(SIZE, Spelling::Raw);
    let (composers, works) = (records(&composers), records(&works));
    let ids: HashSet<&str> = composers.iter().map(|composer| text(composer, "/id")).collect();
    let keys: HashSet<String> = ids.iter().map(|id| key(id)).collect();
    assert_eq!((composers.len(), ids.len(), keys.len()), (2_000, 2_000, 2_000));
    let identities: HashSet<String> = works.iter().map(identity).collect();
    assert_eq!((works.len(), identities.len()), (20_000, 20_000));
    for composer in &composers {
        assert_eq!((text(composer, "/type"), text(composer, "/parent")), ("1", ""));
        assert_eq!(composer["intvals"], Value::Array(Vec::new()));
    }
    for work in &works {
        let (name, parent) = (text(work, "/intvals/composer"), text(work, "/parent"));
        assert!(ids.contains(parent), "{parent}");
        assert_eq!(parent.strip_prefix("Category:"), Some(name));
        assert_eq!(text(work, "/id"), format!("{} ({name})", text(work, "/intvals/worktitle")));
        assert!(!text(work, "/intvals/worktitle").trim().is_empty());
        assert!(text(work, "/permlink").is_ascii());
    }
}

#[test]
fn the_spelling_changes_no_value() {
    let size = Size { composers: 300, works: 3_000, seed: 3 };
    let (raw, ascii) = (documents(size, Spelling::Raw), documents(size, Spelling::Ascii));
    assert!(!raw.0.is_ascii() && !raw.1.is_ascii() && ascii.0.is_ascii() && ascii.1.is_ascii());
    assert!(
        ascii.1.contains("\\ud834\\udd1e") && ascii.1.contains("https:\\/\\/imslp.org\\/wiki\\/")
    );
    assert!(records(&raw.0) == records(&ascii.0) && records(&raw.1) == records(&ascii.1));
}

#[test]
fn works_are_skewed() {
    let (_, works) = documents(SIZE, Spelling::Raw);
    let mut counts: HashMap<String, usize> = HashMap::new();
    for work in records(&works) {
        *counts.entry(text(&work, "/parent").to_owned()).or_default() += 1;
    }
    let mut counts: Vec<usize> = counts.into_values().collect();
    counts.sort_unstable();
    assert!(counts.len() < 2_000, "some composers have no work");
    assert!(counts[counts.len() / 2] < 10 && counts[counts.len() - 1] > 80);
}

#[test]
fn every_oddity_of_a_name_occurs() {
    let (composers, _) = documents(SIZE, Spelling::Raw);
    let composers = records(&composers);
    let names: Vec<&str> = composers
        .iter()
        .filter_map(|composer| text(composer, "/id").strip_prefix("Category:"))
        .collect();
    let count = |has: &dyn Fn(&str) -> bool| names.iter().filter(|name| has(name)).count();
    let within =
        |first: char, last: char| count(&|name| name.contains(|c| (first..=last).contains(&c)));
    assert!(names.contains(&"Anonymous"));
    assert!((10..40).contains(&count(&|name| !name.contains(','))), "single names");
    assert!(
        (20..80).contains(&count(&|name| name.matches(", ").count() == 2)),
        "names of three parts"
    );
    assert!(count(&|name| name.contains('\'')) > 0 && count(&|name| name.contains('"')) > 0);
    assert!(within('À', 'ÿ') > 100 && within('Ā', 'ž') > 50, "accents");
    assert!(
        within('А', 'я') > 5 && within('一', '龥') > 5 && within('가', '힣') > 0,
        "other scripts"
    );
    assert!(within('\u{20000}', '\u{2ffff}') > 0, "beyond 16 bits");
}

#[test]
fn every_oddity_of_a_work_occurs() {
    let (_, works) = documents(SIZE, Spelling::Raw);
    let works = records(&works);
    let count = |has: &dyn Fn(&Value) -> bool| works.iter().filter(|work| has(work)).count();
    assert!(
        count(&|work| title(work).contains('"')) > 0
            && count(&|work| title(work).contains('\\')) > 0
    );
    assert!(
        count(&|work| title(work).contains("  ")) > 0
            && count(&|work| title(work).ends_with(' ')) > 0
    );
    assert!(
        count(&|work| title(work).contains(", Op.")) > 0
            && count(&|work| title(work).contains(" minor")) > 0
    );
    assert!((100..300).contains(&count(&|work| work["intvals"]["pageid"].is_null())), "no pageid");
    assert!((800..1_200).contains(&count(&|work| work["intvals"]["pageid"].is_u64())), "a number");
    assert!(
        (5_500..6_500).contains(&count(&|work| work["intvals"].get("icatno").is_none())),
        "no icatno"
    );
    assert!(count(&|work| work["intvals"]["icatno"] == "") > 0);
    let ids: HashSet<&str> = works.iter().map(|work| text(work, "/id")).collect();
    assert!(ids.len() < works.len(), "titles repeat within a composer");
}

#[test]
fn any_size() {
    for (composers, works) in [(0, 0), (1, 0), (1, 1), (1, 100), (3, 2), (5_000, 10)] {
        let documents = documents(Size { composers, works, seed: 1 }, Spelling::Raw);
        assert_eq!(records(&documents.0).len() as u64, composers);
        assert_eq!(records(&documents.1).len() as u64, works);
    }
}

#[test]
fn usage() {
    let parse = |line: &str| parse(line.split(' ').map(OsString::from));
    let arguments =
        parse("--works 5 --ascii --out x --seed 18446744073709551615").expect("a right line");
    assert_eq!(
        (arguments.size.composers, arguments.size.works, arguments.size.seed),
        (28_000, 5, u64::MAX)
    );
    for (line, message) in [
        ("--works 5", "--out is missing"),
        ("--out", "--out needs a value"),
        (
            "--out x --works many",
            "--works takes a whole number from 0 to 1099511627776, not \"many\"",
        ),
        ("--out x --works -1", "--works takes a whole number from 0 to 1099511627776, not \"-1\""),
        ("--out x --composers 0", "works need at least one composer"),
        ("--out x --size 1", "unknown argument --size"),
    ] {
        assert_eq!(parse(line).err().as_deref(), Some(message));
    }
}
