//! What Lua sees of the mail host.

pub mod connection;
pub mod listener;
pub mod reception;
pub mod reject;

use crate::policy::Install;

/// What the mail host adds to the tables that every daemon has.
pub const fn installs() -> &'static [Install] {
    &[listener::install, reject::install]
}
