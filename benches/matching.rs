//! Matching a response against the rules of a scope.

use std::sync::Arc;
use std::time::Instant;

use kumo_tsa_core::shaping::{Format, LoadOptions, Mx, Shaping, Source, parse};

use crate::{Row, median};

const ROUNDS: usize = 9;

/// Real responses, as the quickstart carries them.
const RESPONSES: &str = include_str!("../examples/quickstart/responses.tsv");

/// The first of these are matched; the scopes that are compared both have their rules.
const MATCHED: usize = 10;

/// Each response as one line, `CODE text`, those of all providers mixed.
fn responses() -> Vec<String> {
    let lines = RESPONSES.lines().filter(|line| !line.starts_with('#'));
    let columns = lines.map(|line| line.split('\t').collect::<Vec<_>>());
    let mut all: Vec<String> = columns.filter(|c| c.len() >= 3).map(|c| format!("{} {}", c[1], c[2])).collect();
    fastrand::Rng::with_seed(1).shuffle(&mut all);
    all
}

/// The pattern that a person would write for a response: its words, any number in the place of a number. The first copy of
/// it matches the response; further ones ask for a word more, as rules for a provider's other answers do.
fn pattern(response: &str, copy: usize) -> String {
    let words: Vec<String> = response
        .split_whitespace()
        .skip(1)
        .take(8)
        .map(|word| {
            let digits = word.chars().filter(char::is_ascii_digit).count();
            if digits > 0 { r"\S*\d\S*".to_owned() } else { regex::escape(word) }
        })
        .collect();
    let more = if copy == 0 { String::new() } else { format!(".*[(]case {copy}[)]") };
    format!("{} {}{more}", &response[..3], words.join(" "))
}

fn shaping(rules: usize) -> Shaping {
    let responses = responses();
    let text: String = (0..rules)
        .map(|i| {
            let pattern = pattern(&responses[i % responses.len()], i / responses.len());
            format!("[[\"default\".automation]]\nregex = {pattern:?}\naction = \"Suspend\"\nduration = \"1h\"\n")
        })
        .collect();
    let source = Source { name: "rules.toml".into(), format: Format::Toml, text };
    let file = parse(&source).expect("rules parse");
    Shaping::merge(&[Arc::new(file)], &|_| Mx::Null, &LoadOptions::default()).expect("rules merge")
}

fn nanos_a_response(shaping: &Shaping, responses: &[String]) -> f64 {
    const TIMES: u32 = 5_000;
    let started = Instant::now();
    for _ in 0..TIMES {
        for response in responses {
            std::hint::black_box(shaping.matches("dest.example", "mx.dest.example", response, false));
        }
    }
    started.elapsed().as_nanos() as f64 / f64::from(TIMES) / responses.len() as f64
}

pub fn run(rows: &mut Vec<Row>) {
    let (few, many, responses) = (shaping(MATCHED), shaping(1_000), responses());
    let responses = &responses[..MATCHED];
    let (mut tens, mut thousands, mut ratios) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let (a, b) = (nanos_a_response(&many, responses), nanos_a_response(&few, responses));
        thousands.push(a);
        tens.push(b);
        ratios.push(a / b);
    }
    let ratio = median(ratios);
    rows.push(Row {
        name: "matching a response, 1,000 rules in a scope",
        measured: format!("{:.0} ns", median(thousands)),
        against: format!("10 rules: {:.0} ns", median(tens)),
        result: format!("{ratio:.2}"),
        target: "at most 3",
        met: ratio <= 3.0,
    });
}
