//! PURE. Records of Open Opus: composers, and works under the composer of their document or, in the dump, of their
//! list. The dump's works have no ids; [`crate::record::work::number`] makes theirs.

use uuid::Uuid;

use crate::error::Fault;
use crate::record::composer::Composer;
use crate::record::field::{self, FieldFault, In};
use crate::record::name::Name;
use crate::record::scalar::{List, Nested, Scalar, record};
use crate::record::work::{Work, work_id};

record! {
    /// `{"id":"87","name":"Bach","complete_name":"Johann Sebastian Bach","birth":"1685-01-01",…}`.
    pub struct Person<'a> {
        "id" => id: Scalar<'a>,
        "name" => name: Scalar<'a>,
        "complete_name" => complete_name: Scalar<'a>,
        "birth" => birth: Scalar<'a>,
        "death" => death: Scalar<'a>,
        "epoch" => epoch: Scalar<'a>,
        "portrait" => portrait: Scalar<'a>,
        "popular" => popular: Scalar<'a>,
        "recommended" => recommended: Scalar<'a>,
    }
}

record! {
    /// `{"id":"15091","title":"Carnaval, op. 9","subtitle":"","searchterms":"","popular":"1",…}`.
    pub struct Piece<'a> {
        "id" => id: Scalar<'a>,
        "title" => title: Scalar<'a>,
        "subtitle" => subtitle: Scalar<'a>,
        "searchterms" => searchterms: List<'a>,
        "popular" => popular: Scalar<'a>,
        "recommended" => recommended: Scalar<'a>,
        "genre" => genre: Scalar<'a>,
        "composer" => composer: Nested<'a, Person<'a>>,
    }
}

pub fn composer(person: Person<'_>) -> Result<Composer<'_>, FieldFault> {
    let listed = field::required_text(person.name).field("name")?;
    let complete_name = field::required_text(person.complete_name).field("complete_name")?;
    let name = Name::listed(&listed, &complete_name);
    if name.is_empty() {
        return Err(Fault::Missing).field("name");
    }
    Ok(Composer {
        complete_name,
        birth: field::date(person.birth).field("birth")?,
        death: field::date(person.death).field("death")?,
        epoch: field::text(person.epoch).field("epoch")?,
        portrait: field::text(person.portrait).field("portrait")?,
        popular: field::boolean(person.popular).field("popular")?,
        recommended: field::boolean(person.recommended).field("recommended")?,
        openopus_id: field::id(person.id).field("id")?,
        ..Composer::named(name)
    })
}

/// The composer that works belong to. What is wrong with it beside the name is no fault of the works: then no more than
/// the name is taken, and the id.
pub fn composer_of(person: Person<'_>) -> Result<Composer<'static>, FieldFault> {
    let named = Person {
        name: person.name.clone(),
        complete_name: person.complete_name.clone(),
        ..Person::default()
    };
    let numbered = Person { id: person.id.clone(), ..named.clone() };
    let all = composer(person).or_else(|_| composer(numbered)).or_else(|_| composer(named))?;
    Ok(all.into_owned())
}

/// The composer that stands in the work itself.
pub fn composer_within(piece: &Piece<'_>) -> Result<Composer<'static>, FieldFault> {
    let Nested::Record(person) = &piece.composer else {
        return Err(Fault::Missing).field("composer");
    };
    composer_of(person.clone()).map_err(|fault| FieldFault {
        field: match fault.field {
            "complete_name" => "composer.complete_name",
            _ => "composer.name",
        },
        ..fault
    })
}

/// A work of `composer_id`. In a `dump` it has no id yet; elsewhere it must have one.
pub fn work(piece: Piece<'_>, composer_id: String, dump: bool) -> Result<Work<'_>, FieldFault> {
    let title = field::required_text(piece.title).field("title")?;
    let openopus_id = field::id::<i32>(piece.id).field("id")?;
    let work_id = match openopus_id {
        Some(id) => work_id("openopus:", &id.to_string()),
        None if dump => Uuid::nil(),
        None => return Err(Fault::Missing).field("id"),
    };
    Ok(Work {
        work_id,
        composer_id,
        title,
        subtitle: field::text(piece.subtitle).field("subtitle")?,
        genre: field::text(piece.genre).field("genre")?,
        catalogue_number: None,
        search_terms: field::terms(piece.searchterms).field("searchterms")?,
        popular: field::boolean(piece.popular).field("popular")?,
        recommended: field::boolean(piece.recommended).field("recommended")?,
        imslp_id: None,
        openopus_id,
        permlink: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(text: &str) -> Result<Composer<'_>, FieldFault> {
        let Ok(Nested::Record(person)) = serde_json::from_str::<Nested<Person>>(text) else {
            panic!()
        };
        composer(person)
    }

    fn piece(text: &str, dump: bool) -> Result<Work<'_>, FieldFault> {
        let Ok(Nested::Record(piece)) = serde_json::from_str::<Nested<Piece>>(text) else {
            panic!()
        };
        work(piece, "A,_B".into(), dump)
    }

    #[test]
    fn a_composer_is_read() {
        let text = r#"{"id":"87","name":"Bach","complete_name":"Johann Sebastian Bach",
            "birth":"1685-01-01","death":"1750","epoch":"Baroque","portrait":"https:\/\/x",
            "popular":"1","recommended":null}"#;
        let bach = person(text).unwrap();
        assert_eq!(bach.composer_id, "Bach,_Johann_Sebastian");
        assert_eq!((bach.birth, bach.death), (Some(-115_050), Some(-91_310)));
        assert_eq!((bach.popular, bach.recommended), (Some(true), None));
        assert_eq!((bach.openopus_id, bach.portrait.as_deref()), (Some(87), Some("https://x")));
    }

    #[test]
    fn a_work_is_read() {
        let text = r#"{"id":15091,"title":"Carnaval,  op. 9 ","subtitle":"","searchterms":"a, b",
            "popular":"1","recommended":"0","genre":"Keyboard"}"#;
        let work = piece(text, false).unwrap();
        assert_eq!(work.work_id, work_id("openopus:", "15091"));
        assert_eq!((&*work.title, work.subtitle), ("Carnaval, op. 9", None));
        assert_eq!(work.search_terms, Some(vec!["a".into(), "b".into()]));
        assert_eq!((work.popular, work.recommended), (Some(true), Some(false)));
    }

    #[test]
    fn an_id_is_needed_outside_the_dump() {
        assert!(piece(r#"{"title":"T"}"#, true).is_ok());
        assert_eq!(
            piece(r#"{"title":"T"}"#, false).unwrap_err(),
            FieldFault { field: "id", fault: Fault::Missing }
        );
        assert_eq!(piece(r#"{"id":"0","title":"T"}"#, false).unwrap_err().field, "id");
        let nobody = person(r#"{"id":0,"name":"A","complete_name":"A"}"#).unwrap();
        assert_eq!(nobody.openopus_id, None);
    }

    #[test]
    fn faults_name_their_field() {
        let birth = r#"{"name":"A","complete_name":"A","birth":"1685-13-45"}"#;
        assert_eq!(person(birth).unwrap_err().field, "birth");
        assert_eq!(person(r#"{"name":"A"}"#).unwrap_err().field, "complete_name");
        assert_eq!(piece(r#"{"id":1,"title":5}"#, false).unwrap_err().field, "title");
    }
}
