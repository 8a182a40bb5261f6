//! The mail host.

mod helper;
mod server;
mod sink;
mod spool;
