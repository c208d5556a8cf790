//! PURE, tests only: decode.

use super::*;
use crate::document::find::{Resource, find};
use crate::document::text::Text;
use crate::record::Table;
use crate::rows::order::Repeated;
use crate::tuple::as_utf8;

fn decoded(text: &str, mode: Mode) -> Result<(Vec<u32>, Vec<LoadError>), LoadError> {
    decoded_with(text, mode, &Watch::default())
}

fn decoded_with(
    text: &str,
    mode: Mode,
    watch: &Watch,
) -> Result<(Vec<u32>, Vec<LoadError>), LoadError> {
    let documents = Text::documents(text, true, watch).unwrap();
    let (found, records) = find(documents, Resource::Works, watch)?;
    let decoded = works(&found, records, mode, watch)?;
    let mut rows = decoded
        .rows
        .order(&Table::of::<Composer>(), Repeated::LastWins, mode.parallel)
        .unwrap()
        .write;
    rows.sort_unstable_by_key(|row| row.ordinal);
    let told = |fault: RecordFault| LoadError {
        ordinal: Some(fault.ordinal.into()),
        line: None,
        path: found.path(
            decoded.records.get(fault.ordinal).unwrap(),
            fault.ordinal.into(),
            fault.place,
        ),
        fault: fault.fault,
    };
    let faults = decoded.faults.into_iter().map(told).collect();
    Ok((rows.iter().map(|row| row.ordinal).collect(), faults))
}

fn mode(parallel: bool, stop_at_fault: bool) -> Mode {
    Mode { parallel, stop_at_fault, most_faults: None, encode: as_utf8 }
}

fn page(bad: &[usize]) -> String {
    let record = |index| match bad.contains(&index) {
        true => format!(r#"{{"intvals":{{"composer":"A","pageid":1{index}}}}}"#),
        false => {
            format!(r#"{{"intvals":{{"composer":"A","worktitle":"T","pageid":1{index}}}}}"#)
        }
    };
    format!("[{}]", (0..3000).map(record).collect::<Vec<_>>().join(","))
}

#[test]
fn the_lowest_fault_is_the_one_reported() {
    for parallel in [false, true] {
        for _ in 0..20 {
            let mode = mode(parallel, true);
            let (_, faults) = decoded(&page(&[2900, 1700, 600]), mode).unwrap();
            assert_eq!(faults.len(), 1);
            assert_eq!(faults[0].ordinal, Some(600));
            assert_eq!(faults[0].path, "$[600].intvals.worktitle");
        }
    }
}

#[test]
fn all_faults_are_kept_where_wanted() {
    let mode = mode(true, false);
    let (rows, faults) = decoded(&page(&[0, 1700, 2999]), mode).unwrap();
    assert_eq!(faults.iter().map(|f| f.ordinal.unwrap()).collect::<Vec<_>>(), [0, 1700, 2999]);
    assert_eq!(rows.len(), 2997);
}

#[test]
fn decoding_ends_with_more_faults_than_are_allowed() {
    for parallel in [false, true] {
        let limited = |limit| Mode { most_faults: Some(limit), ..mode(parallel, false) };
        let too_many = decoded(&page(&[0, 1700, 2999]), limited(2)).unwrap_err();
        assert_eq!(too_many.fault, Fault::TooManyRejected { limit: 2 });
        assert_eq!(decoded(&page(&[0, 1700, 2999]), limited(3)).unwrap().1.len(), 3);
    }
}

/// Records of two bytes each, every one of them bad.
fn ones(count: usize) -> String {
    format!("[{}1]", "1,".repeat(count - 1))
}

#[test]
fn bad_records_take_memory_for_no_more_than_is_asked_for() {
    let text = ones(5_000_000);
    for parallel in [false, true] {
        let watch = Watch::of_document(text.len());
        let (_, faults) = decoded_with(&text, mode(parallel, true), &watch).unwrap();
        assert_eq!(faults.len(), 1);
        assert!(watch.taken() < text.len() as u64 / 3, "{}", watch.taken());

        let watch = Watch::of_document(text.len());
        let limited = Mode { most_faults: Some(10), ..mode(parallel, false) };
        let error = decoded_with(&text, limited, &watch).unwrap_err();
        assert_eq!(error.fault, Fault::TooManyRejected { limit: 10 });
        assert!(watch.taken() < text.len() as u64 / 3, "{}", watch.taken());

        let watch = Watch::of_document(text.len());
        let error = decoded_with(&text, mode(parallel, false), &watch).unwrap_err();
        assert!(matches!(error.fault, Fault::OverBudget { .. }), "{error:?}");
    }
}

#[test]
fn a_question_stops_the_thread_that_decodes() {
    let watch = Watch::default().asking(|| true);
    let text = page(&[]);
    let documents = Text::documents(&text, true, &Watch::default()).unwrap();
    let (found, records) = find(documents, Resource::Works, &Watch::default()).unwrap();
    let stopped = works(&found, records, mode(false, true), &watch).err();
    assert_eq!(stopped.map(|error| error.fault), Some(Fault::Stopped));
}

#[test]
fn a_stopped_watch_is_an_error() {
    let watch = Watch::default();
    let text = page(&[]);
    let documents = Text::documents(&text, true, &watch).unwrap();
    let (found, records) = find(documents, Resource::Works, &watch).unwrap();
    watch.stop();
    let mode = mode(true, true);
    let stopped = works(&found, records, mode, &watch).err().map(|error| error.fault);
    assert_eq!(stopped, Some(Fault::Stopped));
}

#[test]
fn a_bad_composer_spoils_its_own_works() {
    let text = r#"{"composers":[
        {"name":"A","complete_name":"A","works":[{"title":"T"},7,{"title":null}]},
        {"name":"B","works":[{"title":"U"}]}, 5]}"#;
    let mode = mode(false, false);
    let (rows, faults) = decoded(text, mode).unwrap();
    assert_eq!(rows, [0]);
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "record 1: expected an object, found a number at $.composers[0].works[1]",
            "record 2: missing value at $.composers[0].works[2].title",
            "record 3: missing value at $.composers[1].complete_name",
            "record 4: expected an object, found a number at $.composers[2]",
        ]
    );
}
