//! What the daemon and the mail host can do, each figure against something that ran right beside it.
//!
//! `cargo bench` prints a table; `cargo bench -- NAME` runs the rows whose name contains NAME. Every ratio is the median of
//! rounds in which both sides took turns, so that a machine that is busy for a while is busy for both.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::duration_suboptimal_units,
    clippy::format_collect,
    clippy::type_complexity,
    clippy::large_stack_arrays,
    unreachable_pub,
    reason = "figures for people, made of numbers of known size"
)]

mod load;
mod mail;
mod matching;
mod memory;
mod publish;
mod push;
mod replay;
mod server;
mod smtp;
mod specs;

/// A row of the table.
pub struct Row {
    pub name: &'static str,
    pub measured: String,
    pub against: String,
    pub result: String,
    pub target: &'static str,
    pub met: bool,
}

type Bench = fn(&mut Vec<Row>);

const BENCHES: &[(&str, Bench)] = &[
    ("publish", publish::run),
    ("batch", publish::run_batches),
    ("matching", matching::run),
    ("push", push::run),
    ("memory", memory::run),
    ("mail", mail::run),
    ("shaped mail", mail::run_shaped),
    ("waiting mail", mail::run_waiting),
    ("replay", replay::run),
    ("specs", specs::run),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    if arguments.first().is_some_and(|role| server::serve_if_asked(role)) {
        return;
    }
    let mut rows = Vec::new();
    for (name, bench) in BENCHES {
        if arguments.is_empty() || arguments.iter().any(|wanted| name.contains(wanted.as_str())) {
            eprintln!("running {name} ...");
            bench(&mut rows);
        }
    }
    println!("| what | measured | against | result | target | |");
    println!("|---|---|---|---|---|---|");
    for row in &rows {
        let met = if row.met { "met" } else { "**missed**" };
        println!("| {} | {} | {} | {} | {} | {met} |", row.name, row.measured, row.against, row.result, row.target);
    }
}

/// The middle value.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// `12345.6` as `12,346`.
pub fn count(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(c);
    }
    out
}
