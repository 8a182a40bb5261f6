//! General-purpose Lua tables, one file each, named as in Lua.

pub mod absent;
pub mod kumo;
pub mod log;
pub mod memoize;
pub mod monitor;
pub mod task;
pub mod trace;

use crate::policy::Install;

/// All that policies of every daemon see; what belongs to one daemon is added by its layer.
pub const fn standard() -> &'static [Install] {
    &[
        kumo::install,
        log::install,
        memoize::install,
        monitor::install,
        task::install,
        trace::install,
        // Last: it names what nothing above has put there.
        absent::install,
    ]
}
