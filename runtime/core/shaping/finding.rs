//! What is wrong in a shaping file, and where.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::Origin;

/// How much a condition matters. The words are those of the load options (interface D.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub enum Level {
    /// It is not mentioned.
    Ignore,
    /// It is listed among the warnings.
    Warn,
    /// It is listed among the errors.
    Error,
}

/// A text that is not a level.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid level `{text}`: expected `Ignore`, `Warn` or `Error`")]
pub struct BadLevel {
    text: String,
}

impl FromStr for Level {
    type Err = BadLevel;

    /// The words in any case, as a command line takes them; reading a table of load options is strict about case.
    fn from_str(text: &str) -> Result<Self, BadLevel> {
        match text.to_ascii_lowercase().as_str() {
            "ignore" => Ok(Self::Ignore),
            "warn" => Ok(Self::Warn),
            "error" => Ok(Self::Error),
            _ => Err(BadLevel { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ignore => "Ignore",
            Self::Warn => "Warn",
            Self::Error => "Error",
        })
    }
}

/// The codes of findings: stable names that a person can search for.
pub mod code {
    /// The text is not TOML or JSON.
    pub const SYNTAX: &str = "syntax";
    /// One name is given twice.
    pub const DUPLICATE: &str = "duplicate";
    /// An egress path has no option of this name.
    pub const UNKNOWN_OPTION: &str = "unknown-option";
    /// A rule, a match or a setting has no field of this name.
    pub const UNKNOWN_FIELD: &str = "unknown-field";
    /// There is no such action.
    pub const UNKNOWN_ACTION: &str = "unknown-action";
    /// There is no such trigger.
    pub const UNKNOWN_TRIGGER: &str = "unknown-trigger";
    /// A field that must be there is not.
    pub const MISSING_FIELD: &str = "missing-field";
    /// A value is of another kind than the field takes.
    pub const WRONG_TYPE: &str = "wrong-type";
    /// A value is of the right kind, but not one that the option takes.
    pub const BAD_VALUE: &str = "bad-value";
    /// A text is not a duration.
    pub const BAD_DURATION: &str = "bad-duration";
    /// A text is not a threshold.
    pub const BAD_THRESHOLD: &str = "bad-threshold";
    /// A pattern does not compile.
    pub const BAD_PATTERN: &str = "bad-pattern";
    /// A pattern compiles to more than is sensible.
    pub const PATTERN_TOO_LARGE: &str = "pattern-too-large";
    /// A block is named by a single DNS label.
    pub const SINGLE_LABEL: &str = "single-label";
    /// A provider has no `match` in any file.
    pub const PROVIDER_WITHOUT_MATCH: &str = "provider-without-match";
    /// An entry of `match` that no host or domain can fit.
    pub const MATCH_NEVER_FITS: &str = "match-never-fits";
    /// An entry of `match` that every host or domain fits.
    pub const MATCH_FITS_ALL: &str = "match-fits-all";
    /// A `HostName` that a site name cannot tell (semantics S3).
    pub const HOST_NAME_UNTOLD: &str = "host-name-untold";
    /// A domain rolls up into the site of another block.
    pub const ROLLUP_ALIAS: &str = "rollup-alias";
    /// A provider also covers a domain that rolls up.
    pub const ROLLUP_COVERED: &str = "rollup-covered";
    /// A domain that rolls up takes no mail.
    pub const ROLLUP_NULL_MX: &str = "rollup-null-mx";
    /// The mail hosts of a domain that rolls up are not known.
    pub const ROLLUP_UNRESOLVED: &str = "rollup-unresolved";
    /// A block names a source that does not exist.
    pub const UNKNOWN_SOURCE: &str = "unknown-source";
    /// A pattern asks for a backslash: it was escaped twice.
    pub const PATTERN_ESCAPED_TWICE: &str = "pattern-escaped-twice";
    /// A pattern is anchored where no response begins or ends.
    pub const PATTERN_ANCHOR: &str = "pattern-anchor";
    /// A pattern asks for a line break.
    pub const PATTERN_LINE_BREAK: &str = "pattern-line-break";
    /// A pattern that no response can match, for another reason.
    pub const PATTERN_NEVER_MATCHES: &str = "pattern-never-matches";
    /// A pattern matches every response.
    pub const PATTERN_MATCHES_ALL: &str = "pattern-matches-all";
    /// A pattern needs the slow engine.
    pub const PATTERN_SLOW: &str = "pattern-slow";
    /// A pattern hits its bound on a real response.
    pub const PATTERN_GIVES_UP: &str = "pattern-gives-up";
    /// Whatever a rule does, another has done already.
    pub const RULE_SHADOWED: &str = "rule-shadowed";
    /// Two rules of a scope have one pattern.
    pub const RULE_SAME_PATTERN: &str = "rule-same-pattern";
    /// Two rules of a scope act against each other on the same responses.
    pub const RULE_CONTRADICTS: &str = "rule-contradicts";
    /// One action of a rule has no effect beside the others.
    pub const ACTION_WITHOUT_EFFECT: &str = "action-without-effect";
    /// A stricter override always stands beside this one.
    pub const OVERRIDE_NEVER_WINS: &str = "override-never-wins";
    /// An override loosens what the files say (semantics A9).
    pub const OVERRIDE_LOOSENS: &str = "override-loosens";
    /// An override sets what the files say already.
    pub const OVERRIDE_CHANGES_NOTHING: &str = "override-changes-nothing";
    /// A threshold makes no difference.
    pub const THRESHOLD_POINTLESS: &str = "threshold-pointless";
    /// Mail is bounced on a single response.
    pub const BOUNCE_WITHOUT_THRESHOLD: &str = "bounce-without-threshold";
    /// An option has the value that an earlier file gives it.
    pub const OPTION_CHANGES_NOTHING: &str = "option-changes-nothing";
    /// An option allows more than an earlier file does.
    pub const OPTION_WEAKER: &str = "option-weaker";
    /// An option is accepted and has no effect.
    pub const OPTION_WITHOUT_EFFECT: &str = "option-without-effect";
    /// `replace_base` drops rules of earlier files.
    pub const REPLACE_BASE_DROPS_RULES: &str = "replace-base-drops-rules";
    /// A file cannot be read.
    pub const UNREADABLE: &str = "unreadable";
    /// A policy does not pass validation.
    pub const POLICY_INVALID: &str = "policy-invalid";
}

/// One thing that is wrong in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Its stable name, one of [`code`].
    pub code: &'static str,
    /// [`Level::Error`] when the file cannot be used.
    pub level: Level,
    /// File, line and column.
    pub origin: Origin,
    /// The same place as bytes of the file's text, for tools that draw it.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What would be accepted.
    pub help: Option<String>,
    /// Other places that it is about.
    pub notes: Vec<Note>,
}

