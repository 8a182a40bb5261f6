//! What is doubtful in shaping files that load: rules that never act, options that change nothing, and the like.
//!
//! Each module looks at one kind of thing. All of them speak through [`Desk`], and look at the files scope by scope
//! ([`scope`]), as merging does.

mod desk;
mod domain;
mod language;
mod layer;
mod overlap;
mod pattern;
mod provider;
mod relaxed;
mod rule;
mod setting;
mod value;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::{File, Finding, LoadOptions, Mx, Shaping, Source};
use desk::Desk;

/// A file to look at: its text, and what it says.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The text.
    pub source: Source,
    /// What [`super::parse`] made of it.
    pub file: Arc<File>,
}

/// What there is to look at, and what is known of the world.
pub struct Input<'a> {
    /// The files in the order in which they merge.
    pub files: &'a [Checked],
    /// Whether these are all files that there are: where one could not be read, nobody knows what it says.
    pub complete: bool,
    /// The mail hosts of the domains that [`File::rolled_domains`] lists. `None` where DNS is not asked.
    pub mx: Option<&'a dyn Fn(&str) -> Mx>,
    /// Responses that providers really give, each as one line.
    pub responses: &'a [String],
    /// Whether an egress source of this name exists. `None` where nobody knows.
    pub has_source: Option<&'a dyn Fn(&str) -> bool>,
    /// The part of a host's name that tells whose it is: `example.co.uk` of `mx.example.co.uk`.
    pub owner: &'a dyn Fn(&str) -> String,
    /// Options that are accepted and have no effect, each with what happens instead.
    pub without_effect: &'a [(&'a str, &'a str)],
}

impl Input<'_> {
    fn mx(&self, domain: &str) -> Option<Mx> {
        self.mx.map(|mx| mx(domain))
    }
}

/// All that is doubtful, or what merging refuses, in the order of the files and their lines. Generated overlays are passed over: nobody wrote them.
pub fn check(input: &Input<'_>) -> Vec<Finding> {
    let mut desk = Desk::new(input);
    let layers = layer::scopes(input);
    let files: Vec<Arc<File>> = input.files.iter().map(|checked| checked.file.clone()).collect();
    let unknown = |_: &str| Mx::Unresolved { why: "DNS was not asked".to_owned() };
    let merged = match Shaping::merge(&files, input.mx.unwrap_or(&unknown), &LoadOptions::default()) {
        Ok(merged) => merged,
        Err(refused) => return refused.0,
    };
    let internal = pattern::internal();
    for scope in &layers {
        pattern::check(&mut desk, scope, internal.as_ref());
        rule::check(&mut desk, scope);
        value::check(&mut desk, scope);
        provider::check(&mut desk, scope);
        domain::sources(&mut desk, scope);
        setting::check(&mut desk, scope, &merged);
    }
    overlap::check(&mut desk, &layers);
    domain::check(&mut desk);
    desk.finish()
}
