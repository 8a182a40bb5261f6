//! Tests over whole files.

mod equivalence;
mod explain;
mod lookup;
mod matching;
mod merging;
mod real;

use std::sync::Arc;

use super::*;

/// Parses files named `1.toml`, `2.toml` and so on.
#[track_caller]
fn files(texts: &[&str]) -> Vec<Arc<File>> {
    let read = |(at, text): (usize, &&str)| {
        let source = Source::new(&format!("{}.toml", at + 1), *text);
        Arc::new(parse(&source).unwrap_or_else(|findings| panic!("{findings}")))
    };
    texts.iter().enumerate().map(read).collect()
}

/// `a.com` and `b.com` share their hosts, `null.com` takes no mail, `lost.com` cannot be resolved; any other domain has two
/// hosts of its own.
fn mx(domain: &str) -> Mx {
    match domain {
        "null.com" => Mx::Null,
        "lost.com" => Mx::Unresolved { why: "timed out".to_owned() },
        "empty.com" => Mx::Site { name: String::new(), hosts: Vec::new() },
        "a.com" | "b.com" => site(&["mx1.shared.net", "mx2.shared.net"]),
        other => site(&[&format!("mx1.{other}"), &format!("mx2.{other}")]),
    }
}

fn site(hosts: &[&str]) -> Mx {
    Mx::Site { name: site_name(hosts), hosts: hosts.iter().map(|host| (*host).to_owned()).collect() }
}

#[track_caller]
fn merged_with(texts: &[&str], options: &LoadOptions) -> Shaping {
    Shaping::merge(&files(texts), &mx, options).unwrap_or_else(|findings| panic!("{findings}"))
}

#[track_caller]
fn merged(texts: &[&str]) -> Shaping {
    merged_with(texts, &LoadOptions::default())
}
