//! What a running daemon has decided.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use kumo_tsa_core::decide::{ReadySuspension, SchedBounce, SchedSuspension, View};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::overlay::Overlay;
use crate::host::Host;
use crate::modules::http;

/// How long the daemon may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
const EFFECTS: &str = "/tsa/effects.json";
const OVERLAY: &str = "/get_config_v1/shaping.toml";
const SUSPENDED: &str = "/get_suspension_v1/suspended.json";
const BOUNCED: &str = "/get_bounce_v1/bounced.json";

/// An effect as a daemon lists it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Listed {
    #[serde(flatten)]
    pub(super) view: View,
    /// The rule is not in the daemon's files any more.
    pub(super) rule_gone: bool,
    /// No other effect outdoes it.
    pub(super) holds: bool,
}

/// What a daemon tells.
#[derive(Debug)]
pub(super) struct Told {
    /// The daemon, as it was given.
    pub(super) url: String,
    pub(super) what: What,
}

/// By which endpoints it tells it.
#[derive(Debug)]
pub(super) enum What {
    /// All that is in force, with all that led to it.
    Effects(Vec<Listed>),
    /// KumoMTA's own daemon has no list of effects, and tells by what mail hosts read.
    Plain { ready: Vec<ReadySuspension>, sched: Vec<SchedSuspension>, bounces: Vec<SchedBounce>, overlay: String },
}

#[derive(Deserialize)]
struct Suspended {
    ready_q: Vec<ReadySuspension>,
    sched_q: Vec<SchedSuspension>,
}

impl Told {
    /// The effects, where the daemon lists them.
    pub(super) fn effects(&self) -> &[Listed] {
        match &self.what {
            What::Effects(list) => list,
            What::Plain { .. } => &[],
        }
    }

    /// What overrides have to be loaded from, where there is no list of them.
    pub(super) fn overlay(&self) -> Option<Overlay> {
        match &self.what {
            What::Effects(_) => None,
            What::Plain { overlay, .. } => {
                Some(Overlay { url: format!("{}{OVERLAY}", self.url).into(), text: overlay.clone() })
            }
        }
    }
}

/// Asks a daemon for all that it has decided.
///
/// # Errors
/// When it does not answer, refuses, or is no daemon; each names the URL.
pub(super) async fn ask(host: &Host, url: &str) -> anyhow::Result<Told> {
    let url = url.trim_end_matches('/').to_owned();
    if !(url.starts_with("http://") || url.starts_with("https://")) {
        bail!("--url takes the URL of a daemon, such as http://127.0.0.1:8008, not `{url}`");
    }
    let client = http::builder(host)?.timeout(PATIENCE).build()?;
    if let Some(text) = get(&client, &format!("{url}{EFFECTS}")).await? {
        let list = parse(&text, &format!("{url}{EFFECTS}"))?;
        return Ok(Told { url, what: What::Effects(list) });
    }
    let Some(overlay) = get(&client, &format!("{url}{OVERLAY}")).await? else {
        bail!("{url} is no tsa-daemon: it has neither {EFFECTS} nor {OVERLAY}");
    };
    let suspended = get(&client, &format!("{url}{SUSPENDED}")).await?;
    let bounces = get(&client, &format!("{url}{BOUNCED}")).await?;
    let suspended = suspended.map(|text| parse::<Suspended>(&text, &format!("{url}{SUSPENDED}"))).transpose()?;
    let bounces = bounces.map(|text| parse(&text, &format!("{url}{BOUNCED}"))).transpose()?.unwrap_or_default();
    let (ready, sched) = suspended.map(|both| (both.ready_q, both.sched_q)).unwrap_or_default();
    Ok(Told { url, what: What::Plain { ready, sched, bounces, overlay } })
}

/// The body of an answer; nothing when there is no such thing.
async fn get(client: &reqwest::Client, url: &str) -> anyhow::Result<Option<String>> {
    let answer = client.get(url).send().await.map_err(|error| {
        let why = crate::policy::explain(&error.without_url());
        anyhow!("the daemon cannot be reached at {url}: {why}; is it running, and is this where it listens?")
    })?;
    let status = answer.status();
    let text = answer.text().await.with_context(|| format!("reading the answer of {url}"))?;
    match status.as_u16() {
        404 => Ok(None),
        401 | 403 => bail!(
            "{url} answered {status}: the daemon does not know this machine; add its address to `trusted_hosts` of `tsa.start_http_listener`"
        ),
        _ if status.is_success() => Ok(Some(text)),
        _ => bail!("{url} answered {status}: {}", text.trim().chars().take(200).collect::<String>()),
    }
}

fn parse<T: DeserializeOwned>(text: &str, url: &str) -> anyhow::Result<T> {
    serde_json::from_str(text).with_context(|| format!("{url} does not answer as a tsa-daemon does"))
}
