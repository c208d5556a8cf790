//! Composers' names as IMSLP writes them: `Last, First`, `Last, First, Jr.` or a single name.
//!
//! The names are put together from parts of words and mean nobody. A name never has two blanks in a row, a
//! blank at an end, or an underscore, so two different names are two different composer keys.

use std::collections::HashSet;

use crate::languages::{Language, language};
use crate::random::Random;

/// What comes before a last name, in 40 of 1,000.
const PARTICLES: [&str; 9] = ["D'", "d'", "De ", "de ", "L'", "Mac", "O'", "van ", "von "];

/// What makes a name three parts, in 20 of 1,000.
const SUFFIXES: [&str; 6] = ["Jr.", "Sr.", "I", "II", "III", "Baron de"];

/// Nicknames in double quotes, in 8 of 1,000.
const NICKNAMES: [&str; 6] =
    ["Buddy", "Chopin of the South", "Lightnin'", "Il Moro", "Ó", "The Elder"];

/// The single names that exist in every large catalogue; they come first.
const COLLECTIVE: [&str; 4] = ["Anonymous", "Various", "Traditional", "Folk Songs"];

/// `count` different names, sorted by their bytes as IMSLP's list is sorted by name.
pub fn composer_names(random: &mut Random, count: usize) -> Vec<String> {
    let mut taken = HashSet::with_capacity(count);
    let mut collective = COLLECTIVE.iter();
    while taken.len() < count {
        // A name that is taken is tried again with one given name more: this ends for any count.
        let single = random.per_mille(10);
        let mut more = 0;
        loop {
            let name = if !single {
                full_name(random, more)
            } else if let Some(name) = collective.next() {
                (*name).to_owned()
            } else {
                single_name(random, more)
            };
            if taken.insert(name) {
                break;
            }
            more += 1;
        }
    }
    let mut names: Vec<String> = taken.into_iter().collect();
    names.sort_unstable();
    names
}

/// A name without a comma.
fn single_name(random: &mut Random, more: u32) -> String {
    let language = language(random);
    let mut name = random.pick(language.stems).to_owned();
    name.push_str(random.pick(language.endings));
    if random.per_mille(300) {
        name.push_str(random.pick(&[" de Paris", " of Bath", " da Todi", " il Vecchio"]));
    }
    given_names(random, language, more, &mut name);
    name
}

fn full_name(random: &mut Random, more: u32) -> String {
    let language = language(random);
    let mut name = String::with_capacity(48);
    if random.per_mille(40) {
        name.push_str(random.pick(&PARTICLES));
    }
    name.push_str(random.pick(language.stems));
    name.push_str(random.pick(language.endings));
    if random.per_mille(15) {
        name.push('-');
        name.push_str(random.pick(language.stems));
        name.push_str(random.pick(language.endings));
    }
    name.push_str(", ");
    let first = random.pick(language.given);
    name.push_str(first);
    if random.per_mille(500) {
        let second = random.pick(language.given);
        if second != first {
            name.push(' ');
            name.push_str(second);
        }
    }
    given_names(random, language, more, &mut name);
    if random.per_mille(8) {
        name.push_str(" \"");
        name.push_str(random.pick(&NICKNAMES));
        name.push('"');
    }
    if random.per_mille(20) {
        name.push_str(", ");
        name.push_str(random.pick(&SUFFIXES));
    }
    name
}

fn given_names(random: &mut Random, language: &Language, count: u32, name: &mut String) {
    for _ in 0..count {
        name.push(' ');
        name.push_str(random.pick(language.given));
    }
}
