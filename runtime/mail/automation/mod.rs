//! What daemons have decided and told this host: entries by owner and key, kept on disk until their end (semantics P5 to
//! P7).
//!
//! Suspensions and bounces go to [`Holds`]; overrides of egress path options are kept here, weighed by A8 over all owners.

mod change;
mod entry;
mod journal;
mod notice;
mod overrides;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kumo_tsa_core::decide::View;
use kumo_tsa_core::wire::Time;
use serde_json::{Map, Value};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

pub use change::{BadChange, Change};
use entry::{Entry, Place};
use journal::Journal;
use notice::Notices;
pub use notice::{Changed, Changes, Touched};
use overrides::Overrides;

use crate::host::{Clock, Host};
use crate::mail::hold::Holds;

/// What daemons have told this host.
pub struct Automation {
    clock: Clock,
    holds: Arc<Holds>,
    known: Mutex<Known>,
    notices: Notices,
    journal: Journal,
    disregarded: AtomicBool,
}

/// An owner's name, and the key that it has for an entry.
type Key = (Arc<str>, Arc<str>);

#[derive(Default)]
struct Known {
    entries: HashMap<Key, Entry>,
    by_end: BTreeSet<(Instant, Key)>,
    overrides: Overrides,
    /// The keys that an owner has put since it began to tell its state.
    telling: HashMap<Arc<str>, HashSet<Arc<str>>>,
}

impl Automation {
    /// The host's.
    pub fn of(host: &Host) -> Arc<Self> {
        let (clock, holds) = (host.clock().clone(), Holds::of(host));
        let journal = Journal::new(host.paths());
        host.slot(|| Self {
            clock,
            holds,
            known: Mutex::default(),
            notices: Notices::new(),
            journal,
            disregarded: AtomicBool::new(false),
        })
    }

    /// Takes up what is kept on disk (semantics P7), and begins to end entries at their time. Once is enough, and has to
    /// be before mail moves; [`set_overrides`](Self::set_overrides) does it too.
    ///
    /// Without a folder that can be written, entries are kept in memory alone; the log says so.
    pub async fn open(self: &Arc<Self>, host: &Host) {
        let Some(views) = self.journal.open().await else { return };
        let now = self.clock.now();
        let mut known = self.lock();
        for (owner, view) in views {
            let key = (owner, Arc::from(view.key.as_str()));
            // What came since is newer.
            if !known.entries.contains_key(&key) {
                self.put(&mut known, key, view, now);
            }
        }
        drop(known);
        tokio::spawn(self.clone().attend(host.shutdown().watch()));
    }

    /// Takes changes in that a daemon tells, in their order. Returns how many of them changed something.
    ///
    /// Entries of several owners stand beside each other, each under its own key (semantics P6). The configuration epoch
    /// stays as it is: who uses paths learns of the change by [`changed`](Self::changed) (semantics P5).
    pub async fn set_overrides(self: &Arc<Self>, host: &Host, owner: &str, changes: Vec<Change>) -> usize {
        if self.disregarded.load(Ordering::Relaxed) {
            return 0;
        }
        self.open(host).await;
        let now = self.clock.now();
        let owner: Arc<str> = owner.into();
        let mut write = journal::Write::default();
        let mut known = self.lock();
        let before = write.len();
        for change in changes {
            self.take(&mut known, &owner, change, now, &mut write);
        }
        let made = write.len() - before;
        let everything = if self.journal.is_behind() { known.rows() } else { Vec::new() };
        // Under the lock, so that the journal has changes in the order in which they were made.
        self.journal.append(write, &everything);
        drop(known);
        self.notices.stir();
        made
    }

    /// From now on whatever daemons tell has no effect here: how mail would go without them.
    pub fn disregard(&self) {
        self.disregarded.store(true, Ordering::Relaxed);
    }

    fn take(&self, known: &mut Known, owner: &Arc<str>, change: Change, now: Time, write: &mut journal::Write) {
        match change {
            Change::Begin => {
                known.telling.insert(owner.clone(), HashSet::new());
            }
            Change::Put(view) => {
                let key: Key = (owner.clone(), view.key.as_str().into());
                if let Some(told) = known.telling.get_mut(owner) {
                    told.insert(key.1.clone());
                }
                if view.value.until > now {
                    write.put(&key, &view);
                    self.put(known, key, *view, now);
                } else if self.drop_entry(known, &key) {
                    write.delete(&key);
                }
            }
            Change::Delete { key } => {
                let key: Key = (owner.clone(), key.as_str().into());
                if self.drop_entry(known, &key) {
                    write.delete(&key);
                }
            }
            Change::Ready { keys } => {
                let mut told = known.telling.remove(owner).unwrap_or_default();
                told.extend(keys.into_iter().map(Arc::from));
                let gone = known.entries.keys().filter(|(whose, key)| whose == owner && !told.contains(key));
                for key in gone.cloned().collect::<Vec<_>>() {
                    self.drop_entry(known, &key);
                    write.delete(&key);
                }
            }
        }
    }

