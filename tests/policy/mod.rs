//! Embedding Lua, seen from a policy.

mod event;
mod kumo;
mod limit;
mod memoize;
mod option;
mod pin;
mod pool;
mod search;
mod task;
