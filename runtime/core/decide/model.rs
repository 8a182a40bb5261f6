//! The property that holds this layer together: whatever records come, in whatever order and however often, what is in force
//! is what a slow and obvious model says, which keeps all records and all effects for ever and knows no windows, no indexes
//! and no store. After every step the state is also rebuilt from its rows, as after a crash.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::fixture::*;
use super::*;
use crate::shaping::{Action, Rule, Trigger};
use crate::wire::{Limit, Throttle};

/// Rule, action with value, path, domain, tenant, campaign.
type Key = (u8, String, String, String, String, String);

#[derive(Clone, Debug, PartialEq)]
struct Standing {
    begin: i64,
    latest: i64,
    until: i64,
    cancelled: bool,
    rolled: bool,
    option: Option<(String, Value)>,
    site: String,
    source: String,
    record: String,
}

#[derive(Default)]
struct Model {
    /// All records that ever came, as text.
    seen: BTreeSet<String>,
    /// All matches of threshold rules: rule, path, time.
    matches: Vec<(u8, String, i64)>,
    standings: BTreeMap<Key, Standing>,
}

impl Model {
    fn send(&mut self, book: &Book, sent: &Sent, now: i64) {
        if !self.seen.insert(sent.0.to_string()) {
            return;
        }
        let text = |field: &str| sent.0[field].as_str().unwrap_or("").to_owned();
        let content = sent.0["response"]["content"].as_str().unwrap().to_owned();
        let time = sent.0["timestamp"].as_i64().unwrap().min(now);
        let mut domains: Vec<String> = Vec::new();
        for recipient in sent.0["recipient"].as_array().unwrap() {
            if let Some((_, domain)) = recipient.as_str().unwrap().split_once('@')
                && !domains.contains(&domain.to_lowercase())
            {
                domains.push(domain.to_lowercase());
            }
        }
        let mut ids: Vec<u8> = book.rules.iter().map(|(_, rule, _)| rule.id.0[0]).collect();
        ids.dedup();
        for id in ids {
            let of: Vec<_> = book.rules.iter().filter(|(_, rule, _)| rule.id.0[0] == id).collect();
            let rule = &of[0].1;
            let fits =
                |domain: &String| of.iter().find(|(d, ..)| d == "*" || d == domain).map(|(_, _, rolled)| *rolled);
            let for_domains: Vec<(String, bool)> =
                domains.iter().filter_map(|domain| Some((domain.clone(), fits(domain)?))).collect();
            let matches = content.contains(&*rule.regex[0]) && !content.starts_with("KumoMTA internal: ");
            if for_domains.is_empty() || !matches || text("site").is_empty() {
                continue;
            }
            if let Some(latest) = self.acts(rule, &text("site"), time) {
                self.act(rule, sent, latest, now, &for_domains);
            }
        }
    }

    /// The newest match, when the rule acts.
    fn acts(&mut self, rule: &Rule, path: &str, time: i64) -> Option<i64> {
        let Trigger::Threshold { count, period } = rule.trigger else { return Some(time) };
        let period = i64::try_from(period.as_secs()).unwrap();
        let times = |model: &Self| -> Vec<i64> {
            let here = model.matches.iter().filter(|(r, p, _)| *r == rule.id.0[0] && p == path);
            here.map(|(_, _, time)| *time).collect()
        };
        if times(self).iter().max().is_some_and(|newest| time <= newest - period) {
            return None;
        }
        self.matches.push((rule.id.0[0], path.to_owned(), time));
        let all = times(self);
        let newest = *all.iter().max().unwrap();
        let within = all.iter().filter(|time| **time > newest - period).count();
        (within as u64 >= count.get()).then_some(newest)
    }

