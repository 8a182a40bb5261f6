//! What patterns say about all one-line responses there can be, not only about those that are known.
//!
//! A response as patterns see it is `CODE ` and a text without line breaks (semantics S6). A pattern of the linear engine, or what
//! is left of another without what that engine does not know, is compiled into an automaton; walking it along with the shape of a response tells whether any response matches, whether all do,
//! and whether all that match one pattern match another.

use std::collections::HashSet;

use regex_automata::Anchored;
use regex_automata::MatchKind;
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_syntax::hir::Hir;

use super::relaxed::{coarse, relaxed};

/// What one automaton may take, and what building it may take, in bytes.
const DFA_LIMIT_BYTES: usize = 1 << 20;
const BUILD_LIMIT_BYTES: usize = 4 << 20;
/// A walk that comes to more pairs of states than this tells nothing.
const MOST_STATES: usize = 20_000;
/// The part of a response in which its text lies; before it come three digits and a space. What comes after are places within a
/// character of several bytes.
const TEXT: u8 = 4;

/// The texts that a few patterns match somewhere.
#[derive(Debug)]
pub(super) struct Language {
    automaton: dense::DFA<Vec<u32>>,
    /// Whether texts may have characters beyond ASCII. Where no pattern has one they are left out: nothing is told by them
    /// then, and the automata stay small.
    wide: bool,
    /// Whether it is that, and not more: large classes beyond ASCII are taken for all that is beyond ASCII.
    exact: bool,
}

/// Which characters a response may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Characters {
    /// What responses really have: anything that is printed, apart from the backslash.
    Real,
    /// Backslashes too.
    Backslash,
    /// Line breaks too.
    Breaks,
}

/// How far the walk along one automaton has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Cell {
    At(StateID),
    Matched,
}

impl Characters {
    fn bytes(self, wide: bool) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(move |byte| match byte {
            b'\\' => self != Self::Real,
            b'\n' | b'\r' => self == Self::Breaks,
            b'\t' => true,
            byte => (0x20..=0x7e).contains(byte) || (wide && *byte >= 0x80),
        })
    }
}

/// A pattern as the automata read it. Without `wide` by bytes, so that classes stay small; on ASCII texts nothing differs.
pub(super) fn parse(pattern: &str, wide: bool) -> Option<Hir> {
    regex_syntax::ParserBuilder::new().unicode(wide).utf8(false).build().parse(pattern).ok()
}

