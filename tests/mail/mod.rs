//! The mail host.

mod client;
mod spool;
mod sink;
mod helper;
mod log;
mod spool;
mod sink;
mod helper;
mod sink;
mod spool;
