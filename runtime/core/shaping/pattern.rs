//! One compiled pattern of a rule (semantics S6).

use std::sync::Arc;

use regex_syntax::hir::HirKind;

use super::finding::code;
use super::literal::Need;

/// What one pattern may compile to, in bytes. Real patterns need a few thousand.
const SIZE_LIMIT_BYTES: usize = 1 << 20;
/// What the lazily built automaton of one pattern may take, in bytes.
const DFA_LIMIT_BYTES: usize = 1 << 20;
/// Instructions that a look-around pattern may compile to.
const PROGRAM_LIMIT: usize = 100_000;
/// Steps that a look-around pattern may go back in one text; at about 10 ns each, a millisecond.
const BACKTRACK_LIMIT: usize = 100_000;

/// A pattern, ready to be looked for.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// As the file has it.
    pub(super) text: Arc<str>,
    /// Texts of which one has to be there for the pattern to match, where that can be told.
    pub(super) need: Option<Need>,
    engine: Engine,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[derive(Clone, Debug)]
enum Engine {
    /// The pattern is the text that it matches.
    Literal(Box<str>),
    /// Linear in the length of the text.
    Plain(regex::Regex),
    /// With look-around or back-references, on a bounded engine.
    Fancy(Box<fancy_regex::Regex>),
}

/// The bounded engine gave up on a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Exceeded;

/// A text that is not a pattern.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum BadPattern {
    #[error("invalid pattern `{pattern}`: {why}{}", at(*.position))]
    Syntax { pattern: String, why: String, position: Option<usize> },
    #[error("pattern `{pattern}` is too large: it compiles to more than {SIZE_LIMIT_BYTES} bytes")]
    TooLarge { pattern: String },
}

/// The position counts characters from 1.
fn at(position: Option<usize>) -> String {
    position.map_or_else(String::new, |position| format!(", at character {position}"))
}

impl BadPattern {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => code::BAD_PATTERN,
            Self::TooLarge { .. } => code::PATTERN_TOO_LARGE,
        }
    }

    pub(super) fn help(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => {
                "the syntax is https://docs.rs/regex/#syntax, with look-around and back-references; in TOML a pattern is written \
                 most easily in `'''`, where a backslash stands for itself"
            }
            Self::TooLarge { .. } => {
                "smaller repetition counts, or `(?-u)` before classes such as `\\w`, make it smaller"
            }
        }
    }
}

impl Pattern {
    /// Compiles a pattern.
    pub(super) fn parse(text: &str) -> Result<Self, BadPattern> {
        let (engine, need) = match regex_syntax::parse(text) {
            Ok(hir) => (plain(text, &hir)?, Need::of(&hir)),
            Err(refused) => {
                let (regex, need) = fancy(text, &refused)?;
                (Engine::Fancy(Box::new(regex)), need)
            }
        };
        Ok(Self { text: text.into(), need, engine })
    }

    /// The text that it matches, when it matches no other.
    pub(super) fn literal(&self) -> Option<&str> {
        if let Engine::Literal(literal) = &self.engine { Some(literal) } else { None }
    }

    /// Whether the linear engine takes it.
    pub(super) fn is_plain(&self) -> bool {
        !matches!(self.engine, Engine::Fancy(_))
    }

    /// Whether it matches somewhere in the text.
    pub(super) fn is_match(&self, text: &str) -> Result<bool, Exceeded> {
        match &self.engine {
            Engine::Literal(literal) => Ok(text.contains(&**literal)),
            Engine::Plain(regex) => Ok(regex.is_match(text)),
            Engine::Fancy(regex) => regex.is_match(text).map_err(|_| Exceeded),
        }
    }
}

/// Compiles a pattern for the linear engine.
fn plain(text: &str, hir: &regex_syntax::hir::Hir) -> Result<Engine, BadPattern> {
    if let HirKind::Literal(literal) = hir.kind()
        && let Ok(literal) = std::str::from_utf8(&literal.0)
    {
        return Ok(Engine::Literal(literal.into()));
    }
    let built = regex::RegexBuilder::new(text).size_limit(SIZE_LIMIT_BYTES).dfa_size_limit(DFA_LIMIT_BYTES).build();
    built.map(Engine::Plain).map_err(|error| {
        let pattern = text.to_owned();
        match error {
            regex::Error::CompiledTooBig(_) => BadPattern::TooLarge { pattern },
            error => BadPattern::Syntax { pattern, why: error.to_string(), position: None },
        }
    })
}

