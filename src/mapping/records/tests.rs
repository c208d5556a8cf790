//! PURE, tests only: where records are.

use super::*;
use crate::document::build::jsonb;
use crate::document::jsonb::Jsonb;
use crate::document::text::Text;
use crate::error::Place;

fn told<'a, V: Value<'a> + 'a>((found, records): Search<'a, V>) -> Result<Vec<String>, Fault> {
    let shown = |(number, record): (u64, Result<Record<V>, Fault>)| {
        let record = record?;
        let json = record.value.read::<serde_json::Value>();
        let value = json.map_or_else(|fault| fault.to_string(), |json| json.to_string());
        let path = found.path(&record, number, Place::Field(""));
        assert_eq!(found.path(&record, number, Place::Path("".into())), path);
        Ok(format!("{path} {value}"))
    };
    (0..).zip(records).map(shown).collect()
}

fn paths(records: &[&str]) -> Vec<Path> {
    records.iter().map(|path| Path::parse(path).unwrap()).collect()
}

/// The records' paths and values, which are the same for text and jsonb.
fn records(at: &[&str], text: &str) -> Result<Vec<String>, Fault> {
    let (paths, watch) = (paths(at), Watch::default());
    let documents = Text::documents(text, true, &watch)?;
    let documents = match &documents[..] {
        [_] => Text::several(text, &watch).unwrap_or(documents),
        _ => documents,
    };
    let from_text = find(documents, &paths, &watch).map_err(|e| e.fault).and_then(told);
    if let Ok(json) = serde_json::from_str(text) {
        let bytes = jsonb(&json);
        let document = Jsonb::document(&bytes).unwrap();
        let from_jsonb = find(vec![document], &paths, &watch).map_err(|e| e.fault).and_then(told);
        assert_eq!(from_text, from_jsonb, "{text}");
        if let (true, serde_json::Value::Array(_)) = (are_elements(&paths), &json) {
            assert_eq!(from_text, told(find_in_array(document.elements().unwrap())));
        }
    }
    from_text
}

fn found(at: &[&str], text: &str) -> String {
    records(at, text).unwrap_or_else(|fault| panic!("{text}: {fault:?}")).join(", ")
}

