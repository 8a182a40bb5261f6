//! The mail host.

mod client;
mod spool;
mod sink;
mod helper;
mod log;
mod hook;
mod admin;
mod inject;
mod message;
