//! Validating a policy, and asking it for its sources.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use kumo_tsa_core::shaping::{Finding, code};

use super::files;
use crate::host::Host;
use crate::mail::config::egress_source;
use crate::mail::validate::{self, Invalid};
use crate::policy::{Error, Event, Policy, explain};
use crate::shaping::LuaShaping;
use crate::tools::policy::{Seen, installs, is_of_a_daemon};

/// What a daemon's policy starts with.
const TSA_INIT: Event<(), ()> = Event::single("tsa_init");
const TSA_LOAD_SHAPING_DATA: Event<(), LuaShaping> = Event::single("tsa_load_shaping_data");

/// What was found out about a policy.
#[derive(Default)]
pub(super) struct Verdict {
    pub(super) text: Option<(Arc<str>, String)>,
    pub(super) findings: Vec<Finding>,
    pub(super) notes: Vec<String>,
    /// The policy of a mail host that is good for further questions.
    host: Option<Policy>,
    daemon: bool,
}

/// Validates a policy as `kumod --validate` does.
pub(super) async fn look(host: &Host, file: &Path) -> Verdict {
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
    verdict.daemon = daemon;
    let policy = validate::run_with(host, file, &installs(daemon)).await;
    let policy = match policy {
        Ok(policy) if daemon => begin(&policy).await.map(|()| policy).map_err(Invalid::from),
        policy => policy,
    };
    // What loading warns of is looked for here too, and what DNS would say of it is not known.
    let printed: Vec<String> =
        Seen::of(host).lines().into_iter().filter(|line| !line.starts_with("shaping: warning: ")).collect();
    match policy {
        Ok(policy) => {
            verdict.notes = printed;
            verdict.host = (!daemon).then_some(policy);
        }
        Err(Invalid::Declared) => {
            let said = if printed.is_empty() { "nothing".to_owned() } else { printed.join("; ") };
            let message = "the policy calls `kumo.validation_failed`".to_owned();
            verdict.findings.push(files::whole(code::POLICY_INVALID, &name, message, &format!("it says: {said}")));
        }
        Err(Invalid::Policy(error)) => verdict.findings.push(raised(&name, &text, &error)),
    }
    verdict.text = Some((name.as_str().into(), text));
    verdict
}

impl Verdict {
    /// Those of the sources that the policy can make; `None` where it does not say.
    pub(super) async fn sources(&mut self, named: &BTreeSet<String>) -> Option<BTreeSet<String>> {
        if self.daemon && !named.is_empty() {
            self.notes.push("sources are looked for in the policy of a mail host, and this is a daemon's".to_owned());
        }
        let policy = self.host.as_ref()?;
        let mut defined = BTreeSet::new();
        for name in named {
            if egress_source(policy, name).await.is_ok() {
                defined.insert(name.clone());
            }
        }
        Some(defined)
    }
}

/// What a daemon asks its policy at start. Files that cannot be loaded are told of elsewhere.
async fn begin(policy: &Policy) -> Result<(), Error> {
    policy.call(&TSA_INIT, ()).await?;
    policy.call(&TSA_LOAD_SHAPING_DATA, ()).await.map(drop)
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
