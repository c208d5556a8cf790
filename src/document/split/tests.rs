//! PURE, tests only: how a text is split, wherever it is cut and however much of it is held.

use super::super::incoming::{Incoming, Spans};
use super::super::text::{Text, unexpected};
use super::super::{Kind, Value, Watch};
use super::Splitter;
use crate::error::{Fault, Position};
use crate::random::for_seeds;

/// What leaves: whole, a document with its number, or an element with the numbers of its array and its own.
type Unit = (Option<(u64, Option<u64>)>, String);

/// The units of a text that comes in these pieces, in parts of about so many bytes; and the most that was held.
fn units<'p>(
    pieces: impl IntoIterator<Item = &'p [u8]>,
    size: usize,
    takes_elements: bool,
) -> (Result<Vec<Unit>, Fault>, usize) {
    let pieces: Vec<&[u8]> = pieces.into_iter().collect();
    let all = pieces.concat();
    let mut incoming = Incoming::new(size, takes_elements);
    let (mut units, mut most) = (vec![], 0);
    let mut place = 0;
    let mut leave = |incoming: &mut Incoming| {
        let Some(part) = incoming.part(&Watch::default())? else { return Ok(false) };
        most = most.max(part.text.len());
        let start = part.start.byte as usize;
        let begins = Position::default().behind(&all[..start]);
        assert!(part.start == begins && all[start..].starts_with(&part.text), "{begins:?}");
        let is_nothing = |byte: &u8| b" \t\r\n]\xEF\xBB\xBF".contains(byte);
        assert!(all[place..start].iter().all(is_nothing), "parts follow one another");
        place = start + part.text.len();
        let text =
            |span: &super::Span| String::from_utf8_lossy(&part.text[span.clone()]).into_owned();
        match &part.spans {
            None => units.push((None, String::from_utf8_lossy(&part.text).into_owned())),
            Some(Spans::Documents(spans)) => {
                let numbers = part.documents..;
                units.extend(numbers.zip(spans).map(|(n, it)| (Some((n, None)), text(it))));
            }
            Some(Spans::Elements(spans)) => {
                let numbers = part.elements..;
                let place = |n| Some((part.documents, Some(n)));
                units.extend(numbers.zip(spans).map(|(n, it)| (place(n), text(it))));
            }
        }
        Ok::<_, Fault>(true)
    };
    let run = || {
        for piece in pieces {
            incoming.push(piece)?;
            while incoming.is_full() && leave(&mut incoming)? {}
        }
        incoming.end();
        while leave(&mut incoming)? {}
        Ok(())
    };
    let outcome: Result<(), Fault> = run();
    (outcome.map(|()| units), most)
}

/// The units, with the elements of arrays that left whole, of a text in pieces of `step` bytes.
fn split(text: &str, step: usize, size: usize) -> Result<Vec<Unit>, Fault> {
    let (units, _) = units(text.as_bytes().chunks(step), size, true);
    // What left whole, as those read it who have all of it.
    let documents = |whole: &str| {
        let (whole, watch) = (whole.trim(), Watch::default());
        let mut values = Text::documents(whole, true, &watch)?;
        let is_array = values[0].kind() == Ok(Kind::Array);
        if let ([array], true) = (&values[..], is_array)
            && let Err(fault) =
                array.elements().and_then(|elements| elements.collect::<Result<Vec<_>, _>>())
        {
            values = Text::several(whole, &watch).ok_or(fault)?;
        }
        if let ([value], false) = (&values[..], whole.starts_with(['{', '['])) {
            return Err(value.check().err().unwrap_or_else(|| unexpected(whole, 0)));
        }
        let numbers = (0..).map(|number| Some((number, None)));
        let texts = values.iter().map(|text| text.excerpt().unwrap_or_default());
        Ok(numbers.zip(texts).collect::<Vec<Unit>>())
    };
    let mut units = units?;
    if let [(None, whole)] = &units[..] {
        units = documents(whole)?;
    }
    let mut all = vec![];
    for (place, text) in units {
        match place {
            Some((document, None)) if text.starts_with('[') => {
                match Text::span(&text).elements().and_then(|elements| elements.collect()) {
                    Ok(elements) => {
                        let elements: Vec<Text> = elements;
                        let element = |(n, it): (u64, Text)| {
                            (Some((document, Some(n))), it.excerpt().unwrap_or_default())
                        };
                        all.extend((0..).zip(elements).map(element));
                    }
                    Err(_) => all.push((place, text)),
                }
            }
            _ => all.push((place, text)),
        }
    }
    Ok(all)
}

