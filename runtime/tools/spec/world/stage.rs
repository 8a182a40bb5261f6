//! What a test has on its stage: hosts of all kinds, DNS, and what went wrong behind the scenes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, anyhow, bail};

use super::clock::Hands;
use super::daemon::Daemon;
use super::host::MailHost;
use super::provider::Provider;
use super::{Context, RuleSeen, Seen, World};
use crate::dns::{Mx, Resolver, Source, Zones};
use crate::host::{Environment, Host, Neighbourhood, Paths};
use crate::policy::Lines;
use crate::tools::documented::POLICY_FOLDER;

/// As long as a test defines no zones every domain is its own mail host.
const ANY_DOMAIN: &str = "$ORIGIN .\n$TTL 600\n* A 192.0.2.1\n";

/// A test's stage.
#[derive(Debug)]
pub(super) struct Stage {
    context: Context,
    /// The host of the spec itself: where its lines are counted, those of all hosts are.
    spec: Option<Host>,
    pub(super) hands: Hands,
    cast: Mutex<Cast>,
}

#[derive(Debug, Default)]
struct Cast {
    zones: Option<Zones>,
    /// What is asked for the sites of domains.
    asked: Option<Host>,
    daemons: Vec<Arc<Daemon>>,
    hosts: Vec<Arc<MailHost>>,
    providers: Vec<Arc<Provider>>,
    /// How many hosts were made.
    count: usize,
    failures: Vec<String>,
    seen: BTreeMap<(PathBuf, u32, String), bool>,
}

/// Where the policy of a host stands.
#[derive(Debug)]
pub(super) struct Place {
    /// Its folder.
    pub(super) dir: PathBuf,
    /// The name of the file there.
    pub(super) file: String,
}

impl Place {
    /// As the host knows it.
    pub(super) fn documented(&self) -> PathBuf {
        Path::new(POLICY_FOLDER).join(&self.file)
    }
}

impl Stage {
    pub(super) fn new(context: Context, spec: Option<Host>) -> Arc<Self> {
        let hands = Hands::new(context.clock_start);
        Arc::new(Self { context, spec, hands, cast: Mutex::default() })
    }

    pub(super) fn world(self: &Arc<Self>) -> World {
        World { stage: self.clone() }
    }

    fn cast(&self) -> MutexGuard<'_, Cast> {
        self.cast.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds zones for the hosts to come.
    pub(super) fn add_zones(&self, text: &str) -> anyhow::Result<()> {
        let mut cast = self.cast();
        let mut zones = cast.zones.clone().unwrap_or_default();
        // A spec indents what it holds, and in a zone file a line that begins with blanks belongs to the name of the line before.
        zones.parse("zones", &textwrap::dedent(text), false)?;
        cast.zones = Some(zones);
        cast.asked = None;
        Ok(())
    }

    /// A file that the spec names.
    pub(super) fn file(&self, path: &str) -> PathBuf {
        let path = self.context.spec_dir.join(path);
        std::path::absolute(&path).unwrap_or(path)
    }

    /// The policy that the spec names.
    pub(super) fn place(&self, path: &str) -> anyhow::Result<Place> {
        let full = self.file(path);
        if !full.is_file() {
            bail!("no policy file `{path}` in `{}`", self.context.spec_dir.display());
        }
        let file = full.file_name().map(|name| name.to_string_lossy().into_owned());
        let (dir, file) = full.parent().zip(file).with_context(|| format!("`{path}` is no file"))?;
        Ok(Place { dir: dir.to_owned(), file })
    }

    /// A name of its own for another host.
    pub(super) fn part(&self, kind: &str) -> String {
        let mut cast = self.cast();
        cast.count += 1;
        format!("{kind}-{}", cast.count)
    }

    /// A policy folder with these files; the first is the policy.
    pub(super) fn write(&self, part: &str, files: &[(&str, &str)]) -> anyhow::Result<Place> {
        let dir = self.context.dir.join(part).join("policy");
        std::fs::create_dir_all(&dir)?;
        for (name, text) in files {
            std::fs::write(dir.join(name), text).with_context(|| format!("writing `{name}`"))?;
        }
        let (file, _) = files.first().context("no policy")?;
        Ok(Place { dir, file: (*file).to_owned() })
    }

