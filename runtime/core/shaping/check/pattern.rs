//! Patterns that cannot do what they are for.

use regex_syntax::hir::Hir;

use super::desk::{Desk, Spot};
use super::language::{Characters, Language, parse};
use super::layer::Layers;
use super::relaxed::{relaxed, without_anchors};
use crate::shaping::finding::code;
use crate::shaping::pattern::{Exceeded, Pattern};

/// So many known responses stand for all.
const MANY: usize = 100;

/// What a mail host answers itself, with or without an enhanced code.
const INTERNAL: &str = r"^\d\d\d (?:\d\.\d{1,3}\.\d{1,3} )?KumoMTA internal: ";

/// Why no response matches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Never {
    Escaped,
    Broken,
    Anchored,
    Contrary,
}

/// The mail host's own responses (semantics R5).
pub(super) fn internal() -> Option<Language> {
    Language::of([INTERNAL])
}

/// `internal` is what the function of that name returns: it is the same for all scopes.
pub(super) fn check(desk: &mut Desk<'_>, scope: &Layers<'_>, internal: Option<&Language>) {
    for (file, draft) in scope.rules() {
        for (pattern, span) in draft.patterns.iter().zip(&draft.places.patterns) {
            one(desk, &Spot::new(file, span), pattern, internal.filter(|_| !draft.match_internal));
        }
    }
}

fn one(desk: &mut Desk<'_>, spot: &Spot, pattern: &Pattern, unseen: Option<&Language>) {
    let text = &pattern.text;
    let responses = desk.input.responses;
    let matches = |response: &String| pattern.is_match(response) == Ok(true);
    let language = Language::at_most(text);
    let none = language.as_ref().is_some_and(|language| language.matches_some(Characters::Real) == Some(false));
    // Where something is left out the known responses have to tell the rest.
    let tells = |language: &Language| language.is_exact() || (responses.len() >= MANY && responses.iter().all(matches));
    if none && !responses.iter().any(matches) {
        never(desk, spot, text);
    } else if unseen.is_some_and(|unseen| language.as_ref().is_some_and(|language| is_part(language, unseen))) {
        let message = format!("pattern `{text}` never matches: it is for what the mail host answers itself");
        let help = "such responses are seen by rules with `match_internal = true` alone; add it to the rule";
        desk.warn(code::PATTERN_NEVER_MATCHES, spot, message, help);
    } else if language.is_some_and(|language| language.matches_all() == Some(true) && tells(&language)) {
        let message = format!("pattern `{text}` matches every response");
        let help = "the rule acts on any failure at all; name the words or the code that it is meant for";
        desk.warn(code::PATTERN_MATCHES_ALL, spot, message, help);
    }
    if !pattern.is_plain() {
        slow(desk, spot, pattern);
    }
}

/// Whether all that matches one of them matches the other, which is about ASCII.
fn is_part(language: &Language, whole: &Language) -> bool {
    !language.is_wide() && language.is_within(whole) == Some(true)
}

fn never(desk: &mut Desk<'_>, spot: &Spot, text: &str) {
    let (code, why, help) = match why_never(text) {
        Never::Escaped => (
            code::PATTERN_ESCAPED_TWICE,
            "it asks for a backslash, and no response has one: its escapes are escaped once too often",
            format!(
                "in `'''` and `'` a backslash stands for itself, in `\"` it is written twice; meant is `{}`",
                unescaped(text)
            ),
        ),
        Never::Broken => (
            code::PATTERN_LINE_BREAK,
            "it asks for a line break, and patterns see a response as one line",
            "line breaks of a response become spaces: write a space, or `.*`".to_owned(),
        ),
        Never::Anchored => (
            code::PATTERN_ANCHOR,
            "its anchors cannot hold: a response begins with its code and a space, as in `421 4.7.0 Try again`",
            "write `^4\\d\\d .*` before the words, or leave `^` and `$` out".to_owned(),
        ),
        Never::Contrary => (
            code::PATTERN_NEVER_MATCHES,
            "no line of code, enhanced code and text can hold it",
            "a response is one line, as in `421 4.7.0 Try again`".to_owned(),
        ),
    };
    desk.warn(code, spot, format!("pattern `{}` never matches: {why}", on_one_line(text)), help);
}

