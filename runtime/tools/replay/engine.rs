//! From logs to outcome: chunks are read in order, worked on side by side, and taken in in order again.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::Context as _;
use kumo_tsa_core::wire::Time;

use super::chunk::{Counts, Entry, RuleSet, Yield, look};
use super::compare::{Alone, Compare};
use super::feed::Feed;
use super::kept::Kept;
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
    /// Records that came behind newer ones, and have been put in order.
    pub(super) out_of_order: u64,
    /// Records that came more than 10 minutes out of order.
    pub(super) late: u64,
    /// Records that were dated ahead of when they were logged, and taken in as of then (semantics R3).
    pub(super) ahead: u64,
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
    /// Where there are two: what each would have done that the other would not.
    pub(super) differences: Option<[Kept<Alone>; 2]>,
    pub(super) shapes: Shapes,
}

/// Hears how it goes on.
pub(super) trait Watch {
    /// So many bytes of the logs and records have been read.
    fn progress(&mut self, bytes: u64, records: u64);
    /// Effects of the first set that have ended.
    fn ended(&mut self, spans: Vec<Span>) -> anyhow::Result<()>;
    /// What each set would have done that the other would not.
    fn alone(&mut self, found: &[Vec<Alone>; 2]) -> anyhow::Result<()>;
}

/// Plays sets of rules over logs; `jobs` threads look at records. `now` is the time of this machine.
pub(super) fn run(
    mut feed: Feed,
    sets: &[RuleSet],
    jobs: usize,
    now: Time,
    watch: &mut dyn Watch,
) -> anyhow::Result<Outcome> {
    let mut taking = Taking::new(&feed, sets, now);
    if jobs <= 1 {
        while let Some(chunk) = feed.next()? {
            taking.take(look(&chunk, sets, now), feed.bytes(), watch)?;
        }
    } else {
        side_by_side(&mut feed, jobs, &mut taking, watch)?;
    }
    taking.finish(watch)
}

/// A worker: what goes to it, what comes back, in the same order.
type Worker = (Sender<Chunk>, Receiver<Yield>);

fn side_by_side(feed: &mut Feed, jobs: usize, taking: &mut Taking<'_>, watch: &mut dyn Watch) -> anyhow::Result<()> {
    let (sets, now) = (taking.sets, taking.now);
    std::thread::scope(|scope| {
        let workers: Vec<Worker> = (0..jobs)
            .map(|_| {
                let (give, work) = channel::<Chunk>();
                let (done, take) = channel();
                scope.spawn(move || work.iter().all(|chunk| done.send(look(&chunk, sets, now)).is_ok()));
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
    now: Time,
    order: Order,
    read: Read,
    shapes: Shapes,
    table: Table<'s>,
}

impl<'s> Taking<'s> {
    fn new(feed: &Feed, sets: &'s [RuleSet], now: Time) -> Self {
        let read = Read { logs: feed.logs, passed_over: feed.passed_over.clone(), ..Read::default() };
        Self { sets, now, order: Order::default(), read, shapes: Shapes::default(), table: Table::new(sets) }
    }

    fn take(&mut self, found: Yield, bytes: u64, watch: &mut dyn Watch) -> anyhow::Result<()> {
        let read = &mut self.read;
        read.records += found.records;
        read.broken += found.broken;
        read.truncated += found.cut;
        read.no_site += found.no_site;
        read.carriers += found.carriers;
        read.out_of_order += found.times.out_of_order;
        read.ahead += found.times.ahead;
        read.late += found.times.late;
        read.first = read.first.into_iter().chain(found.times.first).min();
        read.last = read.last.max(found.times.last);
        self.table.sides.iter_mut().zip(&found.counts).for_each(|(side, more)| side.counts.add(more));
        self.shapes.merge(found.shapes);
        found.entries.into_iter().for_each(|entry| self.order.push(entry));
        self.order.release(found.horizon, |entry| self.table.play(&entry));
        watch.progress(bytes, self.read.records);
        self.table.tell(watch)
    }

    fn finish(mut self, watch: &mut dyn Watch) -> anyhow::Result<Outcome> {
        self.order.finish(|entry| self.table.play(&entry));
        self.read.late += self.order.late;
        self.read.order_short = self.order.short;
        self.table.finish(self.read.last.unwrap_or_default());
        self.table.tell(watch)?;
        let Table { sides, mut differences, .. } = self.table;
        differences.iter_mut().flatten().for_each(|kept| kept.finish(|one| one.number));
        Ok(Outcome { read: self.read, sides, differences, shapes: self.shapes })
    }
}

/// The sets of rules at play.
struct Table<'s> {
    sets: &'s [RuleSet],
    sides: Vec<Side>,
    compare: Compare,
    differences: Option<[Kept<Alone>; 2]>,
    /// Effects of the first side that nobody has been told of.
    fresh: Vec<Span>,
}

impl<'s> Table<'s> {
    fn new(sets: &'s [RuleSet]) -> Self {
        let sides = sets.iter().map(|set| Side { counts: Counts::of(set), play: Play::new(set) }).collect();
        let differences = (sets.len() > 1).then(Default::default);
        Self { sets, sides, compare: Compare::default(), differences, fresh: Vec::new() }
    }

    fn play(&mut self, entry: &Entry) {
        self.sides.iter_mut().for_each(|side| side.play.advance(entry.time));
        self.gather();
        for (number, (side, set)) in self.sides.iter_mut().zip(self.sets).enumerate() {
            side.play.take(entry, set, number);
        }
        if let [here, there] = self.sides.as_slice() {
            self.compare.begun([&here.play, &there.play]);
        }
        self.sides.iter_mut().for_each(|side| side.play.begun.clear());
    }

    /// Takes in what has ended.
    fn gather(&mut self) {
        if self.sides.iter().all(|side| side.play.ended.is_empty()) {
            return;
        }
        if let [here, there] = self.sides.as_slice() {
            self.compare.ended([&here.play, &there.play]);
        }
        let mut ended = self.sides.iter_mut().map(|side| side.play.gather());
        self.fresh.extend(ended.next().into_iter().flatten());
        ended.for_each(drop);
    }

    fn finish(&mut self, end: Time) {
        self.sides.iter_mut().for_each(|side| side.play.advance(end));
        self.gather();
        self.sides.iter_mut().for_each(|side| side.play.finish());
        self.gather();
        self.sides.iter_mut().for_each(|side| side.play.spans.finish(|span| span.number));
    }

    fn tell(&mut self, watch: &mut dyn Watch) -> anyhow::Result<()> {
        watch.ended(std::mem::take(&mut self.fresh))?;
        let Some(differences) = &mut self.differences else { return Ok(()) };
        let found = std::mem::take(&mut self.compare.found);
        watch.alone(&found)?;
        for (kept, found) in differences.iter_mut().zip(found) {
            for one in found {
                kept.push(one);
            }
        }
        Ok(())
    }
}
