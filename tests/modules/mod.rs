//! The general-purpose Lua tables: small snippets and what they give, exactly.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail as tests do")]

mod data;
mod file;
mod http;
mod map;
mod text;
mod time;
mod websocket;

use kumo_tsa::host::{Clock, Host, Paths};
use kumo_tsa::{modules, policy};
use kumo_tsa_core::wire::Time;
use mlua::Lua;
use tokio::runtime::{Builder, Handle, Runtime};

/// A Lua state with the tables of this folder, as a policy sees them.
struct Tables {
    lua: Lua,
    /// For snippets in tests that have no runtime of their own; its time stands still.
    runtime: Option<Runtime>,
}

impl Tables {
    /// At noon on 31 January 2026, on a clock that follows tokio's.
    fn new() -> Self {
        Self::with_paths(Paths::documented())
    }

    fn with_paths(paths: Paths) -> Self {
        let runtime = Handle::try_current()
            .is_err()
            .then(|| Builder::new_current_thread().enable_all().start_paused(true).build().unwrap());
        let entered = runtime.as_ref().map(Runtime::enter);
        let clock = Clock::controlled(Time::parse("2026-01-31T12:00:00Z").unwrap());
        let host = Host::new(clock, paths);
        let installs: &[policy::Install] = &[
            modules::cidr_map::install,
            modules::crypto::install,
            modules::digest::install,
            modules::domain_map::install,
            modules::encode::install,
            modules::fs::install,
            modules::http::install,
            modules::memoize::install,
            modules::regex::install,
            modules::serde::install,
            modules::string::install,
            modules::time::install,
            modules::uuid::install,
            modules::websocket::install,
        ];
        let lua = policy::bare(&host, installs).unwrap();
        lua.load("kumo = package.loaded.kumo").exec().unwrap();
        drop(entered);
        Self { lua, runtime }
    }

    /// Sets a global that snippets can use.
    fn with(self, name: &str, value: impl mlua::IntoLua) -> Self {
        self.lua.globals().set(name, value).unwrap();
        self
    }

    /// Runs a snippet; what it returns is shown like Lua's `tostring` shows it, tables as JSON.
    async fn run(&self, code: &str) -> Result<String, String> {
        let values: mlua::MultiValue = self.lua.load(code).eval_async().await.map_err(|e| e.to_string())?;
        let encode: mlua::Function = self.lua.load("return kumo.serde.json_encode_pretty").eval().unwrap();
        let tostring: mlua::Function = self.lua.globals().get("tostring").unwrap();
        let shown = values.iter().map(|value| match value {
            mlua::Value::Table(_) => {
                let text: String = encode.call(value).unwrap();
                text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
            }
            other => tostring.call(other).unwrap(),
        });
        Ok(shown.collect::<Vec<_>>().join(", "))
    }

    #[track_caller]
    fn gives(&self, code: &str, expected: &str) -> &Self {
        assert_eq!(self.now(code), Ok(expected.to_owned()), "{code}");
        self
    }

    /// The snippet raises an error whose text has `expected` in it.
    #[track_caller]
    fn raises(&self, code: &str, expected: &str) -> &Self {
        let error = self.now(code).expect_err(code);
        assert!(error.contains(expected), "{code}\nraises: {error}\nexpected: {expected}");
        self
    }

    fn now(&self, code: &str) -> Result<String, String> {
        self.runtime.as_ref().expect("an async test awaits `run`").block_on(self.run(code))
    }
}
