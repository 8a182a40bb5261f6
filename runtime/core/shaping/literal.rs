//! Texts that must be there for a pattern to match.
//!
//! A scope may hold a thousand patterns. Rather than trying each of them on each response, one index looks for texts of which a
//! matching response must contain at least one, and only the patterns whose texts are there are tried. The idea is that of
//! RE2's `FilteredRE2`.
//!
//! Texts are compared without regard to ASCII case. Unicode has two letters that fold to ASCII ones, `ſ` to `s` and the Kelvin
//! sign to `k`: [`Need::folds`] tells that a pattern may match them, and [`has_folded`] that a text has them.

use std::cmp::Reverse;

use fancy_regex::Expr;
use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use super::grams::GRAM_BYTES;

/// As many texts as one set has.
const MOST_TEXTS: usize = 32;
/// As many sets as one pattern has.
const MOST_SETS: usize = 8;
/// A text longer than this is cut: it is rare enough.
const LONGEST: usize = 48;
/// A class with more characters than this is not spelled out, nor what is repeated more often.
const MOST_CHARACTERS: usize = 8;

/// What must be there: of each set one of the texts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Need {
    /// Never empty, nor is a set. Texts are in lower case as far as ASCII goes, and long enough to be looked for.
    pub(super) sets: Vec<Vec<String>>,
    /// Whether the pattern takes `ſ` for `s` or the Kelvin sign for `k`.
    pub(super) folds: bool,
}

impl Need {
    /// What a pattern of the linear engine needs; `None` when that cannot be told, or is too little.
    pub(super) fn of(hir: &Hir) -> Option<Self> {
        Self::worthwhile(Info::of_hir(hir))
    }

    /// What a pattern of the bounded engine needs.
    pub(super) fn of_fancy(expr: &Expr) -> Option<Self> {
        // A verb such as `(*ACCEPT)` may end a match before all of its parts were seen.
        let has_verb = expr.has_descendant_or_self(|part| matches!(part, Expr::BacktrackingControlVerb(_)));
        if has_verb { None } else { Self::worthwhile(Info::of_expr(expr)) }
    }

    fn worthwhile(info: Info) -> Option<Self> {
        let folds = info.folds;
        let mut sets = info.sets();
        for text in sets.iter_mut().flatten() {
            text.truncate(text.floor_char_boundary(LONGEST));
        }
        (!sets.is_empty()).then_some(Self { sets, folds })
    }

    /// The set to look for: the one whose most frequent text is the rarest, else the longest.
    pub(super) fn choose(&self, frequency: impl Fn(&str) -> u32) -> &[String] {
        let cost = |set: &&Vec<String>| (set.iter().map(|text| frequency(text)).max(), Reverse(score(set)));
        self.sets.iter().min_by_key(cost).map_or(&[], Vec::as_slice)
    }
}

/// Whether a text has one of the two letters that fold to ASCII ones.
pub(super) fn has_folded(text: &str) -> bool {
    !text.is_ascii() && text.contains(['\u{17f}', '\u{212a}'])
}

/// How good a set of texts is to look for: its shortest text decides.
fn score(texts: &[String]) -> usize {
    texts.iter().map(String::len).min().unwrap_or(0)
}

/// What is known about a part of a pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Info {
    /// All texts that the part matches, when they are few.
    exact: Option<Vec<String>>,
    /// Sets of texts of each of which one is in whatever the part matches.
    needs: Vec<Vec<String>>,
    folds: bool,
}

impl Info {
    /// Matches some text, nobody knows which.
    const fn anything() -> Self {
        Self { exact: None, needs: Vec::new(), folds: false }
    }

    fn exactly(texts: impl IntoIterator<Item = String>) -> Self {
        let texts = texts.into_iter().map(|text| text.to_ascii_lowercase()).collect();
        Self { exact: Some(texts), ..Self::anything() }
    }

    /// Matches between characters.
    fn empty() -> Self {
        Self::exactly([String::new()])
    }

