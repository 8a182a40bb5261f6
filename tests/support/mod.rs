//! What tests stand on.

mod policy;

pub(crate) use policy::{Bench, call};
