//! The mail exchangers of the domains that roll up, now and later (semantics S4).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kumo_tsa_core::shaping::{File, LoadOptions, Mx, Origin, Shaping};
use kumo_tsa_core::wire::format_duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Error;
use super::fetch::Notes;
use super::handle::WeakHandle;
use super::reuse::Basis;
use crate::dns::{self, Current};

/// How long loading waits for DNS, all domains together. What answers later is merged in later.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// The wait before the first further try; each next one is twice as long.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// The longest wait between tries.
const LAST_RETRY: Duration = Duration::from_mins(5);
/// Answers that come one by one are merged together when they come within this time.
const SETTLE: Duration = Duration::from_secs(1);

/// What is known of the exchangers of the domains in a set of files.
pub(super) struct Rollup {
    files: Vec<Arc<File>>,
    notes: Notes,
    options: LoadOptions,
    /// A policy may configure another resolver after it has loaded its shaping files.
    resolver: Current,
    known: Known,
    asked: JoinSet<(String, Answer)>,
}

/// What is known of each domain.
pub(super) type Known = HashMap<String, Answer>;

#[derive(Clone, PartialEq)]
pub(super) enum Answer {
    Site {
        name: String,
        hosts: Vec<String>,
    },
    Null,
    /// Worth asking again.
    Nothing(String),
    /// Can never be asked: it is no domain name.
    Never(String),
}

impl Answer {
    fn from_answer(answer: Result<Arc<dns::Mx>, dns::Error>) -> Self {
        match answer {
            Ok(mx) if mx.is_null() => Self::Null,
            Ok(mx) => Self::Site {
                name: mx.site_name.clone(),
                hosts: mx.hosts.iter().map(|host| host.trim_end_matches('.').to_owned()).collect(),
            },
            Err(error @ dns::Error::BadName { .. }) => Self::Never(error.to_string()),
            Err(error) => Self::Nothing(error.to_string()),
        }
    }

    fn is_open(&self) -> bool {
        matches!(self, Self::Null | Self::Nothing(_))
    }
}

impl Rollup {
    /// Asks for all domains at once, and waits for the answers for [`PATIENCE`].
    pub(super) async fn ask(files: Vec<Arc<File>>, notes: Notes, options: LoadOptions, resolver: Current) -> Self {
        let mut rollup = Self { files, notes, options, resolver, known: HashMap::new(), asked: JoinSet::new() };
        let names: Vec<String> = rollup.domains().map(|(domain, _)| domain.to_owned()).collect();
        for domain in names {
            if rollup.known.contains_key(&domain) {
                continue;
            }
            let resolver = rollup.resolver.get();
            let known = if let Some(answer) = resolver.mx_known(&domain).await {
                Answer::from_answer(answer)
            } else {
                let domain = domain.clone();
                rollup.asked.spawn(async move {
                    let answer = resolver.mx(&domain).await;
                    (domain, Answer::from_answer(answer))
                });
                Answer::Nothing(format!("no answer within {} yet", format_duration(PATIENCE)))
            };
            rollup.known.insert(domain, known);
        }
        rollup.collect(Instant::now() + PATIENCE).await;
        rollup
    }

    /// The files merged with what is known.
    pub(super) async fn merge(&self) -> Result<Shaping, Error> {
        let (files, options, known) = (self.files.clone(), self.options.clone(), self.known.clone());
        let Notes { warnings, errors } = self.notes.clone();
        // Compiling all patterns may take a while, and publishing goes on meanwhile.
        let merged = tokio::task::spawn_blocking(move || {
            let mx = |domain: &str| match known.get(domain) {
                Some(Answer::Site { name, hosts }) => Mx::Site { name: name.clone(), hosts: hosts.clone() },
                Some(Answer::Null) => Mx::Null,
                Some(Answer::Nothing(why) | Answer::Never(why)) => Mx::Unresolved { why: why.clone() },
                None => Mx::Unresolved { why: "it was not asked for".to_owned() },
            };
            Shaping::merge(&files, &mx, &options).map(|shaping| shaping.with_notes(warnings, errors))
        });
        merged.await.map_err(|error| Error::Failed(error.to_string()))?.map_err(Error::Merge)
    }

