//! A suspended path, from the suspension to the time after it.

use std::time::Duration;

use kumo_tsa_core::wire::Time;

use super::tally::Tally;
use crate::host::Host;
use crate::mail::hold::Holds;
use crate::mail::queue::Queues;

/// How long the path is watched after its suspension.
const AFTERWARDS: Duration = Duration::from_mins(10);
/// How long a path takes from one connection to its limit (semantics H2).
const RAMP: Duration = Duration::from_mins(1);

/// A suspended path that is watched.
#[derive(Debug)]
pub(super) struct Episode {
    pub(super) path: String,
    since: Time,
    /// What this path, and all others, had delivered when the suspension came in force.
    before: (usize, usize),
    ended: Option<Ended>,
    over: bool,
}

#[derive(Debug)]
struct Ended {
    at: Time,
    delivered: usize,
    /// The most connections at once in the first quarter of the ramp, and in all of the time.
    connections: (usize, usize),
    in_ramp: usize,
}

/// What is seen of it.
#[derive(Debug)]
pub(super) enum Sight {
    /// The suspension has ended: what others delivered meanwhile, what the path itself did, and how long it was.
    Ended { others: usize, own: usize, lasted: Duration },
    /// The time after it is over.
    Ramped { first: usize, most: usize, in_ramp: usize, afterwards: usize },
}

impl Episode {
    pub(super) fn new(path: &str, tally: &Tally, now: Time) -> Self {
        let own = tally.sent(path);
        let before = (own, tally.delivered() - own);
        Self { path: path.to_owned(), since: now, before, ended: None, over: false }
    }

    /// Looks at it; to be called every second.
    pub(super) fn look(&mut self, host: &Host, tally: &Tally) -> Option<Sight> {
        let now = host.clock().now();
        if self.over {
            return None;
        }
        let own = tally.sent(&self.path);
        let Some(ended) = &mut self.ended else {
            if Holds::of(host).path(&self.path, now).is_some() {
                return None;
            }
            self.ended = Some(Ended { at: now, delivered: own, connections: (0, 0), in_ramp: 0 });
            let others = tally.delivered() - own - self.before.1;
            return Some(Sight::Ended { others, own: own - self.before.0, lasted: now.since(self.since) });
        };
        let after = now.since(ended.at);
        let connections = Queues::of(host).ready(&self.path).map_or(0, |ready| ready.connection_count);
        if after <= RAMP / 4 {
            ended.connections.0 = ended.connections.0.max(connections);
        }
        if after <= RAMP {
            ended.in_ramp = own - ended.delivered;
        }
        ended.connections.1 = ended.connections.1.max(connections);
        if after < AFTERWARDS {
            return None;
        }
        self.over = true;
        let (first, most) = ended.connections;
        Some(Sight::Ramped { first, most, in_ramp: ended.in_ramp, afterwards: own - ended.delivered })
    }
}
