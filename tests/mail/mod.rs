//! The mail host.

mod client;
mod spool;
mod sink;
mod helper;
mod log;
mod inject;
mod message;
