//! The mail host.

mod inject;
mod message;
mod spool;
