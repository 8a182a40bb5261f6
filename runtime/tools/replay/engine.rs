//! From logs to outcome: chunks are read in order, worked on side by side, and taken in in order again.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::Context as _;
use kumo_tsa_core::wire::Time;

use super::chunk::{Counts, Entry, RuleSet, Yield, look};
use super::feed::Feed;
use super::lines::Chunk;
use super::order::Order;
use super::play::{Play, Span};
use super::shape::Shapes;

/// What there is to say of the logs.
#[derive(Clone, PartialEq, Debug, Default, serde::Serialize)]
pub(super) struct Read {
    pub(super) logs: usize,
    pub(super) records: u64,
    /// Lines that are no records.
    pub(super) broken: u64,
    /// Logs that end before they should.
    pub(super) truncated: u64,
    /// Records that came more than 10 minutes out of order.
    pub(super) late: u64,
    /// Records of which nothing was attempted: they count for nothing (semantics R4).
    pub(super) no_site: u64,
    /// Records of messages that carry records: hosts publish none of them.
    pub(super) carriers: u64,
    /// There was not room enough to put all in order.
    pub(super) order_short: bool,
    /// The time of the first record, and of the last.
    pub(super) first: Option<Time>,
    pub(super) last: Option<Time>,
    /// Files in folders that are no logs.
    pub(super) passed_over: Vec<String>,
}

/// One set of rules, and what came of it.
pub(super) struct Side {
    pub(super) counts: Counts,
    pub(super) play: Play,
}

/// What came of it all.
pub(super) struct Outcome {
    pub(super) read: Read,
    /// For each set of rules.
    pub(super) sides: Vec<Side>,
    pub(super) shapes: Shapes,
}

/// Hears how it goes on.
pub(super) trait Watch {
    /// So many bytes of the logs and records have been read.
    fn progress(&mut self, bytes: u64, records: u64);
    /// Effects of the first set that have ended.
    fn ended(&mut self, spans: Vec<Span>) -> anyhow::Result<()>;
}

/// Plays sets of rules over logs; `jobs` threads look at records.
pub(super) fn run(mut feed: Feed, sets: &[RuleSet], jobs: usize, watch: &mut dyn Watch) -> anyhow::Result<Outcome> {
    let mut taking = Taking::new(&feed, sets);
    if jobs <= 1 {
        while let Some(chunk) = feed.next()? {
            taking.take(look(&chunk, sets), feed.bytes(), watch)?;
        }
    } else {
        side_by_side(&mut feed, sets, jobs, &mut taking, watch)?;
    }
    taking.finish(watch)
}

/// A worker: what goes to it, what comes back, in the same order.
type Worker = (Sender<Chunk>, Receiver<Yield>);

fn side_by_side(
    feed: &mut Feed,
    sets: &[RuleSet],
    jobs: usize,
    taking: &mut Taking<'_>,
    watch: &mut dyn Watch,
) -> anyhow::Result<()> {
    std::thread::scope(|scope| {
        let workers: Vec<Worker> = (0..jobs)
            .map(|_| {
                let (give, work) = channel::<Chunk>();
                let (done, take) = channel();
                scope.spawn(move || work.iter().all(|chunk| done.send(look(&chunk, sets)).is_ok()));
                (give, take)
            })
            .collect();
        let mut under_way: VecDeque<&Worker> = VecDeque::new();
        let mut turns = workers.iter().cycle();
        let mut more = true;
        loop {
            // Two for each: one that it works on, one that it has next.
            while more && under_way.len() < jobs * 2 {
                let (Some(chunk), Some(worker)) = (feed.next()?, turns.next()) else {
                    more = false;
                    break;
                };
                worker.0.send(chunk).context("a thread that reads records has ended")?;
                under_way.push_back(worker);
            }
            let Some(worker) = under_way.pop_front() else { return Ok(()) };
            let found = worker.1.recv().context("a thread that reads records has ended")?;
            taking.take(found, feed.bytes(), watch)?;
        }
    })
}

/// Takes in what chunks came to, in their order.
struct Taking<'s> {
    sets: &'s [RuleSet],
    order: Order,
    outcome: Outcome,
}

impl<'s> Taking<'s> {
    fn new(feed: &Feed, sets: &'s [RuleSet]) -> Self {
        let read = Read { logs: feed.logs, passed_over: feed.passed_over.clone(), ..Read::default() };
        let side = |set| Side { counts: Counts::of(set), play: Play::new(set) };
        let sides = sets.iter().map(side).collect();
        Self { sets, order: Order::default(), outcome: Outcome { read, sides, shapes: Shapes::default() } }
    }

    fn take(&mut self, found: Yield, bytes: u64, watch: &mut dyn Watch) -> anyhow::Result<()> {
        let read = &mut self.outcome.read;
        read.records += found.records;
        read.broken += found.broken;
        read.truncated += found.cut;
        read.no_site += found.no_site;
        read.carriers += found.carriers;
        read.first = read.first.into_iter().chain(found.first).min();
        read.last = read.last.max(found.last);
        self.outcome.sides.iter_mut().zip(&found.counts).for_each(|(side, more)| side.counts.add(more));
        self.outcome.shapes.merge(found.shapes);
        found.entries.into_iter().for_each(|entry| self.order.push(entry));
        let (sets, sides) = (self.sets, &mut self.outcome.sides);
        self.order.release(found.horizon, |entry| play(sides, sets, &entry));
        watch.progress(bytes, self.outcome.read.records);
        self.tell(watch)
    }

    fn tell(&mut self, watch: &mut dyn Watch) -> anyhow::Result<()> {
        let mut fresh = self.outcome.sides.iter_mut().map(|side| std::mem::take(&mut side.play.fresh));
        let told = fresh.next().map_or(Ok(()), |spans| watch.ended(spans));
        // Nobody asks for those of the other set; they are dropped so that they do not gather.
        fresh.for_each(drop);
        told
    }

    fn finish(mut self, watch: &mut dyn Watch) -> anyhow::Result<Outcome> {
        let (sets, sides) = (self.sets, &mut self.outcome.sides);
        self.order.finish(|entry| play(sides, sets, &entry));
        let read = &mut self.outcome.read;
        (read.late, read.order_short) = (self.order.late, self.order.short);
        for side in &mut self.outcome.sides {
            side.play.finish(self.outcome.read.last.unwrap_or_default());
        }
        self.tell(watch)?;
        Ok(self.outcome)
    }
}

fn play(sides: &mut [Side], sets: &[RuleSet], entry: &Entry) {
    for (number, (side, set)) in sides.iter_mut().zip(sets).enumerate() {
        side.play.take(entry, set, number);
    }
}
