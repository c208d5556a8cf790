//! PURE. Decimal numbers of up to [`MOST`] digits, exact: from text or from a numeric, into either.
//!
//! Longer numbers are `None` here, and are the server's. Source of the forms: `numeric.c` of PostgreSQL
//! (set_var_from_str, round_var, make_result, get_str_from_var).

/// The most digits of a number, before its decimal point and behind it. Numbers of documents have fewer; a small buffer
/// is filled and moved faster.
pub const MOST: usize = 64;

/// The header of a numeric, and a word for every 4 digits: the first and the last may have fewer.
const LONGEST_NUMERIC: usize = 4 + 2 * (2 * MOST / DIGITS_PER_WORD + 2);

/// A sign, a digit before the point and the point itself.
const LONGEST_PLAIN: usize = 2 * MOST + 3;

const DIGITS_PER_WORD: usize = 4;
const BASE: u16 = 10_000;

const SIGN_MASK: u16 = 0xC000;
const NEGATIVE: u16 = 0x4000;
const SHORT: u16 = 0x8000;
const SPECIAL: u16 = 0xC000;
const SHORT_NEGATIVE: u16 = 0x2000;
const SHORT_SCALE_SHIFT: u16 = 7;
const SHORT_SCALE_MAX: u16 = 63;
const SHORT_WEIGHT_SIGN: u16 = 0x0040;
const SHORT_WEIGHT_MASK: u16 = 0x003F;
const LONG_SCALE_MASK: u16 = 0x3FFF;

/// The longest exponent that is read. Zero may have any, and the server draws the line far from here.
const EXPONENT_DIGITS: usize = 6;

/// ± 0.d₁d₂d₃… × 10^point, where d₁ is not 0. Zero has no digits and no sign.
#[derive(Clone)]
pub struct Decimal {
    negative: bool,
    /// How many digits are shown behind the decimal point. The digits end there or before.
    scale: usize,
    /// How many digits stand before the decimal point; negative if zeros follow it.
    point: i32,
    /// From 0 to 9; behind `count` there is nothing.
    digits: [u8; 2 * MOST],
    count: usize,
}

/// The bytes of a numeric behind its varlena header.
pub struct Numeric {
    bytes: [u8; LONGEST_NUMERIC],
    length: usize,
}

/// A number as `numeric_out` writes it.
pub struct Plain {
    bytes: [u8; LONGEST_PLAIN],
    length: usize,
}

impl Decimal {
    /// Reads `[+-]?d+(.d+)?(e[+-]?d+)?`. `None` for other texts and for long numbers.
    pub fn from_text(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (negative, bytes) = match bytes {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, bytes),
        };
        let (whole, rest) = split_digits(bytes);
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => match split_digits(rest) {
                ([], _) => return None,
                parts => parts,
            },
            _ => (&rest[..0], rest),
        };
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', rest @ ..] => exponent(rest)?,
            _ => return None,
        };
        if whole.is_empty() {
            return None;
        }
        let scale = usize::try_from((fraction.len() as i64 - i64::from(exponent)).max(0)).ok()?;
        let zeros = leading_zeros(whole);
        let significant = &whole[zeros..];
        let (point, fraction) = match significant.is_empty() {
            true => {
                let zeros = leading_zeros(fraction);
                (-(zeros as i64), &fraction[zeros..])
            }
            false => (significant.len() as i64, fraction),
        };
        let mut number = Decimal::new(negative, scale)?;
        number.push(significant.iter().chain(fraction).map(|digit| digit - b'0'))?;
        number.normal(point + i64::from(exponent))
    }

    /// Reads the bytes behind a numeric's varlena header. `None` for what is no finite number, and for long ones.
    pub fn from_numeric(bytes: &[u8]) -> Option<Self> {
        let (negative, scale, weight, words) = header(bytes)?;
        let mut number = Decimal::new(negative, scale)?;
        let mut point = (i64::from(weight) + 1) * DIGITS_PER_WORD as i64;
        for word in words {
            let word = u16::from_ne_bytes(*word);
            if word >= BASE {
                return None;
            }
            let digits = [word / 1000, word / 100 % 10, word / 10 % 10, word % 10];
            let skip = match number.count {
                0 => digits.iter().take_while(|digit| **digit == 0).count(),
                _ => 0,
            };
            point -= skip as i64;
            number.push(digits[skip..].iter().map(|digit| *digit as u8))?;
        }
        number.normal(point)
    }

    fn new(negative: bool, scale: usize) -> Option<Self> {
        let number = Decimal { negative, scale, point: 0, digits: [0; 2 * MOST], count: 0 };
        (scale <= MOST).then_some(number)
    }

    fn push(&mut self, digits: impl Iterator<Item = u8>) -> Option<()> {
        for digit in digits {
            *self.digits.get_mut(self.count)? = digit;
            self.count += 1;
        }
        Some(())
    }

    /// Without zeros at the end, with the decimal point in its place.
    fn normal(mut self, point: i64) -> Option<Self> {
        while self.count > 0 && self.digits[self.count - 1] == 0 {
            self.count -= 1;
        }
        if self.count == 0 {
            return Some(Decimal { negative: false, point: 0, ..self });
        }
        let most = MOST as i64;
        self.point = i32::try_from(point).ok().filter(|_| (-most..=most).contains(&point))?;
        // A numeric whose digits go on behind its scale is none that the server makes.
        (i64::try_from(self.count).ok()? - point <= self.scale as i64).then_some(self)
    }

    pub fn is_zero(&self) -> bool {
        self.count == 0
    }

    /// How many digits stand before the decimal point of a number that is not zero.
    pub fn point(&self) -> i32 {
        self.point
    }

    /// Rounds to so many digits behind the decimal point, and shows as many: half away from zero.
    pub fn round(&mut self, scale: i32) {
        self.scale = usize::try_from(scale).unwrap_or(0).min(MOST);
        let kept = self.point + scale;
        if self.count == 0 || kept >= self.count as i32 {
            return;
        }
        let Ok(kept) = usize::try_from(kept) else {
            (self.count, self.negative, self.point) = (0, false, 0);
            return;
        };
        let up = self.digits[kept] >= 5;
        self.count = kept;
        if up {
            while self.count > 0 && self.digits[self.count - 1] == 9 {
                self.count -= 1;
            }
            if self.count > 0 {
                self.digits[self.count - 1] += 1;
            } else {
                (self.digits[0], self.count) = (1, 1);
                self.point += 1;
            }
        }
        while self.count > 0 && self.digits[self.count - 1] == 0 {
            self.count -= 1;
        }
        if self.count == 0 {
            (self.negative, self.point) = (false, 0);
        }
    }

    /// As make_result of `numeric.c` stores it, without the varlena header.
    pub fn numeric(&self) -> Numeric {
        let mut numeric = Numeric { bytes: [0; LONGEST_NUMERIC], length: 0 };
        let weight = if self.is_zero() { 0 } else { (self.point - 1).div_euclid(4) };
        let scale = self.scale as u16;
        if scale <= SHORT_SCALE_MAX && (-64..=63).contains(&weight) {
            let mut header = SHORT | (scale << SHORT_SCALE_SHIFT);
            header |= weight as u16 & (SHORT_WEIGHT_SIGN | SHORT_WEIGHT_MASK);
            header |= if self.negative { SHORT_NEGATIVE } else { 0 };
            numeric.push(header);
        } else {
            numeric.push(scale | if self.negative { NEGATIVE } else { 0 });
            numeric.push(weight as u16);
        }
        // The first word is filled up with zeros in front, the last with zeros behind.
        let mut place = (-self.point).rem_euclid(4);
        let mut word = 0;
        for &digit in &self.digits[..self.count] {
            word = word * 10 + u16::from(digit);
            place += 1;
            if place == 4 {
                numeric.push(word);
                (word, place) = (0, 0);
            }
        }
        if place > 0 && self.count > 0 {
            numeric.push(word * 10u16.pow(4 - place as u32));
        }
        numeric
    }

    /// As `numeric_out` writes it.
    pub fn plain(&self) -> Plain {
        let mut plain = Plain { bytes: [b'0'; LONGEST_PLAIN], length: 0 };
        let digit = |place: i32| {
            let place = usize::try_from(place).ok().filter(|&place| place < self.count);
            place.map_or(b'0', |place| b'0' + self.digits[place])
        };
        if self.negative {
            plain.push(b'-');
        }
        if self.point <= 0 {
            plain.push(b'0');
        }
        (0..self.point).for_each(|place| plain.push(digit(place)));
        if self.scale > 0 {
            plain.push(b'.');
            (0..self.scale as i32).for_each(|place| plain.push(digit(self.point + place)));
        }
        plain
    }
}

