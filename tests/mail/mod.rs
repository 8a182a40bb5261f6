//! The mail host.

mod server;
mod spool;
mod sink;
mod helper;
