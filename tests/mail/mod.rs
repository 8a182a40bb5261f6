//! The mail host.

mod log;