impl Language {
    /// Exactly what any of the patterns matches; `None` where that cannot be told, as with look-around.
    pub(super) fn of<'p>(patterns: impl IntoIterator<Item = &'p str> + Clone) -> Option<Self> {
        Self::about(patterns).filter(|language| language.exact)
    }

    fn about<'p>(patterns: impl IntoIterator<Item = &'p str> + Clone) -> Option<Self> {
        let wide = patterns.clone().into_iter().any(|pattern| !pattern.is_ascii());
        Self::read(patterns, wide)
    }

    /// What a pattern matches, or where that cannot be told a bit more: what it would match without its look-around and
    /// back-references.
    pub(super) fn at_most(pattern: &str) -> Option<Self> {
        let relaxed = || Some(Self { exact: false, ..Self::about([&*relaxed(pattern)?])? });
        Self::about([pattern]).or_else(relaxed)
    }

    /// The same with characters beyond ASCII, to be compared with patterns that have some.
    pub(super) fn widened<'p>(patterns: impl IntoIterator<Item = &'p str>) -> Option<Self> {
        Self::read(patterns, true)
    }

    fn read<'p>(patterns: impl IntoIterator<Item = &'p str>, wide: bool) -> Option<Self> {
        let parsed = patterns.into_iter().map(|pattern| parse(pattern, wide)).collect::<Option<Vec<Hir>>>()?;
        let coarse: Vec<Hir> = if wide { parsed.iter().map(coarse).collect() } else { parsed.clone() };
        let language = Self::of_parsed(&coarse, wide)?;
        Some(Self { exact: coarse == parsed, ..language })
    }

    pub(super) fn of_parsed(patterns: &[Hir], wide: bool) -> Option<Self> {
        let config = thompson::Config::new().utf8(false).nfa_size_limit(Some(DFA_LIMIT_BYTES));
        let nfa = thompson::Compiler::new().configure(config).build_many_from_hir(patterns).ok()?;
        let config = dense::Config::new()
            .start_kind(StartKind::Unanchored)
            .match_kind(MatchKind::All)
            .accelerate(false)
            .dfa_size_limit(Some(DFA_LIMIT_BYTES))
            .determinize_size_limit(Some(BUILD_LIMIT_BYTES));
        dense::Builder::new().configure(config).build_from_nfa(&nfa).ok().map(|automaton| Self {
            automaton,
            wide,
            exact: true,
        })
    }

    /// Whether its texts may have characters beyond ASCII.
    pub(super) fn is_wide(&self) -> bool {
        self.wide
    }

    /// Whether it is what the patterns match, and not more.
    pub(super) fn is_exact(&self) -> bool {
        self.exact
    }

    /// Whether some response matches.
    pub(super) fn matches_some(&self, characters: Characters) -> Option<bool> {
        walk([self, self], characters, b"2345", |_| false, |[matched, _]| matched)
    }

    /// The shortest response that matches, where there is one.
    pub(super) fn example(&self) -> Option<String> {
        let begin = (0_u8, self.start()?);
        let mut seen = HashSet::from([begin]);
        // Each with the place in this list of the one before it, and the byte that led on from there.
        let mut steps: Vec<((u8, Cell), usize, u8)> = vec![(begin, 0, 0)];
        let mut at = 0;
        while let Some(((part, cell), ..)) = steps.get(at).copied() {
            if part == TEXT && self.matches_at_end(cell) {
                return Some(trace(&steps, at));
            }
            for byte in Characters::Real.bytes(self.wide) {
                let Some(next) = follow(part, byte, b"2345") else { continue };
                let state = (next, self.step(cell, byte));
                if seen.insert(state) {
                    steps.push((state, at, byte));
                }
            }
            at += 1;
            if steps.len() > MOST_STATES {
                return None;
            }
        }
        None
    }

    /// Whether every response that tells of a failure matches.
    pub(super) fn matches_all(&self) -> Option<bool> {
        let missed = walk([self, self], Characters::Real, b"45", |[matched, _]| matched, |[matched, _]| !matched);
        missed.map(|missed| !missed)
    }

    /// Whether every response that matches here matches there; both are to be wide, or neither.
    pub(super) fn is_within(&self, other: &Self) -> Option<bool> {
        let goal = |[here, there]: [bool; 2]| here && !there;
        walk([self, other], Characters::Real, b"2345", |[_, there]| there, goal).map(|outside| !outside)
    }

    fn start(&self) -> Option<Cell> {
        let begin = start::Config::new().anchored(Anchored::No);
        self.automaton.start_state(&begin).ok().map(Cell::At)
    }

    fn step(&self, cell: Cell, byte: u8) -> Cell {
        match cell {
            Cell::At(state) => match self.automaton.next_state(state, byte) {
                next if self.automaton.is_match_state(next) => Cell::Matched,
                next => Cell::At(next),
            },
            Cell::Matched => Cell::Matched,
        }
    }

    /// Whether what was read, with nothing after it, matches.
    fn matches_at_end(&self, cell: Cell) -> bool {
        match cell {
            Cell::At(state) => self.automaton.is_match_state(self.automaton.next_eoi_state(state)),
            Cell::Matched => true,
        }
    }
}