/// A further place that a finding is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// File, line and column.
    pub origin: Origin,
    /// The same place as bytes of that file's text.
    pub span: Range<usize>,
    /// What is there.
    pub text: String,
}

impl fmt::Display for Finding {
    /// `FILE:LINE:COLUMN: message (help)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.origin, self.origin.column, self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// All that is wrong in a file or a set of files; never empty when it is an error.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// Whether the text itself could not be read, rather than what it says. For a source of [`super::Format::Either`] this
    /// condition is graded, for the others it is a hard error (interface D.2).
    pub fn is_syntax(&self) -> bool {
        self.0.iter().any(|finding| finding.code == code::SYNTAX)
    }
}

impl fmt::Display for Findings {
    /// One finding a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            fmt::Display::fmt(finding, f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(code: &'static str, help: Option<&str>) -> Finding {
        Finding {
            code,
            level: Level::Error,
            origin: Origin { file: "a.toml".into(), line: 3, column: 7 },
            span: 0..1,
            message: "no".to_owned(),
            help: help.map(str::to_owned),
            notes: Vec::new(),
        }
    }

    #[test]
    fn a7_a_finding_says_file_line_column_and_help() {
        let findings = Findings(vec![finding(code::SYNTAX, None), finding(code::BAD_VALUE, Some("try 1"))]);
        assert_eq!(findings.to_string(), "a.toml:3:7: no\na.toml:3:7: no (try 1)");
        assert!(findings.is_syntax());
        assert!(!Findings(vec![finding(code::BAD_VALUE, None)]).is_syntax());
        assert!(!Findings::default().is_syntax());
    }

    #[test]
    fn levels_are_read_in_any_case_and_shown_as_written() {
        for (text, level) in [("Ignore", Level::Ignore), ("wArn", Level::Warn), ("ERROR", Level::Error)] {
            assert_eq!(text.parse(), Ok(level));
            assert_eq!(level.to_string().parse(), Ok(level));
        }
        assert_eq!(Level::Warn.to_string(), "Warn");
        assert_eq!(
            "loud".parse::<Level>().unwrap_err().to_string(),
            "invalid level `loud`: expected `Ignore`, `Warn` or `Error`"
        );
        assert_eq!(serde_json::from_str::<Level>("\"Warn\"").unwrap(), Level::Warn);
        assert!(serde_json::from_str::<Level>("\"warn\"").is_err());
    }
}
