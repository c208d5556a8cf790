//! PURE, tests only: decode.

use super::*;
use crate::document::find::{Resource, find};
use crate::document::text::Text;
use crate::rows::order::Repeated;
use crate::tuple::as_utf8;

fn decoded(text: &str, mode: Mode) -> Result<(Vec<u32>, Vec<LoadError>), LoadError> {
    let watch = Watch::default();
    let documents = Text::documents(text, &watch).unwrap();
    let (found, records) = find(documents, Resource::Works, &watch)?;
    let decoded = works(&found, records, mode, &watch)?;
    let mut rows = decoded.rows.order(Repeated::LastWins, mode.parallel).write;
    rows.sort_unstable_by_key(|row| row.ordinal);
    Ok((rows.iter().map(|row| row.ordinal).collect(), decoded.faults))
}

fn mode(parallel: bool, stop_at_fault: bool) -> Mode {
    Mode { parallel, stop_at_fault, encode: as_utf8 }
}

fn page(bad: &[usize]) -> String {
    let record = |index| match bad.contains(&index) {
        true => format!(r#"{{"intvals":{{"composer":"A","pageid":{index}}}}}"#),
        false => {
            format!(r#"{{"intvals":{{"composer":"A","worktitle":"T","pageid":{index}}}}}"#)
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
fn a_stopped_watch_is_an_error() {
    let watch = Watch::default();
    let text = page(&[]);
    let documents = Text::documents(&text, &watch).unwrap();
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
