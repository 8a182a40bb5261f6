//! Rules that other rules leave nothing to do, or act against.

use std::fmt::Write as _;
use std::sync::Arc;

use super::desk::{Desk, Spot};
use super::language::{Characters, Language};
use super::layer::Layers;
use crate::shaping::file::Draft;
use crate::shaping::finding::code;
use crate::shaping::strict::Strictness;
use crate::shaping::{Action, Scope, Setting, Trigger};

/// A rule with what it matches.
struct Looked<'f> {
    file: usize,
    draft: &'f Arc<Draft>,
    /// Of each pattern by itself what it matches at most.
    parts: Vec<Option<Language>>,
    /// Of each pattern a response that matches, where one was found.
    examples: Vec<String>,
    /// Which of the known responses match.
    known: Vec<usize>,
}

pub(super) fn check(desk: &mut Desk<'_>, layers: &[Layers<'_>]) {
    let responses = desk.input.responses;
    let (general, others): (Vec<_>, Vec<_>) = layers.iter().partition(|scope| scope.scope == Scope::Default);
    let general: Vec<Looked<'_>> = general.into_iter().flat_map(|scope| look(scope, responses)).collect();
    among(desk, &general, &[]);
    for scope in others {
        among(desk, &look(scope, responses), &general);
    }
}

fn look<'f>(scope: &Layers<'f>, responses: &[String]) -> Vec<Looked<'f>> {
    let looked = scope.rules().map(|(file, draft)| Looked::new(file, draft, responses));
    looked.filter(Looked::matches_something).collect()
}

/// Looks at the rules of one scope; `above` are those that act wherever these do.
fn among(desk: &mut Desk<'_>, own: &[Looked<'_>], above: &[Looked<'_>]) {
    for (at, rule) in own.iter().enumerate() {
        let earlier = own.get(..at).unwrap_or_default();
        let goes_first =
            |other: usize, one: &Looked<'_>| other != at && one.shadows(rule) && (other < at || !rule.shadows(one));
        if let Some((_, one)) = own.iter().enumerate().find(|(other, one)| goes_first(*other, one)) {
            shadowed(desk, rule, one);
            continue;
        }
        quarrel(desk, rule, earlier);
        // Where another scope is concerned, only what is certain is said.
        if let Some(one) = above.iter().find(|one| one.shadows(rule) && one.surely_covers(rule)) {
            shadowed(desk, rule, one);
        }
    }
}

/// Whether an action leaves another nothing to do while it is in force, were both to begin and end together.
pub(super) fn outdoes(one: &Action, other: &Action) -> bool {
    use Action::{
        Bounce, BounceCampaign, BounceTenant, SetConfig, SetDomainConfig, Suspend, SuspendCampaign, SuspendTenant,
    };
    match (one, other) {
        // Nothing is sent on the path, so it does not matter how it would be.
        (Suspend, Suspend | SetConfig(_) | SetDomainConfig(_))
        | (SuspendTenant, SuspendTenant | SuspendCampaign)
        | (SuspendCampaign, SuspendCampaign)
        | (Bounce, Bounce | BounceTenant | BounceCampaign)
        | (BounceTenant, BounceTenant | BounceCampaign)
        | (BounceCampaign, BounceCampaign) => true,
        (SetConfig(one), SetConfig(other) | SetDomainConfig(other))
        | (SetDomainConfig(one), SetDomainConfig(other)) => stricter(one, other),
        _ => false,
    }
}

/// Whether the value holds where both are in force (semantics A8).
fn stricter(one: &Setting, other: &Setting) -> bool {
    let strictness = |setting: &Setting| Strictness::of(&setting.name, &setting.value);
    one.name == other.name && (one.value == other.value || strictness(one).compare(&strictness(other)).is_lt())
}

/// Whether a rule acts whenever the other does, where both see the same matches.
fn as_soon(one: Trigger, other: Trigger) -> bool {
    let counted = |trigger| match trigger {
        Trigger::Threshold { count, period } if count.get() > 1 => Some((count, period)),
        _ => None,
    };
    match (counted(one), counted(other)) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some((count, period)), Some((more, shorter))) => count <= more && period >= shorter,
    }
}