fn refused(at: &[&str], text: &str) -> String {
    match records(at, text) {
        Err(Fault::NoRecords(what)) => what.into(),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn records_are_where_the_document_has_them() {
    assert_eq!(found(&[], "[]"), "");
    assert_eq!(
        found(&[], r#"[{"a":1}, {}, 5, [6]]"#),
        r#"$[0] {"a":1}, $[1] {}, $[2] 5, $[3] [6]"#
    );
    assert_eq!(found(&[], r#"{"a":[1]}"#), r#"$ {"a":[1]}"#);
    assert_eq!(found(&[], "{\"a\":1}\n{\"a\":2}\n"), r#"$ {"a":1}, $ {"a":2}"#);
    assert_eq!(found(&[], "[1,2]\n[]\n[3]{}"), "$[0] 1, $[1] 2, $[0] of document 2 3, $ {}");
    assert_eq!(found(&[], "{}[]\n[3]{}"), "$ {}, $[0] of document 2 3, $ of document 3 {}");

    for scalar in ["5", "\"x\"", "null", "true"] {
        assert!(refused(&[], scalar).contains("neither array nor object"), "{scalar}");
    }
    assert!(matches!(records(&[], "tru"), Err(Fault::Malformed(_))));
}

#[test]
fn records_are_where_the_mapping_says() {
    let page = r#"{"count": 2, "recordings": [{"id": 1}, 7], "x": {"recordings": [8]}}"#;
    assert_eq!(found(&["$.recordings[*]"], page), r#"$.recordings[0] {"id":1}, $.recordings[1] 7"#);
    assert_eq!(found(&["$.recordings"], page), r#"$.recordings [{"id":1},7]"#);
    assert_eq!(found(&["$.recordings[0]"], page), r#"$.recordings[0] {"id":1}"#);
    assert_eq!(found(&["$.x.recordings[*]"], page), "$.x.recordings[0] 8");
    assert_eq!(found(&["$"], "[1]"), "$ [1]");
    assert_eq!(found(&["$"], "5"), "$ 5");
    assert_eq!(found(&["$[*]"], "[1]"), "$[0] 1");
    assert_eq!(found(&["$[1].l[*]"], r#"[{"l":[1]},{"l":[2]}]"#), "$[1].l[0] 2");
    assert_eq!(found(&["$.l[*]"], r#"{"l":[]}"#), "");
    assert_eq!(found(&["$.\"a b\"[*]"], r#"{"a b":[1]}"#), "$.\"a b\"[0] 1");
}

/// What the list has first, not the document.
#[test]
fn the_first_path_that_is_there() {
    let at = ["$.a[*]", "$.b.c[*]", "$.b"];
    assert_eq!(found(&at, r#"{"b": {"c": [1]}, "a": [2]}"#), "$.a[0] 2");
    assert_eq!(found(&at, r#"{"b": {"c": [1]}}"#), "$.b.c[0] 1");
    assert_eq!(found(&at, r#"{"b": {"d": [1]}}"#), r#"$.b {"d":[1]}"#);
    assert_eq!(found(&at, r#"{"b": {"d": [1]}, "a": []}"#), "");
    assert_eq!(found(&at, r#"{"b": {"d": [1]}, "a": null}"#), "$.a null");
}

#[test]
fn lax_mode() {
    assert_eq!(found(&["$.l[*]"], r#"{"l": {"a": 1}}"#), r#"$.l {"a":1}"#);
    assert_eq!(found(&["$.l[0]"], r#"{"l": {"a": 1}}"#), r#"$.l {"a":1}"#);
    let pages = r#"[{"l": [1, 2]}, 5, {"m": 0}, {"l": 3}]"#;
    assert_eq!(found(&["$.l[*]"], pages), "$[0].l[0] 1, $[0].l[1] 2, $[3].l 3");
}

#[test]
fn of_several_documents_each() {
    let pages = "{\"l\": [1, 2]}\n{\"l\": []}\n{\"m\": 3, \"l\": [4]}";
    assert_eq!(found(&["$.l[*]"], pages), "$.l[0] 1, $.l[1] 2, $.l[0] of document 2 4");
    assert_eq!(
        found(&["$.m", "$.l[*]"], "{\"l\": [1]}{\"m\": 2}"),
        "$.l[0] 1, $.m of document 1 2"
    );
    assert_eq!(found(&["$"], "{\"l\": [1]}{\"m\": 2}"), "$ {\"l\":[1]}, $ {\"m\":2}");
    // The line that is no JSON is one bad record.
    let broken = "{\"l\": [1]}\n{\"l\": [2], \"m\": tru}\n{\"l\": [3]}\n";
    assert_eq!(
        found(&["$.l[*]"], broken),
        "$.l[0] 1, $ invalid input syntax for type json, $.l[0] of document 2 3"
    );
    let broken = "{\"l\": [1]}\n{\"l\": [2}\n{\"l\": [3]}\n";
    assert!(found(&["$.l[*]"], broken).contains(", $ invalid"));
    assert!(found(&[], broken).contains("$ invalid"));
    let mixed = "{\"l\": 1}\n[2, 3\n{\"l\": 4}\n{\"l\": 5}";
    assert_eq!(
        found(&[], mixed),
        "$ {\"l\":1}, $ invalid input syntax for type json, $ {\"l\":4}, $ {\"l\":5}"
    );
}

#[test]
fn nothing_there() {
    let what = refused(&["$.recordings[*]"], r#"{"works": [], "count": 0}"#);
    assert_eq!(
        what,
        "the document has nothing at $.recordings[*]: $ is an object with the members count, works"
    );
    let what = refused(&["$.a.b[*]", "$.c[*]"], r#"{"a": {"x": 1}}"#);
    assert_eq!(
        what,
        "the document has nothing at $.a.b[*] or $.c[*]: $.a is an object with the member x"
    );
    assert!(refused(&["$.a"], "5").ends_with("$ is a number"));
    assert!(refused(&["$.a"], "[]").ends_with("$ is an array without objects"));
    assert!(refused(&["$.a"], r#"[{"b":1}]"#).ends_with("$[0] is an object with the member b"));
    assert!(refused(&["$[2]"], "[1,2]").ends_with("$ is an array of 2 elements"));
    assert!(refused(&["$.a"], "{\"a\":1}{\"b\":2}").starts_with("document 1 has nothing at $.a"));
}

#[test]
fn what_lies_beside_the_records_is_checked() {
    for text in [r#"{"l": [1], "x": tru}"#, r#"{"l": [1], "x": {"y": "\ud800"}}"#] {
        let fault = records(&["$.l[*]"], text).unwrap_err();
        assert!(fault.is_malformed(), "{text}");
    }
    let fault = records(&["$[0].l[*]"], r#"[{"l": [1]}, tru]"#).unwrap_err();
    assert!(fault.is_malformed());
    let fault = records(&["$.m"], r#"{"l": tru}"#).unwrap_err();
    assert!(fault.is_malformed());
    // A record is told when it is decoded.
    assert_eq!(
        found(&["$.m[*]", "$.l[*]"], r#"{"l": [tru]}"#),
        "$.l[0] invalid input syntax for type json"
    );
}
