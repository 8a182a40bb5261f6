//! The mail host.

mod helper;
