//! What Lua sees of the mail host.

pub mod log;

use crate::policy::Install;

/// What the mail host adds to the tables that every daemon has.
pub const fn installs() -> &'static [Install] {
    &[log::install]
}
