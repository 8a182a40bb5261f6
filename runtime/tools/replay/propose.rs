//! A rule for responses that no rule matches.

use std::fmt::Write as _;
use std::sync::Arc;

use kumo_tsa_core::shaping::{LoadOptions, Mx, Shaping, Source, parse};

use super::shape::{Part, Shape, parts};

/// A rule that matches the responses of a shape, as it would stand in a shaping file; none where no pattern fits.
pub(super) fn propose(shape: &Shape) -> Option<String> {
    // A pattern of the whole first; where that does not fit, the text itself.
    let patterns = [pattern(&shape.example), format!("^{}", regex_escape(&shape.example))];
    let rules = patterns.iter().map(|pattern| rule(shape, pattern));
    rules.into_iter().find(|rule| fits(rule, shape))
}

/// Whether the rule loads and matches the example.
fn fits(rule: &str, shape: &Shape) -> bool {
    let Ok(file) = parse(&Source::new("proposed.toml", rule)) else { return false };
    let mx = |_: &str| Mx::Unresolved { why: String::new() };
    let Ok(shaping) = Shaping::merge(&[Arc::new(file)], &mx, &LoadOptions::default()) else { return false };
    let (domain, site) = (shape.domain.as_deref().unwrap_or_default(), shape.site.as_deref().unwrap_or_default());
    !shaping.matches(domain, site, &shape.example, false).matched.is_empty()
}

/// What matches all responses of the shape.
fn pattern(example: &str) -> String {
    let mut pattern = "^".to_owned();
    for part in parts(example) {
        match part {
            Part::Text(text) => pattern.push_str(&regex_escape(text)),
            Part::Digits => pattern.push_str(r"\d+"),
            Part::Address => pattern.push_str(r"\S+"),
            Part::Ip => pattern.push_str("[0-9A-Fa-f:.]+"),
            Part::Id => pattern.push_str(r"[\w~%+:-]+"),
        }
    }
    pattern
}

/// As `regex::escape`, but what needs no backslash gets none: people will read it.
fn regex_escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if matches!(c, '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

fn rule(shape: &Shape, pattern: &str) -> String {
    let advice = advise(&shape.example.to_lowercase());
    let mut rule = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(rule, "# {}", advice.why);
    let _ = match &shape.domain {
        Some(domain) => writeln!(rule, "[[{}.automation]]", toml_text(domain)),
        None => writeln!(rule, "[[default.automation]]"),
    };
    let _ = writeln!(rule, "regex = {}", toml_text(pattern));
    let _ = writeln!(rule, "trigger = {{Threshold = \"{}\"}}", advice.threshold);
    let _ = writeln!(rule, "action = {}", advice.action);
    let _ = writeln!(rule, "duration = \"{}\"", advice.duration);
    rule
}

/// A literal string where that can be, so that a backslash is a backslash.
fn toml_text(text: &str) -> String {
    let plain = |c: char| c != '\'' && (c == '\t' || !c.is_control());
    if text.chars().all(plain) { format!("'{text}'") } else { toml::Value::String(text.to_owned()).to_string() }
}

/// What to do about a response.
struct Advice {
    why: &'static str,
    threshold: &'static str,
    action: &'static str,
    duration: &'static str,
}

const SLOW_DOWN: &str = r#"[{SetConfig = {name = "connection_limit", value = 1}}, {SetConfig = {name = "max_message_rate", value = "30/min"}}]"#;

/// By the words that providers use. The first that fits.
fn advise(text: &str) -> Advice {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let permanent = text.starts_with('5');
    if has(&[
        "user unknown",
        "unknown user",
        "no such user",
        "does not exist",
        "invalid recipient",
        "mailbox unavailable",
        "5.1.1",
    ]) {
        let why = "the recipient does not exist: many of them from one tenant tell of an old list";
        return Advice { why, threshold: "100/hr", action: "\"SuspendTenant\"", duration: "1 hour" };
    }
    if has(&["mailbox full", "mailbox is full", "over quota", "quota exceeded", "4.2.2", "5.2.2"]) {
        let why = "about one recipient: a rule is seldom of use, so this one acts late";
        return Advice { why, threshold: "500/hr", action: "\"SuspendTenant\"", duration: "30 minutes" };
    }
    if has(&["greylist", "graylist", "grey list"]) && !permanent {
        let why = "a deferral that the queue's own retries answer: slow down when it does not end";
        return Advice { why, threshold: "100/hr", action: SLOW_DOWN, duration: "30 minutes" };
    }
    if has(&["block", "blacklist", "listed", "reputation", "banned", "abuse"]) {
        let why = "the address is refused: every further message is lost or deferred the same way";
        return Advice { why, threshold: "5/hr", action: "\"Suspend\"", duration: "1 hour" };
    }
    if has(&["spam", "content", "policy", "authenticat", "dmarc", "spf", "dkim"]) && permanent {
        let why = "the messages of a sender are refused: the others need not wait";
        return Advice { why, threshold: "20/hr", action: "\"SuspendTenant\"", duration: "1 hour" };
    }
    if permanent {
        let why = "refused for good: look into it before more is sent";
        return Advice { why, threshold: "50/hr", action: "\"SuspendTenant\"", duration: "1 hour" };
    }
    if text.starts_with("421") && !has(&["too many", "rate", "limit", "connection"]) {
        let why = "the provider closes the door for now: wait, and then begin slowly";
        return Advice { why, threshold: "10/10m", action: "\"Suspend\"", duration: "15 minutes" };
    }
    Advice { why: "the provider asks for less: slow down", threshold: "10/10m", action: SLOW_DOWN, duration: "1 hour" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(example: &str, domain: Option<&str>) -> Shape {
        Shape { count: 1, example: example.to_owned(), domain: domain.map(Into::into), site: None }
    }

    #[test]
    fn a_proposed_rule_loads_and_matches() {
        for text in [
            "421 4.7.0 [TSS04] Messages from 192.0.2.7 temporarily deferred; see https://x.example/error",
            "550 5.1.1 <it's@example.com>: user unknown (k12-20020a05620a1a9700b0)",
            "452 4.2.2 quota 12:30 $x^y {a|b} \\ \"quoted\" '''three'''",
            "554 Grüße \u{7f} \t done",
            "421",
        ] {
            for domain in [None, Some("example.com"), Some("o'dd.example")] {
                let shape = shape(text, domain);
                assert!(fits(&propose(&shape).unwrap(), &shape), "{text}");
                assert!(fits(&rule(&shape, &pattern(text)), &shape), "the shape's own pattern: {text}");
            }
        }
    }

    #[test]
    fn a_proposed_rule_matches_others_of_the_shape_and_no_more() {
        let rule = propose(&shape("421 4.7.0 [TSS04] from 192.0.2.7 (a1b2c3d4e5): wait 30 s", None)).unwrap();
        let matches = |text| fits(&rule, &shape(text, None));
        assert!(matches("421 4.7.0 [TSS04] from 2001:db8::1 (zz99yy88xx77): wait 600 s"));
        assert!(!matches("421 4.7.0 [TSS05] from 192.0.2.7 (a1b2c3d4e5): wait 30 s"));
    }
}
