//! PURE. Records of IMSLP's list API: people (`type` 1) and works (`type` 2).
//!
//! Numbers come as numbers or strings, `icatno` may be empty or missing, `pageid` may be missing, and a person's
//! `intvals` is an empty array.

use std::borrow::Cow;

use crate::error::{Expected, Fault, quoted};
use crate::record::composer::Composer;
use crate::record::field::{self, FieldFault, In};
use crate::record::name::Name;
use crate::record::scalar::{Nested, Scalar, record};
use crate::record::work::{Work, work_id};

/// What IMSLP puts before the name of a person's page.
const CATEGORY: &str = "Category:";

record! {
    /// A person: `{"id":"Category:Bach, Johann Sebastian","type":"1",…}`.
    pub struct Person<'a> {
        "id" => id: Scalar<'a>,
        "type" => kind: Scalar<'a>,
        "permlink" => permlink: Scalar<'a>,
    }
}

record! {
    /// A work: `{"id":"\"A\" (Ferrari, Carlotta)","type":"2","intvals":{…},…}`.
    pub struct Piece<'a> {
        "id" => id: Scalar<'a>,
        "type" => kind: Scalar<'a>,
        "parent" => parent: Scalar<'a>,
        "intvals" => intvals: Nested<'a, Intvals<'a>>,
        "permlink" => permlink: Scalar<'a>,
    }
}

record! {
    /// What IMSLP knows of a work.
    pub struct Intvals<'a> {
        "composer" => composer: Scalar<'a>,
        "worktitle" => worktitle: Scalar<'a>,
        "icatno" => icatno: Scalar<'a>,
        "pageid" => pageid: Scalar<'a>,
    }
}

