//! The mail host.

mod spool;
mod sink;
mod helper;
mod log;
mod spool;
mod sink;
