//! All integration tests, in one binary.

mod dns;
mod policy;
mod support;
