//! The subcommands of `tsa`, as a person types them.

mod explain;
mod up;
