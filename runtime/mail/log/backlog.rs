//! Work that is done beside whoever asks for it: so much may wait, and whoever brings more waits too.

use std::pin::pin;
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Where work is brought to.
#[derive(Debug)]
pub(in crate::mail) struct Backlog<T> {
    jobs: mpsc::Sender<T>,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// Where work is taken from.
#[derive(Debug)]
pub(in crate::mail) struct Jobs<T> {
    jobs: mpsc::Receiver<T>,
    stop: watch::Receiver<bool>,
}

/// What one who takes work wakes up for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::mail) enum Woken {
    /// There is work, or time is up.
    Go,
    /// All work has been taken, and no more will come.
    Last,
}

impl<T: Send + 'static> Backlog<T> {
    /// Starts a task; `most` jobs may wait for it.
    pub(in crate::mail) fn start<F>(most: usize, task: impl FnOnce(Jobs<T>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, jobs) = mpsc::channel(most.clamp(1, Semaphore::MAX_PERMITS));
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(task(Jobs { jobs, stop: stopped }));
        Self { jobs: sender, stop, task: Mutex::new(Some(task)) }
    }

    /// Brings a job. Waits while too many wait already.
    pub(in crate::mail) async fn push(&self, job: T) {
        if self.jobs.send(job).await.is_err() {
            tracing::error!("a record came after its log was closed, and is lost");
        }
    }

    /// Has all done that waits, and ends.
    pub(in crate::mail) async fn stop(&self) {
        self.stop.send_replace(true);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // A task that panicked has said so.
            let _ = task.await;
        }
    }
}

impl<T> Jobs<T> {
    /// Takes up to `most` jobs; returns without any at `until`.
    pub(in crate::mail) async fn next(&mut self, taken: &mut Vec<T>, most: usize, until: Option<Instant>) -> Woken {
        let mut wait = pin!(async {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        });
        loop {
            let closed = self.jobs.is_closed();
            tokio::select! {
                biased;
                count = self.jobs.recv_many(taken, most) => return if count == 0 { Woken::Last } else { Woken::Go },
                () = &mut wait => return Woken::Go,
                // What waits is taken before the end of it is seen.
                _ = self.stop.wait_for(|stop| *stop), if !closed => self.jobs.close(),
            }
        }
    }

    /// Whether all is to be finished soon.
    pub(in crate::mail) fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }
}
