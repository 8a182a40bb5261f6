//! The subcommands of `tsa`, as a person types them.

mod check;
mod replay;
mod replay_daemon;
mod up;
mod world;
