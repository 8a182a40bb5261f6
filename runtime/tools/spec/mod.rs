//! `tsa test`: specs in Lua, run in the real engine.

pub mod world;
