//! Getting the text of a shaping source.

use std::path::PathBuf;
use std::time::Duration;

use kumo_tsa_core::shaping::{Level, LoadOptions, Source};
use kumo_tsa_core::wire::format_duration;

use crate::host::Host;
use crate::modules::http;
use crate::policy;

/// The longest body that a URL may send: far above 100,000 overrides.
const MAX_BODY_BYTES: usize = 256 << 20;

/// What fetching and reading sources has to say.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Notes {
    pub(super) errors: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl Notes {
    pub(super) fn add(&mut self, level: Level, text: String) {
        match level {
            Level::Ignore => {}
            Level::Warn => self.warnings.push(text),
            Level::Error => self.errors.push(text),
        }
    }
}

pub(super) fn is_remote(path: &str) -> bool {
    path.starts_with("http://") || path.starts_with("https://")
}

/// The level at which trouble with a source counts.
pub(super) fn level(path: &str, options: &LoadOptions) -> Level {
    if is_remote(path) { options.remote_load } else { options.local_load }
}

/// Fetches the text of a file or URL; `None`, with a note, when there is none: such a source counts as empty.
pub(super) async fn fetch(host: &Host, path: &str, options: &LoadOptions) -> (Option<Source>, Notes) {
    let mut notes = Notes::default();
    if is_remote(path) && options.skip_remote {
        notes.add(Level::Warn, format!("Ignoring {path} because skip_remote is set to true"));
        return (None, notes);
    }
    let fetched = if is_remote(path) {
        let text = fetch_url(host, path, options.http_timeout).await;
        text.map_err(|why| format!("remote shaping source {path} error: {why}"))
    } else {
        let text = read_file(host, path).await;
        text.map_err(|why| format!("local shaping source {path} error: loading data from file {path}: {why}"))
    };
    match fetched {
        Ok(text) => (Some(Source::new(path, text)), notes),
        Err(why) => {
            if is_remote(path) {
                tracing::error!("{why}");
            }
            notes.add(level(path, options), why);
            (None, notes)
        }
    }
}

async fn read_file(host: &Host, path: &str) -> Result<String, String> {
    let (host, path) = (host.clone(), PathBuf::from(path));
    // Tokio holds a paused clock while a thread of its pool works.
    let read = tokio::task::spawn_blocking(move || host.paths().read(&path)).await;
    let content = read.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
    String::from_utf8(content.into_owned()).map_err(|_| "it is not UTF-8".to_owned())
}

/// The client that all loads of a host share, with its open connections.
struct Client(Result<reqwest::Client, String>);

fn client(host: &Host) -> Result<reqwest::Client, String> {
    // The builder takes a slot of the host itself, so it may not run while this one is made.
    let builder = http::builder(host).map_err(|error| error.to_string());
    let client = host.slot(|| Client(builder.and_then(|builder| builder.build().map_err(|e| policy::explain(&e)))));
    client.0.clone()
}

async fn fetch_url(host: &Host, url: &str, timeout: Duration) -> Result<String, String> {
    let client = client(host)?;
    let parsed = reqwest::Url::parse(url).map_err(|error| error.to_string())?;
    let url = http::led(host, parsed).map_err(|error| error.to_string())?;
    let Ok(outcome) = tokio::time::timeout(timeout, get(&client, url, timeout)).await else {
        return Err(format!("no answer within {}", format_duration(timeout)));
    };
    outcome
}

async fn get(client: &reqwest::Client, url: reqwest::Url, timeout: Duration) -> Result<String, String> {
    let failed = |error: reqwest::Error| policy::explain(&error.without_url());
    // The client has a limit of its own, which must not come first.
    let request = client.get(url).timeout(timeout.saturating_mul(2));
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(format!("the body is longer than {MAX_BODY_BYTES} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    if !status.is_success() {
        let start: String = String::from_utf8_lossy(&body).trim().chars().take(200).collect();
        return Err(format!("HTTP status {status}: {}", start.replace(['\r', '\n'], " ")));
    }
    String::from_utf8(body).map_err(|_| "the body is not UTF-8".to_owned())
}