impl<'f> Looked<'f> {
    fn new(file: usize, draft: &'f Arc<Draft>, responses: &[String]) -> Self {
        let matches = |response: &String| draft.patterns.iter().any(|pattern| pattern.is_match(response) == Ok(true));
        let parts: Vec<Option<Language>> = texts(draft).map(Language::at_most).collect();
        Self {
            file,
            draft,
            examples: parts.iter().flatten().filter_map(Language::example).collect(),
            parts,
            known: (0..responses.len()).filter(|at| matches(&responses[*at])).collect(),
        }
    }

    fn spot(&self) -> Spot {
        Spot::new(self.file, &self.draft.places.rule)
    }

    /// Whether it matches whatever the other matches.
    fn covers(&self, other: &Self) -> bool {
        if other.draft.match_internal && !self.draft.match_internal {
            return false;
        }
        let known = other.known.iter().all(|response| self.known.binary_search(response).is_ok());
        known && (other.known.len() >= ENOUGH || self.surely_covers(other))
    }

    /// Whether it can be proven that it matches whatever the other matches.
    fn surely_covers(&self, other: &Self) -> bool {
        // An example tells quickly; proving takes a walk along two automata.
        if !other.examples.iter().all(|example| self.matches(example)) {
            return false;
        }
        let has = |text: &str| self.draft.patterns.iter().any(|pattern| &*pattern.text == text);
        other
            .draft
            .patterns
            .iter()
            .zip(&other.parts)
            .all(|(pattern, part)| has(&pattern.text) || self.holds(&pattern.text, part.as_ref()) == Some(true))
    }

    /// Whether it matches whatever a pattern matches.
    fn holds(&self, pattern: &str, part: Option<&Language>) -> Option<bool> {
        let part = part?;
        let like = |own: &&Language| own.is_exact() && own.is_wide() == part.is_wide();
        let own: Vec<&Language> = self.parts.iter().flatten().filter(like).collect();
        if own.iter().any(|own| part.is_within(own) == Some(true)) {
            return Some(true);
        }
        if self.parts.len() == 1 && own.len() == 1 {
            return Some(false);
        }
        // All of its patterns together; they are asked for rarely, and take time.
        let whole = Language::of(texts(self.draft))?;
        if part.is_wide() == whole.is_wide() {
            return part.is_within(&whole);
        }
        let whole = Language::widened(texts(self.draft)).filter(Language::is_exact)?;
        Language::widened([pattern])?.is_within(&whole)
    }

    /// What never matches has its own warning.
    fn matches_something(&self) -> bool {
        let may = |part: &Option<Language>| {
            part.as_ref().is_none_or(|part| part.matches_some(Characters::Real) != Some(false))
        };
        !self.known.is_empty() || !self.examples.is_empty() || self.parts.iter().any(may)
    }

    fn matches(&self, response: &str) -> bool {
        self.draft.patterns.iter().any(|pattern| pattern.is_match(response) == Ok(true))
    }

    /// Whether it leaves the other nothing to do.
    fn shadows(&self, other: &Self) -> bool {
        let (one, two) = (self.draft, other.draft);
        let outdone = |action| one.actions.iter().any(|own| outdoes(own, action));
        one.duration >= two.duration
            && as_soon(one.trigger, two.trigger)
            && two.actions.iter().all(outdone)
            && self.covers(other)
    }

    /// Whether both are the same but for words.
    fn is_like(&self, other: &Self) -> bool {
        let (one, two) = (self.draft, other.draft);
        one.actions == two.actions && one.trigger == two.trigger && one.duration == two.duration
    }

    /// A pattern that both have.
    fn shared_pattern(&self, other: &Self) -> Option<usize> {
        let theirs = &other.draft.patterns;
        self.draft.patterns.iter().position(|own| theirs.iter().any(|pattern| pattern.text == own.text))
    }
}

fn texts(draft: &Draft) -> impl Iterator<Item = &str> + Clone {
    draft.patterns.iter().map(|pattern| &*pattern.text)
}

/// So many known responses tell something where nothing can be proven.
const ENOUGH: usize = 3;

