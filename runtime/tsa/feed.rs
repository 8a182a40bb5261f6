//! Handing out state as it changes (semantics P3).
//!
//! A feed holds each key and the version at which it changed last. A subscriber is a version: what it is sent next are the
//! keys that have changed since, each in its newest form. So nothing grows for a subscriber, however far behind it is, and
//! there is no reason to drop one.
//!
//! The frames of the newest changes are kept, so that the subscribers that keep up share them; older ones are made again
//! for those who ask.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Utf8Bytes;
use kumo_tsa_core::wire::Time;
use tokio::sync::watch;

/// What happens to a key.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// It holds now, or in another way than before.
    Put {
        /// What subscribers are sent, if that is known already.
        frame: Option<Utf8Bytes>,
        /// When it ends.
        expires: Time,
    },
    /// It is no more, and subscribers are sent this.
    End {
        /// What subscribers are sent.
        frame: Utf8Bytes,
    },
    /// It is no more, and subscribers know that by themselves.
    Forget,
}

/// Makes the frames of keys as they are now; none for one that does not hold.
pub(super) type Render<K> = Box<dyn Fn(&[K]) -> Vec<Option<Utf8Bytes>> + Send + Sync>;

/// How many of the newest frames are kept.
const FRAMES_AT_MOST: usize = 8192;

/// The newest change of each key.
pub(super) struct Feed<K> {
    inner: Mutex<Inner<K>>,
    version: watch::Sender<u64>,
    /// How many ended keys are remembered for subscribers that have not heard of their end.
    ended_at_most: usize,
    render: Render<K>,
}

#[derive(Debug)]
struct Inner<K> {
    version: u64,
    entries: HashMap<K, Entry>,
    by_version: BTreeMap<u64, K>,
    ended: VecDeque<(u64, K)>,
    /// Where frames are kept.
    framed: VecDeque<u64>,
    /// The version of the newest end that has been forgotten.
    forgotten: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    version: u64,
    /// Always there when it has ended.
    frame: Option<Utf8Bytes>,
    /// `None` when it has ended.
    expires: Option<Time>,
}

/// A subscriber has not heard of ends that are not remembered any more, and must begin anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Behind;

/// All that holds, at one version.
#[derive(Debug)]
pub(super) struct Snapshot<K> {
    pub(super) version: u64,
    pub(super) live: Vec<(Time, K)>,
}

/// A key with its frame, where that is kept.
pub(super) type Framed<K> = (K, Option<Utf8Bytes>);

impl<K: Clone + Eq + Hash> Feed<K> {
    pub(super) fn new(ended_at_most: usize, render: Render<K>) -> Self {
        let inner = Inner {
            version: 0,
            entries: HashMap::new(),
            by_version: BTreeMap::new(),
            ended: VecDeque::new(),
            framed: VecDeque::new(),
            forgotten: 0,
        };
        Self { inner: Mutex::new(inner), version: watch::Sender::new(0), ended_at_most, render }
    }

    /// Whether somebody waits for changes, so that making their frames once is worth it.
    pub(super) fn is_read(&self) -> bool {
        self.version.receiver_count() > 0
    }

    /// When a key ends, if it holds.
    pub(super) fn expires(&self, key: &K) -> Option<Time> {
        self.lock().entries.get(key)?.expires
    }

    /// Makes the frames of keys as they are now; none for one that does not hold any more. This may take a while.
    pub(super) fn render(&self, keys: &[K]) -> Vec<Option<Utf8Bytes>> {
        (self.render)(keys)
    }

    /// Takes changes in and wakes the subscribers.
    pub(super) fn publish(&self, changes: impl IntoIterator<Item = (K, Change)>) {
        let mut inner = self.lock();
        let before = inner.version;
        for (key, change) in changes {
            inner.take_in(key, change);
        }
        while inner.ended.len() > self.ended_at_most {
            inner.forget_oldest_end();
        }
        let version = inner.version;
        drop(inner);
        if version != before {
            self.version.send_replace(version);
        }
    }

    /// All that holds.
    pub(super) fn snapshot(&self) -> Snapshot<K> {
        let inner = self.lock();
        let live = inner.entries.iter().filter_map(|(key, entry)| entry.expires.map(|expires| (expires, key.clone())));
        Snapshot { version: inner.version, live: live.collect() }
    }

