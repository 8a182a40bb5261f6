//! All integration tests, in one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod dns;
mod modules;
mod policy;
mod shaping_load;
mod support;
