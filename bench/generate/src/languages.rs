//! The parts of words that names are put together from, language by language.
//!
//! Chosen for the letters that they bring: ASCII, Latin with accents of all kinds, Cyrillic, Chinese, Japanese and
//! Korean, and one letter (𠮷) that takes two UTF-16 units. No part holds a comma or an underscore.

use crate::random::Random;

/// The parts that one language's names are made of.
pub struct Language {
    /// How many of 1,000 composers.
    share: u64,
    pub stems: &'static [&'static str],
    pub endings: &'static [&'static str],
    pub given: &'static [&'static str],
}

/// The shares add up to 1,000.
const LANGUAGES: [Language; 11] = [
    Language {
        share: 265,
        stems: &[
            "Ash", "Black", "Brad", "Burn", "Cald", "Carl", "Dun", "Fair", "Gold", "Hal", "Hart",
            "Hol", "Lang", "Mar", "Nor", "Pem", "Rad", "Stan", "Thorn", "Whit", "Win", "Wood",
        ],
        endings: &[
            "brook", "bury", "by", "den", "field", "ford", "ham", "ley", "man", "more", "shaw",
            "son", "ton", "well", "wood", "worth",
        ],
        given: &[
            "Alice",
            "Arthur",
            "Charles",
            "Edward",
            "Elizabeth",
            "Ethel",
            "Frank",
            "George",
            "Harriet",
            "Henry",
            "James",
            "John",
            "Joseph",
            "Mary",
            "Robert",
            "Samuel",
            "Thomas",
            "Walter",
            "William",
            "J.",
            "E. A.",
        ],
    },
    Language {
        share: 170,
        stems: &[
            "Bel", "Bon", "Cal", "Cor", "Fer", "Gal", "Giar", "Lom", "Mal", "Mar", "Mon", "Pal",
            "Per", "Ros", "Sal", "Tor", "Val", "Ven", "Vit", "Zan",
        ],
        endings: &[
            "ardi", "aro", "atti", "bini", "celli", "dini", "elli", "etti", "icci", "iero", "ini",
            "olò", "oni", "otti", "tani", "zzi",
        ],
        given: &[
            "Alessandro",
            "Antonio",
            "Bianca",
            "Carlotta",
            "Domenico",
            "Francesca",
            "Gaetano",
            "Giovanni",
            "Giuseppe",
            "Isabella",
            "Luigi",
            "Maddalena",
            "Nicolò",
            "Pietro",
            "Vincenzo",
        ],
    },
    Language {
        share: 150,
        stems: &[
            "Bär", "Böhm", "Brüg", "Drechs", "Eich", "Frösch", "Gräf", "Hagen", "Käst", "Kirch",
            "König", "Lind", "Müll", "Münz", "Pfann", "Reich", "Schön", "Schütz", "Stein", "Weiß",
            "Wolf", "Zell",
        ],
        endings: &[
            "bach", "berg", "berger", "burg", "eder", "er", "hauser", "hofer", "ler", "mann",
            "meier", "ner", "stein",
        ],
        given: &[
            "Anna Amalia",
            "Carl Friedrich",
            "Clara",
            "Elisabeth",
            "Franz",
            "Georg",
            "Günther",
            "Hans",
            "Heinrich",
            "Johann",
            "Johann Christoph",
            "Jörg",
            "Karl",
            "Luise",
            "Otto",
            "Philipp",
            "Wolfgang",
        ],
    },
    Language {
        share: 140,
        stems: &[
            "Beau", "Bré", "Champ", "Char", "Château", "Cou", "Dela", "Du", "Fleur", "Gué", "La",
            "Lam", "Mont", "Péri", "Rou", "Saint-", "Vau", "Ville",
        ],
        endings: &[
            "bert", "bois", "çon", "court", "fort", "gny", "lier", "mont", "nard", "neuf", "pin",
            "rière", "rond", "sart", "seau", "vette",
        ],
        given: &[
            "André",
            "Augusta",
            "Benoît",
            "Camille",
            "Cécile",
            "Élisabeth",
            "Émile",
            "François",
            "Gaëtan",
            "Hélène",
            "Jacques",
            "Jean-Baptiste",
            "Louise",
            "Mélanie",
            "Pierre",
            "René",
            "Théodore",
        ],
    },
    Language {
        share: 60,
        stems: &[
            "Bene", "Čer", "Dole", "Dvo", "Haná", "Jirá", "Kří", "Mysli", "Nová", "Růži", "Řez",
            "Ště", "Šim", "Vaň", "Žiž",
        ],
        endings: &[
            "ček", "dka", "ha", "hal", "ka", "ník", "pán", "řák", "šek", "tný", "vec", "ský",
        ],
        given: &[
            "Antonín",
            "Bohuslav",
            "Františka",
            "Jan",
            "Jiří",
            "Josef",
            "Kateřina",
            "Leoš",
            "Matěj",
            "Ondřej",
            "Vítězslava",
            "Zdeněk",
        ],
    },
    Language {
        share: 50,
        stems: &[
            "Brzo", "Chmie", "Dąb", "Gło", "Jabłoń", "Kar", "Łu", "Mań", "Mły", "Pade", "Szy",
            "Wie", "Żele", "Źró",
        ],
        endings: &[
            "cki", "czak", "czyk", "dziński", "kowski", "lewicz", "niawski", "nowicz", "ński",
            "rewski", "wska",
        ],
        given: &[
            "Agnieszka",
            "Fryderyk",
            "Grażyna",
            "Ignacy Jan",
            "Jerzy",
            "Józef",
            "Karol",
            "Małgorzata",
            "Mieczysław",
            "Stanisław",
            "Władysław",
        ],
    },
    Language {
        share: 60,
        stems: &[
            "Åker", "Berg", "Bjørn", "Dahl", "Ek", "Grøn", "Hägg", "Hjal", "Kjær", "Lind", "Mø",
            "Nor", "Ny", "Øster", "Sjö", "Strøm",
        ],
        endings: &[
            "blad", "blom", "by", "dahl", "gaard", "gren", "heim", "holm", "kvist", "lund", "mark",
            "søn", "ström", "ås",
        ],
        given: &[
            "Agathe",
            "Åke",
            "Bjørn",
            "Edvard",
            "Elfrida",
            "Gösta",
            "Jóhann",
            "Lars-Erik",
            "Märta",
            "Niels",
            "Pálmar",
            "Søren",
            "Þórir",
        ],
    },
    Language {
        share: 70,
        stems: &[
            "Arhan", "Bala", "Boro", "Cher", "Dargo", "Grecha", "Kalin", "Lya", "Miasko", "Rim",
            "Shebal", "Solov", "Tane", "Vasil'",
        ],
        endings: &[
            "chenko", "dinov", "epnin", "gel'sky", "kirev", "mizhsky", "nikov", "punov", "shkin",
            "vsky", "yev",
        ],
        given: &[
            "Aleksandr",
            "Anatoly",
            "Fyodor Ivanovich",
            "Lyubov'",
            "Mikhaíl",
            "Modest Petrovich",
            "Nadezhda",
            "Nikolay",
            "Pyotr",
            "Sergey",
            "Yelena",
        ],
    },
    Language {
        share: 15,
        stems: &["Бала", "Боро", "Глин", "Гре", "Ка", "Мяс", "Сви", "Соло", "Тане", "Чере", "Шеба"],
        endings: &["вьёв", "дин", "евич", "ковский", "лин", "нин", "рев", "ский", "чанинов", "шин"],
        given: &[
            "Александр",
            "Анна",
            "Елена",
            "Иван",
            "Михаил Иванович",
            "Николай",
            "Пётр",
            "Сергей",
            "Юрий",
        ],
    },
    Language {
        share: 15,
        stems: &["山", "川", "伊", "佐", "瀧", "𠮷", "冼", "馬", "김", "윤"],
        endings: &["内", "口", "崎", "村", "東", "満", "田", "藤", "野", "本"],
        given: &["一郎", "星海", "思聰", "廉太郎", "秋子", "耕筰", "美智", "이상", "耳", "雅"],
    },
    Language {
        share: 5,
        stems: &["Ä", "Bú", "Ğö", "Ió", "Kőr", "Ñu", "Szé", "Ț", "Ürm"],
        endings: &["ányi", "čiūnas", "dağ", "ékely", "ñez", "őssy", "uță", "yaz"],
        given: &["Ádám", "Béla", "Çiğdem", "Íñigo", "Jānis", "Ľudmila", "Ștefan", "Žemyna"],
    },
];

/// A language, as often as its share says.
pub fn language(random: &mut Random) -> &'static Language {
    let mut place = random.below(1000);
    for language in &LANGUAGES {
        if place < language.share {
            return language;
        }
        place -= language.share;
    }
    &LANGUAGES[0]
}

#[cfg(test)]
mod tests {
    use super::LANGUAGES;

    #[test]
    fn shares_add_up() {
        assert_eq!(LANGUAGES.iter().map(|language| language.share).sum::<u64>(), 1000);
    }
}
