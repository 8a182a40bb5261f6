//! The mail host.

mod log;
mod sink;
mod spool;
