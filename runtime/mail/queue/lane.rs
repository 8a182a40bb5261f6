//! What holds for single domains of a site that share a ready queue (semantics A10).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kumo_tsa_core::wire::Throttle;
use tokio::time::Instant;
use uuid::Uuid;

use super::world::Lane;
use crate::mail::config::PathConfig;

/// The domains of a ready queue for which something holds alone.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    by_domain: HashMap<Arc<str>, Entry>,
    /// Domains that were asked about, and for which nothing holds.
    plain: HashSet<Arc<str>>,
}

#[derive(Debug)]
struct Entry {
    lane: Lane,
    carriers: HashSet<Uuid>,
    blocked: Option<Instant>,
}

/// What a session was opened with: it carries messages for which the same holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Suits {
    pub(super) config: Option<Arc<PathConfig>>,
}

impl Lanes {
    /// Whether nothing holds for any domain alone.
    pub(super) fn is_empty(&self) -> bool {
        self.by_domain.is_empty()
    }

    /// Whether somebody has said what holds for `domain`.
    pub(super) fn knows(&self, domain: &str) -> bool {
        self.plain.contains(domain) || self.by_domain.contains_key(domain)
    }

    /// Notes what holds for a domain.
    pub(super) fn set(&mut self, domain: &Arc<str>, lane: Option<Lane>) {
        if let Some(lane) = lane {
            self.plain.remove(domain);
            if let Some(entry) = self.by_domain.get_mut(domain) {
                entry.lane = lane;
                entry.blocked = None;
            } else {
                let entry = Entry { lane, carriers: HashSet::new(), blocked: None };
                self.by_domain.insert(domain.clone(), entry);
            }
        } else {
            self.by_domain.remove(domain);
            self.plain.insert(domain.clone());
        }
    }

    /// Forgets the domains of which nothing is known but that nothing holds for them.
    pub(super) fn forget_plain(&mut self) {
        self.plain.clear();
    }

    /// The domains for which something holds.
    pub(super) fn domains(&self) -> Vec<Arc<str>> {
        self.by_domain.keys().cloned().collect()
    }

    /// Whether a session may take a message of `domain`.
    pub(super) fn suits(&self, domain: &str, session: Uuid, suits: &Suits, now: Instant) -> bool {
        let Some(entry) = self.by_domain.get(domain) else { return suits.config.is_none() };
        entry.lane.config == suits.config
            && entry.is_free(now)
            && (entry.carriers.contains(&session) || entry.has_room())
    }

    /// Whether a new session could take a message of `domain`.
    pub(super) fn is_open(&self, domain: &str, now: Instant) -> bool {
        self.by_domain.get(domain).is_none_or(|entry| entry.is_free(now) && entry.has_room())
    }

    /// Notes that a session carries messages of `domain` now, and of no other.
    pub(super) fn carry(&mut self, domain: &str, session: Uuid) {
        if self.by_domain.is_empty() {
            return;
        }
        self.put_down(session);
        if let Some(entry) = self.by_domain.get_mut(domain) {
            entry.carriers.insert(session);
        }
    }

    /// Notes that a session carries nothing any more.
    pub(super) fn put_down(&mut self, session: Uuid) {
        for entry in self.by_domain.values_mut() {
            entry.carriers.remove(&session);
        }
    }

    /// The rate for messages of `domain`.
    pub(super) fn rate(&self, domain: &str) -> Option<Throttle> {
        self.by_domain.get(domain)?.lane.rate
    }

    /// The configuration for a session that is opened for `domain`, where it has one of its own.
    pub(super) fn config(&self, domain: &str) -> Option<Arc<PathConfig>> {
        self.by_domain.get(domain)?.lane.config.clone()
    }

    /// Passes over the messages of `domain` until then.
    pub(super) fn block(&mut self, domain: &str, until: Instant) {
        if let Some(entry) = self.by_domain.get_mut(domain) {
            entry.blocked = Some(until);
        }
    }

    /// When the next domain that is passed over is so no more.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        self.by_domain.values().filter_map(|entry| entry.blocked).filter(|until| *until > now).min()
    }
}

impl Entry {
    fn is_free(&self, now: Instant) -> bool {
        self.blocked.is_none_or(|until| until <= now)
    }

    fn has_room(&self) -> bool {
        self.lane.sessions.is_none_or(|limit| (self.carriers.len() as u64) < limit.limit.get())
    }
}
