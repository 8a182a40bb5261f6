//! The mail host.

mod helper;
mod sink;
mod spool;
