//! The rules that are explained, wherever they come from.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use kumo_tsa_core::shaping::{LoadOptions, Shaping};

use super::daemon::Told;
use super::overlay::Overlay;
use crate::host::Host;
use crate::shaping;
use crate::tools::documented::DEFAULT_RULES;
use crate::tsa;

const POLICY: &str = "/opt/kumomta/etc/policy/tsa_init.lua";

/// Merged rules.
pub(super) struct Rules {
    pub(super) shaping: Arc<Shaping>,
    /// What was loaded, for people; nothing when the daemon alone is asked.
    pub(super) from: Vec<String>,
    /// The overlay of the daemon, where that is all it tells of overrides.
    pub(super) overlay: Option<Overlay>,
}

/// Loads the rules of a policy or of files; without either, and without a daemon, those of this machine.
pub(super) async fn load(
    host: &Host,
    policy: Option<&Path>,
    files: &[String],
    told: Option<&Told>,
) -> anyhow::Result<Rules> {
    let overlay = told.and_then(Told::overlay);
    if let Some(policy) = policy {
        return of_policy(host, policy, overlay).await;
    }
    if files.is_empty() && told.is_none() {
        if Path::new(POLICY).exists() {
            return of_policy(host, Path::new(POLICY), None).await;
        }
        return of_files(host, &[DEFAULT_RULES.to_owned()], None).await;
    }
    of_files(host, files, overlay).await
}

async fn of_policy(host: &Host, policy: &Path, overlay: Option<Overlay>) -> anyhow::Result<Rules> {
    let handle = tsa::load_rules(host, policy).await.map_err(|error| {
        let error = anyhow::Error::from(error);
        error.context(format!(
            "loading the rules of `{}`; --policy takes the policy of a daemon, tsa_init.lua, which handles `tsa_load_shaping_data`",
            policy.display()
        ))
    })?;
    let shaping = handle.current();
    refuse_errors(&shaping)?;
    Ok(Rules { shaping, from: vec![policy.display().to_string()], overlay })
}

async fn of_files(host: &Host, files: &[String], overlay: Option<Overlay>) -> anyhow::Result<Rules> {
    let mut paths = files.to_vec();
    paths.extend(overlay.iter().map(|overlay| overlay.url.to_string()));
    let handle = shaping::load(host, &paths, LoadOptions::default()).await.context("loading the shaping files")?;
    let shaping = handle.current();
    refuse_errors(&shaping)?;
    Ok(Rules { shaping, from: files.to_vec(), overlay })
}

/// Rules with errors are never in force (semantics A7), so there is nothing to explain.
fn refuse_errors(shaping: &Shaping) -> anyhow::Result<()> {
    if shaping.errors().is_empty() {
        return Ok(());
    }
    bail!("{}", shaping.errors().join("\n"))
}
