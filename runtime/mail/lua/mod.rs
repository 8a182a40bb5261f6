//! What Lua sees of the mail host.

pub(super) mod argument;
mod automation;
pub(super) mod config;
pub mod connection;
mod hold;
pub(super) mod key;
pub mod listener;
pub mod log;
pub mod reception;
pub mod reject;
mod throttle;

use crate::policy::Install;

/// What the mail host adds to the tables that every daemon has.
#[rustfmt::skip] // One in a line.
pub const fn installs() -> &'static [Install] {
    &[
        automation::install,
        config::install,
        hold::install,
        listener::install,
        log::install,
        reject::install,
        throttle::install,
    ]
}