    /// How many keys hold.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let inner = self.lock();
        inner.entries.len() - inner.ended.len()
    }

    /// Up to `at_most` keys that have changed after `version`, the oldest change first, and the version of the last.
    pub(super) fn after(&self, version: u64, at_most: usize) -> Result<(u64, Vec<Framed<K>>), Behind> {
        let inner = self.lock();
        if version < inner.forgotten {
            return Err(Behind);
        }
        let mut last = version;
        let mut changed = Vec::new();
        for (version, key) in inner.by_version.range(version + 1..).take(at_most) {
            last = *version;
            if let Some(entry) = inner.entries.get(key) {
                changed.push((key.clone(), entry.frame.clone()));
            }
        }
        if changed.is_empty() {
            last = inner.version;
        }
        Ok((last, changed))
    }

    /// Tells of new versions.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Inner<K>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash> Inner<K> {
    fn take_in(&mut self, key: K, change: Change) {
        let (frame, expires) = match change {
            Change::Put { frame, expires } => (frame, Some(expires)),
            Change::End { frame } => (Some(frame), None),
            Change::Forget => return self.remove(&key),
        };
        match self.entries.get(&key) {
            // Who subscribes later needs not hear of the end of what never was, or was forgotten, or has ended.
            None if expires.is_none() => return,
            Some(old) if old.expires.is_none() && expires.is_none() => return,
            _ => {}
        }
        self.remove(&key);
        self.version += 1;
        if expires.is_none() {
            self.ended.push_back((self.version, key.clone()));
        }
        if frame.is_some() && expires.is_some() {
            self.framed.push_back(self.version);
            self.drop_frames();
        }
        self.by_version.insert(self.version, key.clone());
        self.entries.insert(key, Entry { version: self.version, frame, expires });
    }

    /// Keeps the newest frames only.
    fn drop_frames(&mut self) {
        while self.framed.len() > FRAMES_AT_MOST {
            let key = self.framed.pop_front().and_then(|version| self.by_version.get(&version));
            if let Some(entry) = key.and_then(|key| self.entries.get_mut(key)) {
                entry.frame = None;
            }
        }
    }

    fn remove(&mut self, key: &K) {
        if let Some(old) = self.entries.remove(key) {
            self.by_version.remove(&old.version);
            if old.expires.is_none()
                && let Ok(at) = self.ended.binary_search_by_key(&old.version, |(version, _)| *version)
            {
                self.ended.remove(at);
            }
        }
    }

    fn forget_oldest_end(&mut self) {
        if let Some((version, key)) = self.ended.pop_front() {
            self.entries.remove(&key);
            self.by_version.remove(&version);
            self.forgotten = version;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(text: &str) -> Change {
        Change::Put { frame: Some(text.to_owned().into()), expires: Time::MAX }
    }

    fn end(text: &str) -> Change {
        Change::End { frame: text.to_owned().into() }
    }

    fn feed(ended_at_most: usize) -> Feed<u32> {
        Feed::new(ended_at_most, Box::new(|keys| keys.iter().map(|key| Some(format!("{key} made").into())).collect()))
    }

    fn frames(feed: &Feed<u32>, after: u64, at_most: usize) -> (u64, Vec<String>) {
        let (version, changed) = feed.after(after, at_most).unwrap();
        (version, changed.into_iter().map(|(_, frame)| frame.unwrap().to_string()).collect())
    }

    #[test]
    fn p3_old_frames_are_made_again_for_those_who_ask() {
        let feed = feed(10);
        for key in 0..=u32::try_from(FRAMES_AT_MOST).unwrap() {
            feed.publish([(key, put("kept"))]);
        }
        let (_, changed) = feed.after(0, 2).unwrap();
        assert_eq!(changed, [(0, None), (1, Some("kept".into()))]);
        assert_eq!(feed.render(&[0]), [Some("0 made".into())]);
    }

    #[test]
    fn p3_a_reader_that_falls_behind_gets_the_newest_of_each_key() {
        let feed = feed(10);
        feed.publish([(1, put("1a")), (2, put("2a"))]);
        let Snapshot { version, live } = feed.snapshot();
        assert_eq!((version, live.len()), (2, 2));
        for round in 0..100_000 {
            feed.publish([(1, put(&format!("1-{round}")))]);
        }
        feed.publish([(3, put("3a")), (2, end("2 ended"))]);
        assert_eq!(frames(&feed, version, 100).1, ["1-99999", "3a", "2 ended"]);
        assert_eq!(feed.len(), 2);
        let (half, first) = frames(&feed, version, 2);
        assert_eq!(first, ["1-99999", "3a"]);
        assert_eq!(frames(&feed, half, 2).1, ["2 ended"]);
    }

    #[test]
    fn p3_what_is_kept_is_bounded_and_who_missed_an_end_begins_anew() {
        let feed = feed(2);
        for key in 0..5 {
            feed.publish([(key, put("held"))]);
        }
        let version = feed.snapshot().version;
        for key in 0..5 {
            feed.publish([(key, end("ended"))]);
        }
        assert_eq!(feed.after(version, 100), Err(Behind));
        let inner = feed.lock();
        assert_eq!((inner.entries.len(), inner.by_version.len(), inner.ended.len()), (2, 2, 2));
    }

    #[test]
    fn an_end_may_be_taken_back_and_forgotten() {
        let feed = feed(10);
        feed.publish([(1, put("a")), (1, end("ended")), (1, put("again"))]);
        assert_eq!((feed.len(), feed.lock().ended.len()), (1, 0));
        feed.publish([(1, Change::Forget), (7, Change::Forget)]);
        assert_eq!(frames(&feed, 0, 10).1, Vec::<String>::new());
        assert_eq!(feed.lock().by_version.len(), 0);
    }
}