/// Compiles what the linear engine refused for the reason given.
fn fancy(text: &str, refused: &regex_syntax::Error) -> Result<(fancy_regex::Regex, Option<Need>), BadPattern> {
    use fancy_regex::{CompileError, Error};
    let pattern = || text.to_owned();
    let built = fancy_regex::RegexBuilder::new(text)
        .backtrack_limit(BACKTRACK_LIMIT)
        .delegate_size_limit(SIZE_LIMIT_BYTES)
        .delegate_dfa_size_limit(DFA_LIMIT_BYTES)
        .max_prog_size(PROGRAM_LIMIT)
        .build();
    let error = match built {
        Ok(regex) => {
            let need = fancy_regex::Expr::parse_tree(text).ok().and_then(|tree| Need::of_fancy(&tree.expr));
            return Ok((regex, need));
        }
        Err(error) => error,
    };
    // The linear engine explains itself better, except about what it does not know.
    if let Some((why, offset)) = explain(refused) {
        return Err(BadPattern::Syntax { pattern: pattern(), why, position: Some(character(text, offset)) });
    }
    Err(match error {
        Error::ParseError(offset, error) => {
            BadPattern::Syntax { pattern: pattern(), why: error.to_string(), position: Some(character(text, offset)) }
        }
        Error::CompileError(error) => match *error {
            CompileError::PatternTooComplex => BadPattern::TooLarge { pattern: pattern() },
            CompileError::InnerError(inner) if inner.size_limit().is_some() => {
                BadPattern::TooLarge { pattern: pattern() }
            }
            error => BadPattern::Syntax { pattern: pattern(), why: error.to_string(), position: None },
        },
        error => BadPattern::Syntax { pattern: pattern(), why: error.to_string(), position: None },
    })
}

/// What the linear engine says, unless it refuses only what it does not know.
fn explain(refused: &regex_syntax::Error) -> Option<(String, usize)> {
    use regex_syntax::ast::ErrorKind;
    match refused {
        regex_syntax::Error::Parse(error) => match error.kind() {
            ErrorKind::UnsupportedLookAround | ErrorKind::UnsupportedBackreference => None,
            kind => Some((kind.to_string(), error.span().start.offset)),
        },
        regex_syntax::Error::Translate(error) => Some((error.kind().to_string(), error.span().start.offset)),
        _ => None,
    }
}

/// Which character of the text stands at a byte offset, from 1.
fn character(text: &str, offset: usize) -> usize {
    text.char_indices().take_while(|(at, _)| *at < offset).count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(pattern: &str) -> String {
        Pattern::parse(pattern).unwrap_err().to_string()
    }

    #[test]
    fn s6_look_around_and_back_references_work() {
        for (pattern, text, expected) in [
            ("^(?!.*KumoMTA internal).*RL000010", "421 RL000010", true),
            ("^(?!.*KumoMTA internal).*RL000010", "451 KumoMTA internal: RL000010", false),
            (r"(\w+) \1", "try again again", true),
            (r"(\w+) \1", "once more", false),
            (r"(?<=4\.7\.)\d", "4.7.1", true),
            (r"\[TS\d+\]", "421 [TS04]", true),
            ("busy", "Busy", false),
            ("(?i)busy", "Busy", true),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().is_match(text), Ok(expected), "{pattern} {text}");
        }
        let parsed = |pattern: &str| Pattern::parse(pattern).unwrap();
        assert!(parsed("a+").is_plain() && parsed("a").is_plain() && !parsed("(?=a)").is_plain());
        assert_eq!(parsed(r"421 4\.7\.0").literal(), Some("421 4.7.0"));
        assert_eq!((parsed("421 .").literal(), parsed("(?i)ab").literal()), (None, None));
        assert_eq!(parsed("a+"), parsed("a+"));
        assert_ne!(parsed("a+"), parsed("a*"));
    }

    #[test]
    fn s6_the_bounded_engine_says_that_it_gave_up() {
        let pattern = Pattern::parse(r"^(?:(a|b|ab)(?=a|b|c))*c").unwrap();
        assert_eq!(pattern.is_match(&format!("{}!", "ab".repeat(40))), Err(Exceeded));
        assert_eq!(pattern.is_match("ababc"), Ok(true));
    }

    #[test]
    fn a7_a_bad_pattern_says_why_and_where() {
        assert_eq!(refused("äb(c"), "invalid pattern `äb(c`: unclosed group, at character 3");
        assert_eq!(
            refused("(?=a)("),
            "invalid pattern `(?=a)(`: Opening parenthesis without closing parenthesis, at character 7"
        );
        assert!(
            refused("*").starts_with("invalid pattern `*`: repetition operator missing expression, at character 1")
        );
        assert!(refused("[z-a]").ends_with(", at character 2"), "{}", refused("[z-a]"));
        assert!(refused(r"\p{Nope}").contains("Unicode property not found, at character 1"));
        let bad = Pattern::parse("(").unwrap_err();
        assert_eq!(bad.code(), code::BAD_PATTERN);
        assert!(bad.help().contains("docs.rs/regex"));
    }

    #[test]
    fn a7_a_pattern_that_is_too_large_is_refused() {
        for pattern in [r"\w{500}", r"(?=x)\w{500}"] {
            let bad = Pattern::parse(pattern).unwrap_err();
            assert_eq!(
                bad.to_string(),
                format!("pattern `{pattern}` is too large: it compiles to more than 1048576 bytes")
            );
            assert_eq!(bad.code(), code::PATTERN_TOO_LARGE);
            assert!(bad.help().contains("smaller repetition counts"));
        }
    }

    #[test]
    fn s6_characters_count_from_one() {
        assert_eq!(character("äb", 0), 1);
        assert_eq!(character("äb", 2), 2);
        assert_eq!(character("äb", 3), 3);
    }
}
