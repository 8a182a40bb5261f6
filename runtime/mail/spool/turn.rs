//! Writes that are made together: those that come while others are written share the next turn.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::definition::Part;
use super::engine::Engine;
use crate::host::store::Batch;
use crate::mail::message::MessageId;

/// What is to be done for a message.
#[derive(Debug)]
pub(super) enum Work {
    /// Put its content, where that is given, and then all else.
    Save { id: MessageId, data: Option<Bytes>, meta: Bytes },
    /// Remove it.
    Remove { id: MessageId },
}

/// The numbers to wait for until content and meta are on disk.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Written {
    pub(super) data: Option<u64>,
    pub(super) meta: Option<u64>,
}

/// Which part could not be written, and why. What comes before it in a [`Work`] is done.
pub(super) type Failure = (Part, String);

type Outcome = Result<Written, Failure>;

/// Both parts, where the embedded engine keeps them.
#[derive(Clone, Debug)]
pub(super) struct Engines {
    pub(super) data: Arc<Engine>,
    pub(super) meta: Arc<Engine>,
}

#[derive(Default, Debug)]
pub(super) struct Turns(Mutex<Queue>);

#[derive(Default, Debug)]
struct Queue {
    waiting: Vec<Job>,
    /// Whether a thread writes, and will see what waits.
    is_served: bool,
}

#[derive(Debug)]
struct Job {
    work: Work,
    outcome: oneshot::Sender<Outcome>,
}

impl Turns {
    /// Has `work` done, together with what others bring meanwhile.
    pub(super) async fn write(self: &Arc<Self>, engines: Engines, work: Work) -> Outcome {
        let (outcome, told) = oneshot::channel();
        let is_first = {
            let mut queue = self.lock();
            queue.waiting.push(Job { work, outcome });
            !std::mem::replace(&mut queue.is_served, true)
        };
        if is_first {
            let mut served = Served { turns: self.clone(), is_done: false };
            tokio::task::spawn_blocking(move || served.serve(&engines));
        }
        told.await.unwrap_or_else(|_| Err((Part::Meta, "the thread that writes is gone".to_owned())))
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread that writes. Should it end before its time, or never begin, nobody is left waiting for it.
struct Served {
    turns: Arc<Turns>,
    is_done: bool,
}

impl Served {
    /// Writes until nothing waits.
    fn serve(&mut self, engines: &Engines) {
        loop {
            let jobs = {
                let mut queue = self.turns.lock();
                if queue.waiting.is_empty() {
                    queue.is_served = false;
                    self.is_done = true;
                    return;
                }
                std::mem::take(&mut queue.waiting)
            };
            let (saved, removed) = write(engines, &jobs);
            for Job { work, outcome } in jobs {
                let told = if matches!(work, Work::Remove { .. }) { &removed } else { &saved };
                // Who asked may be gone.
                let _ = outcome.send(told.clone());
            }
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if !self.is_done {
            let mut queue = self.turns.lock();
            queue.is_served = false;
            queue.waiting.clear();
        }
    }
}

/// Content goes in before meta and out after it: meta without content would be a loss, the other is what a dying process
/// leaves. What has come of those saved, and of those removed.
fn write(engines: &Engines, jobs: &[Job]) -> (Outcome, Outcome) {
    let (mut contents, mut metas, mut gone) = (Batch::default(), Batch::default(), Batch::default());
    for job in jobs {
        match &job.work {
            Work::Save { id, data, meta } => {
                if let Some(data) = data {
                    contents.put(id.as_bytes(), data);
                }
                metas.put(id.as_bytes(), meta);
            }
            Work::Remove { id } => {
                metas.delete(id.as_bytes());
                gone.delete(id.as_bytes());
            }
        }
    }
    let saved = append(&engines.data, Part::Data, contents)
        .and_then(|data| Ok(Written { data, meta: append(&engines.meta, Part::Meta, metas)? }));
    let removed = match &saved {
        Ok(_) => append(&engines.data, Part::Data, gone).map(|_| Written::default()),
        Err(failure) => Err(failure.clone()),
    };
    (saved, removed)
}

fn append(engine: &Engine, part: Part, batch: Batch) -> Result<Option<u64>, Failure> {
    if batch.is_empty() {
        return Ok(None);
    }
    engine.append(batch).map_err(|why| (part, why))
}