/// The units of a text, the same wherever it is cut, and whatever leaves before its end.
fn same(text: &str) -> Result<Vec<Unit>, Fault> {
    let padded = format!("{} {text}", " ".repeat(64));
    // A text that is not longer than a part leaves whole; the blanks make it longer.
    let expected = split(&padded, padded.len(), 1).map_err(without_place);
    for size in [1, 2, 5, 17, 40, 130, 260] {
        for step in (1..=text.len().min(60)).chain([padded.len()]) {
            let found = split(&padded, step, size).map_err(without_place);
            assert_eq!(found, expected, "parts of {size}, pieces of {step}: {text}");
        }
    }
    expected
}

/// A mistake, wherever in memory it is.
fn without_place(fault: Fault) -> Fault {
    assert!(fault.is_malformed(), "{fault}");
    Fault::Stopped
}

fn texts(text: &str) -> Vec<String> {
    same(text).unwrap().into_iter().map(|(_, text)| text).collect()
}

#[test]
fn blanks_are_not_held() {
    let blanks = " \n\t\r\n".repeat(1000);
    for text in ["[1,2]", "{}{}", "{}\n[1]\n", "\u{feff}{}", "7", ""] {
        let pieces: Vec<&[u8]> = vec![b"{}{}"; usize::from(text.starts_with('{'))];
        let pieces = pieces.into_iter().chain(blanks.as_bytes().chunks(7)).chain([text.as_bytes()]);
        let (units, most) = units(pieces, 20, true);
        assert!(units.is_ok() && most < 100, "{text}: {most}, {units:?}");
    }
}

#[test]
fn a_short_text_leaves_whole() {
    let text = "[1, 2] x {\"a\": \"";
    let (units, _) = units([text.as_bytes()], 1000, true);
    assert_eq!(units, Ok(vec![(None, text.to_owned())]));
}

