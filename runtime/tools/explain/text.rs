//! An explanation as people read it: what is in force first, then what is set, then the rules.

use std::fmt::Write as _;
use std::time::Duration;

use kumo_tsa_core::shaping::options;
use kumo_tsa_core::wire::format_duration;

use super::model::{Block, DaemonSays, Explanation, InForce, OptionSet, Provider, SetBy};
use super::reply::{Made, Reply, Tried};
use crate::tools::show::{clock_text, matches_text, shortened};

/// As much of a pattern, and of a response, as fits a line.
const PATTERN_CHARS: usize = 76;
const RESPONSE_CHARS: usize = 100;
/// Names and values longer than this push what follows to the right.
const WIDEST_NAME: usize = 34;
const WIDEST_VALUE: usize = 20;

/// The text, with the options that nobody sets when `all` of them are wanted.
pub(super) fn render(explanation: &Explanation, all: bool) -> String {
    let mut out = Text(String::new());
    out.head(explanation);
    if let Some(daemon) = &explanation.daemon {
        out.daemon(daemon);
    }
    out.options(explanation, all);
    if let Some(reply) = &explanation.response {
        out.reply(explanation, reply);
    }
    if !explanation.notes.is_empty() {
        out.line("");
    }
    for note in &explanation.notes {
        out.line(&format!("note: {note}"));
    }
    out.0
}

struct Text(String);

impl Text {
    fn line(&mut self, text: &str) {
        self.0.push_str(text.trim_end());
        self.0.push('\n');
    }

    fn head(&mut self, explanation: &Explanation) {
        let Explanation { domain, source, site, hosts, rules, blocks, .. } = explanation;
        self.line(&format!("{domain} from {source}"));
        self.line(&format!("  site      {site}"));
        match hosts {
            Some(hosts) => self.line(&format!("  hosts     {}", hosts.join(", "))),
            None => self.line("  hosts     as the site name spells them out; DNS was not asked"),
        }
        if !rules.is_empty() {
            self.line(&format!("  rules     {}", rules.join(", ")));
            let blocks: Vec<String> = blocks.iter().map(block).collect();
            self.line(&format!(
                "  blocks    {}",
                if blocks.is_empty() { "none".to_owned() } else { blocks.join(", ") }
            ));
        }
        for provider in &explanation.providers {
            self.provider(provider);
        }
    }

    fn provider(&mut self, provider: &Provider) {
        let Provider { name, origin, by, .. } = provider;
        let by = by.join(", ");
        let why = match (provider.fits, provider.site_wide) {
            (true, true) => format!("fits: {by} fits every mail host"),
            (true, false) => format!("fits by the domain alone: {by}"),
            (false, _) => format!("does not fit: {by} fits some, but not {}", provider.strangers.join(", ")),
        };
        self.line(&format!("  provider  {name} {why} ({origin})"));
    }

    fn daemon(&mut self, daemon: &DaemonSays) {
        self.line("");
        let holds = daemon.in_force.iter().filter(|one| !one.outdone).count();
        if holds == 0 {
            self.line(&format!("nothing is suspended or bounced, says {}", daemon.url));
        } else {
            self.line(&format!("in force, says {}", daemon.url));
        }
        for one in &daemon.in_force {
            let outdone = if one.outdone { ", outdone by another" } else { "" };
            self.line(&format!("  {} {}, {}{outdone}", one.action, one.what, end(one)));
            self.cause(one);
        }
    }

    /// The rule and the response that led to it.
    fn cause(&mut self, one: &InForce) {
        if let Some(reason) = &one.reason {
            self.line(&format!("    {reason}"));
        }
        let Some(effect) = &one.effect else { return };
        let facts = &effect.value;
        let gone = if one.rule_gone { ", which is not in its files any more" } else { "" };
        let pattern = shortened(&facts.rule.pattern, PATTERN_CHARS);
        self.line(&format!("    rule {} `{pattern}`{gone}", facts.rule.origin));
        let response = shortened(&facts.record.response, RESPONSE_CHARS);
        let when = clock_text(facts.record.time);
        self.line(&format!("    after {}, the last at {when}: {response}", matches_text(facts.record.counted)));
    }