    fn act(&mut self, rule: &Rule, sent: &Sent, latest: i64, now: i64, domains: &[(String, bool)]) {
        let until = latest + i64::try_from(rule.duration.as_secs()).unwrap();
        if until <= now {
            return;
        }
        let text = |field: &str| sent.0[field].as_str().unwrap_or("").to_owned();
        let (path, queue) = (text("site"), text("queue"));
        let (front, back) = queue.split_once('@').unwrap_or(("", &queue));
        let (campaign, tenant) = front.split_once(':').unwrap_or(("", front));
        let (domain, routing) = back.split_once('!').unwrap_or((back, ""));
        for action in &rule.actions {
            let mut targets: Vec<(String, String, String, String, String, bool)> = Vec::new();
            let queues = |name: &str, tenant: &str, campaign: &str| {
                (name.to_owned(), String::new(), domain.to_owned(), tenant.to_owned(), campaign.to_owned(), false)
            };
            match action {
                Action::Suspend => {
                    targets.push(("Suspend".into(), path.clone(), String::new(), String::new(), String::new(), false));
                }
                Action::SuspendCampaign if !tenant.is_empty() && !campaign.is_empty() => {
                    targets.push(queues("SuspendCampaign", tenant, campaign));
                }
                Action::SuspendTenant | Action::SuspendCampaign if !tenant.is_empty() => {
                    targets.push(queues("SuspendTenant", tenant, ""));
                }
                Action::Bounce => targets.push(queues("Bounce", "", "")),
                Action::BounceCampaign if !tenant.is_empty() && !campaign.is_empty() => {
                    targets.push(queues("BounceCampaign", tenant, campaign));
                }
                Action::BounceTenant | Action::BounceCampaign if !tenant.is_empty() => {
                    targets.push(queues("BounceTenant", tenant, ""));
                }
                Action::SetConfig(setting) | Action::SetDomainConfig(setting) => {
                    let whole = matches!(action, Action::SetConfig(_));
                    let name = format!(
                        "{} {} {}",
                        if whole { "SetConfig" } else { "SetDomainConfig" },
                        setting.name,
                        setting.value
                    );
                    let any = domains.iter().any(|(_, rolled)| *rolled);
                    let wanted = if routing.is_empty() { domains.to_vec() } else { vec![(routing.to_owned(), any)] };
                    for (domain, rolled) in wanted {
                        targets.push((
                            name.clone(),
                            path.clone(),
                            domain,
                            String::new(),
                            String::new(),
                            whole && rolled,
                        ));
                    }
                }
                _ => {}
            }
            for (action_name, path_key, domain, tenant, campaign, rolled) in targets {
                let key = (rule.id.0[0], action_name, path_key, domain, tenant, campaign);
                let old = self.standings.get(&key);
                if old.is_some_and(|old| old.until >= until) {
                    continue;
                }
                let begin = old.filter(|old| old.until > now && !old.cancelled).map_or(now, |old| old.begin);
                let option = match action {
                    Action::SetConfig(s) | Action::SetDomainConfig(s) => Some((s.name.to_string(), s.value.clone())),
                    _ => None,
                };
                let site =
                    path.split_once("->").map_or("", |(_, rest)| rest).split_once('@').map_or("", |(site, _)| site);
                let source = sent.0["egress_source"].as_str().unwrap_or("unspecified").to_owned();
                let (site, record) = (site.to_owned(), text("id"));
                let standing =
                    Standing { begin, latest, until, cancelled: false, rolled, option, site, source, record };
                self.standings.insert(key, standing);
            }
        }
    }

    fn live(&self, now: i64) -> impl Iterator<Item = (&Key, &Standing)> {
        self.standings.iter().filter(move |(_, s)| s.until > now && !s.cancelled)
    }

    /// A8: what holds for a domain at a site.
    fn effective(&self, domain: &str, site: &str, source: &str, option: &str, now: i64) -> Option<Value> {
        let mut best: Option<(&Standing, &Value)> = None;
        for (key, standing) in self.live(now) {
            let Some((name, value)) = &standing.option else { continue };
            let applies = if standing.rolled { standing.site == site } else { key.3 == domain };
            if name != option || standing.source != source || !applies {
                continue;
            }
            let better = match best {
                None => true,
                Some((old, old_value)) => match strictness(option, value, old_value) {
                    std::cmp::Ordering::Less => true,
                    std::cmp::Ordering::Equal => (standing.latest, standing.until) > (old.latest, old.until),
                    std::cmp::Ordering::Greater => false,
                },
            };
            if better {
                best = Some((standing, value));
            }
        }
        best.map(|(_, value)| value.clone())
    }
}

