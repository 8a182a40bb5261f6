//! What became of the mail, in numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use kumo_tsa_core::wire::{Kind, Time, is_internal};

use super::letter::HOURS;
use crate::mail::log::Outcome;

/// What a response that no provider gave says of a message that is kept back: its queue is suspended, or all paths that it might take are.
const HELD: [&str; 2] = ["queue is suspended", "are eligible for selection"];

/// What became of the mail of one run.
#[derive(Debug)]
pub(super) struct Tally {
    began: Time,
    paths: BTreeMap<String, Path>,
    /// Of each message that was delivered, how long it took.
    took: Vec<Duration>,
    pub(super) received: usize,
    pub(super) bounced: usize,
    pub(super) deferred: usize,
}

/// What one egress path has done.
#[derive(Clone, Debug, Default)]
pub(super) struct Path {
    pub(super) sent: usize,
    pub(super) deferred: usize,
    /// Messages that were kept back while the path or their queue was suspended, each time once.
    pub(super) held: usize,
    /// Delivered in each hour.
    pub(super) hours: [usize; HOURS as usize],
}

impl Tally {
    pub(super) fn new(began: Time) -> Self {
        Self { began, paths: BTreeMap::new(), took: Vec::new(), received: 0, bounced: 0, deferred: 0 }
    }

    /// Counts an outcome. Whether a provider deferred a message.
    pub(super) fn note(&mut self, outcome: &Outcome) -> bool {
        let internal = is_internal(&outcome.reply.content);
        match outcome.kind {
            Kind::Reception => self.received += 1,
            Kind::Bounce | Kind::Expiration | Kind::AdminBounce => self.bounced += 1,
            Kind::Delivery => {
                self.took.push(outcome.at.since(outcome.created));
                let hour = usize::try_from(outcome.at.since(self.began).as_secs() / 3600).unwrap_or(usize::MAX);
                let path = self.path(&outcome.site);
                path.sent += 1;
                if let Some(count) = path.hours.get_mut(hour) {
                    *count += 1;
                }
            }
            Kind::TransientFailure if internal && HELD.iter().any(|text| outcome.reply.content.contains(text)) => {
                self.path(&outcome.site).held += 1;
            }
            Kind::TransientFailure => {
                self.deferred += 1;
                self.path(&outcome.site).deferred += 1;
                return !internal;
            }
            _ => {}
        }
        false
    }

    fn path(&mut self, site: &str) -> &mut Path {
        self.paths.entry(site.to_owned()).or_default()
    }

    /// How many messages were delivered.
    pub(super) fn delivered(&self) -> usize {
        self.took.len()
    }

    /// How many are still on their way.
    pub(super) fn waiting(&self) -> usize {
        self.received.saturating_sub(self.delivered() + self.bounced)
    }

    /// How many a path has delivered.
    pub(super) fn sent(&self, site: &str) -> usize {
        self.paths.get(site).map_or(0, |path| path.sent)
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.paths.iter().map(|(name, path)| (name.as_str(), path))
    }

    /// Within what time so many of a hundred were delivered, of all that came; `None` when fewer were.
    pub(super) fn within(&self, percent: usize) -> Option<Duration> {
        let mut took = self.took.clone();
        took.sort_unstable();
        let needed = (self.received * percent).div_ceil(100);
        took.get(needed.checked_sub(1)?).copied()
    }
}
