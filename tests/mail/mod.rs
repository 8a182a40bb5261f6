//! The mail host.

mod automation;
mod config;
mod hold;
mod kumod;
mod throttle;