fn shadowed(desk: &mut Desk<'_>, rule: &Looked<'_>, by: &Looked<'_>) {
    let origin = desk.origin(&by.spot());
    let only_overrides = rule.draft.actions.iter().all(|action| {
        !by.draft.actions.iter().any(|own| {
            outdoes(own, action) && (own == action || !matches!(own, Action::SetConfig(_) | Action::SetDomainConfig(_)))
        })
    });
    let (code, mut message) = if only_overrides {
        let message = format!("this override never takes effect: a stricter one of the rule at {origin} always stands");
        (code::OVERRIDE_NEVER_WINS, message)
    } else if rule.is_like(by) {
        (code::RULE_SHADOWED, format!("the rule at {origin} does the same on all that this rule matches"))
    } else {
        let message = format!(
            "the rule at {origin} leaves this one nothing to do: it matches as much, acts as soon, goes as far and lasts as long"
        );
        (code::RULE_SHADOWED, message)
    };
    if !by.surely_covers(rule) {
        let _ = write!(message, " (judged by the {} known responses that this one matches)", rule.known.len());
    }
    let help = "all rules that match act; remove this one, or make the other one narrower";
    desk.warn(code, &rule.spot(), message, help).note(&by.spot(), "the rule that always goes first");
    patterns(desk, rule);
}

/// Shows what a rule matches.
fn patterns(desk: &mut Desk<'_>, rule: &Looked<'_>) {
    if let Some(span) = rule.draft.places.patterns.first() {
        desk.note(&Spot::new(rule.file, span), "what it matches");
    }
}

/// What a rule has against the first of those before it in its scope that is of no use beside it.
fn quarrel(desk: &mut Desk<'_>, rule: &Looked<'_>, earlier: &[Looked<'_>]) {
    // What is shadowed was said where it stands.
    let others = || earlier.iter().filter(|other| !rule.shadows(other));
    let same = |other: &Looked<'_>| rule.shared_pattern(other).filter(|_| !rule.is_like(other));
    if let Some((other, at)) = others().find_map(|other| Some((other, same(other)?))) {
        let origin = desk.origin(&other.spot());
        let pattern = rule.draft.patterns.get(at).map_or("", |pattern| &pattern.text);
        let message = format!("the rule at {origin} has the same pattern `{pattern}`, and another action or trigger");
        let help = "both act; write one rule with a list of actions, or give each the responses that it is meant for";
        desk.warn(code::RULE_SAME_PATTERN, &rule.spot(), message, help).note(&other.spot(), "the other rule");
        patterns(desk, rule);
    }
    let mut at_once = others().filter(|other| same(other).is_none() && rule.draft.trigger == other.draft.trigger);
    if let Some((other, why)) = at_once.find_map(|other| Some((other, opposed_by(rule, other)?))) {
        let origin = desk.origin(&other.spot());
        let message = format!("the rule at {origin} acts on the same responses at the same time: {why}");
        let help = "give the patterns responses of their own, or one of the rules another threshold";
        desk.warn(code::RULE_CONTRADICTS, &rule.spot(), message, help).note(&other.spot(), "the other rule");
        patterns(desk, rule);
    }
}

/// In which way two rules that see the same responses work against each other.
fn opposed_by(one: &Looked<'_>, other: &Looked<'_>) -> Option<&'static str> {
    let why = if is_idle(one, other) || is_idle(other, one) {
        "one of them suspends the path, and what the other sets has no effect meanwhile"
    } else if gives_up(one, other) || gives_up(other, one) {
        "one of them keeps the mail for later, and the other bounces it"
    } else {
        return None;
    };
    (one.covers(other) || other.covers(one)).then_some(why)
}

/// Whether one suspends for at least as long as the other sets options.
fn is_idle(hold: &Looked<'_>, set: &Looked<'_>) -> bool {
    let sets = |action: &Action| matches!(action, Action::SetConfig(_) | Action::SetDomainConfig(_));
    hold.draft.actions.contains(&Action::Suspend)
        && set.draft.actions.iter().all(sets)
        && hold.draft.duration >= set.draft.duration
}

/// Whether one bounces what the other holds.
fn gives_up(bounce: &Looked<'_>, hold: &Looked<'_>) -> bool {
    use Action::{Bounce, BounceCampaign, BounceTenant, Suspend, SuspendCampaign, SuspendTenant};
    let undone = |action: &Action| match action {
        Suspend => bounce.draft.actions.contains(&Bounce),
        SuspendTenant => bounce.draft.actions.iter().any(|one| matches!(one, Bounce | BounceTenant)),
        SuspendCampaign => bounce.draft.actions.iter().any(|one| matches!(one, Bounce | BounceTenant | BounceCampaign)),
        _ => false,
    };
    hold.draft.actions.iter().any(undone)
}
