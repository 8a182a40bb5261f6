//! What Lua sees of the mail host.

use crate::policy::Install;

/// What the mail host adds to the tables that every daemon has.
pub const fn installs() -> &'static [Install] {
    &[]
}
