//! The subcommands of `tsa`, as a person types them.

mod check;
mod replay;
mod replay_daemon;
mod spec;
mod up;
mod world;
