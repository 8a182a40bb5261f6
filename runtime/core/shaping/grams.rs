//! Finds which of many texts occur in a response, at a cost that hardly depends on how many they are.
//!
//! Each text is known by one of its four-byte grams, the one that the fewest other texts have. A small table of bits tells for
//! nearly every position of a response that no text has the gram there; where one may, the text itself is compared. ASCII
//! case counts for nothing.

use std::collections::HashMap;

/// A text needs this many bytes to be known by a gram.
pub(super) const GRAM_BYTES: usize = 4;
/// Table bits for each text: one position in so many is looked at without need.
const BITS_PER_TEXT: usize = 64;
/// The table has from one word to 8 KiB of bits, as powers of two.
const TABLE_BITS: std::ops::RangeInclusive<u32> = 6..=16;

/// How many texts have each gram.
#[derive(Default)]
pub(super) struct Frequencies(HashMap<u32, u32>);

impl Frequencies {
    pub(super) fn of<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let mut counts = HashMap::new();
        for (gram, _) in texts.flat_map(grams) {
            *counts.entry(gram).or_default() += 1;
        }
        Self(counts)
    }

    /// The gram of the text that the fewest texts have, and where it begins.
    fn rarest(&self, text: &str) -> Option<(u32, usize)> {
        grams(text).min_by_key(|(gram, _)| self.0.get(gram))
    }

    /// How many texts have that gram.
    pub(super) fn rarity(&self, text: &str) -> u32 {
        self.rarest(text).and_then(|(gram, _)| self.0.get(&gram).copied()).unwrap_or(u32::MAX)
    }
}

/// The grams of a text and where each begins.
fn grams(text: &str) -> impl Iterator<Item = (u32, usize)> {
    text.as_bytes()
        .windows(GRAM_BYTES)
        .enumerate()
        .map(|(at, window)| (window.iter().fold(0, |gram, byte| push(gram, *byte)), at))
}

/// The gram that ends in one byte more.
fn push(gram: u32, byte: u8) -> u32 {
    gram << 8 | u32::from(byte.to_ascii_lowercase())
}

/// Texts to be found.
#[derive(Debug)]
pub(super) struct TextIndex {
    texts: Vec<Box<str>>,
    /// Sorted by gram.
    places: Vec<Place>,
    /// For the hash of each gram that stands in `places`, a set bit.
    table: Vec<u64>,
    table_bits: u32,
}

/// A text with the gram that it is known by.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Place {
    gram: u32,
    /// The index of the text.
    text: usize,
    /// Bytes of the text before the gram.
    before: usize,
}

impl TextIndex {
    /// An index of texts; what is shorter than a gram is never found.
    pub(super) fn new(texts: Vec<Box<str>>, frequencies: &Frequencies) -> Self {
        let mut places: Vec<Place> = Vec::with_capacity(texts.len());
        for (text, words) in texts.iter().enumerate() {
            places.extend(frequencies.rarest(words).map(|(gram, before)| Place { gram, text, before }));
        }
        places.sort_unstable();
        let wanted = (places.len() * BITS_PER_TEXT).next_power_of_two().ilog2();
        let table_bits = wanted.clamp(*TABLE_BITS.start(), *TABLE_BITS.end());
        let mut index = Self { texts, places, table: vec![0; 1 << (table_bits - 6)], table_bits };
        for at in 0..index.places.len() {
            let (word, bit) = index.slot(index.places[at].gram);
            index.table[word] |= bit;
        }
        index
    }

    fn slot(&self, gram: u32) -> (usize, u64) {
        // A multiplicative hash: the upper bits of the product depend on all of the gram.
        let hash = gram.wrapping_mul(0x9e37_79b1) >> (32 - self.table_bits);
        ((hash / 64) as usize, 1 << (hash % 64))
    }

    /// Calls `found` with the index of each text that occurs and where it begins, for each time that it occurs.
    pub(super) fn each(&self, haystack: &str, mut found: impl FnMut(usize, usize)) {
        let bytes = haystack.as_bytes();
        let mut gram = 0;
        for (at, byte) in bytes.iter().enumerate() {
            gram = push(gram, *byte);
            let (word, bit) = self.slot(gram);
            if self.table[word] & bit == 0 {
                continue;
            }
            let first = self.places.partition_point(|place| place.gram < gram);
            for place in self.places[first..].iter().take_while(|place| place.gram == gram) {
                let start = (at + 1).checked_sub(GRAM_BYTES + place.before);
                let Some((start, rest)) = start.and_then(|start| Some((start, bytes.get(start..)?))) else { continue };
                let text = self.texts[place.text].as_bytes();
                if rest.get(..text.len()).is_some_and(|here| here.eq_ignore_ascii_case(text)) {
                    found(place.text, start);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(texts: &[&str]) -> TextIndex {
        let frequencies = Frequencies::of(texts.iter().copied());
        TextIndex::new(texts.iter().map(|text| (*text).into()).collect(), &frequencies)
    }

    fn found(texts: &[&str], haystack: &str) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        index(texts).each(haystack, |text, at| found.push((text, at)));
        found.sort_unstable();
        found
    }

    #[test]
    fn s6_texts_are_found_wherever_they_stand() {
        let texts = ["too many", "many connections", "busy", "4.7.0"];
        assert_eq!(
            found(&texts, "421 4.7.0 Too Many connections, BUSY busy"),
            [(0, 10), (1, 14), (2, 32), (2, 37), (3, 4)]
        );
        assert_eq!(found(&texts, "busy"), [(2, 0)]);
        assert_eq!(found(&texts, "bus"), []);
        assert_eq!(found(&texts, "many connection"), []);
        assert_eq!(found(&texts, "ny connections"), [], "a gram without what goes before it");
        assert_eq!(found(&texts, ""), []);
        assert_eq!(found(&[], "busy"), []);
        assert_eq!(found(&["bus", ""], "bus busy"), [], "shorter than a gram");
        assert_eq!(found(&["\0\0\0\0"], "\0\0\0"), []);
        assert_eq!(found(&["aaaa", "aaaaa"], "aaaaaa"), [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]);
        assert_eq!(found(&["größe"], "Größe"), [(0, 0)]);
    }

    #[test]
    fn s6_a_text_is_known_by_its_rarest_gram() {
        let frequencies = Frequencies::of(["421 busy", "421 full", "421 busy now"].into_iter());
        assert_eq!(frequencies.rarity("421 full"), 1);
        assert_eq!(frequencies.rarity("421 busy"), 2);
        assert_eq!(frequencies.rarity("421 "), 3);
        assert_eq!(frequencies.rarity("421"), u32::MAX);
        let (gram, at) = frequencies.rarest("421 full").unwrap();
        assert_eq!((gram.to_be_bytes(), at), (*b"21 f", 1));
    }

    #[test]
    fn s6_the_table_grows_with_the_texts_and_has_an_end() {
        assert_eq!(index(&[]).table.len(), 1);
        assert_eq!(index(&["abcd"]).table.len(), 1);
        assert_eq!(index(&["abcd", "efgh"]).table.len(), 2);
        let many: Vec<String> = (0..2_000).map(|n| format!("{n:04}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let index = index(&many);
        assert_eq!(index.table.len(), 1_024);
        let mut found = Vec::new();
        index.each("00420815", |text, _| found.push(text));
        assert_eq!(found, [42, 420, 815], "0042, 0420, 0815");
    }
}