#[test]
fn elements_of_an_array_leave_one_by_one() {
    let text = r#"[ {"a":"]},{\"\\"} , [1,[2]], "é\"" ,-1e5,{},"ab",null ] "#;
    let elements = [r#"{"a":"]},{\"\\"}"#, "[1,[2]]", r#""é\"""#, "-1e5", "{}", "\"ab\"", "null"];
    let place = |n| Some((0, Some(n)));
    let expected: Vec<Unit> =
        (0..).zip(elements).map(|(n, text)| (place(n), text.to_owned())).collect();
    assert_eq!(same(text), Ok(expected));
}

#[test]
fn empty_elements_and_empty_arrays() {
    assert_eq!(texts("[]"), Vec::<String>::new());
    assert_eq!(texts("[ ]\n[]"), Vec::<String>::new());
    assert_eq!(texts("[1,,2,]"), ["1", "", "2", ""]);
    assert_eq!(texts("[,]"), ["", ""]);
}

#[test]
fn documents_one_behind_another() {
    let text = "{\"a\":1}{\"b\":\n2}\n\n {\"c\":[\"}\"]} [3,\n4]{}";
    let place = |n| Some((n, None));
    let expected = vec![
        (place(0), "{\"a\":1}".to_owned()),
        (place(1), "{\"b\":\n2}".to_owned()),
        (place(2), "{\"c\":[\"}\"]}".to_owned()),
        (Some((3, Some(0))), "3".to_owned()),
        (Some((3, Some(1))), "4".to_owned()),
        (place(4), "{}".to_owned()),
    ];
    assert_eq!(same(text), Ok(expected));
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    for size in [1, 100] {
        let text = format!("\u{FEFF}{{\"a\":1}}\n{{\"b\":2}}\n{}", " ".repeat(size));
        for step in 1..text.len() {
            let (units, _) = units(text.as_bytes().chunks(step), size, true);
            let units: Vec<_> = units.unwrap().into_iter().map(|(_, text)| text).collect();
            assert_eq!(units, ["{\"a\":1}", "{\"b\":2}"], "{size} {step}");
        }
    }
}

#[test]
fn a_broken_line_is_one_bad_document() {
    let good = |before: &str, broken: &str, behind: &str| {
        let text = format!("{{\"a\":1}}\n{before}{broken}\n{behind}{{\"z\":1}}\n{{\"z\":2}}\n");
        let expected: Vec<String> = text.lines().map(str::to_owned).collect();
        assert_eq!(texts(&text), expected, "{broken}");
    };
    for broken in [
        "{\"b\":\"unfinished",
        "{\"b\":\"unfinished\\",
        "{\"b\":",
        "{\"b\":1,",
        "{\"b\":[1,{",
        "{\"b\":1}}",
        "{\"b\":1} x",
        "nothing at all",
        "]",
        "[1}",
        "{\"b\": {\"c\":1}",
    ] {
        good("", broken, "");
        good("{\"y\":\"}\"}\n", broken, "{\"z\":0}\n");
        good("", broken, "\"stray\"\n");
    }
    assert_eq!(texts("{\"a\":1}\n{\"b\":2}\n{\"c\":"), ["{\"a\":1}", "{\"b\":2}", "{\"c\":"]);
}

#[test]
fn documents_of_several_lines_may_follow_a_line() {
    let text =
        "{\"a\":1}\n{\n \"b\": [\n{\"c\":1},\n{\"d\":2}\n]\n}\n{\"e\":\n{\"f\":1}}\n{\"g\":1}";
    let expected = [
        "{\"a\":1}",
        "{\n \"b\": [\n{\"c\":1},\n{\"d\":2}\n]\n}",
        "{\"e\":\n{\"f\":1}}",
        "{\"g\":1}",
    ];
    assert_eq!(texts(text), expected);
}

#[test]
fn a_first_line_may_be_broken_too() {
    for first in [
        "# a comment",
        "{\"a\":1} x",
        "{\"a\":1},",
        "{\"a\":",
        "{\"a\":[1,",
        "{\"a\":\"unfinished",
        "{\"a\":1",
        "\"a\":1}",
        "]",
    ] {
        let text = format!("{first}\n{{\"b\":1}}\n{{\"c\":\n{{\"d\":\"}}{{\"}}\n\n");
        assert_eq!(texts(&text), [first, "{\"b\":1}", "{\"c\":", "{\"d\":\"}{\"}"], "{first}");
    }
}

#[test]
fn documents_that_are_no_lines_have_no_end_where_they_are_broken() {
    for text in [
        "{\n\"a\":1}\n{\"b\":",
        "{\n\"a\":1}\nx y\n{\"b\":1}",
        "{\"a\":1}{\"b\":2}\n{\"c\":\n{\"d\":1}",
        "[{\"a\":1}]\n{\"b\":1\n{\"c\":1}",
        "[{\"a\":1}]\n[1}\n",
        "{\"a\":1},\n{\"b\":1},\n{\"c\":1}",
        "x\ny\n{\"a\":1}\n{\"b\":1}",
        "{\"a\":[\n{\"b\":1},\n{\"c\":1}\n",
        "{\"a\":1} x",
        "x",
        "{\"a\":",
    ] {
        assert_eq!(same(text), Err(Fault::Stopped), "{text}");
    }
    // A string may be wrong without an end of all that follows.
    assert_eq!(texts("{\n\"a\":\"b\nc\"}\n{}"), ["{\n\"a\":\"b\nc\"}", "{}"]);
    assert_eq!(texts("{\"a\":\"b\nc\"}\n{}"), ["{\"a\":\"b\nc\"}", "{}"]);
    assert_eq!(texts("[{\"a\":\"b\nc\"},\n2]"), ["{\"a\":\"b\nc\"}", "2"]);
}

#[test]
fn brackets_that_do_not_match_are_told_as_of_the_whole_text() {
    for text in [
        "[1,\n 2}, 3]",
        "[\"é\", 2, 3",
        "{\n}\n[\"é\", 2,\n\"ü",
        "[[1, 2], [3, {\"a\": 4]",
        "[1, 2, 3] x",
        "[1, 2, 3]\n[4, 5, 6]]",
    ] {
        let all = format!("{text}{}", " ".repeat(20));
        let found = units(all.as_bytes().chunks(3), 4, true).0.unwrap_err();
        let whole = Text::mistake(&all, &Watch::default()).unwrap_err().located(all.as_bytes());
        assert_eq!(found.detail(), whole.detail(), "{text}");
        assert!(found.detail().is_some_and(|detail| detail.contains(" at line ")), "{found:?}");
    }
}

#[test]
fn what_stands_behind_a_text_or_a_value_is_told_as_of_the_whole_text() {
    // A value that is none of several ends all: what the whole is told of, in these words.
    for (text, told) in [
        ("7\n[{\"a\":1},{\"b\":2}]", "\"[\" at line 2, column 1 (byte 2,"),
        ("\"a\"\n[{\"a\":\"é\"},{\"b\":2}]", "\"[\" at line 2, column 1 (byte 4,"),
        ("[{\"a\":1},{\"b\":2}]\n{\"a\":\"é\"} 7 \n{}", "\"7\" at line 2, column 11 (byte 29,"),
        ("{\n}{\"a\":1} true []", "\"true\" at line 2, column 10 (byte 11,"),
    ] {
        for step in [1, 3, 100] {
            let all = format!("{text}{}", " ".repeat(20));
            let found = units(all.as_bytes().chunks(step), 4, true).0.unwrap_err();
            let detail = found.detail().unwrap_or_default();
            assert!(
                detail.starts_with(&format!("Expected end of input, but found {told}")),
                "{detail}"
            );
        }
    }
}

/// Each line opens what none closes. If each were looked for behind all others, this would not end.
#[test]
fn a_text_of_broken_lines_is_looked_through_once() {
    const LINES: usize = 300_000;
    for line in ["{\"a\":[\n", "{\"a\":[{\n", "{} {\"a\":\n", "{\n{}\n", "{\"a\":1,\n5 {\n"] {
        let text = format!("{{}}\n{}", line.repeat(LINES));
        let mut splitter = Splitter::new(true, usize::MAX);
        splitter.finish(text.as_bytes(), &Watch::default()).unwrap();
        assert!(splitter.documents.spans.len() > LINES, "{line}");
    }
    let text = "{}\n{\"a\":[\n".repeat(50);
    let watch = Watch::default();
    watch.stop();
    assert_eq!(
        Splitter::new(true, usize::MAX).finish(text.as_bytes(), &watch),
        Err(Fault::Stopped)
    );
}

/// What is known of broken lines saves work, and changes nothing.
#[test]
fn lines_are_broken_wherever_a_look_at_each_finds_them_so() {
    let alphabet = b"{}[]\",:\n\n a1";
    let watch = Watch::default();
    for_seeds(3_000, |random| {
        let rest: Vec<u8> = (0..random.below(60)).map(|_| random.pick(alphabet)).collect();
        let text = [b"{}\n", &rest[..]].concat();
        let mut knowing = Splitter::new(true, usize::MAX);
        knowing.finish(&text, &watch).unwrap();
        let mut looking = Splitter::new(true, usize::MAX);
        while looking.step(&text, true, &watch).unwrap() {
            looking.broken.clear();
        }
        assert_eq!(knowing.documents.spans, looking.documents.spans, "{}", text.escape_ascii());
    });
}

#[test]
fn what_cannot_be_cut_is_held_and_no_more() {
    let element = format!("{{\"a\":\"{}\"}}", "x".repeat(1000));
    let array = format!("[{}]", [&*element; 200].join(","));
    let (found, most) = units(array.as_bytes().chunks(100), 4000, true);
    assert_eq!(found.unwrap().len(), 200);
    assert!(most < 5200, "{most}");
    let (found, most) = units(array.as_bytes().chunks(100), 4000, false);
    assert_eq!((found.unwrap().len(), most), (1, array.len()));
    let lines = format!("{element}\n").repeat(200);
    let (found, most) = units(lines.as_bytes().chunks(100), 4000, true);
    assert_eq!(found.unwrap().len(), 200);
    assert!(most < 5200, "{most}");
}

/// What is made of a record takes memory, however short it is.
#[test]
fn a_part_has_no_more_objects_than_its_share() {
    const SIZE: usize = 6400;
    let most = SIZE / 64;
    let (record, holder) = ("{\"a\":1}", "{\"a\":[{},{},{}]}");
    let array = format!("[{}]", [record; 20].join(","));
    for (text, objects) in [
        (format!("[{}]", [record; 420].join(",")), 420),
        (format!("[{}]", [record; 2000].join(",")), 2000),
        (format!("{}\n", array.replace(',', ",\n")).repeat(20), 400),
        (format!("{record}\n{}", format!("{array}\n").repeat(20)), 401),
        (format!("{record}\n").repeat(420), 420),
        (format!("{holder}\n").repeat(120), 480),
        (format!("[{}]", [holder; 120].join(",")), 480),
    ] {
        for step in [50, 1000, text.len()] {
            let mut incoming = Incoming::new(SIZE, true);
            let (mut found, mut whole) = (0, 0);
            let mut leave = |incoming: &mut Incoming| {
                let Some(part) = incoming.part(&Watch::default()).unwrap() else { return false };
                let of_part = part.text.iter().filter(|byte| **byte == b'{').count();
                found += of_part;
                whole += usize::from(part.spans.is_none());
                // The last document of a part may be an array, or hold some objects.
                assert!(of_part <= most + 20, "{of_part} objects of {} bytes", part.text.len());
                true
            };
            for piece in text.as_bytes().chunks(step) {
                incoming.push(piece).unwrap();
                while incoming.is_full() && leave(&mut incoming) {}
            }
            incoming.end();
            while leave(&mut incoming) {}
            assert_eq!((found, whole), (objects, 0), "pieces of {step}: {text}");
        }
    }
}

#[test]
fn units_of_a_text_made_at_random() {
    // Brackets, quotes and what else a scan looks at, in any order.
    let alphabet = b"{}[]\",:\\ \na1";
    for_seeds(600, |random| {
        let begin = random.pick(&["", "{\"a\":1}\n", "[", "{\"a\"\n{}\n"]);
        let rest: String =
            (0..random.below(40)).map(|_| char::from(random.pick(alphabet))).collect();
        let _ = same(&format!("{begin}{rest}"));
    });
}

#[test]
fn values_agree_with_those_of_the_whole_text() {
    let watch = Watch::default();
    for text in ["{\"a\":1}\n{\"a\":\"}{\"}{}\n", "{\n}\n{}", "{\"a\":[1,2]} {\"b\":{}}"] {
        let whole = Text::documents(text, true, &watch).unwrap();
        let whole: Vec<_> = whole.iter().map(|text| text.excerpt().unwrap()).collect();
        assert_eq!(texts(text), whole);
    }
}
