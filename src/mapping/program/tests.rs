//! PURE, tests only: the values of a record.

use std::collections::BTreeMap;

use super::*;
use crate::document::build::jsonb;
use crate::document::jsonb::Jsonb;
use crate::document::text::Text;
use crate::mapping::Mapping;
use crate::mapping::resolve::{ColumnInfo, resolve};

/// The values of a record, by column; those of other members, by name; or the fault and its path. The same for text and
/// jsonb where jsonb can hold the record.
type Outcome = Result<(BTreeMap<String, String>, Vec<String>), (String, Fault)>;

fn walked<'a, V: Value<'a>>(names: &[&str], resolved: &Resolved, record: V) -> Outcome {
    let program = Program::new(resolved);
    let mut taken = program.taken();
    // What the record before has left there is gone.
    taken.others.push((Cow::Borrowed("of another"), record));
    taken.values.fill(Some(record));
    let watch = Watch::default();
    let told = |misfit: Misfit| (misfit.path.to_owned(), misfit.fault);
    program.walk(record, &mut taken, &watch).map_err(told)?;
    let json = |value: V| value.read::<serde_json::Value>().unwrap().to_string();
    let mut values = BTreeMap::new();
    for (place, written) in resolved.written.iter().enumerate() {
        if let Some(value) = program.value(&taken, place) {
            let path = program.place(&taken, place);
            values.insert(names[written.column].to_owned(), format!("{} at {path}", json(value)));
        }
    }
    let others = taken.others().iter().map(|(key, value)| format!("{key}: {}", json(*value)));
    Ok((values, others.collect()))
}

fn walk(names: &[&str], mapping: &str, text: &str) -> Outcome {
    let columns: Vec<ColumnInfo> = names
        .iter()
        .map(|name| ColumnInfo {
            name,
            generated: *name == "generated",
            identity_always: false,
            is_jsonb: *name == "rest",
        })
        .collect();
    let resolved = resolve(&Mapping::parse(mapping).unwrap(), &columns).unwrap();
    let documents = Text::documents(text, true, &Watch::default()).unwrap();
    let from_text = walked(names, &resolved, documents[0]);
    if documents[0].check().is_ok() {
        let json = documents[0].read::<serde_json::Value>().unwrap();
        let bytes = jsonb(&json);
        let from_jsonb = walked(names, &resolved, Jsonb::document(&bytes).unwrap());
        assert_eq!(from_text, from_jsonb, "{text}");
    }
    from_text
}

fn values(mapping: &str, text: &str) -> Vec<(String, String)> {
    let names = ["a", "b", "c", "generated", "rest"];
    walk(&names, mapping, text).unwrap().0.into_iter().collect()
}

