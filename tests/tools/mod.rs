//! The subcommands of `tsa`, as a person types them.

mod check;
mod explain;
mod replay;
mod replay_daemon;
mod replay_input;
mod schema;
mod spec;
mod stubs;
mod up;
mod world;
