//! What tests stand on.

mod log;
mod policy;

pub(crate) use log::Log;
pub(crate) use policy::{Bench, call};
