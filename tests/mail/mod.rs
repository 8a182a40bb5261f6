//! The mail host.

mod admin;
mod automation;
mod client;
mod config;
mod delivery;
mod helper;
mod hold;
mod hook;
mod inject;
mod kumod;
mod log;
mod looped;
mod message;
mod queue;
mod server;
mod sink;
mod spool;
mod throttle;