    /// All sets that are worth looking for.
    fn sets(self) -> Vec<Vec<String>> {
        let mut sets = self.needs;
        sets.extend(self.exact);
        sets.retain(|set| score(set) >= GRAM_BYTES);
        sets.truncate(MOST_SETS);
        sets
    }

    /// One part after the other.
    fn concat(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut whole = Self::anything();
        // What the parts since the last unknown one spell.
        let mut run = vec![String::new()];
        let mut exact = true;
        for part in parts {
            whole.folds |= part.folds;
            if let Some(joined) = part.exact.as_ref().and_then(|texts| join(&run, texts)) {
                run = joined;
                continue;
            }
            exact = false;
            whole.needs.push(std::mem::replace(&mut run, vec![String::new()]));
            match part.exact {
                Some(texts) => run = texts,
                None => whole.needs.extend(part.needs),
            }
        }
        if exact {
            return Self { exact: Some(run), ..whole };
        }
        whole.needs.push(run);
        Self { folds: whole.folds, needs: whole.sets(), exact: None }
    }

    /// One part or another.
    fn alternation(parts: impl IntoIterator<Item = Self>) -> Self {
        let parts: Vec<Self> = parts.into_iter().collect();
        let folds = parts.iter().any(|part| part.folds);
        let all = |texts: Option<Vec<Vec<String>>>| {
            texts.map(|texts| distinct(texts.concat())).filter(|texts| texts.len() <= MOST_TEXTS)
        };
        let exact = all(parts.iter().map(|part| part.exact.clone()).collect());
        let longest = |part: Self| part.sets().into_iter().max_by_key(|set| score(set));
        let needs = match exact {
            Some(_) => Vec::new(),
            None => all(parts.into_iter().map(longest).collect()).into_iter().collect(),
        };
        Self { exact, needs, folds }
    }

    /// The part so many times.
    fn repeat(self, min: usize, max: Option<usize>) -> Self {
        match (min, max) {
            (0, Some(1)) => Self::alternation([Self::empty(), self]),
            (0, _) => Self { folds: self.folds, ..Self::anything() },
            (1, Some(1)) => self,
            (n, Some(m)) if n == m && n <= MOST_CHARACTERS => Self::concat(vec![self; n]),
            _ => Self { folds: self.folds, needs: self.sets(), exact: None },
        }
    }

    fn of_hir(hir: &Hir) -> Self {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => Self::empty(),
            HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
                Ok(text) => Self::exactly([text.to_owned()]),
                Err(_) => Self::anything(),
            },
            HirKind::Class(class) => Self::of_class(class),
            HirKind::Repetition(Repetition { min, max, sub, .. }) => {
                let count = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
                Self::of_hir(sub).repeat(count(*min), max.map(count))
            }
            HirKind::Capture(capture) => Self::of_hir(&capture.sub),
            HirKind::Concat(parts) => Self::concat(parts.iter().map(Self::of_hir)),
            HirKind::Alternation(parts) => Self::alternation(parts.iter().map(Self::of_hir)),
        }
    }

    fn of_class(class: &Class) -> Self {
        let characters: Vec<char> = match class {
            Class::Unicode(class) => {
                class.ranges().iter().flat_map(|range| range.start()..=range.end()).take(MOST_CHARACTERS + 1).collect()
            }
            Class::Bytes(class) => class
                .ranges()
                .iter()
                .flat_map(|range| range.start()..=range.end())
                .take(MOST_CHARACTERS + 1)
                .map(char::from)
                .collect(),
        };
        if characters.is_empty() || characters.len() > MOST_CHARACTERS {
            return Self::anything();
        }
        let is_folded = |c: &char| has_folded(c.encode_utf8(&mut [0; 4]));
        let folds = characters.iter().any(is_folded);
        let plain = characters.iter().filter(|c| !is_folded(c)).map(|c| c.to_ascii_lowercase().to_string());
        Self { folds, ..Self::exactly(distinct(plain.collect())) }
    }

    fn of_expr(expr: &Expr) -> Self {
        match expr {
            Expr::Empty | Expr::LookAround(..) | Expr::KeepOut | Expr::Assertion(_) => Self::empty(),
            Expr::Literal { val, casei: false } => Self::exactly([val.clone()]),
            Expr::Literal { val, casei: true } => {
                let flagged = format!("(?i){}", regex_syntax::escape(val));
                regex_syntax::parse(&flagged).map_or_else(|_| Self::anything(), |hir| Self::of_hir(&hir))
            }
            Expr::Concat(parts) => Self::concat(parts.iter().map(Self::of_expr)),
            Expr::Alt(parts) => Self::alternation(parts.iter().map(Self::of_expr)),
            Expr::Group(inner) => Self::of_expr(inner),
            Expr::AtomicGroup(inner) => Self::of_expr(inner),
            Expr::Repeat { child, lo, hi, .. } => Self::of_expr(child).repeat(*lo, (*hi != usize::MAX).then_some(*hi)),
            // Classes, back-references and all that is rarer.
            _ => Self::anything(),
        }
    }
}

