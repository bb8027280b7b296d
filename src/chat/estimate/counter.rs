//! Counts the tokens of a text, about, piece by piece as it passes.
//!
//! Tokenizers of the kind that all large models use first cut a text into words, numbers, signs and white
//! space, and then those into tokens. This does the cutting alone, and counts for each piece what OpenAI's
//! `o200k_base` makes of it on average; `docs/pricing.md` says how far off that is.

/// Thousandths of a token.
type Milli = u64;

/// What a byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Kind {
    /// Nothing yet, or something that is counted by itself.
    #[default]
    None,
    Lower,
    Upper,
    Digit,
    Sign,
    Space,
    Break,
}

/// A count of tokens that grows with its text, wherever that is cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counter {
    /// Of what is over.
    counted: Milli,
    /// What the text ends with, and how long that is.
    run: Kind,
    length: u32,
    /// Whether there was any text.
    is_something: bool,
}

impl Counter {
    /// Adds text in UTF-8.
    pub fn push(&mut self, text: &[u8]) {
        self.is_something |= !text.is_empty();
        for &byte in text {
            self.byte(byte);
        }
    }

    /// Adds the inside of a JSON string.
    pub fn push_json(&mut self, inside: &[u8]) {
        let mut rest = inside;
        while let Some(at) = memchr::memchr(b'\\', rest) {
            let (plain, escaped) = rest.split_at(at);
            self.push(plain);
            self.is_something = true;
            let taken = match escaped.get(1) {
                Some(b'n' | b'r') => self.short(b'\n'),
                Some(b't') => self.short(b' '),
                Some(b'u') => self.code(escaped.get(2..6).unwrap_or_default()),
                _ => self.short(b'"'),
            };
            rest = escaped.get(taken..).unwrap_or_default();
        }
        self.push(rest);
    }

    /// The tokens so far.
    pub fn tokens(&self) -> u64 {
        let all = self.counted + self.pending();
        match self.is_something {
            true => all.div_ceil(1000).max(1),
            false => 0,
        }
    }

    fn short(&mut self, byte: u8) -> usize {
        self.byte(byte);
        2
    }

    /// A character by its number. Of a pair of surrogates the first one counts.
    fn code(&mut self, digits: &[u8]) -> usize {
        let number = std::str::from_utf8(digits).ok();
        let number = number.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match number {
            Some(0xd800..=0xdbff) => self.alone(SYMBOL),
            Some(0xdc00..=0xdfff) | None => {}
            Some(number) => {
                let letter = char::from_u32(number).unwrap_or(' ');
                let mut bytes = [0; 4];
                for &byte in letter.encode_utf8(&mut bytes).as_bytes() {
                    self.byte(byte);
                }
            }
        }
        6
    }

    fn byte(&mut self, byte: u8) {
        let kind = match byte {
            b'a'..=b'z' => Kind::Lower,
            b'A'..=b'Z' => Kind::Upper,
            b'0'..=b'9' => Kind::Digit,
            b' ' | b'\t' => Kind::Space,
            b'\n' | b'\r' => Kind::Break,
            0..=0x7f => Kind::Sign,
            // The rest of a character whose first byte has counted.
            0x80..=0xbf => return,
            0xc3..=0xcc => return self.accented(),
            _ => return self.alone(foreign(byte)),
        };
        if kind == self.run {
            self.length += 1;
        } else if self.run == Kind::Upper && kind == Kind::Lower {
            // A word with a capital.
            self.run = kind;
            self.length += 1;
        } else {
            self.end();
            (self.run, self.length) = (kind, 1);
        }
    }

    /// A letter of a word that is less usual.
    fn accented(&mut self) {
        self.counted += 960;
        if !matches!(self.run, Kind::Lower | Kind::Upper) {
            self.end();
        }
    }

    /// A character that counts by itself.
    fn alone(&mut self, milli: Milli) {
        self.end();
        self.counted += milli;
    }

    fn end(&mut self) {
        self.counted += self.pending();
        (self.run, self.length) = (Kind::None, 0);
    }

    /// What the text's end counts.
    fn pending(&self) -> Milli {
        let length = Milli::from(self.length);
        match self.run {
            Kind::Lower | Kind::Upper => match length {
                0..=4 => 900,
                5..=7 => 1050,
                8..=10 => 1640,
                _ => 1430 + 290 * length.saturating_sub(11),
            },
            Kind::Digit => 1450 * length.div_ceil(3),
            Kind::Sign => match length {
                1 => 860,
                _ => 1100 + 120 * length.saturating_sub(2),
            },
            // One space belongs to the word behind it, and a break to the sign before.
            Kind::Space if length > 1 => 990,
            Kind::None | Kind::Space | Kind::Break => 0,
        }
    }
}

const SYMBOL: Milli = 1750;

/// What a character outside of ASCII counts, by its first byte.
fn foreign(first: u8) -> Milli {
    match first {
        // Greek; Cyrillic; Hebrew, Arabic and their neighbours.
        0xcd..=0xcf => 500,
        0xd0..=0xd4 => 310,
        0xd5..=0xdf => 450,
        // Scripts of South Asia; kana; what Chinese, Japanese and Korean are written with.
        0xe0 | 0xe1 => 480,
        0xe3 => 660,
        0xe4..=0xe9 => 840,
        0xea..=0xed => 900,
        0xf0.. => SYMBOL,
        _ => 320,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn count(text: &str) -> u64 {
        let mut counter = Counter::default();
        counter.push(text.as_bytes());
        counter.tokens()
    }

    /// Of `o200k_base`: 10, 23, 12, 11 and 6.
    #[test]
    fn counts_are_close_to_a_tokenizers() {
        for (text, tokens) in [
            ("The quick brown fox jumps over the lazy dog.", 10),
            (
                "fn main() {\n    let total: u64 = items.iter().sum();\n    println!(\"{total}\");\n}",
                26,
            ),
            ("Der schnelle braune Fuchs springt über den Hund.", 11),
            ("Ёлка стоит в углу комнаты", 7),
            ("東京は日本の首都です", 8),
        ] {
            let counted = count(text);
            assert!(counted.abs_diff(tokens) <= 3, "{text}: {counted}");
        }
    }

    #[test]
    fn nothing_is_no_token_and_anything_is_one_at_least() {
        assert_eq!(count(""), 0);
        assert_eq!(count(" "), 1);
        assert_eq!(count("\n\n"), 1);
    }

    proptest! {
        #[test]
        fn a_text_counts_the_same_wherever_it_is_cut(text in "\\PC{0,60}", cuts in prop::collection::vec(0_usize..60, 0..6)) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            let mut counter = Counter::default();
            let mut from = 0;
            for at in cuts.into_iter().chain([text.len()]) {
                let at = at.clamp(from, text.len());
                counter.push(&text.as_bytes()[from..at]);
                from = at;
            }
            prop_assert_eq!(counter.tokens(), count(&text));
        }

        #[test]
        fn escapes_count_as_what_they_stand_for(text in "[a-zA-Z0-9 .,;:\"\\\\\n\täé日語🙂]{0,60}") {
            let json = serde_json::to_string(&text).unwrap();
            let mut counter = Counter::default();
            counter.push_json(&json.as_bytes()[1..json.len() - 1]);
            prop_assert_eq!(counter.tokens(), count(&text));
        }

        #[test]
        fn any_bytes_are_counted(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut counter = Counter::default();
            counter.push_json(&bytes);
            prop_assert!(counter.tokens() <= 2 * bytes.len() as u64 + 1);
        }
    }
}