fn strictness(option: &str, a: &Value, b: &Value) -> std::cmp::Ordering {
    let rate = |v: &Value| v.as_str().unwrap().parse::<Throttle>().unwrap();
    let limit = |v: &Value| v.as_u64().unwrap_or_else(|| v.as_str().unwrap().parse::<Limit>().unwrap().limit.get());
    match option {
        "max_message_rate" => rate(a).cmp_strictness(&rate(b)),
        "connection_limit" => limit(a).cmp(&limit(b)),
        _ => std::cmp::Ordering::Equal,
    }
}

const OPTIONS: [&str; 3] = ["max_message_rate", "connection_limit", "enable_tls"];
const DOMAINS: [&str; 3] = ["d1.example", "d2.example", "r.example"];
const SITES: [&str; 2] = ["mx.a", "mx.b"];
const SOURCES: [&str; 3] = ["s1", "s 2", "unspecified"];

#[derive(Clone, Debug)]
enum Step {
    /// A record with a new id, at a time relative to now.
    Send {
        ago: i64,
        content: &'static str,
        to: Vec<&'static str>,
        queue: &'static str,
        path: usize,
    },
    /// A record that came before.
    Again(usize),
    /// Time goes by.
    Wait(i64),
    Expire,
    Cancel(usize),
    /// The process dies and comes back.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let recipients = prop::sample::select(vec![
        vec!["u@d1.example"],
        vec!["u@D2.Example"],
        vec!["u@d1.example", "v@d2.example", "w@d1.example", "Postmaster"],
        vec!["postmaster"],
    ]);
    let queue = prop::sample::select(vec![
        "d1.example",
        "t@d1.example",
        "c:t@d2.example",
        "c:@d2.example",
        "c:t@d2.example!r.example",
    ]);
    let content = prop::sample::select(vec!["a", "b", "a b", "KumoMTA internal: a b", "fine"]);
    let ago = prop_oneof![3 => -2_i64..8, 2 => -30_i64..60].prop_map(|tens| tens * 10);
    let send = (ago, content, recipients, queue, 0_usize..6).prop_map(|(ago, content, to, queue, path)| Step::Send {
        ago,
        content,
        to,
        queue,
        path,
    });
    let step = prop_oneof![
        12 => send,
        4 => (0_usize..40).prop_map(Step::Again),
        3 => (0_i64..20).prop_map(|tens| Step::Wait(tens * 10)),
        2 => Just(Step::Expire),
        1 => (0_usize..8).prop_map(Step::Cancel),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..40)
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop::sample::select(vec![
        Action::Suspend,
        Action::SuspendTenant,
        Action::SuspendCampaign,
        Action::Bounce,
        Action::BounceTenant,
        Action::BounceCampaign,
        set("max_message_rate", "10/s"),
        set("max_message_rate", "100/min"),
        set("connection_limit", 5),
        set("enable_tls", "Disabled"),
        set("enable_tls", "Required"),
        set_domain("max_message_rate", "3/min"),
        set_domain("connection_limit", "local:7"),
        set_domain("enable_tls", "Opportunistic"),
    ]);
    prop::collection::vec(action, 1..4)
}

fn book() -> impl Strategy<Value = Book> {
    let trigger = prop_oneof![
        1 => Just(Trigger::Immediate),
        2 => (1_u64..4, prop::sample::select(vec![20_u64, 100, 400])).prop_map(|(n, period)| threshold(n, period)),
    ];
    let scope = prop::sample::select(vec![("*", true), ("*", false), ("d1.example", true), ("d2.example", false)]);
    let one =
        (trigger, actions(), prop::sample::select(vec![30_u64, 100, 300]), prop::sample::select(vec!["a", "b"]), scope);
    prop::collection::vec(one, 1..5).prop_map(|rules| {
        let mut book = Book::default();
        for ((trigger, actions, duration, pattern, (domain, rolled)), name) in rules.into_iter().zip(1_u8..) {
            let rule = Rule { trigger, duration: secs(duration), regex: vec![pattern.into()], ..rule(name, &actions) };
            book = book.with(domain, rule.clone(), rolled);
            if domain == "d1.example" {
                // The same rule reaches another domain through another block.
                book = book.with("d2.example", rule, !rolled);
            }
        }
        book
    })
}

