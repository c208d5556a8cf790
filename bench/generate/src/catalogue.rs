//! The catalogue: composers and works in the shape of IMSLP's API, every record valid.
//!
//! Assumes nothing of the size. The composers are held in memory, the works are written as they are made.
//! Every work has its own identity (its pageid, else its id), and its composer is among the composers.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;

use crate::json::{Array, Spelling};
use crate::names::composer_names;
use crate::random::Random;
use crate::titles;

/// How many records, and which.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub composers: u64,
    pub works: u64,
    pub seed: u64,
}

#[derive(Serialize)]
struct Composer<'a> {
    id: &'a str,
    r#type: &'static str,
    parent: &'static str,
    intvals: [(); 0],
    permlink: &'a str,
}

#[derive(Serialize)]
struct Work<'a> {
    id: &'a str,
    r#type: &'static str,
    parent: &'a str,
    intvals: Intvals<'a>,
    permlink: &'a str,
}

#[derive(Serialize)]
struct Intvals<'a> {
    composer: &'a str,
    worktitle: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    icatno: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pageid: Option<Number<'a>>,
}

/// A number that may come as a string.
#[derive(Serialize)]
#[serde(untagged)]
enum Number<'a> {
    Text(&'a str),
    Number(u64),
}

/// Writes both documents.
pub fn write(
    size: Size,
    spelling: Spelling,
    composers: impl Write,
    works: impl Write,
) -> io::Result<()> {
    let mut random = Random::new(size.seed);
    let names = composer_names(&mut random, size.composers as usize);
    write_composers(&names, spelling, composers)?;
    write_works(&names, size.works, &mut random, spelling, works)
}

fn write_composers(names: &[String], spelling: Spelling, out: impl Write) -> io::Result<()> {
    let mut array = Array::begin(out, spelling)?;
    let mut id = String::new();
    let mut permlink = String::new();
    for name in names {
        id.clear();
        id.push_str("Category:");
        id.push_str(name);
        permlink_over(&mut permlink, &id);
        array.push(&Composer {
            id: &id,
            r#type: "1",
            parent: "",
            intvals: [],
            permlink: &permlink,
        })?;
    }
    array.end()
}

fn write_works(
    names: &[String],
    count: u64,
    random: &mut Random,
    spelling: Spelling,
    out: impl Write,
) -> io::Result<()> {
    let mut array = Array::begin(out, spelling)?;
    let popularity = Popularity::new(random, names.len());
    let pages = Pages::new(random, count);
    let [mut title, mut id, mut parent, mut permlink, mut icatno, mut pageid] =
        [const { String::new() }; 6];
    for number in 0..count {
        let composer = names[popularity.composer(random)].as_str();
        let has_page = !random.per_mille(10);
        if has_page {
            titles::title(random, &mut title);
        } else {
            titles::manuscript(number, random, &mut title);
        }
        format_over(&mut id, format_args!("{title} ({composer})"));
        format_over(&mut parent, format_args!("Category:{composer}"));
        permlink_over(&mut permlink, &id);
        let icatno = match random.below(100) {
            0..30 => None,
            30..38 => Some(""),
            _ => {
                let (first, last) = initials(composer);
                format_over(
                    &mut icatno,
                    format_args!("I{first}{last} {}", random.between(1, 1999)),
                );
                Some(icatno.as_str())
            }
        };
        let page = pages.page(number);
        let pageid = match (has_page, random.per_mille(50)) {
            (false, _) => None,
            (true, true) => Some(Number::Number(page)),
            (true, false) => {
                format_over(&mut pageid, format_args!("{page}"));
                Some(Number::Text(&pageid))
            }
        };
        array.push(&Work {
            id: &id,
            r#type: "2",
            parent: &parent,
            intvals: Intvals { composer, worktitle: &title, icatno, pageid },
            permlink: &permlink,
        })?;
    }
    array.end()
}

/// Who wrote how many works: Zipf-Mandelbrot, the weight of the composer at rank r being 1 / (r + 40).
///
/// At 28,000 composers and 267,000 works the first has about 1,000 works, half have 3 or fewer, and one in
/// thirteen has none.
struct Popularity {
    /// Sums of the weights, by rank.
    sums: Vec<u64>,
    /// The place among the names, by rank.
    places: Vec<u32>,
}

impl Popularity {
    fn new(random: &mut Random, composers: usize) -> Self {
        let mut sum = 0;
        let sums = (0..composers as u64)
            .map(|rank| {
                sum += (1 << 40) / (rank + 40);
                sum
            })
            .collect();
        let mut places: Vec<u32> = (0..composers as u32).collect();
        random.shuffle(&mut places);
        Self { sums, places }
    }

    fn composer(&self, random: &mut Random) -> usize {
        let target = random.below(self.sums.last().copied().unwrap_or(0));
        let rank = self.sums.partition_point(|&sum| sum <= target);
        self.places[rank] as usize
    }
}

/// Page numbers: all different, in no order, with gaps.
///
/// Multiplying by an odd number permutes the numbers below a power of two.
struct Pages {
    factor: u64,
    offset: u64,
    mask: u64,
}

impl Pages {
    fn new(random: &mut Random, works: u64) -> Self {
        // IMSLP's page numbers have up to 7 digits; about one in four is a work.
        let range = (works.saturating_mul(4)).clamp(1 << 20, 1 << 62).next_power_of_two();
        Self { factor: random.next() | 1, offset: random.next(), mask: range - 1 }
    }

    fn page(&self, number: u64) -> u64 {
        1 + (number.wrapping_mul(self.factor).wrapping_add(self.offset) & self.mask)
    }
}

/// The letters of an IMSLP catalogue number: "ICF" for "Ferrari, Carlotta".
fn initials(composer: &str) -> (char, char) {
    let letter = |text: &str| text.chars().find(|c| c.is_alphabetic()).unwrap_or('X');
    match composer.split_once(", ") {
        Some((last, first)) => (letter(first), letter(last)),
        None => ('A', letter(composer)),
    }
}

/// Writes the address of a page, as MediaWiki spells it: runs of blanks as one underscore, everything percent-encoded
/// but letters, digits and the signs that its wfUrlencode() leaves.
fn permlink_over(permlink: &mut String, page: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    permlink.clear();
    permlink.push_str("https://imslp.org/wiki/");
    let mut blank = false;
    for byte in page.bytes() {
        if byte == b' ' {
            if !blank {
                permlink.push('_');
            }
        } else if byte.is_ascii_alphanumeric() || b"-_.;@$!*(),/~:".contains(&byte) {
            permlink.push(char::from(byte));
        } else {
            permlink.push('%');
            permlink.push(char::from(HEX[usize::from(byte >> 4)]));
            permlink.push(char::from(HEX[usize::from(byte & 15)]));
        }
        blank = byte == b' ';
    }
}

fn format_over(text: &mut String, value: std::fmt::Arguments<'_>) {
    text.clear();
    // Writing to a String does not fail.
    let _ = text.write_fmt(value);
}
