//! A daemon on the stage.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, anyhow, bail};
use kumo_tsa_core::decide::{EffectKind, Listed, State};
use kumo_tsa_core::shaping::Param;
use kumo_tsa_core::wire::Time;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::RuleSeen;
use super::given::Options;
use super::stage::Stage;
use crate::dns::Resolver;
use crate::host::{Host, Neighbourhood};
use crate::policy::explain;
use crate::tsa::{self, Insight};

const POLICY: &str = include_str!("daemon.lua");

/// A path to ask of: what mail to a domain takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Path {
    domain: String,
    source: Option<String>,
    /// Where DNS does not tell.
    site: Option<String>,
}

/// A daemon that runs, or has run.
#[derive(Debug)]
pub(super) struct Daemon {
    stage: Arc<Stage>,
    host: Host,
    name: String,
    given: Options,
    addresses: Vec<SocketAddr>,
    insight: Insight,
    running: Mutex<Option<tsa::Daemon>>,
}

impl Daemon {
    pub(super) async fn start(stage: &Arc<Stage>, options: Options) -> anyhow::Result<Arc<Self>> {
        let part = stage.part("daemon");
        if options.asks_for_nothing() {
            bail!("expected `policy`, the file of one, or `shaping`, the text of rules, or `files` with rules");
        }
        let place = options.place(stage, &part, "tsa_init.lua", |files| POLICY.replace("SHAPING_FILES", files))?;
        let host = stage.host(&part, &place.dir, &options.env)?;
        let started = stage.hands.through("testing.daemon", tsa::Daemon::start(&host, &place.documented())).await?;
        let running = started.map_err(|error| anyhow!(explain(&error)))?;
        let (addresses, insight) = (running.addresses(), running.insight());
        let running = Mutex::new(Some(running));
        Ok(stage.add_daemon(Self {
            stage: stage.clone(),
            host,
            name: part,
            given: options,
            addresses,
            insight,
            running,
        }))
    }

    /// What it was made of.
    pub(super) fn given(&self) -> &Options {
        &self.given
    }

