//! What Lua sees of the mail host.

pub(super) mod config;
pub(super) mod key;

use crate::policy::Install;

/// What the mail host adds to the tables that every daemon has.
pub const fn installs() -> &'static [Install] {
    &[config::install]
}
