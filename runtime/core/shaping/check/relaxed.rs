//! Patterns that match what others match, and more.

use std::fmt::Write as _;

use fancy_regex::{Absent, Assertion, Expr};
use regex_syntax::hir::{Capture, Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look, Repetition};

/// Any text at all.
const ANYTHING: &str = "(?s:.*)";
/// A class with more ranges than this is taken for more than it is.
const MOST_RANGES: usize = 16;

/// A pattern of the linear engine that matches whatever this one matches, and perhaps more: look-around is taken for fulfilled, and
/// a back-reference for any text. `None` where that cannot be told.
pub(super) fn relaxed(pattern: &str) -> Option<String> {
    let tree = Expr::parse_tree(pattern).ok()?;
    let mut text = String::new();
    put(&tree.expr, &mut text)?;
    Some(text)
}

fn put(expr: &Expr, to: &mut String) -> Option<()> {
    match expr {
        Expr::Empty
        | Expr::LookAround(..)
        | Expr::KeepOut
        | Expr::ContinueFromPreviousMatchEnd
        | Expr::BackrefExistsCondition { .. }
        | Expr::DefineGroup { .. } => {}
        Expr::Any { newline, .. } => to.push_str(if *newline { "(?s:.)" } else { "." }),
        Expr::Assertion(assertion) => to.push_str(anchor(*assertion)),
        Expr::GeneralNewline { .. } => to.push_str("(?:\\r\\n|[\\n\\x0b\\x0c\\r])"),
        Expr::Literal { val, casei } => in_case(&regex_syntax::escape(val), *casei, to),
        Expr::Delegate { inner, casei } => in_case(inner, *casei, to),
        Expr::Concat(parts) => parts.iter().try_for_each(|part| put(part, to))?,
        Expr::Alt(parts) => one_of(parts.iter(), to)?,
        Expr::Group(inner) => one_of([&**inner], to)?,
        Expr::AtomicGroup(inner) => one_of([&**inner], to)?,
        Expr::Repeat { child, lo, hi, .. } => {
            one_of([&**child], to)?;
            let most = if *hi == usize::MAX { String::new() } else { hi.to_string() };
            // Writing to a string cannot fail.
            let _ = write!(to, "{{{lo},{most}}}");
        }
        Expr::Backref { .. }
        | Expr::BackrefWithRelativeRecursionLevel { .. }
        | Expr::SubroutineCall(_)
        | Expr::Absent(Absent::Repeater(_)) => to.push_str(ANYTHING),
        Expr::Conditional { condition, true_branch, false_branch } => {
            let then = Expr::Concat(vec![(**condition).clone(), (**true_branch).clone()]);
            one_of([&then, &**false_branch], to)?;
        }
        _ => return None,
    }
    Some(())
}

fn in_case(text: &str, folds: bool, to: &mut String) {
    to.push_str(if folds { "(?i:" } else { "(?:" });
    to.push_str(text);
    to.push(')');
}

fn one_of<'e>(parts: impl IntoIterator<Item = &'e Expr>, to: &mut String) -> Option<()> {
    to.push_str("(?:");
    for (at, part) in parts.into_iter().enumerate() {
        if at > 0 {
            to.push('|');
        }
        put(part, to)?;
    }
    to.push(')');
    Some(())
}

/// What the linear engine calls an assertion; nothing where it has none.
fn anchor(assertion: Assertion) -> &'static str {
    match assertion {
        Assertion::StartText => "\\A",
        Assertion::EndText => "\\z",
        Assertion::StartLine { .. } => "(?m:^)",
        Assertion::EndLine { .. } => "(?m:$)",
        Assertion::WordBoundary => "\\b",
        Assertion::NotWordBoundary => "\\B",
        _ => "",
    }
}

/// The pattern without its anchors.
pub(super) fn without_anchors(pattern: &Hir) -> Hir {
    rebuilt(pattern, &|leaf| match leaf.kind() {
        HirKind::Look(Look::WordAscii | Look::WordAsciiNegate) => leaf.clone(),
        HirKind::Look(_) => Hir::empty(),
        _ => leaf.clone(),
    })
}

/// The pattern without what makes large automata: classes such as `\w` have hundreds of ranges beyond ASCII, and automata do not know
/// the boundaries of such words.
pub(super) fn coarse(pattern: &Hir) -> Hir {
    rebuilt(pattern, &|leaf| match leaf.kind() {
        HirKind::Look(Look::WordUnicode | Look::WordUnicodeNegate) => Hir::empty(),
        HirKind::Class(Class::Unicode(class)) if class.ranges().len() > MOST_RANGES => {
            let mut class = class.clone();
            class.union(&ClassUnicode::new([ClassUnicodeRange::new('\u{80}', char::MAX)]));
            Hir::class(Class::Unicode(class))
        }
        _ => leaf.clone(),
    })
}

/// The pattern with something else in the place of each part that has no parts.
fn rebuilt(pattern: &Hir, leaf: &dyn Fn(&Hir) -> Hir) -> Hir {
    let all = |parts: &[Hir]| parts.iter().map(|part| rebuilt(part, leaf)).collect();
    match pattern.kind() {
        HirKind::Repetition(repetition) => {
            let sub = Box::new(rebuilt(&repetition.sub, leaf));
            Hir::repetition(Repetition { sub, ..repetition.clone() })
        }
        HirKind::Capture(capture) => {
            Hir::capture(Capture { sub: Box::new(rebuilt(&capture.sub, leaf)), ..capture.clone() })
        }
        HirKind::Concat(parts) => Hir::concat(all(parts)),
        HirKind::Alternation(parts) => Hir::alternation(all(parts)),
        _ => leaf(pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s6_a_relaxed_pattern_matches_whatever_the_pattern_matches() {
        let texts = ["421 Too many", "421 Too few", "450 again again", "451 4.7.1 BUSY", "550 x", "busy\nnow", ""];
        for pattern in [
            "^421 (?!Too few)",
            r"(\w+) \1",
            "(?<=Too )many$",
            "(?i)busy(?= *)",
            r"(?>a|ag)ain",
            r"^(4)?(?(1)\d\d|x)",
            r"(?:[45](?=\d)){1,3}\d",
            r"\b(?=BUSY)",
            r"(?s)busy.now(?!x)",
            r"\Kbusy|Too\K few",
        ] {
            let exact = fancy_regex::Regex::new(pattern).unwrap();
            let wider =
                regex::Regex::new(&relaxed(pattern).unwrap()).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            for text in texts {
                assert!(!exact.is_match(text).unwrap() || wider.is_match(text), "{pattern} on {text}: {wider}");
            }
        }
        assert_eq!(relaxed("^Too (?!few)many").unwrap(), r"\A(?:T)(?:o)(?:o)(?: )(?:m)(?:a)(?:n)(?:y)");
        assert_eq!(relaxed("(?=").as_deref(), None);
    }
}