fn write_record(step: &Step, id: usize, now: i64) -> Option<Sent> {
    let Step::Send { ago, content, to, queue, path } = step else { return None };
    let (site, source) = [
        ("s1->mx.a@smtp_client", json!("s1")),
        ("s1->mx.a@smtp_client", json!("s1")),
        ("s1->mx.b@smtp_client", json!("s1")),
        ("s 2->mx.a@smtp_client", json!("s 2")),
        ("unspecified->mx.b@smtp_client", Value::Null),
        ("", Value::Null),
    ][*path]
        .clone();
    let sent = Sent::new(&format!("m{id}"), now - ago).with("recipient", json!(to)).with("queue", *queue);
    let sent = sent.with("site", site).with("egress_source", source);
    Some(sent.with("response", json!({"code": 421, "content": content})))
}

fn compare(world: &World, model: &Model, now: i64) {
    let mut expected: Vec<(Key, Standing)> = model.live(now).map(|(k, s)| (k.clone(), s.clone())).collect();
    let views = world.state.views(at(now));
    let mut found: Vec<(Key, Standing)> = views.iter().map(|view| told(&view.value)).collect();
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(found, expected, "what is in force at {now}");
    for (domain, site) in DOMAINS.iter().flat_map(|domain| SITES.iter().map(move |site| (*domain, *site))) {
        for (source, option) in SOURCES.iter().flat_map(|source| OPTIONS.iter().map(move |option| (*source, *option))) {
            let found = world.state.effective(domain, site, source, option, at(now));
            let found = found.map(|effect| effect.setting().unwrap().value.clone());
            let wanted = model.effective(domain, site, source, option, now);
            // Rules may tie to the last; then the values are told apart by the effects' ids, which a model has not.
            let tie = wanted.is_some() && found.is_some() && option == "enable_tls";
            assert!(found == wanted || tie, "A8 {domain} {site} {source} {option}: {found:?}, expected {wanted:?}");
        }
    }
    compare_holds(world, model, now);
    compare_overlay(world, now);
}

fn told(facts: &Facts) -> (Key, Standing) {
    let text = |t: &Option<std::sync::Arc<str>>| t.as_deref().unwrap_or("").to_owned();
    let option = facts.option.as_ref().map(|name| (name.to_string(), facts.value.clone().unwrap()));
    let action = match &option {
        Some((name, value)) => format!("{} {name} {value}", facts.action),
        None => facts.action.to_string(),
    };
    let by_path = option.is_some() || &*facts.action == "Suspend";
    let path = if by_path { facts.path.to_string() } else { String::new() };
    let key = (facts.rule.id.0[0], action, path, text(&facts.domain), text(&facts.tenant), text(&facts.campaign));
    let secs = |time: crate::wire::Time| time.micros() / 1_000_000;
    let standing = Standing {
        begin: secs(facts.begin),
        latest: secs(facts.latest),
        until: secs(facts.until),
        cancelled: false,
        rolled: facts.rolled,
        option,
        site: facts.site.to_string(),
        source: facts.source.to_string(),
        record: facts.record.id.to_string(),
    };
    (key, standing)
}

/// P1: per path and per selectors the latest end.
fn compare_holds(world: &World, model: &Model, now: i64) {
    let mut expected: BTreeMap<(u8, String, String, String, String), i64> = BTreeMap::new();
    for (key, standing) in model.live(now).filter(|(_, standing)| standing.option.is_none()) {
        let kind = if key.1.starts_with("Bounce") { 3 } else { u8::from(key.1 != "Suspend") + 1 };
        let slot = (kind, key.2.clone(), key.3.clone(), key.4.clone(), key.5.clone());
        let end = expected.entry(slot).or_insert(standing.until);
        *end = standing.until.max(*end);
    }
    let text = |t: &Option<std::sync::Arc<str>>| t.as_deref().unwrap_or("").to_owned();
    let mut found = BTreeMap::new();
    for one in world.state.ready_suspensions(at(now)) {
        found.insert((1, one.site_name.to_string(), String::new(), String::new(), String::new()), one.expires);
    }
    for one in world.state.sched_suspensions(at(now)) {
        let slot = (2, String::new(), one.domain.to_string(), one.tenant.to_string(), text(&one.campaign));
        found.insert(slot, one.expires);
    }
    for one in world.state.bounces(at(now)) {
        found.insert((3, String::new(), one.domain.to_string(), text(&one.tenant), text(&one.campaign)), one.expires);
    }
    let expected: BTreeMap<_, _> = expected.into_iter().map(|(slot, end)| (slot, at(end))).collect();
    assert_eq!(found, expected, "what existing mail hosts are told");
}

