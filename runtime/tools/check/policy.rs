//! Validating a policy, and asking it for its sources.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use kumo_tsa_core::shaping::{Finding, code};

use super::files;
use super::lua::{self, Printed};
use crate::host::Host;
use crate::mail::config::egress_source;
use crate::mail::validate::{self, Invalid};
use crate::modules;
use crate::policy::{Error, Event, Install, Policy, explain};
use crate::shaping::LuaShaping;

/// What a daemon's policy starts with.
const TSA_INIT: Event<(), ()> = Event::single("tsa_init");
const TSA_LOAD_SHAPING_DATA: Event<(), LuaShaping> = Event::single("tsa_load_shaping_data");

/// What was found out about a policy.
#[derive(Default)]
pub(super) struct Verdict {
    pub(super) text: Option<(Arc<str>, String)>,
    pub(super) findings: Vec<Finding>,
    pub(super) notes: Vec<String>,
    /// Those of the sources that were asked for that it defines; `None` where it does not say.
    pub(super) sources: Option<BTreeSet<String>>,
}

/// Validates a policy as `kumod --validate` does, and asks it for the sources.
pub(super) async fn look(host: &Host, file: &Path, sources: &BTreeSet<String>) -> Verdict {
    let name = file.display().to_string();
    let mut verdict = Verdict::default();
    let text = match files::text(host, file) {
        Ok(text) => text,
        Err(refused) => {
            verdict.findings.push(refused.finding(&name, "name an init.lua or a tsa_init.lua"));
            return verdict;
        }
    };
    let daemon = is_of_a_daemon(&text);
    verdict.text = Some((name.as_str().into(), text));
    let policy = validate::run_with(host, file, &installs(daemon)).await;
    let policy = match policy {
        Ok(policy) if daemon => begin(&policy).await.map(|()| policy).map_err(Invalid::from),
        policy => policy,
    };
    let printed = Printed::of(host).lines();
    match policy {
        Ok(policy) => {
            verdict.notes = printed;
            if daemon && !sources.is_empty() {
                verdict.notes.push(format!("{name} is a daemon's policy: sources were not looked for in it"));
            } else {
                verdict.sources = Some(defined(&policy, sources).await);
            }
        }
        Err(Invalid::Declared) => {
            let said = if printed.is_empty() { "nothing".to_owned() } else { printed.join("; ") };
            let message = "the policy calls `kumo.validation_failed`".to_owned();
            verdict.findings.push(files::whole(code::POLICY_INVALID, &name, message, &format!("it says: {said}")));
        }
        Err(Invalid::Policy(error)) => {
            let text = verdict.text.as_ref().map_or("", |(_, text)| text);
            verdict.findings.push(raised(&name, text, &error));
        }
    }
    verdict
}

/// Whether the policy has a handler of a daemon's events.
fn is_of_a_daemon(text: &str) -> bool {
    let named =
        |code: &str, event: &str| ['\'', '"'].iter().any(|quote| code.contains(&format!("{quote}{event}{quote}")));
    let code = text.lines().map(|line| line.split("--").next().unwrap_or(""));
    code.into_iter().any(|code| named(code, "tsa_init") || named(code, "tsa_load_shaping_data"))
}

/// What a daemon asks its policy at start.
async fn begin(policy: &Policy) -> Result<(), Error> {
    policy.call(&TSA_INIT, ()).await?;
    policy.call(&TSA_LOAD_SHAPING_DATA, ()).await.map(drop)
}

/// What the policy sees: that of a mail host, or that of a daemon.
fn installs(daemon: bool) -> Vec<Install> {
    let mut installs = if daemon {
        let mut installs = modules::standard().to_vec();
        installs.extend([crate::shaping::install as Install, crate::tsa::install, modules::absent::install_mail]);
        installs
    } else {
        crate::mail::installs()
    };
    installs.push(lua::install);
    installs
}

/// Those of the sources that the policy can make.
async fn defined(policy: &Policy, sources: &BTreeSet<String>) -> BTreeSet<String> {
    let mut defined = BTreeSet::new();
    for name in sources {
        if egress_source(policy, name).await.is_ok() {
            defined.insert(name.clone());
        }
    }
    defined
}

/// An error of a policy, at the place that it names when that is in the policy file.
fn raised(name: &str, text: &str, error: &Error) -> Finding {
    let (said, message) = match error {
        Error::Load { source, .. } => (source.message().to_owned(), source.message().to_owned()),
        Error::Raised { event, source } => {
            (source.message().to_owned(), format!("event `{event}`: {}", source.message()))
        }
        other => (explain(other), explain(other)),
    };
    let mut finding = files::whole(code::POLICY_INVALID, name, message, "the policy does not start like this");
    let rest = said.find(&format!("{name}:")).and_then(|at| said.get(at + name.len() + 1..));
    let digits = rest.map_or("", |rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or(""));
    if let Ok(line) = digits.parse::<u32>()
        && line > 0
    {
        let before = usize::try_from(line - 1).unwrap_or(usize::MAX);
        let start: usize = text.split_inclusive('\n').take(before).map(str::len).sum();
        let whole = text.get(start..).unwrap_or("").lines().next().unwrap_or("");
        let indent = whole.len() - whole.trim_start().len();
        finding.origin.line = line;
        finding.origin.column = u32::try_from(indent + 1).unwrap_or(1);
        finding.span = start + indent..start + whole.trim_end().len().max(indent);
    }
    finding
}