    /// All that the merged data follows from.
    pub(super) fn basis(&self) -> Basis {
        let (files, notes) = (self.files.clone(), self.notes.clone());
        Basis { files, notes, options: self.options.clone(), known: self.known.clone() }
    }

    /// The domains that roll up and the places of their blocks; one may come twice.
    pub(super) fn domains(&self) -> impl Iterator<Item = (&str, &Origin)> {
        self.files.iter().flat_map(|file| file.rolled_domains())
    }

    /// Whether there is something left to ask for.
    pub(super) fn is_open(&self) -> bool {
        self.known.values().any(Answer::is_open)
    }

    /// Goes on asking until everything is known, nobody holds the data any more, or the host stops.
    pub(super) async fn follow(mut self, handle: WeakHandle, mut stop: watch::Receiver<bool>) {
        let dropped = handle.dropped();
        tokio::select! {
            () = self.retry(&handle) => {}
            () = dropped => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn retry(&mut self, handle: &WeakHandle) {
        let mut wait = FIRST_RETRY;
        // The first round are the lookups that loading did not wait for.
        loop {
            self.take_answers(handle).await;
            if !self.is_open() {
                return;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LAST_RETRY);
            self.ask_again();
        }
    }

    fn ask_again(&mut self) {
        let open = self.known.iter().filter(|(_, known)| known.is_open()).map(|(domain, _)| domain.clone());
        for domain in open.collect::<Vec<_>>() {
            let resolver = self.resolver.get();
            self.asked.spawn(async move {
                let answer = resolver.mx_again(&domain).await;
                (domain, Answer::from_answer(answer))
            });
        }
    }

    /// Waits for all lookups under way, and merges as answers come.
    async fn take_answers(&mut self, handle: &WeakHandle) {
        while let Some(first) = self.next_answer().await {
            let mut changed = self.learn(first);
            changed.extend(self.collect(Instant::now() + SETTLE).await);
            if changed.is_empty() {
                continue;
            }
            match self.merge().await {
                Ok(shaping) => {
                    handle.replace(shaping);
                    self.announce(&changed);
                }
                Err(error) => tracing::error!("after DNS answered: {error}"),
            }
        }
    }

    /// Takes answers until there are no more to come, or until `deadline`; returns the domains that changed.
    async fn collect(&mut self, deadline: Instant) -> Vec<String> {
        let mut changed = Vec::new();
        while let Ok(Some(answer)) = tokio::time::timeout_at(deadline, self.next_answer()).await {
            changed.extend(self.learn(answer));
        }
        changed
    }

    /// A lookup that panicked has told nothing; its domain stays open.
    async fn next_answer(&mut self) -> Option<(String, Answer)> {
        loop {
            if let Ok(answer) = self.asked.join_next().await? {
                return Some(answer);
            }
        }
    }

    /// The domain, when what is known of it has become something else.
    fn learn(&mut self, (domain, known): (String, Answer)) -> Vec<String> {
        let before = self.known.insert(domain.clone(), known.clone());
        // Another reason for not knowing changes nothing.
        let same = match (&before, &known) {
            (Some(Answer::Nothing(_)), Answer::Nothing(_)) => true,
            (before, known) => before.as_ref() == Some(known),
        };
        if same { Vec::new() } else { vec![domain] }
    }

    fn announce(&self, changed: &[String]) {
        let origins: HashMap<&str, &Origin> = self.domains().collect();
        for domain in changed {
            let place = origins.get(domain.as_str()).map(|origin| format!("{origin}: ")).unwrap_or_default();
            match self.known.get(domain) {
                Some(Answer::Site { name, .. }) => {
                    tracing::info!("{place}domain `{domain}` now resolves, its block applies to the site `{name}`");
                }
                Some(Answer::Null) => {
                    tracing::info!("{place}domain `{domain}` has a null MX, its block applies to itself alone");
                }
                _ => {}
            }
        }
    }
}