/// O1, O3: a loader that reads the overlay gives each domain at its site what is in force there.
fn compare_overlay(world: &World, now: i64) {
    let text = render_overlay(&world.state, at(now));
    let file: toml::Table = text.parse().unwrap();
    let mut site_of: BTreeMap<String, String> = BTreeMap::new();
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.windows(2) {
        if let Some(site) = pair[1].strip_prefix("# site: ") {
            site_of.insert(pair[0].trim_matches(['[', ']', '"']).to_owned(), site.to_owned());
        }
    }
    let mut by_site: BTreeMap<(String, String, String), toml::Value> = BTreeMap::new();
    let mut by_domain: BTreeMap<(String, String, String), toml::Value> = BTreeMap::new();
    let mut entries = 0;
    for (domain, block) in &file {
        let rolled = block["mx_rollup"].as_bool().unwrap();
        for (source, params) in block["sources"].as_table().unwrap() {
            for (option, value) in params.as_table().unwrap() {
                entries += 1;
                let (map, name) = if rolled { (&mut by_site, &site_of[domain]) } else { (&mut by_domain, domain) };
                let old = map.insert((name.clone(), source.clone(), option.clone()), value.clone());
                assert!(old.is_none_or(|old| old == *value), "two blocks of a site never disagree");
            }
        }
    }
    let count = format!("# Number of entries: {entries}\n");
    assert!(text.contains(&count) && text.ends_with(&count), "{text}");
    if text.contains("# not written: ") {
        return;
    }
    for domain in file.keys() {
        let site = &site_of[domain];
        for (source, option) in SOURCES.iter().flat_map(|source| OPTIONS.iter().map(move |option| (*source, *option))) {
            let key = |name: &String| (name.clone(), source.to_owned(), option.to_owned());
            let loaded = by_domain.get(&key(domain)).or_else(|| by_site.get(&key(site)));
            let holds = world.state.effective(domain, site, source, option, at(now));
            let holds = holds.map(|effect| toml::Value::try_from(&effect.setting().unwrap().value).unwrap());
            assert_eq!(loaded, holds.as_ref(), "{domain} at {site} from {source}: {option}\n{text}");
        }
    }
}

fn run(book: Book, steps: &[Step]) {
    let (mut world, mut model, mut now) = (World::new(book), Model::default(), 1_000_000);
    let mut sent: Vec<Sent> = Vec::new();
    for step in steps {
        match step {
            Step::Send { .. } => {
                let record = write_record(step, sent.len(), now).unwrap();
                world.send(&record, now);
                model.send(&world.book, &record, now);
                sent.push(record);
            }
            Step::Again(n) if !sent.is_empty() => {
                let record = &sent[n % sent.len()];
                let decision = decide(&world.state, &world.book, &record.record(), at(now));
                world.apply(&decision.changes);
            }
            Step::Wait(secs) => now += secs,
            Step::Expire => {
                world.expire(now);
                assert_eq!(world.state.expire(at(now)), [], "nothing is left over");
            }
            Step::Cancel(n) => {
                let views = world.state.views(at(now));
                let Some(view) = views.get(n % views.len().max(1)) else { continue };
                let (key, _) = told(&view.value);
                model.standings.get_mut(&key).unwrap().cancelled = true;
                world.cancel(view.key.parse().unwrap(), now);
            }
            Step::Restart => world.state = world.loaded(),
            Step::Again(_) => {}
        }
        compare(&world, &model, now);
    }
    world.expire(now + 100_000);
    assert_eq!((world.rows.0.len(), world.state.window_count(), world.state.effect_count()), (1, 0, 0), "all ends");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn r1_r2_r3_t1_t2_t3_a6_a8_a11_d1_state_is_what_an_obvious_model_says(book in book(), steps in steps()) {
        run(book, &steps);
    }
}
