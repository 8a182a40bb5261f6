//! One spec, loaded once, on a thread and with time of its own.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use kumo_tsa_core::wire::Time;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::logged::Logged;
use super::lua::{self, Spec};
use super::test::{Outcome, Test, Trouble};
use super::world;
use crate::host::{Clock, Host, Paths};
use crate::policy::{Lines, Raised};
use crate::tools::documented::POLICY_FOLDER;

/// 2026-01-31 12:00:00 UTC: what the clock of every test shows at first.
const START: Time = Time::from_secs(1_769_860_800);
/// Blocking work that is still going on when all else has stopped is given this long.
const LEFT_OVER: Duration = Duration::from_millis(500);
/// After the limit, what runs is given this long to stop by itself.
const GRACE: Duration = Duration::from_secs(10);

/// A spec does not load.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// What it raised.
    #[error(transparent)]
    Raised(#[from] Raised),
    /// What stands in the way is not in the spec.
    #[error("{0:#}")]
    Other(anyhow::Error),
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

impl Error {
    /// What went wrong with the spec.
    pub(super) fn trouble(self, file: &Path) -> Trouble {
        match self {
            Self::Raised(raised) => lua::trouble(&raised, file),
            Self::Other(error) => Trouble { message: format!("{error:#}"), ..Trouble::default() },
        }
    }
}

/// How a spec is run.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) file: PathBuf,
    /// How long it may take, in real time.
    pub(super) limit: Duration,
    /// Where the lines that run are noted.
    pub(super) lines: Option<Lines>,
}

impl Session {
    /// The tests that the spec declares.
    pub(super) fn list(&self) -> Result<Vec<Test>, Error> {
        let file = self.file.clone();
        self.on_thread(&Logged::default(), async move |spec: &Spec| {
            let runner = spec.load(&file).await?;
            Ok(Spec::tests(&runner, &file)?)
        })
        .map(|(tests, _)| tests)
    }

    /// Loads the spec and runs one test.
    pub(super) fn run(&self, test: &Test) -> Outcome {
        let (began, wanted, logged) = (Instant::now(), test.clone(), Logged::default());
        let ended = self.on_thread(&logged, async move |spec: &Spec| {
            let runner = spec.load(&wanted.file).await?;
            // What is printed while the spec loads does not belong to the test.
            spec.printed();
            let ended = spec.run(&runner, &wanted).await;
            let outcome = match ended {
                Ok(outcome) => outcome,
                Err(raised) => {
                    Outcome { trouble: lua::trouble(&raised, &wanted.file), ..Outcome::error(String::new()) }
                }
            };
            Ok(Outcome { printed: spec.printed(), ..outcome })
        });
        let outcome = match ended {
            Ok((outcome, seen)) => Outcome { rules: seen.rules, ..outcome },
            Err(error) => Outcome { trouble: error.trouble(&self.file), ..Outcome::error(String::new()) },
        };
        let logged = if outcome.status.is_bad() { logged.text() } else { String::new() };
        Outcome { took: began.elapsed(), printed: outcome.printed + &logged, ..outcome }
    }

    /// Does `work` on a thread of its own, and waits no longer than the limit.
    fn on_thread<T: Send + 'static>(
        &self,
        logged: &Logged,
        work: impl AsyncFnOnce(&Spec) -> Result<T, Error> + Send + 'static,
    ) -> Result<(T, world::Seen), Error> {
        let (stop, stopped) = oneshot::channel();
        let (done, ended) = mpsc::channel();
        let (session, logged) = (self.clone(), logged.clone());
        let late = || anyhow!("did not finish within {} s of real time", self.limit.as_secs_f64());
        let thread = std::thread::Builder::new().name(self.file.display().to_string());
        let thread = thread.spawn(move || {
            let _keeping = logged.keep();
            let _ = done.send(session.block_on(work, stopped));
        });
        thread.context("starting a thread for the spec")?;
        match ended.recv_timeout(self.limit) {
            Ok(ended) => ended,
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(anyhow!("the thread of the spec panicked").into()),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let _ = stop.send(());
                // What does not heed it is left behind, and ends with the process.
                let _ = ended.recv_timeout(GRACE);
                Err(late().into())
            }
        }
    }

    fn block_on<T>(
        &self,
        work: impl AsyncFnOnce(&Spec) -> Result<T, Error>,
        stopped: oneshot::Receiver<()>,
    ) -> Result<(T, world::Seen), Error> {
        let runtime = world::runtime().context("making a runtime for the spec")?;
        let local = LocalSet::new();
        let ended = local.block_on(&runtime, self.perform(work, stopped));
        drop(local);
        runtime.shutdown_timeout(LEFT_OVER);
        ended
    }

    async fn perform<T>(
        &self,
        work: impl AsyncFnOnce(&Spec) -> Result<T, Error>,
        stopped: oneshot::Receiver<()>,
    ) -> Result<(T, world::Seen), Error> {
        let dir = tempfile::tempdir().context("making a folder for the test")?;
        let folder = folder_of(&self.file).context("the folder of the spec")?;
        let paths = Paths::with_prefix(dir.path().join("spec")).moving(POLICY_FOLDER, &folder);
        let host = Host::new(Clock::controlled(START), paths);
        if let Some(lines) = &self.lines {
            lines.watch(&host);
        }
        let spec = Spec::new(&host, &folder)?;
        let context = world::Context { dir: dir.path().to_owned(), spec_dir: folder, clock_start: START };
        let world = world::install(spec.lua(), context).map_err(Raised::from)?;
        let ended = tokio::select! {
            ended = work(&spec) => ended,
            Ok(()) = stopped => Err(anyhow!("stopped").into()),
        };
        let seen = world.end().await;
        Ok((ended?, lasting(seen, dir.path())))
    }
}

/// The rules of files that are there after the test: what is inside the executable goes by its documented path, what the test
/// wrote itself is no file that anybody keeps.
fn lasting(seen: world::Seen, dir: &Path) -> world::Seen {
    let lasting = |mut rule: world::RuleSeen| {
        if let Ok(inside) = rule.file.strip_prefix(dir) {
            let documented = inside.iter().skip_while(|part| *part != "opt").collect::<PathBuf>();
            if rule.file.exists() || documented.as_os_str().is_empty() {
                return None;
            }
            rule.file = Path::new("/").join(documented);
        }
        Some(rule)
    };
    world::Seen { rules: seen.rules.into_iter().filter_map(lasting).collect() }
}

/// The folder that holds a file, from the root.
pub(super) fn folder_of(file: &Path) -> std::io::Result<PathBuf> {
    let file = std::path::absolute(file)?;
    Ok(file.parent().unwrap_or(Path::new("/")).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_files_that_go_with_the_test_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("inline.toml"), "").unwrap();
        let rule = |file: PathBuf| world::RuleSeen { file, line: 1, name: "^4".to_owned(), matched: false };
        let share = "opt/kumomta/share/policy-extras/shaping.toml";
        let rules = vec![
            rule(dir.path().join("inline.toml")),
            rule(dir.path().join("daemon-1").join(share)),
            rule("policy/shaping.toml".into()),
        ];
        let kept = lasting(world::Seen { rules }, dir.path()).rules;
        let expected = [rule(Path::new("/").join(share)), rule("policy/shaping.toml".into())];
        assert_eq!(kept, expected);
    }
}
