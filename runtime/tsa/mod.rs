//! The daemon: takes log records in, decides, and hands out suspensions, bounces and config overrides.
//!
//! [`Daemon::start`] runs a policy's daemon within any tokio runtime: the bin, a test and `tsa up` do the same. What is
//! decided is [`kumo_tsa_core::decide`]'s business; this is the shell around it: HTTP, store, feeds, Lua.

mod announce;
mod engine;
mod feed;
mod http;
mod insight;
mod lua;
mod matched;
mod metrics;
mod mirror;
mod rules;
mod service;
mod told;

pub use engine::LoadError;
pub use insight::{Insight, Unpublished};
pub use lua::install;
pub use service::{Daemon, Error, installs, load_rules};
