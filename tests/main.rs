//! All integration tests, in one binary.

mod modules;
mod policy;
mod support;