    fn options(&mut self, explanation: &Explanation, all: bool) {
        let rest: Vec<_> = options().iter().filter(|spec| !sets(explanation, spec.name)).collect();
        self.line("");
        self.line(match (explanation.options.is_empty(), explanation.rules.is_empty()) {
            (true, true) => "options: none is overridden; name shaping files, or --policy, to see what they set",
            (true, false) if !all => "options: all have their defaults; --all shows them",
            (true, false) => "options: all have their defaults",
            (false, _) => "options",
        });
        for option in &explanation.options {
            self.option(option);
        }
        if all {
            for spec in rest {
                self.row(spec.name, spec.default, "default");
            }
        } else if !explanation.options.is_empty() {
            self.line(&format!("  {} others have their defaults: --all shows them", rest.len()));
        }
    }

    fn option(&mut self, option: &OptionSet) {
        let loosens = if option.loosens { ", loosens" } else { "" };
        self.row(&option.name, &option.value.to_string(), &format!("{}{loosens}", set_by(&option.set_by)));
        match &option.set_by {
            SetBy::Override(one) => self.cause(one),
            SetBy::Overlay { comments, .. } => {
                for comment in comments {
                    self.line(&format!("    {comment}"));
                }
            }
            SetBy::File(_) => {}
        }
        for older in &option.overrode {
            self.row("", &older.value.to_string(), &format!("overrode {}", set_by(&older.set_by)));
        }
    }

    fn row(&mut self, name: &str, value: &str, by: &str) {
        self.line(&format!("  {name:WIDEST_NAME$} {value:WIDEST_VALUE$} {by}"));
    }

    fn reply(&mut self, explanation: &Explanation, reply: &Reply) {
        let matched = reply.rules.iter().filter(|rule| rule.outcome == Made::Matched).count();
        let (own, all) = (if reply.internal { ", the mail host's own," } else { "" }, reply.rules.len());
        self.line("");
        self.line(&format!("response `{}`{own} is matched by {matched} of {all} rules", reply.text));
        let mut scope = None;
        for rule in &reply.rules {
            if scope != Some(&rule.scope) {
                self.line(&format!("  {}", rule.scope));
                scope = Some(&rule.scope);
            }
            self.tried(explanation, rule);
        }
    }

    fn tried(&mut self, explanation: &Explanation, rule: &Tried) {
        let word = match rule.outcome {
            Made::Matched => "matches",
            Made::Missed => "-",
            Made::Internal => "skipped: not match_internal",
            Made::Exceeded => "given up: the pattern takes too long",
        };
        let first = rule.matched.as_ref().or(rule.patterns.first()).map(String::as_str).unwrap_or_default();
        let more = match rule.patterns.len() {
            0 | 1 => String::new(),
            many => format!(" and {} more", many - 1),
        };
        let pattern = shortened(first, PATTERN_CHARS);
        self.line(&format!("    {word:7} {}:{} `{pattern}`{more}", rule.file, rule.line));
        if rule.outcome == Made::Matched {
            for action in &rule.actions {
                let now = action.option.as_deref().map(|name| now(explanation, name)).unwrap_or_default();
                let (trigger, duration) = (&rule.trigger, &rule.duration);
                let _ =
                    writeln!(self.0, "            {trigger}: {}{now} on {} for {duration}", action.action, action.on);
            }
        }
    }
}

/// A block with the places where it stands.
fn block(block: &Block) -> String {
    let places: Vec<String> = block.places.iter().map(ToString::to_string).collect();
    format!("{} ({})", block.scope, places.join(", "))
}

/// Whether anybody sets the option, or a name of it.
fn sets(explanation: &Explanation, name: &str) -> bool {
    explanation.options.iter().any(|option| option.name.split('.').next() == Some(name))
}

/// What an option is before a rule acts.
fn now(explanation: &Explanation, name: &str) -> String {
    match explanation.option(name) {
        Some(option) => format!(" (now {})", option.value),
        None => options().iter().find(|spec| spec.name == name).map_or_else(String::new, |spec| {
            format!(" (now {})", if spec.default == "nil" { "unset" } else { spec.default })
        }),
    }
}

fn set_by(by: &SetBy) -> String {
    match by {
        SetBy::File(origin) => origin.to_string(),
        SetBy::Overlay { origin, .. } => format!("override, {origin}"),
        SetBy::Override(one) => format!("{} {}", one.action, end(one)),
    }
}

/// When something ends: on the clock, and from now.
fn end(one: &InForce) -> String {
    format!("until {}, {} left", clock_text(one.until), format_duration(Duration::from_secs(one.seconds_left)))
}
