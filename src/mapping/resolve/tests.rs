//! PURE, tests only: a mapping and the columns of a table.

use super::*;

const PLAIN: ColumnInfo<'static> =
    ColumnInfo { name: "", generated: false, identity_always: false, is_jsonb: false };

const COLUMNS: [ColumnInfo<'static>; 5] = [
    ColumnInfo { name: "id", identity_always: true, ..PLAIN },
    ColumnInfo { name: "title", ..PLAIN },
    ColumnInfo { name: "upper", generated: true, ..PLAIN },
    ColumnInfo { name: "rest", is_jsonb: true, ..PLAIN },
    ColumnInfo { name: "Title", ..PLAIN },
];

fn resolved(mapping: &str) -> Result<Resolved, MappingFault> {
    resolve(&Mapping::parse(mapping).unwrap(), &COLUMNS)
}

/// The columns that are written, each with what it is written from.
fn written(mapping: &str) -> Vec<(&'static str, String)> {
    let shown = |written: Written| {
        let source = match written.source {
            Source::Paths(paths) => {
                paths.iter().map(Path::to_string).collect::<Vec<_>>().join(" or ")
            }
            Source::Field(field) => field.to_owned(),
            Source::Others => "others".into(),
        };
        (COLUMNS[written.column].name, source)
    };
    resolved(mapping).unwrap().written.into_iter().map(shown).collect()
}

fn expect(columns: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    columns.iter().map(|(name, source)| (*name, source.to_string())).collect()
}

#[test]
fn columns_are_matched_by_their_names() {
    let all = [("title", "$.title"), ("rest", "$.rest"), ("Title", "$.Title")];
    assert_eq!(written("{}"), expect(&all));
    let of_default = resolved("{}").unwrap();
    assert_eq!(of_default.passed_over, ["id", "upper"]);
    assert_eq!((of_default.key, of_default.untaken), (None, Untaken::Ignore));
    assert_eq!(resolved(r#"{"others": "error"}"#).unwrap().untaken, Untaken::Error);
}

#[test]
fn a_column_takes_the_others() {
    let columns = expect(&[("title", "$.title"), ("rest", "others"), ("Title", "$.Title")]);
    assert_eq!(written(r#"{"others": "rest"}"#), columns);
    let mapping = r#"{"others": "rest", "columns": {"Title": ["$.a", "$.b[0]"]}}"#;
    assert_eq!(written(mapping), expect(&[("rest", "others"), ("Title", "$.a or $.b[0]")]));
    assert_eq!(resolved(mapping).unwrap().untaken, Untaken::Keep);
    assert!(resolved(mapping).unwrap().passed_over.is_empty());
}

#[test]
fn fields_are_matched_by_name_or_as_the_mapping_says() {
    assert_eq!(written(r#"{"fields_of": "works"}"#), expect(&[("title", "title")]));
    let left_out = resolved(r#"{"fields_of": "works"}"#).unwrap().left_out;
    assert!(left_out.contains(&"work_id") && !left_out.contains(&"title"), "{left_out:?}");
    let mapping = r#"{"fields_of": "works", "columns": {"Title": "title", "title": "permlink"}}"#;
    assert_eq!(written(mapping), expect(&[("title", "permlink"), ("Title", "title")]));
    assert!(resolved(mapping).unwrap().left_out.is_empty());
}

#[test]
fn the_key_is_told_by_its_columns() {
    let key = |mapping| resolved(mapping).unwrap().key;
    assert_eq!(key(r#"{"key": ["Title", "id"]}"#), Some(vec![4, 0]));
}

#[test]
fn columns_that_cannot_be_written_are_faults_where_they_are_named() {
    let gone = |name: &str| Problem::NoColumn(name.into());
    let generated = |name: &str| Problem::Generated(name.into());
    for (mapping, path, problem) in [
        (r#"{"columns": {"titel": "$.a"}}"#, "$.columns.titel", gone("titel")),
        (r#"{"columns": {"TITLE": "$.a"}}"#, "$.columns.TITLE", gone("TITLE")),
        (r#"{"columns": {"a b": "$.a"}}"#, "$.columns.\"a b\"", gone("a b")),
        (r#"{"columns": {"upper": "$.a"}}"#, "$.columns.upper", generated("upper")),
        (r#"{"columns": {"id": "$.a"}}"#, "$.columns.id", generated("id")),
        (r#"{"key": ["title", "no"]}"#, "$.key[1]", gone("no")),
        (r#"{"others": "no"}"#, "$.others", gone("no")),
        (r#"{"others": "upper"}"#, "$.others", generated("upper")),
        (r#"{"others": "title"}"#, "$.others", Problem::NotJsonb("title".into())),
        (
            r#"{"fields_of": "works", "columns": {"id": "work_id"}}"#,
            "$.columns.id",
            generated("id"),
        ),
        (r#"{"fields_of": "works", "columns": {"no": "work_id"}}"#, "$.columns.no", gone("no")),
    ] {
        let fault = resolved(mapping).expect_err(mapping);
        assert_eq!(fault, MappingFault::new(path, problem));
        assert!(fault.to_string().contains(path), "{fault}");
    }
}