fn expect(values: &[(&str, &str)]) -> Vec<(String, String)> {
    values.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

#[test]
fn members_by_the_names_of_columns() {
    let found = values("{}", r#"{"c": null, "x": {"a": 1}, "a": [1], "A": 2, "generated": 5}"#);
    assert_eq!(found, expect(&[("a", "[1] at .a"), ("c", "null at .c")]));
    assert_eq!(values("{}", r#"{"a": 1, "b": 2, "a": "last"}"#)[0].1, "\"last\" at .a");
    assert_eq!(values("{}", "{}"), []);
}

#[test]
fn nested_members_and_elements() {
    let mapping =
        r#"{"columns": {"a": "$.x.a", "b": "$.x.l[1].b", "c": "$.x.l[1].c[0]", "rest": "$"}}"#;
    let record = r#"{"x":{"a":1,"l":[0,{"b":null,"c":[7]}]}}"#;
    let whole = format!("{record} at ");
    let all = [
        ("a", "1 at .x.a"),
        ("b", "null at .x.l[1].b"),
        ("c", "7 at .x.l[1].c[0]"),
        ("rest", &whole),
    ];
    assert_eq!(values(mapping, record), expect(&all));
    for nothing in
        [r#"{"x":1}"#, r#"{"x":null}"#, r#"{"x":{}}"#, r#"{"x":[]}"#, r#"{"x":{"l":[]}}"#, "{}"]
    {
        assert_eq!(values(mapping, nothing), expect(&[("rest", &format!("{nothing} at "))]));
    }
}

#[test]
fn a_value_and_a_part_of_it() {
    let mapping = r#"{"columns": {"a": "$.x", "b": "$.x.y", "c": "$.x.y[0]"}}"#;
    let found = values(mapping, r#"{"x": {"y": [1, 2]}}"#);
    assert_eq!(
        found,
        expect(&[("a", r#"{"y":[1,2]} at .x"#), ("b", "[1,2] at .x.y"), ("c", "1 at .x.y[0]")])
    );
}

#[test]
fn the_first_path_that_is_there() {
    let mapping = r#"{"columns": {"a": ["$.x", "$.y.z", "$.w"]}}"#;
    assert_eq!(values(mapping, r#"{"w": 3, "x": null}"#), expect(&[("a", "null at .x")]));
    assert_eq!(values(mapping, r#"{"w": 3, "y": {"z": 2}}"#), expect(&[("a", "2 at .y.z")]));
    assert_eq!(values(mapping, r#"{"w": 3, "y": 2}"#), expect(&[("a", "3 at .w")]));
    assert_eq!(values(mapping, r#"{"v": 3}"#), []);
}

/// A path behind the first that is there is not asked for its one value.
#[test]
fn several_values_of_a_path_that_is_not_used() {
    let mapping = r#"{"columns": {"a": ["$.x", "$.y.z"]}}"#;
    assert_eq!(
        values(mapping, r#"{"x": 1, "y": [{"z": 2}, {"z": 3}]}"#),
        expect(&[("a", "1 at .x")])
    );
    let outcome = walk(&["a"], mapping, r#"{"y": [{"z": 2}, {"z": 3}]}"#);
    assert_eq!(outcome, Err((".y.z".into(), Fault::SeveralValues)));
    // It is JSON all the same.
    for record in [r#"{"x": 1, "y": {"z": tru}}"#, r#"{"x": 1, "y": [{"z": tru}, {"z": 3}]}"#] {
        let (_, fault) = walk(&["a"], mapping, record).unwrap_err();
        assert!(fault.is_malformed(), "{record}: {fault:?}");
    }
}

/// As `SELECT jsonb_path_query('…', 'lax …')` has it in PostgreSQL 18.
#[test]
fn arrays_are_opened_and_values_wrapped_as_in_lax_mode() {
    let mapping = r#"{"columns": {"a": "$.x.y", "b": "$.x[0].z", "c": "$.w[0][0]"}}"#;
    assert_eq!(
        values(mapping, r#"{"x": [{"y": 1}, {"z": 2}, [{"y": 3}]]}"#),
        expect(&[("a", "1 at .x.y")])
    );
    assert_eq!(
        values(mapping, r#"{"x": {"y": 1, "z": 2}}"#),
        expect(&[("a", "1 at .x.y"), ("b", "2 at .x[0].z")])
    );
    assert_eq!(values(mapping, r#"{"x": [{"z": 2}, {"z": 3}]}"#), expect(&[("b", "2 at .x[0].z")]));
    assert_eq!(values(mapping, r#"{"w": 5}"#), expect(&[("c", "5 at .w[0][0]")]));
    assert_eq!(
        values(mapping, r#"{"w": [{"v": 6}, 7]}"#),
        expect(&[("c", r#"{"v":6} at .w[0][0]"#)])
    );
    assert_eq!(values(mapping, r#"{"w": [[8, 9]]}"#), expect(&[("c", "8 at .w[0][0]")]));
    assert_eq!(values(mapping, r#"{"w": [[]]}"#), []);
    let outcome = walk(&["a"], r#"{"columns": {"a": "$.x.y"}}"#, r#"{"x": [{"y": 1}, {"y": 1}]}"#);
    assert_eq!(outcome, Err((".x.y".into(), Fault::SeveralValues)));
}

#[test]
fn records_that_are_no_objects() {
    let is = |mapping, text| walk(&["a", "b", "rest"], mapping, text).map(|found| found.0.len());
    let no_object = |kind| Err((String::new(), Fault::NotAnObject(kind)));
    for mapping in [
        "{}",
        r#"{"columns": {"a": "$.a", "b": "$"}}"#,
        r#"{"columns": {"a": "$[0].a", "b": "$.b"}}"#,
        r#"{"columns": {}, "others": "rest"}"#,
    ] {
        assert_eq!(is(mapping, "[1]"), no_object(Kind::Array), "{mapping}");
        assert_eq!(is(mapping, "null"), no_object(Kind::Null), "{mapping}");
        assert_eq!(is(mapping, "\"x\""), no_object(Kind::String), "{mapping}");
    }
    assert_eq!(is(r#"{"columns": {"a": "$"}}"#, "5"), Ok(1));
    assert_eq!(is(r#"{"columns": {"a": "$"}}"#, "{}"), Ok(1));
    assert_eq!(is(r#"{"columns": {"a": "$[0]", "b": "$[1].x"}}"#, r#"[1, {"x": 2}, 3]"#), Ok(2));
    assert_eq!(is(r#"{"columns": {"a": "$[0]", "b": "$[1].x"}}"#, "[1]"), Ok(1));
    assert_eq!(is(r#"{"columns": {"a": "$[0]", "b": "$[1].x"}, "others": "error"}"#, "[1]"), Ok(1));
}

#[test]
fn members_that_no_column_takes() {
    let others =
        |mapping, text| walk(&["a", "b", "generated", "rest"], mapping, text).map(|found| found.1);
    let record = r#"{"zz": {"y": 1}, "generated": 1, "b": 2, "c": null, "rest": 4, "c": 3}"#;
    assert_eq!(others(r#"{"others": "ignore"}"#, record), Ok(vec![]));
    let kept = ["c: 3", "zz: {\"y\":1}", "rest: 4"].map(String::from).to_vec();
    assert_eq!(others(r#"{"others": "rest"}"#, record), Ok(kept));
    let first = |name: &str| Err((String::new(), Fault::UnexpectedMember(name.into())));
    assert_eq!(others(r#"{"others": "error"}"#, record), first("\"c\""));
    assert_eq!(
        others(r#"{"others": "error"}"#, r#"{"a": 1, "rest": 2, "generated": 3}"#),
        Ok(vec![])
    );
    // A part is enough, and the whole record is no part.
    let mapping = r#"{"columns": {"a": "$.x.y", "b": "$"}, "others": "rest"}"#;
    assert_eq!(others(mapping, r#"{"x": {"z": 1}, "y": 2}"#), Ok(vec!["y: 2".into()]));
    let mapping = r#"{"columns": {"a": "$[0].x", "b": "$"}, "others": "error"}"#;
    assert_eq!(others(mapping, r#"{"x": 1}"#), first("\"x\""));
}

/// What nobody takes is checked by the walk, wherever it is.
#[test]
fn all_of_a_record_is_checked() {
    let mapping = r#"{"columns": {"a": "$.x.a", "b": "$.l[1].b", "c": "$[0].q"}}"#;
    let names = ["a", "b", "c"];
    for record in [
        r#"{"y": tru}"#,
        r#"{"y": {"z": [nul]}}"#,
        r#"{"x": {"y": 01}}"#,
        r#"{"x": 01}"#,
        r#"{"x": [tru]}"#,
        r#"{"x": [{"a": 1}, {"y": tru}]}"#,
        r#"{"l": [tru, {"b": 1}]}"#,
        r#"{"l": [1, {"c": tru}]}"#,
        r#"{"l": [1, {"b": 1}, tru]}"#,
        r#"{"l": "\x"}"#,
        r#"{"y": "\u0000"}"#,
        r#"{"y": "\ud800"}"#,
        r#"{"y": 1e999999}"#,
        r#"{"y": 1 2}"#,
        r#"{"y" 1}"#,
        r#"{"y": 1, "y": tru, "y": 2}"#,
        r#"{"x": {"a": tru, "a": 1}}"#,
        r#"{"y": 1,}"#,
        r#"[tru]"#,
        r#"[{"y": tru}]"#,
    ] {
        for mapping in
            [mapping, r#"{"columns": {"a": "$.x.a", "b": "$.l[1].b"}, "others": "error"}"#]
        {
            match walk(&names, mapping, record) {
                Err((_, fault)) => assert!(fault.is_malformed(), "{record}: {fault:?}"),
                found => panic!("{record}: {found:?}"),
            }
        }
    }
}
