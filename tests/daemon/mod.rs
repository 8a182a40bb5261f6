//! The daemon over real sockets.

mod access;
mod durability;
mod endpoint;
mod guide;
mod process;
mod publish;
mod reload;
pub(crate) mod rig;
mod stall;
mod start;
mod subscribe;
mod time;
