//! What Lua sees of the mail host.

mod address;
pub(super) mod inject;
mod message;
mod spool;

use crate::policy::Install;

/// What the mail host adds to the tables that every daemon has.
pub const fn installs() -> &'static [Install] {
    &[inject::install, message::install, spool::install]
}

/// An error with exactly this text; `mlua::Error::runtime` would put `runtime error:` before it.
fn failure(text: impl Into<String>) -> mlua::Error {
    mlua::Error::external(text.into())
}
