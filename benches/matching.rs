//! Matching a response against the rules of a scope.

use std::sync::Arc;
use std::time::Instant;

use kumo_tsa_core::shaping::{Format, LoadOptions, Mx, Shaping, Source, parse};

use crate::{Row, median};

const ROUNDS: usize = 9;

/// Phrases of the kind that rules are made of; numbered, they make as many distinct patterns as are wanted.
const SHAPES: &[&str] = &[
    r"\\[TSS{n}\\] Messages from \\d+\\.\\d+\\.\\d+\\.\\d+ temporarily deferred",
    r"4\\.7\\.{n} .*unusual rate of unsolicited mail",
    r"(?i)too many connections from .* code {n}",
    r"blocked by policy {n}.*see https://postmaster\\.example/",
    r"^421 .*rate limited.*RL{n}",
    r"Mailbox (full|over quota).*\\(#5\\.2\\.{n}\\)",
    r"S{n}.*part of their network is on our block list",
    r"reputation of .* is too low \\[HM{n}\\]",
    r"frequency limited.*error={n}",
    r"DT:SPM {n},",
];

/// Responses of the kind that providers give; none, one or several of the patterns match.
const RESPONSES: &[&str] = &[
    "421 4.7.0 [TSS4] Messages from 192.0.2.7 temporarily deferred due to unexpected volume or user complaints",
    "421 4.7.28 Our system has detected an unusual rate of unsolicited mail originating from your IP address",
    "250 2.0.0 OK 1769860000 a1-20020a05600c0d8100b0 gsmtp",
    "550 5.7.1 Unfortunately, messages from [192.0.2.7] weren't sent (S7). part of their network is on our block list",
    "452 4.2.2 The email account that you tried to reach is over quota",
    "421 Too many connections from 192.0.2.7, code 3",
    "554 DT:SPM 9,163 smtp3,2026 please see http://mail.example/help",
    "550 5.1.1 <someone@dest.example>: Recipient address rejected: User unknown in virtual mailbox table",
];

fn shaping(rules: usize) -> Shaping {
    let text: String = (0..rules)
        .map(|i| {
            let pattern = SHAPES[i % SHAPES.len()].replace("{n}", &(i / SHAPES.len()).to_string());
            format!("[[\"default\".automation]]\nregex = \"{pattern}\"\naction = \"Suspend\"\nduration = \"1h\"\n")
        })
        .collect();
    let source = Source { name: "rules.toml".into(), format: Format::Toml, text };
    let file = parse(&source).expect("rules parse");
    Shaping::merge(&[Arc::new(file)], &|_| Mx::Null, &LoadOptions::default()).expect("rules merge")
}

fn nanos_a_response(shaping: &Shaping) -> f64 {
    const TIMES: u32 = 2_000;
    let started = Instant::now();
    for _ in 0..TIMES {
        for response in RESPONSES {
            std::hint::black_box(shaping.matches("dest.example", "mx.dest.example", response, false));
        }
    }
    started.elapsed().as_nanos() as f64 / f64::from(TIMES) / RESPONSES.len() as f64
}

pub fn run(rows: &mut Vec<Row>) {
    let (few, many) = (shaping(10), shaping(1_000));
    let (mut tens, mut thousands, mut ratios) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let (a, b) = (nanos_a_response(&many), nanos_a_response(&few));
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