    /// Tells another host where this one is: under `at` (`http://name:port`), or by the port that its policy asks for.
    pub(super) fn meet(&self, other: &Host, at: Option<&str>) -> anyhow::Result<()> {
        let neighbours = Neighbourhood::of(other);
        let Some(first) = self.addresses.first() else {
            bail!("`{}` listens nowhere: its policy does not call `tsa.start_http_listener`", self.name)
        };
        if let Some(at) = at {
            let text = if at.contains("://") { at.to_owned() } else { format!("http://{at}") };
            let url = reqwest::Url::parse(&text).ok();
            let name = url.as_ref().and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)));
            let (name, port) =
                name.with_context(|| format!("`{at}` is no URL of a daemon, such as `http://tsa1.example:8008`"))?;
            neighbours.introduce(name, port, *first);
            return Ok(());
        }
        for address in &self.addresses {
            let asked = Neighbourhood::of(&self.host).asked_for(*address).filter(|port| *port != 0);
            let port = asked.unwrap_or(address.port());
            if neighbours.lead("", port).is_ok() {
                bail!(
                    "two of its daemons listen on port {port}; say which is which, such as `daemons = {{ ['http://tsa1.example:{port}'] = one, ['http://tsa2.example:{port}'] = other }}`"
                );
            }
            neighbours.introduce("", port, *address);
        }
        Ok(())
    }

    /// Where it is.
    pub(super) fn url(&self) -> Option<String> {
        self.addresses.first().map(|address| format!("http://{address}"))
    }

    /// Takes records in, as if they were published.
    pub(super) async fn publish(&self, records: &[Value]) -> anyhow::Result<()> {
        if self.running.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            bail!("`{}` has been stopped", self.name);
        }
        for (index, record) in records.iter().enumerate() {
            let place = if records.len() > 1 { format!("record {}: ", index + 1) } else { String::new() };
            let taken = self.insight.publish(record.to_string().as_bytes()).await;
            taken.map_err(|error| anyhow!("{place}{}", explain(&error)))?;
        }
        self.stage.hands.settle().await;
        self.stage.tell().await;
        Ok(())
    }

    /// The suspensions in force: of paths, then of queues, as `/get_suspension_v1/suspended.json` has them.
    pub(super) fn suspensions(&self) -> Vec<Value> {
        let (ready, sched) =
            self.insight.read(|state, now| (state.ready_suspensions(now), state.sched_suspensions(now)));
        ready.iter().map(|one| json!(one)).chain(sched.iter().map(|one| json!(one))).collect()
    }

    /// The bounces in force, as `/get_bounce_v1/bounced.json` has them.
    pub(super) fn bounces(&self) -> Vec<Value> {
        self.insight.read(State::bounces).iter().map(|one| json!(one)).collect()
    }

    fn listed(&self) -> Vec<Listed> {
        let rules = self.insight.rules();
        self.insight.read(|state, now| state.list(&*rules, now))
    }

    /// All that is in force with what led to it, as `/tsa/effects.json` tells it, with the members of `value` beside
    /// the others, and where the rule stands.
    pub(super) fn effects(&self) -> Vec<Value> {
        self.listed().iter().map(|listed| self.effect(listed)).collect()
    }

    fn effect(&self, listed: &Listed) -> Value {
        let mut all = match json!(listed.view.value) {
            Value::Object(all) => all,
            other => Map::from_iter([("value".to_owned(), other)]),
        };
        let rule = &listed.view.value.rule;
        let more = json!({
            "kind": listed.view.kind, "key": listed.view.key, "rule_gone": listed.rule_gone, "holds": listed.holds,
            "file": self.place(&rule.origin.file), "line": rule.origin.line,
            "response": listed.view.value.record.response,
        });
        all.extend(more.as_object().cloned().unwrap_or_default());
        Value::Object(all)
    }

    /// What is in force, by key, and until when; nothing when it has been stopped.
    pub(super) fn decided(&self) -> Vec<(String, Time)> {
        if self.running.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            return Vec::new();
        }
        self.listed().into_iter().map(|one| (one.view.key, one.view.value.until)).collect()
    }

    /// The overrides in force that nothing outdoes.
    pub(super) fn overrides(&self) -> Vec<Value> {
        let list = self.listed();
        let list = list.iter().filter(|one| one.view.kind == EffectKind::Override && one.holds);
        list.map(|one| self.effect(one)).collect()
    }

    /// Where a file that the policy names is on this machine.
    fn place(&self, file: &str) -> String {
        self.host.paths().resolve(std::path::Path::new(file)).display().to_string()
    }

    /// The options in force for a path, and why each is as it is.
    pub(super) async fn config(&self, path: &Path) -> (Value, Value) {
        let domain = path.domain.to_lowercase();
        let mx = Resolver::of(&self.host).mx(&domain).await.ok();
        let named = mx.as_ref().map(|mx| mx.site_name.clone());
        let site = path.site.clone().or(named).unwrap_or_else(|| domain.clone());
        let source = path.source.as_deref().unwrap_or("unspecified");
        let hosts = mx.as_ref().filter(|mx| !mx.is_domain_literal).map(|mx| mx.hosts.as_slice());
        let files = self.insight.rules().egress_path(&domain, source, &site, hosts);
        let (mut options, mut why) = (Map::new(), Map::new());
        for (name, param) in files.iter() {
            options.insert(name.to_owned(), param.value.clone());
            why.insert(name.to_owned(), self.reason(param));
        }
        for listed in self.listed().into_iter().filter(|one| one.view.kind == EffectKind::Override) {
            let facts = &listed.view.value;
            let Some(option) = facts.option.as_deref() else { continue };
            let holds = self.insight.read(|state, now| {
                let effect = state.effective(&domain, &site, source, option, now)?;
                Some(effect.id().to_string() == listed.view.key)
            });
            if holds == Some(true) {
                let mut reason = self.effect(&listed);
                if let (Some(reason), Some(older)) = (reason.as_object_mut(), why.get(option)) {
                    reason.insert("overrode".to_owned(), json!([older]));
                }
                why.insert(option.to_owned(), reason);
                options.insert(option.to_owned(), facts.value.clone().unwrap_or_default());
            }
        }
        (Value::Object(options), Value::Object(why))
    }

    fn reason(&self, param: &Param) -> Value {
        let overrode: Vec<_> = param.overrode.iter().map(|older| self.reason(older)).collect();
        json!({
            "value": param.value, "file": self.place(&param.origin.file), "line": param.origin.line, "overrode": overrode,
        })
    }

    /// Stops it. Stopping again changes nothing.
    pub(super) async fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(running) = running {
            self.stage.saw(self.rules());
            running.stop().await;
        }
    }

    fn rules(&self) -> Vec<RuleSeen> {
        let (rules, matched) = (self.insight.rules(), self.insight.matched());
        let seen = |rule: &kumo_tsa_core::shaping::Rule| RuleSeen {
            file: self.place(&rule.origin.file).into(),
            line: rule.origin.line,
            name: rule.pattern(),
            matched: matched.contains(&rule.id),
        };
        rules.rules().map(|rule| seen(rule)).collect()
    }
}
