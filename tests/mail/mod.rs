//! The mail host.

mod spool;
mod sink;
mod helper;
