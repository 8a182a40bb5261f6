//! The rules that are explained, wherever they come from.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use kumo_tsa_core::shaping::{LoadOptions, Shaping};

use super::daemon::Told;
use super::overlay::Overlay;
use super::site::Destination;
use crate::host::Host;
use crate::mail::config::path_config;
use crate::mail::validate;
use crate::tools::documented::DEFAULT_RULES;
use crate::tools::policy::{Seen, installs, is_of_a_daemon};
use crate::{shaping, tsa};

const POLICY: &str = "/opt/kumomta/etc/policy/tsa_init.lua";

/// Merged rules.
pub(super) struct Rules {
    pub(super) shaping: Arc<Shaping>,
    /// What was loaded, for people; nothing when the daemon alone is asked.
    pub(super) from: Vec<String>,
    /// The overlay of the daemon, where that is all it tells of overrides.
    pub(super) overlay: Option<Overlay>,
}

/// The path that is asked about: a mail host's policy may load its files only then.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) to: &'a Destination,
    pub(super) source: &'a str,
}

/// Loads the rules of a policy or of files; without either, and without a daemon, those of this machine.
pub(super) async fn load(
    host: &Host,
    policy: Option<&Path>,
    files: &[String],
    told: Option<&Told>,
    path: Asked<'_>,
) -> anyhow::Result<Rules> {
    let overlay = told.and_then(Told::overlay);
    if let Some(policy) = policy {
        return of_policy(host, policy, overlay, path).await;
    }
    if files.is_empty() && told.is_none() {
        if host.paths().resolve(Path::new(POLICY)).exists() {
            return of_policy(host, Path::new(POLICY), None, path).await;
        }
        return of_files(host, &[DEFAULT_RULES.to_owned()], None).await;
    }
    of_files(host, files, overlay).await
}

async fn of_policy(host: &Host, policy: &Path, overlay: Option<Overlay>, path: Asked<'_>) -> anyhow::Result<Rules> {
    let text = host.paths().read(policy).with_context(|| format!("reading the policy `{}`", policy.display()))?;
    if is_of_a_daemon(&String::from_utf8_lossy(&text)) {
        of_daemon(host, policy, overlay).await
    } else {
        of_mail_host(host, policy, overlay, path).await
    }
}

async fn of_daemon(host: &Host, policy: &Path, overlay: Option<Overlay>) -> anyhow::Result<Rules> {
    let handle = tsa::load_rules(host, policy).await.map_err(|error| {
        let error = anyhow::Error::from(error);
        error.context(format!("loading the rules of `{}`", policy.display()))
    })?;
    let shaping = handle.current();
    refuse_errors(&shaping)?;
    Ok(Rules { shaping, from: vec![policy.display().to_string()], overlay })
}

/// The files that a mail host's policy loads while it is validated, or else while it is asked about the path.
async fn of_mail_host(host: &Host, policy: &Path, overlay: Option<Overlay>, path: Asked<'_>) -> anyhow::Result<Rules> {
    let validated = validate::run_with(host, policy, &installs(false)).await;
    let seen = Seen::of(host);
    if let (None, Ok(policy)) = (seen.files(), &validated) {
        // What it answers is of no concern here, only what it loads for it.
        let _ = path_config(policy, &path.to.domain, path.source, &path.to.site).await;
    }
    let name = policy.display();
    let Some(files) = seen.files() else {
        if let Err(error) = validated {
            return Err(anyhow::Error::from(error).context(format!("evaluating the policy `{name}`")));
        }
        bail!(
            "`{name}` loads no shaping files: --policy takes a tsa_init.lua that handles `tsa_load_shaping_data`, or an init.lua \
             that calls `kumo.shaping.load`, as `policy-extras.shaping` does; or give the files themselves"
        );
    };
    let rules = of_files(host, &files, overlay).await?;
    Ok(Rules { from: std::iter::once(name.to_string()).chain(rules.from).collect(), ..rules })
}

/// Fails where files that were named cannot be loaded.
pub(super) async fn try_files(host: &Host, files: &[String]) -> anyhow::Result<()> {
    if !files.is_empty() {
        of_files(host, files, None).await?;
    }
    Ok(())
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
