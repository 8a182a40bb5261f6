//! The mail host.

mod log;
mod spool;
