//! The mail host.

mod log;
mod spool;
mod sink;
mod helper;