/// A pattern on one line.
fn on_one_line(text: &str) -> String {
    text.replace('\r', "\\r").replace('\n', "\\n")
}

/// What has to be given up for something to match; of several things the first that a person would mend.
fn why_never(text: &str) -> Never {
    let wide = !text.is_ascii();
    let relaxed = if parse(text, wide).is_none() { relaxed(text) } else { None };
    let Some(whole) = parse(relaxed.as_deref().unwrap_or(text), wide) else { return Never::Contrary };
    let bare = without_anchors(&whole);
    let some = |pattern: &Hir, characters| {
        let language = Language::of_parsed(std::slice::from_ref(pattern), wide);
        language.and_then(|language| language.matches_some(characters)) == Some(true)
    };
    let tries = [
        (Never::Escaped, &whole, Characters::Backslash),
        (Never::Anchored, &bare, Characters::Real),
        (Never::Broken, &whole, Characters::Breaks),
        (Never::Escaped, &bare, Characters::Backslash),
        (Never::Broken, &bare, Characters::Breaks),
    ];
    let found = tries.into_iter().find(|(_, pattern, characters)| some(pattern, *characters));
    found.map_or(Never::Contrary, |(why, ..)| why)
}

/// The pattern with so many levels of escapes less that it asks for no backslash.
fn unescaped(text: &str) -> String {
    let mut text = text.to_owned();
    while text.contains("\\\\") {
        text = text.replace("\\\\", "\\");
    }
    text
}

fn slow(desk: &mut Desk<'_>, spot: &Spot, pattern: &Pattern) {
    let text = &pattern.text;
    let exceeded = desk.input.responses.iter().find(|response| pattern.is_match(response) == Err(Exceeded));
    if let Some(response) = exceeded {
        let message = format!("pattern `{text}` is given up on a real response: it goes back too often");
        let help = format!(
            "the response is `{response}`; write it without look-around and back-references, or make what repeats more exact"
        );
        desk.warn(code::PATTERN_GIVES_UP, spot, message, help);
        return;
    }
    let help = if text.contains("(?!.*KumoMTA internal") {
        "what the mail host answers itself matches no rule without `match_internal`: the look-ahead is not needed"
    } else {
        "look-around and back-references are tried step by step, and given up when that takes too long; most can be written without"
    };
    desk.warn(code::PATTERN_SLOW, spot, format!("pattern `{text}` needs the slow engine"), help);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s6_why_a_pattern_never_matches() {
        for (pattern, expected) in [
            (r"\\[HCM1\\] Your mail from \d+\.\d+", Never::Escaped),
            (r"421 4\\.7\\.0", Never::Escaped),
            ("first\nsecond", Never::Broken),
            (r"first\r?\nsecond", Never::Broken),
            ("^Too many", Never::Anchored),
            ("busy$ now", Never::Anchored),
            ("(?m)^Too many", Never::Anchored),
            ("^Too (?!few)many", Never::Anchored),
            (r"^Too \\d+ many", Never::Escaped),
            ("^too\nmany", Never::Broken),
            ("^Refusé", Never::Anchored),
            (r"b\bu", Never::Contrary),
        ] {
            assert_eq!(why_never(pattern), expected, "{pattern}");
        }
        assert_eq!(unescaped(r"\\[HCM1\\] \d"), r"\[HCM1\] \d");
        assert_eq!(unescaped(r"gamma\\\\d"), r"gamma\d");
        assert_eq!(on_one_line("a\r\nb"), r"a\r\nb");
    }
}
