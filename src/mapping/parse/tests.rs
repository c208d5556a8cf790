//! PURE, tests only: the mapping's own JSON.

use super::*;

fn told(text: &str) -> String {
    Mapping::parse(text).expect_err(text).to_string()
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

#[test]
fn a_mapping_without_members_is_the_default() {
    assert_eq!(Mapping::parse("{}"), Ok(Mapping::default()));
    assert_eq!(Mapping::parse(r#"{"others": "ignore"}"#), Ok(Mapping::default()));
}

#[test]
fn all_members() {
    let mapping = Mapping::parse(
        r#"{"records": ["$.a[*]", "lax $ . b"], "others": "rest", "key": ["id", "n"],
            "columns": {"id": "$.id", "title": ["$.title", "$.\"name\""], "raw": "$"}}"#,
    );
    let columns = vec![
        ("id".into(), vec![path("$.id")]),
        ("raw".into(), vec![Path::WHOLE]),
        ("title".into(), vec![path("$.title"), path("$.name")]),
    ];
    let expected = Mapping {
        records: vec![path("$.a[*]"), path("$.b")],
        columns: Columns::Paths(columns),
        key: Some(vec!["id".into(), "n".into()]),
        others: Others::Column("rest".into()),
        fields_of: None,
    };
    assert_eq!(mapping, Ok(expected));
}

#[test]
fn fields() {
    let mapping = Mapping::parse(
        r#"{"fields_of": "works", "key": ["w_id"], "columns": {"w_id": "work_id", "c_id": "composer_id"}}"#,
    );
    let columns = vec![("c_id".into(), "composer_id"), ("w_id".into(), "work_id")];
    let mapping = mapping.unwrap();
    assert_eq!(mapping.columns, Columns::Fields(columns));
    assert_eq!(mapping.fields_of, Some(Resource::Works));
    let mapping = Mapping::parse(r#"{"fields_of": "composers"}"#).unwrap();
    assert_eq!((mapping.columns, mapping.fields_of), (Columns::ByName, Some(Resource::Composers)));
}

/// Each with the place in the mapping, what is there, and what should be.
#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (mapping, parts) in [
        ("", &["not valid JSON"][..]),
        ("{} {}", &["not valid JSON", "trailing"]),
        ("{\"a\": 1,}", &["not valid JSON"]),
        (r#"{"key": ["a"], "key": ["b"]}"#, &["$.key is there twice"]),
        (
            r#"{"columns": {"a b": "$.x", "a\u0020b": "$.y"}}"#,
            &["$.columns.\"a b\" is there twice"],
        ),
        (r#"{"key": [{"a": [], "a": 1}]}"#, &["$.key[0].a is there twice"]),
        ("null", &["an object", "found null", "at $"]),
        ("[]", &["an object", "found an array", "at $"]),
        (r#"{"colums": {}}"#, &["\"columns\"", "another one", "at $.colums"]),
        (r#"{"a b": 1}"#, &["at $.\"a b\""]),
        (r#"{"records": 5}"#, &["a path or a list of paths", "a number", "at $.records"]),
        (r#"{"records": 1.5}"#, &["a path or a list of paths", "a number", "at $.records"]),
        (r#"{"records": []}"#, &["an empty array", "at $.records"]),
        (r#"{"records": ["$", 1]}"#, &["a number", "at $.records[1]"]),
        (r#"{"records": "$..a"}"#, &["\"$..a\"", "at character 3 of $.records"]),
        (
            r#"{"records": ["$.a", "$.\"a\""]}"#,
            &["path $.a is at $.records[0] already", "and at $.records[1]"],
        ),
        (r#"{"columns": []}"#, &["an object", "an array", "at $.columns"]),
        (r#"{"columns": {}}"#, &["one or more columns", "at $.columns"]),
        (r#"{"columns": {"": "$.a"}}"#, &["an empty name", "at $.columns.\"\""]),
        (r#"{"columns": {"a": null}}"#, &["a path", "found null", "at $.columns.a"]),
        (r#"{"columns": {"a": {}}}"#, &["a path", "an object", "at $.columns.a"]),
        (r#"{"columns": {"a": []}}"#, &["an empty array", "at $.columns.a"]),
        (r#"{"columns": {"a": ["$.x", ["$.y"]]}}"#, &["an array", "at $.columns.a[1]"]),
        (r#"{"columns": {"a": "x"}}"#, &["\"x\"", "begins with", "of $.columns.a"]),
        (r#"{"columns": {"a": "strict $.x"}}"#, &["strict", "$.columns.a"]),
        (r#"{"columns": {"a": "$.x[*]"}}"#, &["$.x[*], which leads to many", "at $.columns.a"]),
        (r#"{"columns": {"a": ["$.y", "$.x[*]"]}}"#, &["at $.columns.a[1]"]),
        (
            r#"{"columns": {"a": "$.x", "b": "lax $ .x"}}"#,
            &["path $.x is at $.columns.a already", "$.columns.b"],
        ),
        (r#"{"columns": {"a": ["$.x", "$.x"]}}"#, &["$.columns.a[0]", "$.columns.a[1]"]),
        (r#"{"key": "a"}"#, &["a list of one or more", "\"a\"", "at $.key"]),
        (r#"{"key": []}"#, &["an empty array", "at $.key"]),
        (r#"{"key": ["a", 1]}"#, &["a number", "at $.key[1]"]),
        (r#"{"key": [""]}"#, &["an empty string", "at $.key[0]"]),
        (r#"{"key": ["a", "b", "a"]}"#, &["column \"a\" is at $.key[0] already", "$.key[2]"]),
        (r#"{"others": true}"#, &["\"ignore\"", "a boolean", "at $.others"]),
        (r#"{"others": ""}"#, &["an empty string", "at $.others"]),
        (
            r#"{"others": "a", "columns": {"a": "$.x"}}"#,
            &["column \"a\" is at $.others already", "$.columns.a"],
        ),
        (
            r#"{"fields_of": "songs"}"#,
            &["\"composers\" or \"works\"", "\"songs\"", "at $.fields_of"],
        ),
        (r#"{"fields_of": 1}"#, &["a number", "at $.fields_of"]),
        (
            r#"{"fields_of": "works", "records": "$"}"#,
            &["$.records cannot be given together with fields_of"],
        ),
        (
            r#"{"fields_of": "works", "others": "error"}"#,
            &["$.others cannot be given together with fields_of"],
        ),
        (r#"{"fields_of": "works", "columns": {}}"#, &["one or more columns"]),
        (
            r#"{"fields_of": "works", "columns": {"a": "name"}}"#,
            &["work_id, composer_id, title", "\"name\"", "at $.columns.a"],
        ),
        (
            r#"{"fields_of": "works", "columns": {"a": ["title"]}}"#,
            &["one of the fields", "an array", "at $.columns.a"],
        ),
        (
            r#"{"fields_of": "works", "columns": {"a": "title", "b": "title"}}"#,
            &["field \"title\" is at $.columns.a already"],
        ),
        (
            r#"{"fields_of": "composers", "columns": {"a": "$.title"}}"#,
            &["complete_name", "\"$.title\""],
        ),
    ] {
        let message = told(mapping);
        for part in parts {
            assert!(message.contains(part), "{mapping}: {message}");
        }
    }
}

#[test]
fn others_may_be_all_that_is_taken() {
    let mapping = Mapping::parse(r#"{"columns": {}, "others": "doc"}"#).unwrap();
    assert_eq!(mapping.columns, Columns::Paths(vec![]));
    // `$` and a member of it are two paths.
    assert!(Mapping::parse(r#"{"columns": {"a": "$.a", "raw": "$"}}"#).is_ok());
}
