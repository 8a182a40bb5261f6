//! The mail host.
