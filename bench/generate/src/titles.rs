//! Titles of works: forms, keys, opus numbers, and what makes real titles hard to read by machine.
//!
//! Titles repeat within a composer. `manuscript` alone gives titles that do not, for works that have no page.

use std::fmt::Write;

use crate::random::Random;

const FORMS: [&str; 34] = [
    "Air varié",
    "Allegro de concert",
    "Bagatelle",
    "Ballade",
    "Berceuse",
    "Cantata",
    "Caprice",
    "Concerto",
    "Duo",
    "Élégie",
    "Étude",
    "Fantasia",
    "Fugue",
    "Impromptu",
    "Konzertstück",
    "Lied ohne Worte",
    "Marche funèbre",
    "Mazurka",
    "Menuet",
    "Motet",
    "Nocturne",
    "Offertorium",
    "Overture",
    "Polonaise",
    "Prelude",
    "Preludio e fuga",
    "Quartett",
    "Rondo",
    "Scherzo",
    "Sonata",
    "Streichquartett",
    "Symphony",
    "Toccata",
    "Valse",
];

const SETS: [&str; 14] = [
    "Chorale Preludes",
    "Duos concertants",
    "Études",
    "Fantasias",
    "Klavierstücke",
    "Lieder und Gesänge",
    "Mélodies",
    "Mazurkas",
    "Motets",
    "Nocturnes",
    "Part-songs",
    "Písně",
    "Polish Dances",
    "Sonatas",
];

const PARTS: [&str; 14] = [
    "2 Violins, Viola and Cello",
    "Cello and Piano",
    "Flute, Oboe and Continuo",
    "Flöte und Klavier",
    "Mixed Chorus, Soloists and Orchestra",
    "Orchestra",
    "Organ or Harmonium",
    "Piano 4 Hands",
    "Piano, Violin and Cello",
    "String Orchestra",
    "Violin and Orchestra",
    "Violon avec accompagnement de piano",
    "Voice and Piano",
    "Wind Quintet and Harpsichord",
];

const TONICS: [&str; 14] = [
    "C", "C-sharp", "D", "D-flat", "E", "E-flat", "F", "F-sharp", "G", "A", "A-flat", "B",
    "B-flat", "B♭",
];

const WORDS: [&str; 32] = [
    "Abendlied",
    "Adieu",
    "Alleluja",
    "Aurore",
    "Blümlein",
    "Campana",
    "Chanson",
    "Clair de lune",
    "Croyez-moi",
    "d'amour",
    "Dämmerung",
    "Évocation",
    "Fröhlich",
    "Gloria",
    "Im Walde",
    "L'oiseau",
    "Lullaby",
    "Mein Herz",
    "Mélancolie",
    "Nachtigall",
    "O magnum mysterium",
    "Où",
    "Píseň",
    "Rêverie",
    "Sérénade",
    "Skärgård",
    "Souvenir",
    "Święto",
    "The Lark",
    "Vårnatt",
    "Zigeunerweisen",
    "Осень",
];

const VERSIONS: [&str; 5] = [
    " (2nd version)",
    " (arr. by the composer)",
    " (revised)",
    " (première édition)",
    " (unfinished sketches)",
];

/// Writes a title over `title`; titles repeat.
pub fn title(random: &mut Random, title: &mut String) {
    title.clear();
    match random.below(100) {
        0..4 => title.push_str(random.pick(&FORMS)),
        4..44 => form_and_key(random, title),
        44..60 => set(random, title),
        60..92 => poem(random, title),
        92..98 => quoted(random, title),
        _ => alternatives(random, title),
    }
    if random.per_mille(300) {
        title.push_str(random.pick(&VERSIONS));
    }
    if random.per_mille(15) {
        double_a_blank(title);
    }
    if random.per_mille(15) {
        title.push(' ');
    }
}

/// Writes a title that no other call with another `number` gives.
pub fn manuscript(number: u64, random: &mut Random, title: &mut String) {
    title.clear();
    title.push_str(random.pick(&FORMS));
    push(title, format_args!(", Ms.{number}"));
}

fn form_and_key(random: &mut Random, title: &mut String) {
    title.push_str(random.pick(&FORMS));
    if random.per_mille(400) {
        push(title, format_args!(" No.{}", random.between(1, 24)));
    }
    if random.per_mille(600) {
        title.push_str(" for ");
        title.push_str(random.pick(&PARTS));
    }
    if random.per_mille(750) {
        title.push_str(" in ");
        title.push_str(random.pick(&TONICS));
        title.push_str(random.pick(&[" major", " minor"]));
    }
    opus(random, title);
}

fn set(random: &mut Random, title: &mut String) {
    push(title, format_args!("{} ", random.between(2, 48)));
    title.push_str(random.pick(&SETS));
    title.push_str(" for ");
    title.push_str(random.pick(&PARTS));
    opus(random, title);
}

fn opus(random: &mut Random, title: &mut String) {
    if random.per_mille(850) {
        push(title, format_args!(", Op.{}", random.between(1, 180)));
        if random.per_mille(300) {
            push(title, format_args!(" No.{}", random.between(1, 12)));
        }
    }
}

fn poem(random: &mut Random, title: &mut String) {
    for place in 0..random.between(3, 5) {
        if place > 0 {
            title.push(' ');
        }
        title.push_str(random.pick(&WORDS));
    }
    if random.per_mille(300) {
        title.push_str(random.pick(&[", WoO", ", K.", ", S.", ", BWV Anh."]));
        push(title, format_args!(" {}", random.between(1, 900)));
    }
}

fn quoted(random: &mut Random, title: &mut String) {
    title.push('"');
    title.push_str(random.pick(&WORDS));
    title.push('"');
    if random.per_mille(700) {
        title.push_str(", ");
        title.push_str(random.pick(&FORMS));
        opus(random, title);
    }
}

/// Titles in several languages, with the signs that people put between them.
fn alternatives(random: &mut Random, title: &mut String) {
    title.push_str(random.pick(&WORDS));
    title.push_str(random.pick(&[" \\ ", " / ", " & ", " – ", " 𝄞 ", "?! ", " (new) "]));
    title.push_str(random.pick(&WORDS));
}

fn double_a_blank(title: &mut String) {
    if let Some(place) = title.find(' ') {
        title.insert(place, ' ');
    }
}

fn push(title: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = title.write_fmt(text);
}