/// The bytes that led to a step.
fn trace(steps: &[((u8, Cell), usize, u8)], mut at: usize) -> String {
    let mut bytes = Vec::new();
    while let Some((_, before, byte)) = steps.get(at).filter(|_| at > 0) {
        bytes.push(*byte);
        at = *before;
    }
    bytes.reverse();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether there is a response at whose end `goal` holds. What `is_over` is not followed any further.
fn walk(
    languages: [&Language; 2],
    characters: Characters,
    first: &[u8],
    is_over: impl Fn([bool; 2]) -> bool,
    goal: impl Fn([bool; 2]) -> bool,
) -> Option<bool> {
    let [one, other] = languages;
    let begin = (0_u8, [one.start()?, other.start()?]);
    let (mut seen, mut open) = (HashSet::from([begin]), vec![begin]);
    let bytes: Vec<u8> = characters.bytes(one.wide || other.wide).collect();
    while let Some((part, cells)) = open.pop() {
        if part == TEXT && goal([one.matches_at_end(cells[0]), other.matches_at_end(cells[1])]) {
            return Some(true);
        }
        for (next, byte) in bytes.iter().filter_map(|byte| Some((follow(part, *byte, first)?, *byte))) {
            let cells = [one.step(cells[0], byte), other.step(cells[1], byte)];
            let state = (next, cells);
            if is_over(cells.map(|cell| cell == Cell::Matched)) || !seen.insert(state) {
                continue;
            }
            open.push(state);
        }
        if seen.len() > MOST_STATES {
            return None;
        }
    }
    Some(false)
}

/// The part of a response that comes after a byte, where the byte may stand in this part: texts are UTF-8.
fn follow(part: u8, byte: u8, first: &[u8]) -> Option<u8> {
    const ONE_MORE: u8 = TEXT + 1;
    const TWO_MORE: u8 = TEXT + 2;
    const THREE_MORE: u8 = TEXT + 3;
    const AFTER_E0: u8 = TEXT + 4;
    const AFTER_ED: u8 = TEXT + 5;
    const AFTER_F0: u8 = TEXT + 6;
    const AFTER_F4: u8 = TEXT + 7;
    Some(match (part, byte) {
        (0, byte) if first.contains(&byte) => 1,
        (1 | 2, b'0'..=b'9') => part + 1,
        (3, b' ') | (TEXT, 0..=0x7f) | (ONE_MORE, 0x80..=0xbf) => TEXT,
        (TEXT, 0xc2..=0xdf) | (TWO_MORE, 0x80..=0xbf) | (AFTER_E0, 0xa0..=0xbf) | (AFTER_ED, 0x80..=0x9f) => ONE_MORE,
        (TEXT, 0xe1..=0xec | 0xee | 0xef)
        | (THREE_MORE, 0x80..=0xbf)
        | (AFTER_F0, 0x90..=0xbf)
        | (AFTER_F4, 0x80..=0x8f) => TWO_MORE,
        (TEXT, 0xf1..=0xf3) => THREE_MORE,
        (TEXT, 0xe0) => AFTER_E0,
        (TEXT, 0xed) => AFTER_ED,
        (TEXT, 0xf0) => AFTER_F0,
        (TEXT, 0xf4) => AFTER_F4,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::relaxed::without_anchors;
    use super::*;

    fn language(pattern: &str) -> Language {
        Language::of([pattern]).unwrap()
    }

    #[test]
    fn s6_some_responses_match_or_none() {
        for (pattern, expected) in [
            ("busy", true),
            (r"^421 4\.7\.0 \[TSS04\]$", true),
            ("^Too many", false),
            ("busy$.", false),
            ("^45 ", false),
            ("^4[25]1 ", true),
            (r"\[HCM1\]", true),
            (r"\\[HCM1\\] Your mail", false),
            ("a\nb", false),
            (r"\bbusy\b", true),
            (r"b\bu", false),
            ("^421$", false),
            (r"(?i)ſ|^\d{3} SPAM", true),
            ("refusé", true),
            ("^Refusé", false),
            (r"\\ refusé", false),
            ("拒否|拒绝", true),
            ("é$.", false),
        ] {
            let language = Language::at_most(pattern).unwrap();
            assert_eq!(language.matches_some(Characters::Real), Some(expected), "{pattern}");
        }
        assert_eq!(language(r"\\x").matches_some(Characters::Backslash), Some(true));
        assert_eq!(language("a\nb").matches_some(Characters::Backslash), Some(false));
        assert_eq!(language("a\nb").matches_some(Characters::Breaks), Some(true));
        assert!(Language::of([r"(?=a)b"]).is_none());
        assert!(Language::of([r"(\w+) \1"]).is_none());
    }

    #[test]
    fn s6_an_example_of_what_matches() {
        for (pattern, expected) in [
            ("", Some("200 ")),
            (r"^421 4\.7\.0 x+$", Some("421 4.7.0 x")),
            ("551", Some("551 ")),
            ("^x", None),
            ("ab{2}c", Some("200 abbc")),
            ("^551 Zürich$", Some("551 Zürich")),
            ("😀", Some("200 😀")),
        ] {
            assert_eq!(language(pattern).example().as_deref(), expected, "{pattern}");
        }
    }

    #[test]
    fn s6_all_failures_match_or_not() {
        for (pattern, expected) in
            [("", true), (".*", true), (r"^\d", true), ("^[45]", true), ("^4", false), (r"\w", true), ("a", false)]
        {
            assert_eq!(language(pattern).matches_all(), Some(expected), "{pattern}");
        }
    }

    #[test]
    fn s6_one_pattern_within_another() {
        for (inner, outer, expected) in [
            (r"421 4\.7\.0 \[TSS04\]", r"\[TS?S04\]", true),
            (r"\[TS?S04\]", r"421 4\.7\.0 \[TSS04\]", false),
            ("554.*Reject due to policy restrictions.", "Reject due to policy restrictions.", true),
            ("busy", "busy", true),
            ("busy", "(?i)BUSY", true),
            ("(?i)BUSY", "busy", false),
            ("^421 x", "421", true),
            ("421", "^421", false),
            (r"\bfull\b", "full", true),
            ("full", r"\bfull\b", false),
            ("messagerie refusée", "refusé", true),
            ("refusé", "messagerie refusée", false),
            ("(?i)REFUSÉ", "(?i)refusé", true),
            ("é.$", "é", true),
        ] {
            assert_eq!(language(inner).is_within(&language(outer)), Some(expected), "{inner} {outer}");
        }
    }

    #[test]
    fn s6_patterns_with_and_without_characters_beyond_ascii() {
        let narrow = language("pleine");
        let wide = language("boîte pleine");
        assert!(wide.is_wide() && !narrow.is_wide());
        assert_eq!(wide.is_within(&Language::widened(["pleine"]).unwrap()), Some(true));
        assert_eq!(Language::widened(["pleine"]).unwrap().is_within(&wide), Some(false));
    }

    #[test]
    fn s6_large_classes_beyond_ascii_are_taken_for_more() {
        let at_most = |pattern: &str| Language::at_most(pattern).unwrap();
        for (pattern, exact) in [("é .*", true), (r"é \w", false), (r"\bé", false), (r"é \d", false), ("[éèà]", true)]
        {
            assert_eq!((at_most(pattern).is_exact(), Language::of([pattern]).is_some()), (exact, exact), "{pattern}");
        }
        assert_eq!(at_most(r"refusé \w+").is_within(&language("refusé")), Some(true));
        assert_eq!(at_most(r"^\w+ é").matches_some(Characters::Real), Some(true));
        assert_eq!(at_most(r"^\bRefusé").matches_some(Characters::Real), Some(false));
    }

    #[test]
    fn s6_what_patterns_with_look_around_match_at_most() {
        let at_most = |pattern: &str| Language::at_most(pattern).unwrap();
        assert_eq!(at_most("^Too (?!few)many").matches_some(Characters::Real), Some(false));
        assert_eq!(at_most("^(?!.*internal).*RL000010").is_within(&language("RL0000")), Some(true));
        assert_eq!(at_most("^(?!.*internal).*RL000010").is_within(&language("RL00001\\d x")), Some(false));
        assert!(Language::of(["^Too (?!few)many"]).is_none(), "not known exactly");
    }

    #[test]
    fn s6_anchors_are_taken_out() {
        let bare =
            |pattern: &str| Language::of_parsed(&[without_anchors(&parse(pattern, false).unwrap())], false).unwrap();
        assert_eq!(bare("^Too many").matches_some(Characters::Real), Some(true));
        assert_eq!(bare("(?:(a$)b|c$d)+").matches_some(Characters::Real), Some(true));
        assert_eq!(bare(r"b\bu").matches_some(Characters::Real), Some(false));
    }
}
