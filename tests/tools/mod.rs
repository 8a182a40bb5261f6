//! The subcommands of `tsa`, as a person types them.

mod spec;
mod up;
mod world;
