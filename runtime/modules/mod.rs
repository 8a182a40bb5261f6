//! General-purpose Lua tables, one file each, named as in Lua.

pub mod absent;
pub mod cidr_map;
pub mod credential;
pub mod crypto;
mod data;
pub mod digest;
pub mod dns;
pub mod domain_map;
pub mod encode;
mod file;
pub mod fs;
mod function;
mod handle;
pub mod http;
pub mod kumo;
pub mod listener;
pub mod log;
mod map;
pub mod memoize;
pub mod monitor;
pub mod regex;
pub mod serde;
pub mod string;
pub mod task;
pub mod time;
pub mod trace;
pub mod uuid;
pub mod websocket;

use crate::policy::Install;

/// All that policies of every daemon see; what belongs to one daemon is added by its layer.
pub const fn standard() -> &'static [Install] {
    &[
        cidr_map::install,
        crypto::install,
        digest::install,
        dns::install,
        domain_map::install,
        encode::install,
        fs::install,
        http::install,
        kumo::install,
        log::install,
        memoize::install,
        monitor::install,
        regex::install,
        serde::install,
        string::install,
        task::install,
        time::install,
        trace::install,
        uuid::install,
        websocket::install,
        // Last: it names what nothing above has put there.
        absent::install,
    ]
}
