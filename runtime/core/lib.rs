//! What Traffic Shaping Automation decides.
//!
//! This crate is the functional core of kumo-tsa: it has no clock, no socket, no disk, no DNS and no Lua. The daemon, the
//! mail host, replay and the spec runner all run this same code.
//!
//! * [`wire`]: what crosses process boundaries: log records, names, rates, durations.
//! * [`shaping`]: shaping files, their merge, the rules in them and how a record finds its rules.
//! * [`decide`]: from a record and the rules to changes of state, and from state to what subscribers see.

pub mod decide;
pub mod shaping;
pub mod wire;
