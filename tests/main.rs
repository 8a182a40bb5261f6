//! All integration tests, in one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod daemon;
mod dns;
mod mail;
mod modules;
mod packaging;
mod policy;
mod rules;
mod shaping_load;
mod support;
mod tidy;
mod tools;