pub fn composer(person: Person<'_>) -> Result<Composer<'_>, FieldFault> {
    let typed = expect_type(person.kind, "1", Expected::Person)?;
    let id = field::required_text(person.id).field("id")?;
    if !typed && !id.starts_with(CATEGORY) {
        let found = format!("id {} and no type", quoted(&id)).into();
        return Err(Fault::WrongRecord { expected: Expected::Person, found }).field("id");
    }
    let name = name(id).ok_or(Fault::Missing).field("id")?;
    Ok(Composer {
        permlink: field::text(person.permlink).field("permlink")?,
        ..Composer::named(name)
    })
}

pub fn work(piece: Piece<'_>) -> Result<Work<'_>, FieldFault> {
    expect_type(piece.kind, "2", Expected::Work)?;
    let intvals = match piece.intvals {
        Nested::Record(intvals) => intvals,
        Nested::Scalar(other) => {
            let fault = other
                .kind()
                .map_or(Fault::Missing, |found| Fault::WrongType { expected: "an object", found });
            return Err(fault).field("intvals");
        }
    };
    let title = field::required_text(intvals.worktitle).field("intvals.worktitle")?;
    let composer_id = composer_name(intvals.composer, piece.parent)?.key();
    let imslp_id = field::id::<i64>(intvals.pageid).field("intvals.pageid")?;
    let identity = match imslp_id {
        Some(pageid) => pageid.to_string().into(),
        None => field::required_text(piece.id).field("id")?,
    };
    Ok(Work {
        work_id: work_id("imslp:", &identity),
        composer_id,
        title,
        subtitle: None,
        genre: None,
        catalogue_number: field::text(intvals.icatno).field("intvals.icatno")?,
        search_terms: None,
        popular: None,
        recommended: None,
        imslp_id,
        openopus_id: None,
        permlink: field::text(piece.permlink).field("permlink")?,
    })
}

/// The composer that a work names.
pub fn composer_of(piece: Piece<'_>) -> Result<Composer<'static>, FieldFault> {
    let named = match piece.intvals {
        Nested::Record(intvals) => intvals.composer,
        Nested::Scalar(_) => Scalar::Missing,
    };
    Ok(Composer::named(composer_name(named, piece.parent)?.into_owned()))
}

/// In `intvals`, or else as the record's parent.
fn composer_name<'a>(named: Scalar<'a>, parent: Scalar<'a>) -> Result<Name<'a>, FieldFault> {
    let (composer, field) = match field::text(named).field("intvals.composer")? {
        Some(composer) => (composer, "intvals.composer"),
        None => (field::required_text(parent).field("parent")?, "parent"),
    };
    name(composer).ok_or(Fault::Missing).field(field)
}

/// A person in the list of works, or a work in that of people, is the wrong document. Whether there is a type.
fn expect_type(kind: Scalar<'_>, wanted: &str, expected: Expected) -> Result<bool, FieldFault> {
    match field::identifier(kind).field("type")? {
        Some(kind) if kind != wanted => {
            Err(Fault::WrongRecord { expected, found: format!("type {}", quoted(&kind)).into() })
                .field("type")
        }
        kind => Ok(kind.is_some()),
    }
}

/// The name in `Category:Bach, Johann Sebastian`, with or without the prefix; none where nothing is left.
fn name(text: Cow<'_, str>) -> Option<Name<'_>> {
    fn bare(text: &str) -> &str {
        text.strip_prefix(CATEGORY).unwrap_or(text)
    }
    let name = match text {
        Cow::Borrowed(text) => Name::inverted(bare(text)),
        Cow::Owned(text) => Name::inverted(bare(&text)).into_owned(),
    };
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Kind;
    use serde_json::{Value as Json, json};

    fn read_work(json: &Json) -> Result<(String, String, Option<i64>, Option<String>), FieldFault> {
        let text = json.to_string();
        let Ok(Nested::Record(piece)) = serde_json::from_str::<Nested<Piece>>(&text) else {
            panic!()
        };
        let work = work(piece)?;
        let catalogue_number = work.catalogue_number.map(Cow::into_owned);
        Ok((work.composer_id, work.title.into_owned(), work.imslp_id, catalogue_number))
    }

    fn piece() -> Json {
        json!({
            "id": "\"A\" (Ferrari, Carlotta)", "type": "2", "parent": "Category:Ferrari, Carlotta",
            "intvals": {"composer": "Ferrari, Carlotta", "worktitle": "\"A\"", "icatno": "ICF 1237",
                        "pageid": "1637322"},
            "permlink": "https://imslp.org/wiki/x"
        })
    }

    #[test]
    fn a_work_is_read() {
        let expected =
            ("Ferrari,_Carlotta".into(), "\"A\"".into(), Some(1_637_322), Some("ICF 1237".into()));
        assert_eq!(read_work(&piece()), Ok(expected));
    }

    #[test]
    fn what_may_be_missing_may() {
        let mut record = piece();
        record["intvals"] =
            json!({"composer": "", "worktitle": " A  b ", "icatno": "", "pageid": 5});
        let expected = ("Ferrari,_Carlotta".into(), "A b".into(), Some(5), None);
        assert_eq!(read_work(&record), Ok(expected));
        record["intvals"] = json!({"worktitle": "A", "pageid": "0"});
        assert_eq!(read_work(&record).map(|work| work.2), Ok(None));
        record["intvals"] = json!({"worktitle": "A"});
        assert_eq!(read_work(&record).map(|work| work.2), Ok(None));
    }

    #[test]
    fn faults_name_their_field() {
        for (at, value, field, fault) in [
            ("worktitle", json!(null), "intvals.worktitle", Fault::Missing),
            (
                "worktitle",
                json!(5),
                "intvals.worktitle",
                Fault::WrongType { expected: "a string", found: Kind::Number },
            ),
            (
                "pageid",
                json!("abc"),
                "intvals.pageid",
                Fault::Invalid { expected: crate::error::SqlType::Bigint, value: "\"abc\"".into() },
            ),
        ] {
            let mut record = piece();
            record["intvals"][at] = value;
            assert_eq!(read_work(&record), Err(FieldFault { field, fault }));
        }
        let mut record = piece();
        record["intvals"] = json!([]);
        assert_eq!(read_work(&record).unwrap_err().field, "intvals");
        record["type"] = json!("1");
        assert_eq!(read_work(&record).unwrap_err().field, "type");
    }

    #[test]
    fn a_person_is_read() {
        let text =
            r#"{"id":"Category:d\u0027Indy, Vincent","type":"1","intvals":[],"permlink":""}"#;
        let Ok(Nested::Record(person)) = serde_json::from_str::<Nested<Person>>(text) else {
            panic!()
        };
        let composer = composer(person).unwrap();
        assert_eq!(composer.composer_id, "d'Indy,_Vincent");
        assert_eq!(composer.complete_name, "Vincent d'Indy");
        assert_eq!(composer.permlink, None);
        for id in [json!("Category:"), json!(""), json!(null), json!(7), json!("Category: , X")] {
            let text = json!({ "id": id }).to_string();
            let Ok(Nested::Record(person)) = serde_json::from_str::<Nested<Person>>(&text) else {
                panic!()
            };
            assert_eq!(super::composer(person).unwrap_err().field, "id", "{id}");
        }
    }
}
