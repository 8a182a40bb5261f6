//! Texts that must be there for a pattern to match.
//!
//! A scope may hold a thousand patterns. Rather than trying each of them on each response, one automaton looks for texts of
//! which a matching response must contain at least one, and only the patterns whose texts are there are tried. The idea is
//! that of RE2's `FilteredRE2`.
//!
//! Texts are compared without regard to ASCII case. Unicode has two letters that fold to ASCII ones, `ſ` to `s` and the Kelvin
//! sign to `k`: [`Need::folds`] tells that a pattern may match them, and [`has_folded`] that a text has them.

use fancy_regex::Expr;
use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

/// A text shorter than this is in too many responses to be worth looking for.
const SHORTEST: usize = 3;
/// As many texts as one pattern may be looked for by.
const MOST_TEXTS: usize = 32;
/// A text longer than this is cut: it is rare enough.
const LONGEST: usize = 48;
/// A class with more characters than this is not spelled out.
const MOST_CHARACTERS: usize = 8;

/// What must be there: one of the texts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Need {
    /// In lower case as far as ASCII goes, each at least three bytes.
    pub(super) texts: Vec<String>,
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
        let mut texts = info.best()?;
        texts.iter_mut().for_each(|text| text.truncate(text.floor_char_boundary(LONGEST)));
        (score(&texts) >= SHORTEST).then_some(Self { texts, folds })
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
    /// Texts of which one is in whatever the part matches.
    need: Option<Vec<String>>,
    folds: bool,
}

impl Info {
    /// Matches some text, nobody knows which.
    const fn anything() -> Self {
        Self { exact: None, need: None, folds: false }
    }

    fn exactly(texts: impl IntoIterator<Item = String>) -> Self {
        Self {
            exact: Some(texts.into_iter().map(|text| text.to_ascii_lowercase()).collect()),
            need: None,
            folds: false,
        }
    }

    /// Matches between characters.
    fn empty() -> Self {
        Self::exactly([String::new()])
    }

    /// The better of what is known.
    fn best(self) -> Option<Vec<String>> {
        better(self.exact, self.need)
    }

    /// One part after the other.
    fn concat(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut folds = false;
        let mut need = None;
        // What the parts since the last unknown one spell.
        let mut run = vec![String::new()];
        let mut exact = true;
        for part in parts {
            folds |= part.folds;
            let joined = part.exact.as_ref().and_then(|texts| join(&run, texts));
            if let Some(joined) = joined {
                run = joined;
                continue;
            }
            exact = false;
            need = better(need, Some(std::mem::replace(&mut run, vec![String::new()])));
            match part.exact {
                Some(texts) => run = texts,
                None => need = better(need, part.need),
            }
        }
        if exact {
            return Self { exact: Some(run), need: None, folds };
        }
        Self { exact: None, need: better(need, Some(run)), folds }
    }

    /// One part or another.
    fn alternation(parts: impl IntoIterator<Item = Self>) -> Self {
        let parts: Vec<Self> = parts.into_iter().collect();
        let folds = parts.iter().any(|part| part.folds);
        let all = |texts: Option<Vec<Vec<String>>>| {
            texts.map(|texts| distinct(texts.concat())).filter(|texts| texts.len() <= MOST_TEXTS)
        };
        let exact = all(parts.iter().map(|part| part.exact.clone()).collect());
        let need = all(parts.into_iter().map(Self::best).collect());
        Self { exact, need, folds }
    }

    /// The part so many times.
    fn repeat(self, min: usize, max: Option<usize>) -> Self {
        match (min, max) {
            (0, Some(1)) => Self::alternation([Self::empty(), self]),
            (0, _) => Self { folds: self.folds, ..Self::anything() },
            (1, Some(1)) => self,
            (n, Some(m)) if n == m && n <= MOST_CHARACTERS => Self::concat(vec![self; n]),
            _ => Self { folds: self.folds, need: self.best(), exact: None },
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

/// The set that is better to look for.
fn better(a: Option<Vec<String>>, b: Option<Vec<String>>) -> Option<Vec<String>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if (score(&b), a.len()) > (score(&a), b.len()) { b } else { a }),
        (a, b) => a.or(b),
    }
}

fn distinct(mut texts: Vec<String>) -> Vec<String> {
    texts.sort_unstable();
    texts.dedup();
    texts
}
