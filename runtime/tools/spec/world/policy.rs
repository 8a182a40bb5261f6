//! A policy whose handlers are called one by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use serde::Deserialize;

use super::stage::{Stage, named};
use crate::mail::Rejection;
use crate::policy::{Error, Policy, explain};
use crate::tools::policy::is_of_a_daemon;
use crate::{mail, tsa};

/// What `testing.policy` takes as its second argument.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Options {
    /// Whose policy it is; by what it requires unless said.
    of: Option<Whose>,
    /// What `os.getenv` says in the policy.
    env: BTreeMap<String, String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Whose {
    Daemon,
    Host,
}

/// A policy that was loaded, and nothing of it started.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) policy: Policy,
    file: String,
}

/// What a handler raised.
#[derive(Debug)]
pub(super) enum Raised {
    /// `kumo.reject` and `kumo.disconnect`.
    Rejection(Rejection),
    Other(anyhow::Error),
}

impl Loaded {
    pub(super) async fn load(stage: &Arc<Stage>, file: &str, options: Options) -> anyhow::Result<Self> {
        let place = stage.place(file)?;
        let text = std::fs::read_to_string(place.dir.join(&place.file))?;
        let whose = options.of.unwrap_or(if is_of_a_daemon(&text) { Whose::Daemon } else { Whose::Host });
        let host = stage.host(&stage.part("policy"), &place.dir, &options.env)?;
        let installs = if whose == Whose::Daemon { tsa::installs() } else { mail::installs() };
        let loaded = stage.hands.through("testing.policy", Policy::load(&host, &place.documented(), &installs)).await?;
        Ok(Self { policy: loaded.map_err(|error| anyhow!(explain(&error)))?, file: file.to_owned() })
    }

    /// Fails for an event that has no handler.
    pub(super) fn check(&self, event: &str) -> anyhow::Result<()> {
        if !self.policy.defines(event) {
            let events = self.policy.events();
            let known = named(events.iter().map(String::as_str));
            bail!("`{}` has no handler of `{event}`; it has those of {known}", self.file);
        }
        Ok(())
    }
}

impl From<Error> for Raised {
    fn from(error: Error) -> Self {
        match error.downcast_ref::<Rejection>() {
            Some(rejection) => Self::Rejection(rejection.clone()),
            None => Self::Other(anyhow!(explain(&error))),
        }
    }
}
