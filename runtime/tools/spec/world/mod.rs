//! Daemons, mail hosts and providers for specs.

use std::path::PathBuf;

use kumo_tsa_core::wire::Time;
use mlua::Lua;

/// Where a spec stands.
#[derive(Clone, Debug)]
pub(in crate::tools) struct Context {
    /// A folder for this test alone.
    pub(in crate::tools) dir: PathBuf,
    /// The folder of the spec.
    pub(in crate::tools) spec_dir: PathBuf,
    /// What the clock shows at first.
    pub(in crate::tools) clock_start: Time,
}

/// What a test has started.
#[derive(Debug)]
pub(in crate::tools) struct World(Context);

/// What a test came by.
#[derive(Debug, Default)]
pub(in crate::tools) struct Seen {
    pub(in crate::tools) rules: Vec<RuleSeen>,
}

/// A rule of a shaping file that was loaded.
#[derive(Debug)]
pub(in crate::tools) struct RuleSeen {
    pub(in crate::tools) file: String,
    pub(in crate::tools) line: usize,
    pub(in crate::tools) name: String,
    /// Whether a record made it match.
    pub(in crate::tools) matched: bool,
}

/// Puts the functions into a Lua context.
#[allow(clippy::unnecessary_wraps, reason = "functions that are put there may fail to be made")]
pub(in crate::tools) fn install(_lua: &Lua, context: Context) -> mlua::Result<World> {
    Ok(World(context))
}

impl World {
    /// Stops all that runs.
    #[allow(clippy::unused_async, reason = "hosts take a while to stop")]
    pub(in crate::tools) async fn end(self) -> Seen {
        tracing::trace!(dir = %self.0.dir.display(), spec = %self.0.spec_dir.display(), start = ?self.0.clock_start, "world ends");
        Seen::default()
    }
}
