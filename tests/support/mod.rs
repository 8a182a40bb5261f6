//! What tests stand on.

mod log;
mod policy;
#[allow(dead_code, reason = "each test takes what it needs of it")]
pub(crate) mod smtp;

pub(crate) use log::Log;
pub(crate) use policy::{Bench, call};