impl Numeric {
    fn push(&mut self, word: u16) {
        if let Some(place) = self.bytes[self.length..].first_chunk_mut() {
            *place = word.to_ne_bytes();
            self.length += place.len();
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Plain {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

/// A numeric's sign, scale, weight and words.
fn header(bytes: &[u8]) -> Option<(bool, usize, i16, &[[u8; 2]])> {
    let (header, rest) = bytes.split_first_chunk()?;
    let header = u16::from_ne_bytes(*header);
    let (negative, scale, weight, rest) = match header & SIGN_MASK {
        SPECIAL => return None,
        SHORT => {
            let weight = (header & SHORT_WEIGHT_MASK) as i16;
            let weight = if header & SHORT_WEIGHT_SIGN != 0 { weight - 64 } else { weight };
            let scale = (header >> SHORT_SCALE_SHIFT) & SHORT_SCALE_MAX;
            (header & SHORT_NEGATIVE != 0, scale, weight, rest)
        }
        sign => {
            let (weight, rest) = rest.split_first_chunk()?;
            (sign == NEGATIVE, header & LONG_SCALE_MASK, i16::from_ne_bytes(*weight), rest)
        }
    };
    let (words, []) = rest.as_chunks() else { return None };
    Some((negative, usize::from(scale), weight, words))
}

/// A numeric that is a whole number, shows no digits behind the point, and fits.
pub fn integer(bytes: &[u8]) -> Option<i64> {
    let (negative, scale, weight, words) = header(bytes)?;
    let places = usize::try_from(i32::from(weight) + 1).ok()?;
    if scale != 0 || words.len() > places || places > 5 {
        return (words.is_empty() && scale == 0).then_some(0);
    }
    let mut value = 0i64;
    for place in 0..places {
        let word = words.get(place).map_or(0, |word| u16::from_ne_bytes(*word));
        if word >= BASE {
            return None;
        }
        // Counted below zero, where there is room for one more.
        value = value.checked_mul(i64::from(BASE))?.checked_sub(i64::from(word))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

/// The digits at the beginning, and the rest.
fn split_digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    bytes.split_at(end)
}

fn leading_zeros(digits: &[u8]) -> usize {
    digits.iter().take_while(|digit| **digit == b'0').count()
}

fn exponent(bytes: &[u8]) -> Option<i32> {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, bytes),
    };
    if digits.is_empty() || digits.len() > EXPONENT_DIGITS || !digits.iter().all(u8::is_ascii_digit)
    {
        return None;
    }
    let value = digits.iter().fold(0, |value, digit| 10 * value + i32::from(digit - b'0'));
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests;