/// Each text of one set followed by each of the other, when they stay few and short.
fn join(left: &[String], right: &[String]) -> Option<Vec<String>> {
    if left.len() * right.len() > MOST_TEXTS {
        return None;
    }
    let joined: Vec<String> = left.iter().flat_map(|l| right.iter().map(move |r| format!("{l}{r}"))).collect();
    let short = joined.iter().all(|text| text.len() <= LONGEST) || left.iter().all(String::is_empty);
    short.then(|| distinct(joined))
}

fn distinct(mut texts: Vec<String>) -> Vec<String> {
    texts.sort_unstable();
    texts.dedup();
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn need(pattern: &str) -> String {
        let hir = regex_syntax::parse(pattern).unwrap();
        shown(Need::of(&hir))
    }

    fn shown(need: Option<Need>) -> String {
        let Some(need) = need else { return "-".to_owned() };
        let sets: Vec<String> = need.sets.iter().map(|set| set.join("|")).collect();
        format!("{}{}", sets.join(" & "), if need.folds { " ~" } else { "" })
    }

    #[track_caller]
    fn fancy(pattern: &str) -> String {
        shown(Need::of_fancy(&Expr::parse_tree(pattern).unwrap().expr))
    }

    #[test]
    fn s6_what_a_pattern_needs() {
        for (pattern, expected) in [
            ("Server Busy", "server busy"),
            ("bus", "-"),
            ("busy", "busy"),
            (r"^421 \[TSS?04\]$", "421 [ts04]|421 [tss04]"),
            (r"\d+ busy now", " busy now"),
            ("The mail server.*has exceeded", "the mail server & has exceeded"),
            ("ab.*cd", "-"),
            ("too many (messages|connections)", "too many connections|too many messages"),
            ("(?:too many|ab.*rate limit|over quota)", "over quota|rate limit|too many"),
            ("(?:too many|.*)", "-"),
            ("(?:busy)?", "-"),
            ("(?:busy)*", "-"),
            ("(?:busy)+", "busy"),
            ("(?:busy){1}", "busy"),
            ("(?:busy){2,5}", "busy"),
            ("(?:ab){2}", "abab"),
            ("a{8}", "aaaaaaaa"),
            ("a{9}", "-"),
            ("x(?:busy)?y full", "xbusyy full|xy full"),
            ("[Bb]usy", "busy"),
            ("[a-h]usy", "ausy|busy|cusy|dusy|eusy|fusy|gusy|husy"),
            ("[a-i]usy!", "usy!"),
            ("[a-h][a-h]usy", "ausy|busy|cusy|dusy|eusy|fusy|gusy|husy"),
            ("(?-u:[a-h])usy", "ausy|busy|cusy|dusy|eusy|fusy|gusy|husy"),
            ("(?-u:[a-i])usy!", "usy!"),
            ("(?i:s)*full", "full ~"),
            ("(?i)full", "full"),
            ("(?i)busy", "busy ~"),
            ("(?i-u)busy", "busy"),
            ("(?i)größe", "grÖße|grÖẞe|größe|gröẞe"),
            ("(?i)kilo.*", "kilo ~"),
            ("größe", "größe"),
            ("", "-"),
            (".*", "-"),
            (r"\bbusy\b", "busy"),
            ("full(?i:s)?", "full|fulls ~"),
            ("(?:busy|ſ)ness|else", "busyness|else|ſness"),
        ] {
            assert_eq!(need(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn s6_sets_and_texts_are_bounded() {
        let long = "x".repeat(200);
        assert_eq!(need(&long), "x".repeat(LONGEST));
        let umlauts = format!("a{}", "ä".repeat(30));
        assert_eq!(need(&umlauts), format!("a{}", "ä".repeat(23)), "never within a character");
        assert_eq!(need(&"[ab]".repeat(5)).split('|').count(), MOST_TEXTS);
        let six = need(&"[ab]".repeat(6));
        assert_eq!(six.split('|').count(), MOST_TEXTS, "{six}");
        assert_eq!(need(&["word"; 20].join(".*")).split(" & ").count(), MOST_SETS);
        let texts = |n: usize| (0..n).map(|i| format!("{i:04}.")).collect::<Vec<_>>().join("|");
        assert_eq!(need(&texts(MOST_TEXTS)).split('|').count(), MOST_TEXTS);
        assert_eq!(need(&texts(MOST_TEXTS + 1)), "-");
        let joined = |n: usize| format!("{}[yz]{}", "x".repeat(n), "v".repeat(10));
        assert_eq!(need(&joined(LONGEST - 11)).split('|').count(), 2);
        assert_eq!(need(&joined(LONGEST - 10)), format!("{}y|{0}z & vvvvvvvvvv", "x".repeat(38)));
    }

    #[test]
    fn s6_what_a_pattern_of_the_bounded_engine_needs() {
        for (pattern, expected) in [
            ("^(?!.*KumoMTA internal).*RL000010", "rl000010"),
            ("(?=busy)x", "-"),
            (r"(\w+) busy \1", " busy "),
            (r"(?<=x)too (?:many|much)\b", "too many|too much"),
            ("(?>busy)(?!x)", "busy"),
            ("(?i)(?!x)busy", "busy ~"),
            ("(?i)(?!x)full", "full"),
            ("(?!x)(?:busy){2}", "busybusy"),
            ("(?!x)(?:busy)+", "busy"),
            ("(?!x)(?:busy)*", "-"),
            (r"(?!x)foo\Kbar", "foobar"),
            ("(?!x)busy(*ACCEPT)full", "-"),
            ("(?!x)[bc]usy!", "usy!"),
            (r"(?!x)(busy)\1", "busy"),
        ] {
            assert_eq!(fancy(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn s6_the_rarest_set_is_chosen_then_the_longest() {
        let need = Need::of(&regex_syntax::parse("(?:aaaa|bbbbb).*cccccc.*ddddd").unwrap()).unwrap();
        assert_eq!(need.choose(|_| 1), ["cccccc"]);
        assert_eq!(need.choose(|text| u32::from(text == "cccccc")), ["ddddd"]);
        assert_eq!(need.choose(|text| u32::from(text != "aaaa" && text != "bbbbb")), ["aaaa", "bbbbb"]);
        assert_eq!(need.choose(|text| u32::from(text != "aaaa")), ["cccccc"]);
    }

    #[test]
    fn s6_letters_that_fold_to_ascii() {
        assert!(has_folded("buſy") && has_folded("\u{212a}ilo"));
        assert!(!has_folded("busy kilo") && !has_folded("größe"));
    }
}
