//! What specs can do beyond plain Lua: daemons, mail hosts and providers in this process, and time in the spec's hands.
//!
//! All of it is real: policies, listeners on free ports of this machine, sockets. Only DNS, the way from mail host to
//! provider, and the clock are the spec's. It is meant for a runtime of one thread whose time is paused, see [`runtime`].

mod clock;
mod daemon;
mod given;
mod host;
mod letter;
mod lua;
mod policy;
mod provider;
mod record;
mod stage;

use std::path::PathBuf;
use std::sync::Arc;

use kumo_tsa_core::wire::Time;

pub use lua::install;
use stage::Stage;

/// Where and when a test is played.
#[derive(Clone, Debug)]
pub struct Context {
    /// A folder of the test's own.
    pub dir: PathBuf,
    /// The folder of the spec file, which the files that it names are looked for in.
    pub spec_dir: PathBuf,
    /// What the clock shows first.
    pub clock_start: Time,
}

/// All that a test has started.
#[derive(Debug)]
pub struct World {
    stage: Arc<Stage>,
}

/// What a test has seen of shaping files.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    /// The rules that its daemons had in force, by place.
    pub rules: Vec<RuleSeen>,
}

/// A rule that a daemon had in force.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RuleSeen {
    /// The file, where it is on this machine.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: u32,
    /// Its pattern.
    pub name: String,
    /// Whether a record matched it.
    pub matched: bool,
}

impl World {
    /// Stops all that runs: first who talks.
    pub async fn end(self) -> Seen {
        self.stage.end().await
    }
}

/// A runtime that tests can be played on: one thread, with time that advances when nothing is left to do.
///
/// Time does not leap over what is under way between two sockets: Linux brings what is sent over loopback before the call
/// that sends it returns. To yield for the sake of it would cost milliseconds a turn on a busy machine.
///
/// # Errors
/// When the system does not give what it takes.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()
}
