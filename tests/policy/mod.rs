//! Embedding Lua, seen from a policy.

mod event;