    fn put(&self, known: &mut Known, key: Key, view: View, now: Time) {
        let Some(entry) = Entry::new(&key, view, now) else {
            tracing::warn!("automation of `{}`: entry `{}` is not understood, and left out", key.0, key.1);
            return;
        };
        let old = known.entries.remove(&key);
        if let Some(old) = &old {
            known.by_end.remove(&(old.ends, key.clone()));
            if old.place != entry.place {
                self.withdraw(known, &key, old);
            }
        }
        let same = old.filter(|old| old.place == entry.place);
        let value = &entry.view.value;
        // As existing mail hosts put it, and operators look for it (interface C.2).
        let reason = format!("{} (rule_hash={})", value.reason, value.rule.id);
        match &entry.place {
            Place::Path(name) => {
                self.holds.suspend_path(name, &reason, value.until, entry::owner(&key));
            }
            Place::Queues(selector) => {
                self.holds.suspend_queue(selector.clone(), &reason, value.until, entry::owner(&key));
            }
            Place::Bounces(selector) => {
                self.holds.bounce(selector.clone(), &reason, value.until, false, entry::owner(&key));
            }
            Place::Override(spot) => {
                let touched = known.overrides.change(
                    spot,
                    same.map(|old| overrides::rank(&key, &old)),
                    Some(overrides::held(&key, &entry)),
                );
                self.notices.add(touched, spot, &entry.view);
            }
        }
        known.by_end.insert((entry.ends, key.clone()));
        known.entries.insert(key, entry);
    }

    /// Ends an entry; false when there is none.
    fn drop_entry(&self, known: &mut Known, key: &Key) -> bool {
        let Some(entry) = known.entries.remove(key) else { return false };
        known.by_end.remove(&(entry.ends, key.clone()));
        self.withdraw(known, key, &entry);
        true
    }

    fn withdraw(&self, known: &mut Known, key: &Key, entry: &Entry) {
        match &entry.place {
            Place::Path(name) => {
                self.holds.end_path(name, &entry::owner(key));
            }
            Place::Queues(selector) => {
                self.holds.end_queue(selector, &entry::owner(key));
            }
            Place::Bounces(selector) => {
                self.holds.end_bounce(selector, &entry::owner(key));
            }
            Place::Override(spot) => {
                let touched = known.overrides.change(spot, Some(overrides::rank(key, entry)), None);
                self.notices.add(touched, spot, &entry.view);
            }
        }
    }

    /// The options that are overridden for a domain at a site: of the site's and the domain's overrides of an option the
    /// one that A8 prefers. To be laid over what the policy says with [`PathConfig::with`].
    ///
    /// [`PathConfig::with`]: crate::mail::config::PathConfig::with
    pub fn overrides(&self, domain: &str, source: &str, site: &str) -> Map<String, Value> {
        self.lock().overrides.effective(domain, source, site)
    }

    /// The options that are overridden for the whole site.
    pub fn site_wide(&self, source: &str, site: &str) -> Map<String, Value> {
        self.lock().overrides.site_wide(source, site)
    }

    /// Of the options that are overridden for this domain alone those that go before the site's: what is to be enforced
    /// for the domain's mail beside what holds for the site (semantics A10).
    pub fn domain_only(&self, domain: &str, source: &str, site: &str) -> Map<String, Value> {
        self.lock().overrides.domain_only(domain, source, site)
    }

    /// Whether any domain has overrides of its own with this source: where none has, [`domain_only`](Self::domain_only)
    /// need not be asked for each message.
    pub fn has_domain_only(&self, source: &str) -> bool {
        self.lock().overrides.has_domain_only(source)
    }

    /// Tells which paths changed, at most 50 ms after they did, and what changed within 50 ms at once (semantics P5).
    pub fn changed(&self) -> Changes {
        Changes::new(self.notices.subscribe())
    }

    /// All that is in force, with its owner, by end and key.
    pub fn entries(&self) -> Vec<(Arc<str>, Arc<View>)> {
        let known = self.lock();
        let live = known.by_end.iter().filter(|(end, _)| *end > Instant::now());
        live.filter_map(|(_, key)| Some((key.0.clone(), known.entries.get(key)?.view.clone()))).collect()
    }

    /// Ends entries at their time and sends notices, until the host stops.
    async fn attend(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut sent: Option<Instant> = None;
        // An error means that the host is gone.
        let stopped = async move { stop.wait_for(|asked| *asked).await.map(drop) };
        let journal = self.journal.attend(&self.clock);
        tokio::pin!(stopped, journal);
        loop {
            let end = self.lock().by_end.first().map(|(end, _)| *end);
            let ended = async {
                match end {
                    Some(end) => tokio::time::sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                () = self.notices.stirred() => {}
                () = ended => {}
                () = &mut journal => {}
            }
            if let Some(sent) = sent {
                tokio::time::sleep_until(sent + notice::GATHER).await;
            }
            self.end_those_that_are_over();
            if self.notices.send() {
                sent = Some(Instant::now());
            }
        }
        self.journal.close().await;
    }

    fn end_those_that_are_over(&self) {
        let now = Instant::now();
        let mut write = journal::Write::default();
        let mut known = self.lock();
        while let Some((end, key)) = known.by_end.first().cloned() {
            if end > now {
                break;
            }
            // Also when the entry is gone, so that this comes to an end.
            known.by_end.remove(&(end, key.clone()));
            self.drop_entry(&mut known, &key);
            write.delete(&key);
        }
        if write.len() > 0 {
            let everything = if self.journal.is_behind() { known.rows() } else { Vec::new() };
            self.journal.append(write, &everything);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn rows(&self) -> Vec<(Key, Arc<View>)> {
        self.entries.iter().map(|(key, entry)| (key.clone(), entry.view.clone())).collect()
    }
}

impl std::fmt::Debug for Automation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Automation").field("entries", &self.lock().entries.len()).finish_non_exhaustive()
    }
}

/// What a receiver of notices holds.
type Receiver = broadcast::Receiver<Arc<BTreeSet<Touched>>>;
