//! From paths and URLs to shaping data.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;
use kumo_tsa_core::shaping::{self, File, Findings, Format, LoadOptions, Origin, Shaping, Source, Unresolved};

use super::Handle;
use super::fetch::{Notes, fetch, is_remote, level};
use super::kept::Kept;
use super::reuse::{Merged, Parsed};
use super::rollup::Rollup;
use crate::dns::Resolver;
use crate::host::Host;

/// Why shaping data cannot be loaded. Every text names file, line and column of all that is wrong, one finding a line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Sources that cannot be used, whatever the levels say: their text does not parse, or means nothing.
    #[error("{}", join_lines(.0))]
    Sources(Vec<BadSource>),
    /// What the sources say does not fit together.
    #[error("merging shaping files: {0}")]
    Merge(Findings),
    /// The work itself failed.
    #[error("loading shaping files: {0}")]
    Failed(String),
}

/// A source that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{what} {name}: {findings}")]
pub struct BadSource {
    /// The path or URL as the policy wrote it.
    pub name: Arc<str>,
    what: &'static str,
    /// Everything that is wrong in it.
    pub findings: Findings,
}

fn join_lines(sources: &[BadSource]) -> String {
    sources.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl BadSource {
    fn new(source: &Source, findings: Findings) -> Self {
        let what = match source.format {
            _ if !findings.is_syntax() => "interpreting shaping file",
            Format::Toml => "parsing toml from file",
            Format::Json => "parsing json from file",
            Format::Either => "parsing",
        };
        Self { name: source.name.clone(), what, findings }
    }
}

/// Loads files and URLs, in the order in which they merge (interface D, semantics S4, S7).
///
/// A file comes from disk, else, below the documented share folder, from inside the executable. DNS is waited for at most
/// one second in all: a block whose domain has not resolved by then acts for that domain alone, a warning is logged, and
/// the data behind the handle gets better as answers come.
///
/// # Errors
/// When a source that can be read cannot be used. A source that cannot be read is mentioned as `local_load` and
/// `remote_load` say, and counts as empty; a URL that this host has loaded before counts as what it gave then.
pub async fn load(host: &Host, paths: &[String], options: LoadOptions) -> Result<Handle, Error> {
    let (files, notes) = load_files(host, paths, &options).await?;
    let rollup = Rollup::ask(files, notes, options, Resolver::current(host)).await;
    let shaping = merge(host, &rollup).await?;
    warn(host, &rollup, &shaping);
    let handle = Handle::new(shaping);
    if rollup.is_open() {
        tokio::spawn(rollup.follow(handle.downgrade(), host.shutdown().watch()));
    }
    Ok(handle)
}

async fn merge(host: &Host, rollup: &Rollup) -> Result<Arc<Shaping>, Error> {
    let (merged, basis) = (host.slot(Merged::default), rollup.basis());
    if let Some(shaping) = merged.find(&basis) {
        return Ok(shaping);
    }
    let shaping = Arc::new(rollup.merge().await?);
    merged.keep(basis, &shaping);
    Ok(shaping)
}

async fn load_files(host: &Host, paths: &[String], options: &LoadOptions) -> Result<(Vec<Arc<File>>, Notes), Error> {
    let fetched = join_all(paths.iter().map(|path| fetch(host, path, options))).await;
    let mut notes = Notes::default();
    let mut sources = Vec::new();
    for (path, (source, noted)) in paths.iter().zip(fetched) {
        notes.errors.extend(noted.errors);
        notes.warnings.extend(noted.warnings);
        sources.push(source.ok_or_else(|| path.clone()));
    }
    let known = host.slot(Parsed::default);
    let before = known.clone();
    let parse = move || {
        let parse = |source: &Source| before.find(source).map_or_else(|| shaping::parse(source).map(Arc::new), Ok);
        let parsed = sources.into_iter().map(|source| source.map(|source| (parse(&source), source)));
        parsed.collect::<Vec<_>>()
    };
    // The overrides of a busy daemon are megabytes of TOML.
    let parsed = tokio::task::spawn_blocking(parse).await.map_err(|error| Error::Failed(error.to_string()))?;

    let kept = host.slot(Kept::default);
    let last = |path: &str| if options.skip_remote { None } else { last_good(&kept, path) };
    let (mut files, mut bad) = (Vec::new(), Vec::new());
    for one in parsed {
        match one {
            Ok((Ok(file), source)) => {
                if is_remote(&source.name) {
                    kept.keep(&source.name, &file);
                }
                known.keep(source, &file);
                files.push(file);
            }
            Ok((Err(findings), source)) if source.format == Format::Either && findings.is_syntax() => {
                let text = BadSource::new(&source, findings).to_string();
                notes.add(level(&source.name, options), text);
                files.extend(last(&source.name));
            }
            Ok((Err(findings), source)) => bad.push(BadSource::new(&source, findings)),
            Err(path) => files.extend(last(&path)),
        }
    }
    if bad.is_empty() { Ok((files, notes)) } else { Err(Error::Sources(bad)) }
}

/// What a URL gave before, now that it gives nothing: rules that were good are not replaced by none.
fn last_good(kept: &Kept, url: &str) -> Option<Arc<File>> {
    let file = kept.last(url)?;
    tracing::warn!("remote shaping source {url}: what it gave before stays in force");
    Some(file)
}

/// The blocks whose domains did not resolve when they were last loaded, by place and domain.
#[derive(Default)]
struct Said(Mutex<HashSet<String>>);

/// Says in the log which blocks act for their own domain alone for now, whatever the levels. A policy loads its files again
/// and again: as a warning it is said when it begins.
fn warn(host: &Host, rollup: &Rollup, shaping: &Shaping) {
    let said = host.slot(Said::default);
    let mut said = said.0.lock().unwrap_or_else(PoisonError::into_inner);
    let key = |origin: &Origin, domain: &str| format!("{origin}: domain `{domain}`");
    let before: HashSet<String> =
        rollup.domains().filter_map(|(domain, origin)| said.take(&key(origin, domain))).collect();
    for Unresolved { domain, origin, why } in shaping.unresolved() {
        let what = key(origin, domain);
        let text = "does not resolve to a site, its block applies to itself alone";
        if before.contains(&what) {
            tracing::debug!("{what} still {text}: {why}");
        } else {
            tracing::warn!("{what} {text}: {why}");
        }
        said.insert(what);
    }
}
