//! What one chunk of lines comes to, without regard to what came before: records, the rules that match them, what is left
//! over. Chunks are worked on side by side.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::BufRead as _;
use std::sync::Arc;

use kumo_tsa_core::shaping::{Rule, RuleId, Shaping};
use kumo_tsa_core::wire::{Kind, PathName, QueueName, Record, Time};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::lines::{Chunk, bare};
use super::shape::Shapes;
use super::times::{Settled, settle};

/// How many sets of rules there are at most: some, and others to compare them with.
const SETS: usize = 2;

/// Rules to replay.
#[derive(Debug)]
pub(super) struct RuleSet {
    pub(super) shaping: Arc<Shaping>,
    pub(super) rules: Vec<Arc<Rule>>,
    by_id: HashMap<RuleId, usize>,
}

impl RuleSet {
    pub(super) fn new(shaping: Arc<Shaping>) -> Self {
        let rules: Vec<_> = shaping.rules().cloned().collect();
        let by_id = rules.iter().enumerate().map(|(at, rule)| (rule.id, at)).collect();
        Self { shaping, rules, by_id }
    }

    /// The rule's place among [`rules`](Self::rules).
    pub(super) fn place(&self, id: &RuleId) -> Option<usize> {
        self.by_id.get(id).copied()
    }
}

/// A record that has to do with what is decided, or is subject to it.
#[derive(Debug)]
pub(super) struct Entry {
    /// When it was logged, as far as can be told, or came, where that is much later.
    pub(super) time: Time,
    pub(super) mail: Mail,
    /// The record itself, where a rule matched it.
    pub(super) hit: Option<Box<Hit>>,
}

/// What a record says of mail under way, as far as effects ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mail {
    pub(super) path: u64,
    /// The domain's queues, the tenant's, the campaign's.
    pub(super) queues: [u64; 3],
    /// The mail was handed to the provider, whatever it said.
    pub(super) attempted: bool,
    /// The provider took it.
    pub(super) delivered: bool,
}

/// A record that rules matched.
#[derive(Debug)]
pub(super) struct Hit {
    pub(super) record: Record<'static>,
    /// Of which sets.
    pub(super) sets: [bool; SETS],
}

/// How often the rules of one set matched.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// By rule.
    pub(super) matches: Vec<u64>,
    /// By rule: its pattern took too many steps (semantics S6).
    pub(super) exceeded: Vec<u64>,
    /// Records that any rule matched.
    pub(super) records: u64,
}

impl Counts {
    pub(super) fn of(set: &RuleSet) -> Self {
        let none = vec![0; set.rules.len()];
        Self { matches: none.clone(), exceeded: none, records: 0 }
    }

    pub(super) fn add(&mut self, other: &Self) {
        let sum = |to: &mut Vec<u64>, more: &[u64]| to.iter_mut().zip(more).for_each(|(to, more)| *to += more);
        sum(&mut self.matches, &other.matches);
        sum(&mut self.exceeded, &other.exceeded);
        self.records += other.records;
    }
}

/// What a chunk comes to.
#[derive(Debug, Default)]
pub(super) struct Yield {
    pub(super) entries: Vec<Entry>,
    /// See [`Chunk::horizon`].
    pub(super) horizon: Time,
    pub(super) records: u64,
    /// Lines that are no records.
    pub(super) broken: u64,
    /// Logs that end before they should.
    pub(super) cut: u64,
    /// Records of which nothing was attempted (semantics R4).
    pub(super) no_site: u64,
    /// Records of messages that carry records, which no daemon is sent.
    pub(super) carriers: u64,
    pub(super) times: Settled,
    /// For each set.
    pub(super) counts: Vec<Counts>,
    /// Refusals that no rule of the first set matched.
    pub(super) shapes: Shapes,
}

/// Looks at a chunk; `now` is the time of this machine.
pub(super) fn look(chunk: &Chunk, sets: &[RuleSet], now: Time) -> Yield {
    let mut found = Yield {
        horizon: chunk.horizon,
        broken: chunk.too_long,
        cut: chunk.cut.into(),
        counts: sets.iter().map(Counts::of).collect(),
        ..Yield::default()
    };
    let (mut times, mut places) = (Vec::new(), Vec::new());
    let mut rest = chunk.text.as_slice();
    while !rest.is_empty() {
        let line = next_line(&mut rest);
        if line.trim_ascii().is_empty() {
            continue;
        }
        match Record::parse(bare(line)) {
            Ok(record) => {
                let time = record.time();
                if let Some(entry) = found.take(line, record, sets) {
                    found.entries.push(entry);
                    places.push(times.len());
                }
                times.push(time);
            }
            // The log ends within it.
            Err(_) if !line.ends_with(b"\n") => found.cut = 1,
            Err(_) => found.broken += 1,
        }
    }
    found.times = settle(&mut times, chunk.since, now);
    for (entry, place) in found.entries.iter_mut().zip(places) {
        entry.time = times.get(place).copied().unwrap_or(entry.time);
    }
    found
}

