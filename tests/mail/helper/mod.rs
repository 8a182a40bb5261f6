//! The helpers in `policy-extras/`.

mod existing;
mod path;
mod pattern;
mod policy_utils;
mod publish;
mod real;
mod record;
mod resync;
pub(super) mod rig;
mod sources;
mod subscribe;
