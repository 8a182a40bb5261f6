//! What specs say of the policy of a daemon or a mail host.

use std::collections::BTreeMap;

use anyhow::bail;
use serde::Deserialize;

use super::stage::{Place, Stage};
use crate::tools::documented::{DEFAULT_RULES, POLICY_FOLDER};

/// What `testing.daemon` takes, and `testing.host` beside `daemons` and `provider`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Options {
    /// The policy file. Unless said a mail host has that of the user guide, with the rules of its daemons if it is given none.
    pub(super) policy: Option<String>,
    /// In its place: the text of a shaping file.
    shaping: Option<String>,
    /// In its place: shaping files; they come before the text.
    files: Vec<String>,
    /// Whether the rules that come with the program go before them.
    default_rules: bool,
    /// What `os.getenv` says in the policy.
    pub(super) env: BTreeMap<String, String>,
}

impl Options {
    fn is_inline(&self) -> bool {
        self.shaping.is_some() || !self.files.is_empty() || self.default_rules
    }

    /// Whether neither a policy nor rules are given.
    pub(super) fn asks_for_nothing(&self) -> bool {
        self.policy.is_none() && !self.is_inline()
    }

    /// With the rules of `other`, where neither a policy nor rules are given.
    pub(super) fn or_rules_of(self, other: &Self) -> Self {
        if !self.asks_for_nothing() || other.policy.is_some() {
            return self;
        }
        Self { env: self.env, ..other.clone() }
    }

    /// Where the policy is. One that is made up is called `name`; `text` makes it of its shaping files, as Lua has them.
    pub(super) fn place(
        &self,
        stage: &Stage,
        part: &str,
        name: &str,
        text: impl FnOnce(&str) -> String,
    ) -> anyhow::Result<Place> {
        match &self.policy {
            Some(_) if self.is_inline() => {
                bail!("either `policy`, or `shaping`, `files` and `default_rules`, which stand in for it")
            }
            Some(policy) => stage.place(policy),
            None => {
                let policy = text(&self.shaping_files(stage)?);
                stage.write(part, &[(name, &policy), ("shaping.toml", self.shaping.as_deref().unwrap_or(""))])
            }
        }
    }

    /// The shaping files of a policy that is made up, as Lua text.
    fn shaping_files(&self, stage: &Stage) -> anyhow::Result<String> {
        let mut all: Vec<_> = self.default_rules.then(|| DEFAULT_RULES.to_owned()).into_iter().collect();
        for file in &self.files {
            let path = stage.file(file);
            if !path.is_file() && !file.starts_with(POLICY_FOLDER) && file != DEFAULT_RULES {
                bail!("no shaping file `{}`", path.display());
            }
            all.push(path.display().to_string());
        }
        if self.shaping.is_some() {
            all.push(format!("{POLICY_FOLDER}/shaping.toml"));
        }
        let quoted: Vec<_> = all.iter().map(|file| format!("{file:?}")).collect();
        Ok(quoted.join(", "))
    }
}
