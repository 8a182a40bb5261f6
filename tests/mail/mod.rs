//! The mail host.

mod sink;
