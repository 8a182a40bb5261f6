//! The subcommands of `tsa`, as a person types them.

mod explain;
mod replay;
mod replay_daemon;
mod schema;
mod stubs;
mod up;
