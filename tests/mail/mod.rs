//! The mail host.

mod client;
mod sink;