/// The first line with its end, found as fast as the machine can.
fn next_line<'t>(rest: &mut &'t [u8]) -> &'t [u8] {
    let text = *rest;
    // Reading from memory cannot fail.
    let length = rest.skip_until(b'\n').unwrap_or(text.len());
    text.get(..length).unwrap_or(text)
}

impl Yield {
    fn take(&mut self, line: &[u8], record: Record<'_>, sets: &[RuleSet]) -> Option<Entry> {
        self.records += 1;
        if record.site.is_empty() {
            self.no_site += 1;
            return None;
        }
        let text = record.one_line();
        let mut found: [Found<'_>; SETS] = Default::default();
        for (set, found) in sets.iter().zip(&mut found) {
            found.look(set, &record, &text);
        }
        let matched = found.each_ref().map(|found| !found.matched.is_empty());
        let (any, refusal) = (matched.contains(&true), is_refusal(&record));
        if (any || refusal) && is_of_carrier(line) {
            self.carriers += 1;
            return None;
        }
        for ((set, counts), found) in sets.iter().zip(&mut self.counts).zip(&found) {
            counts.take(set, found);
        }
        if refusal && !matched[0] {
            self.shapes.add(&record, &text);
        }
        let (time, mail) = (record.time(), mail(&record));
        let hit = any.then(|| Box::new(Hit { record: record.into_owned(), sets: matched }));
        Some(Entry { time, mail, hit })
    }
}

/// What a record matched; nothing is allocated for those that match nothing, as most do.
#[derive(Default)]
struct Found<'s> {
    matched: Vec<&'s Arc<Rule>>,
    exceeded: Vec<&'s Arc<Rule>>,
}

impl<'s> Found<'s> {
    fn look(&mut self, set: &'s RuleSet, record: &Record<'_>, text: &str) {
        let site = PathName::parse(&record.site, record.egress_source.as_deref()).site;
        for domain in &record.domains() {
            let found = set.shaping.matches(domain, site, text, record.is_internal());
            once(&mut self.matched, found.matched.iter().map(|one| one.rule));
            once(&mut self.exceeded, found.exceeded.iter().copied());
        }
    }
}

impl Counts {
    fn take(&mut self, set: &RuleSet, found: &Found<'_>) {
        bump(&mut self.matches, set, &found.matched);
        bump(&mut self.exceeded, set, &found.exceeded);
        self.records += u64::from(!found.matched.is_empty());
    }
}

/// Adds rules that are not there yet.
fn once<'s>(known: &mut Vec<&'s Arc<Rule>>, more: impl Iterator<Item = &'s Arc<Rule>>) {
    for rule in more {
        if !known.iter().any(|known| known.id == rule.id) {
            known.push(rule);
        }
    }
}

fn bump(counts: &mut [u64], set: &RuleSet, rules: &[&Arc<Rule>]) {
    for rule in rules {
        if let Some(count) = set.place(&rule.id).and_then(|at| counts.get_mut(at)) {
            *count += 1;
        }
    }
}

/// Whether the peer turned mail away.
fn is_refusal(record: &Record<'_>) -> bool {
    let failed = matches!(record.kind, Kind::Bounce | Kind::TransientFailure);
    failed && (400..600).contains(&record.response.code) && !record.is_internal()
}

/// Whether the message that was sent carries a record itself: hooks never see what becomes of it (interface C.7).
fn is_of_carrier(line: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Reception<'r> {
        #[serde(borrow, default)]
        reception_protocol: Option<Cow<'r, str>>,
    }
    // Searching is much faster than parsing, and finds nothing in most lines.
    let Some(text) = std::str::from_utf8(line).ok().filter(|text| text.contains("\"LogRecord\"")) else { return false };
    let parsed = serde_json::from_str::<Reception<'_>>(text);
    parsed.is_ok_and(|reception| reception.reception_protocol.as_deref() == Some("LogRecord"))
}

fn mail(record: &Record<'_>) -> Mail {
    let queue = QueueName::parse(&record.queue);
    let key = |tenant, campaign| queues_key(queue.domain, tenant, campaign);
    let attempted = matches!(record.kind, Kind::Delivery | Kind::Bounce | Kind::TransientFailure);
    Mail {
        path: path_key(&record.site),
        queues: [key(None, None), key(queue.tenant, None), key(queue.tenant, queue.campaign)],
        attempted: attempted && !record.is_internal(),
        delivered: record.kind == Kind::Delivery,
    }
}

/// What stands for an egress path.
pub(super) fn path_key(path: &str) -> u64 {
    xxh3_64(path.as_bytes())
}

/// What stands for scheduled queues.
pub(super) fn queues_key(domain: &str, tenant: Option<&str>, campaign: Option<&str>) -> u64 {
    let key = xxh3_64(domain.as_bytes());
    let key = tenant.map_or(key, |tenant| xxh3_64_with_seed(tenant.as_bytes(), key));
    // Another seed than a tenant's of the same name.
    campaign.map_or(key, |campaign| xxh3_64_with_seed(campaign.as_bytes(), !key))
}
