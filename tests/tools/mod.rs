//! The subcommands of `tsa`, as a person types them.

mod up;
mod world;
