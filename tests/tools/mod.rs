//! The subcommands of `tsa`, as a person types them.

mod check;
mod explain;
mod replay;
mod replay_daemon;
mod replay_input;
mod schema;
mod spec;
mod stubs;
mod stubs_testing;
mod stubs_types;
mod up;
mod world;
