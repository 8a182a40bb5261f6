//! All integration tests, in one binary.

mod policy;
mod support;
