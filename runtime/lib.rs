//! The kumo-tsa runtime: a Lua-scriptable host for Traffic Shaping Automation.
//!
//! Layers, each using only those below it (a test holds this):
//!
//! | layer | what it is |
//! |---|---|
//! | [`tools`] | the `tsa` subcommands |
//! | [`tsa`] | the daemon: HTTP, journal, feed |
//! | [`mail`] | the mail host: reception, spool, queues, delivery, logs |
//! | [`shaping`] | loading shaping files: disk, HTTP, MX |
//! | [`dns`], [`modules`] | resolver and site names; the general Lua tables |
//! | [`policy`] | embedding Lua |
//! | [`host`] | one process: clock, paths, shutdown, metrics, store |
//! | [`kumo_tsa_core`] | what is decided, pure |

pub mod dns;
pub mod host;
pub mod mail;
pub mod modules;
pub mod policy;
pub mod shaping;
pub mod tools;
pub mod tsa;
