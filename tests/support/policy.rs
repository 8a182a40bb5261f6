//! A host with a folder of its own to write policies into.

use std::path::{Path, PathBuf};

use kumo_tsa::host::{Clock, Host, Paths};
use kumo_tsa::policy::{Error, Event, Install, Options, Policy, explain};
use kumo_tsa_core::wire::Time;
use mlua::{FromLuaMulti, IntoLuaMulti};
use tempfile::TempDir;

/// A host whose documented paths lead into a temporary folder, which goes with it. Its time is the test's.
pub(crate) struct Bench {
    pub(crate) host: Host,
    pub(crate) options: Options,
    installs: Vec<Install>,
    folder: TempDir,
}

impl Bench {
    /// 2026-01-31 12:00:00 UTC, when the tests begin.
    pub(crate) const START: i64 = 1_769_860_800;

    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::controlled(Time::from_secs(Self::START));
        Self {
            host: Host::new(clock, Paths::with_prefix(folder.path().join("root"))),
            options: Options::default(),
            installs: kumo_tsa::modules::standard().to_vec(),
            folder,
        }
    }

    /// With all that policies of the mail host see.
    pub(crate) fn of_mail() -> Self {
        Self { installs: kumo_tsa::mail::installs(), ..Self::new() }
    }

    /// A function more for policies.
    pub(crate) fn with(mut self, install: Install) -> Self {
        self.installs.push(install);
        self
    }

    /// The real path of a file in the temporary folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into the temporary folder; `/opt/kumomta/..` goes where the host finds it.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = match name.strip_prefix('/') {
            Some(_) => self.host.paths().resolve(Path::new(name)).into_owned(),
            None => self.path(name),
        };
        assert!(path.starts_with(self.folder.path()), "{} is outside of the test's folder", path.display());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Loads `text` as the policy file `policy.lua`, with `kumo` at hand.
    pub(crate) async fn try_load(&self, text: &str) -> Result<Policy, Error> {
        let file = self.write("policy.lua", &format!("local kumo = require 'kumo' {text}"));
        Policy::load_with(&self.host, &file, &self.installs, self.options.clone()).await
    }

    #[track_caller]
    pub(crate) fn load(&self, text: &str) -> impl Future<Output = Policy> {
        let place = std::panic::Location::caller();
        async move {
            match self.try_load(text).await {
                Ok(policy) => policy,
                Err(error) => panic!("{place}: {}", self.text(&error)),
            }
        }
    }

    /// Runs `text` as the body of a handler and gives what it returns.
    pub(crate) async fn run<R: FromLuaMulti>(&self, text: &str) -> Result<Option<R>, Error> {
        let policy = self.try_load(&format!("kumo.on('run', function() {text}\nend)")).await?;
        policy.call(&Event::single("run"), ()).await
    }

    /// As [`run`](Self::run), for a text.
    #[track_caller]
    pub(crate) fn eval(&self, text: &str) -> impl Future<Output = String> {
        let place = std::panic::Location::caller();
        async move {
            match self.run::<String>(text).await {
                Ok(Some(value)) => value,
                Ok(None) => panic!("{place}: nothing returned"),
                Err(error) => panic!("{place}: {}", self.text(&error)),
            }
        }
    }

    /// As [`run`](Self::run), for the first line of the error that it ends with.
    #[track_caller]
    pub(crate) fn fails(&self, text: &str) -> impl Future<Output = String> {
        let place = std::panic::Location::caller();
        async move {
            match self.run::<mlua::Value>(text).await {
                Ok(value) => panic!("{place}: returned {value:?}"),
                Err(error) => self.first_line(&error),
            }
        }
    }

    /// An error in full, with the temporary folder shown as `[dir]`.
    pub(crate) fn text(&self, error: &Error) -> String {
        explain(error).replace(&self.folder.path().display().to_string(), "[dir]")
    }

    /// The first line of it.
    pub(crate) fn first_line(&self, error: &Error) -> String {
        self.text(error).lines().next().unwrap_or_default().to_owned()
    }
}

/// Calls an event by name.
pub(crate) async fn call<R: FromLuaMulti>(
    policy: &Policy,
    event: &'static str,
    args: impl IntoLuaMulti,
) -> Result<Option<R>, Error> {
    policy.call(&Event::single(event), args).await
}
