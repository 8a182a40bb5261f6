//! What Lua sees of the mail host.

mod address;
pub(super) mod argument;
mod automation;
pub(super) mod config;
pub mod connection;
mod hold;
pub(super) mod http;
pub(super) mod inject;
pub(super) mod key;
pub mod listener;
pub mod log;
mod message;
pub(super) mod queue;
pub mod reception;
pub mod reject;
mod spool;
mod throttle;

use crate::policy::Install;

/// What the mail host adds to the tables that every daemon has.
#[rustfmt::skip] // One in a line.
pub const fn installs() -> &'static [Install] {
    &[
        automation::install,
        config::install,
        hold::install,
        http::install,
        inject::install,
        listener::install,
        log::install,
        message::install,
        queue::install,
        reject::install,
        spool::install,
        throttle::install,
    ]
}

/// An error with exactly this text; `mlua::Error::runtime` would put `runtime error:` before it.
fn failure(text: impl Into<String>) -> mlua::Error {
    mlua::Error::external(text.into())
}
