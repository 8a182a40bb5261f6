//! The mail host.

mod server;
