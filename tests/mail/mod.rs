//! The mail host.

mod automation;
mod client;
mod config;
mod helper;
mod hold;
mod kumod;
mod log;
mod sink;
mod spool;
mod throttle;
