//! What the tests of this layer share: a rulebook by hand, records by hand, and a state with its store.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::shaping::{Action, Matched, Matches, Origin, Rule, RuleId, Scope, Setting, Trigger};
use crate::wire::{Record, Time};

/// Rules by hand. A pattern matches where the text contains it.
#[derive(Clone, Default, Debug)]
pub(super) struct Book {
    /// The domain (`*` for any), the rule, and whether it acts on the whole site.
    pub(super) rules: Vec<(String, Arc<Rule>, bool)>,
    pub(super) configured: BTreeMap<String, Value>,
    pub(super) exceeded: Vec<Arc<Rule>>,
}

impl Book {
    pub(super) fn with(mut self, domain: &str, rule: Rule, rolled: bool) -> Self {
        self.rules.push((domain.to_owned(), Arc::new(rule), rolled));
        self
    }

    /// One rule for all domains, on whole sites.
    pub(super) fn one(rule: Rule) -> Self {
        Self::default().with("*", rule, true)
    }
}

impl Rulebook for Book {
    fn matches<'s>(&'s self, domain: &str, _: &str, text: &str, internal: bool) -> Matches<'s> {
        let mut found = Matches { exceeded: self.exceeded.iter().collect(), ..Matches::default() };
        for (scope, rule, rolled) in &self.rules {
            let fits = (scope == "*" || scope == domain) && (rule.match_internal || !internal);
            if fits && rule.regex.iter().any(|pattern| text.contains(&**pattern)) {
                found.matched.push(Matched { rule, rolled: *rolled });
            }
        }
        found
    }

    fn configured(&self, _: &str, _: &str, _: &str, option: &str) -> Option<Value> {
        self.configured.get(option).cloned()
    }

    fn has_rule(&self, id: &RuleId) -> bool {
        self.rules.iter().any(|(_, rule, _)| rule.id == *id)
    }
}

pub(super) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(super) fn at(secs: i64) -> Time {
    Time::from_secs(secs)
}

/// A rule that acts at once for 100 seconds.
pub(super) fn rule(name: u8, actions: &[Action]) -> Rule {
    Rule {
        id: RuleId([name; 32]),
        scope: Scope::Default,
        regex: vec!["slow".into()],
        actions: actions.to_vec(),
        trigger: Trigger::Immediate,
        duration: secs(100),
        match_internal: false,
        origin: Origin { file: "shaping.toml".into(), line: u32::from(name), column: 1 },
    }
}

pub(super) fn threshold(count: u64, period: u64) -> Trigger {
    Trigger::Threshold { count: NonZeroU64::new(count).unwrap(), period: secs(period) }
}

pub(super) fn set(name: &str, value: impl Into<Value>) -> Action {
    Action::SetConfig(Setting { name: name.into(), value: value.into() })
}

pub(super) fn set_domain(name: &str, value: impl Into<Value>) -> Action {
    Action::SetDomainConfig(Setting { name: name.into(), value: value.into() })
}

pub(super) const PATH: &str = "ip1->(mx1|mx2).example.com@smtp_client";
pub(super) const SITE: &str = "(mx1|mx2).example.com";

/// A record by hand.
#[derive(Clone)]
pub(super) struct Sent(pub(super) Value);

impl Sent {
    /// A transient failure that happened at this time.
    pub(super) fn new(id: &str, secs: i64) -> Self {
        Self(json!({
            "type": "TransientFailure", "id": id, "sender": "me@from.example", "recipient": "you@example.com",
            "queue": "c1:t1@example.com", "site": PATH, "size": 1234,
            "response": {"code": 421, "enhanced_code": {"class": 4, "subject": 7, "detail": 0}, "content": "slow down"},
            "timestamp": secs, "created": secs - 5, "num_attempts": 1, "bounce_classification": "Uncategorized",
            "egress_source": "ip1", "meta": {}, "headers": {}, "nodeid": "n1",
        }))
    }

    pub(super) fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0[field] = value.into();
        self
    }

    pub(super) fn record(&self) -> Record<'static> {
        Record::parse(self.0.to_string().as_bytes()).unwrap().into_owned()
    }
}

#[derive(Clone, Default, PartialEq, Debug)]
pub(super) struct Rows(pub(super) BTreeMap<Vec<u8>, Vec<u8>>);

impl Batch for Rows {
    fn put(&mut self, key: &[u8], value: &[u8]) {
        self.0.insert(key.to_vec(), value.to_vec());
    }

    fn delete(&mut self, key: &[u8]) {
        self.0.remove(key);
    }
}

/// A state with its store, kept in step.
#[derive(Clone)]
pub(super) struct World {
    pub(super) book: Book,
    pub(super) state: State,
    pub(super) rows: Rows,
    pub(super) touched: Vec<Touched>,
}

impl World {
    pub(super) fn new(book: Book) -> Self {
        let mut rows = Rows::default();
        State::write_header(&mut rows);
        Self { book, state: State::default(), rows, touched: Vec::new() }
    }

    pub(super) fn apply(&mut self, changes: &[Change]) {
        self.touched.clear();
        for change in changes {
            change.write(&mut self.rows);
        }
        for change in changes {
            self.touched.extend(self.state.apply(change));
        }
        assert_eq!(self.state.essence(), self.loaded().essence(), "the store holds what memory holds");
    }

    pub(super) fn loaded(&self) -> State {
        State::load(self.rows.0.iter()).unwrap()
    }

    /// Decides, stores and applies.
    #[track_caller]
    pub(super) fn send(&mut self, sent: &Sent, now: i64) -> Decision {
        let decision = decide(&self.state, &self.book, &sent.record(), at(now));
        self.apply(&decision.changes);
        let again = decide(&self.state, &self.book, &sent.record(), at(now));
        assert_eq!(again.changes, [], "R1: the same record again changes nothing");
        decision
    }

    pub(super) fn expire(&mut self, now: i64) -> Vec<Change> {
        let changes = self.state.expire(at(now));
        self.apply(&changes);
        changes
    }

    pub(super) fn cancel(&mut self, id: EffectId, now: i64) {
        let change = self.state.cancel(id, at(now)).unwrap();
        self.apply(&[change]);
    }

    /// The ends of what is in force, by action.
    pub(super) fn ends(&self, now: i64) -> Vec<(String, i64)> {
        let views = self.state.views(at(now));
        views.iter().map(|view| (view.value.action.to_string(), view.value.until.micros() / 1_000_000)).collect()
    }
}