    /// A host whose policy stands in `dir`: with the test's time and zones, and reaching nobody yet.
    pub(super) fn host(&self, part: &str, dir: &Path, env: &BTreeMap<String, String>) -> anyhow::Result<Host> {
        let paths = Paths::with_prefix(self.context.dir.join(part)).moving(POLICY_FOLDER, dir);
        let host = Host::new(self.hands.clock().clone(), paths);
        host.announce_to(Arc::new(|_| {}));
        if let Some(spec) = &self.spec {
            Lines::follow(spec, &host);
        }
        Neighbourhood::of(&host).enclose();
        let environment = Environment::of(&host);
        for (name, value) in env {
            environment.set(name, value);
        }
        let zones = if let Some(zones) = self.cast().zones.clone() {
            zones
        } else {
            let mut zones = Zones::default();
            zones.parse("zones", ANY_DOMAIN, false)?;
            zones
        };
        Resolver::settle(&host, Source::Zones(zones))?;
        Ok(host)
    }

    /// Where mail to a domain goes, as hosts that start now see it.
    pub(super) async fn exchangers(&self, domain: &str) -> Option<Arc<Mx>> {
        let known = self.cast().asked.clone();
        let host = match known {
            Some(host) => host,
            None => self.host("dns", &self.context.dir, &BTreeMap::new()).ok()?,
        };
        self.cast().asked = Some(host.clone());
        Resolver::of(&host).mx(domain).await.ok()
    }

    pub(super) fn add_daemon(&self, daemon: Daemon) -> Arc<Daemon> {
        let daemon = Arc::new(daemon);
        self.cast().daemons.push(daemon.clone());
        daemon
    }

    pub(super) fn add_host(&self, host: MailHost) -> Arc<MailHost> {
        let host = Arc::new(host);
        self.cast().hosts.push(host.clone());
        host
    }

    /// Waits until hosts know what the daemons that they follow have decided.
    pub(super) async fn tell(&self) {
        let hosts = self.cast().hosts.clone();
        for host in hosts {
            host.hear().await;
        }
    }

    pub(super) fn add_provider(&self, provider: Provider) -> Arc<Provider> {
        let provider = Arc::new(provider);
        self.cast().providers.push(provider.clone());
        provider
    }

    /// Notes what failed where nobody could be told: in the script of a provider.
    pub(super) fn failed(&self, why: String) {
        self.cast().failures.push(why);
    }

    /// Fails with what was noted, once.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        match std::mem::take(&mut self.cast().failures).into_iter().next() {
            Some(why) => Err(anyhow!(why)),
            None => Ok(()),
        }
    }

    /// Notes the rules of a daemon.
    pub(super) fn saw(&self, rules: Vec<RuleSeen>) {
        let mut cast = self.cast();
        for rule in rules {
            *cast.seen.entry((rule.file, rule.line, rule.name)).or_default() |= rule.matched;
        }
    }

    pub(super) async fn end(&self) -> Seen {
        self.hands.thaw();
        let (hosts, daemons, providers) = {
            let mut cast = self.cast();
            (std::mem::take(&mut cast.hosts), std::mem::take(&mut cast.daemons), std::mem::take(&mut cast.providers))
        };
        for host in hosts {
            host.stop().await;
        }
        for daemon in daemons {
            daemon.stop().await;
        }
        drop(providers);
        let seen = std::mem::take(&mut self.cast().seen);
        let rule = |((file, line, name), matched)| RuleSeen { file, line, name, matched };
        Seen { rules: seen.into_iter().map(rule).collect() }
    }
}

/// The names of a list for people: `a`, `b`.
pub(super) fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: BTreeSet<_> = names.into_iter().collect();
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_all_lines_are_indented_by_goes() {
        assert_eq!(
            textwrap::dedent("\n    a MX 10 b\n      MX 20 c\n\n    b A 192.0.2.1\n  "),
            "\na MX 10 b\n  MX 20 c\n\nb A 192.0.2.1\n"
        );
    }
}
