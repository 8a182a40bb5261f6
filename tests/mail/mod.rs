//! The mail host.

mod spool;
