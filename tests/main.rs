//! All integration tests, in one binary.

mod dns;
mod modules;
mod policy;
mod support;
