//! The daemon over real sockets.

mod access;
mod durability;
mod endpoint;
mod guide;
mod process;
mod publish;
mod reload;
mod rig;
mod stall;
mod start;
mod subscribe;
mod time;
