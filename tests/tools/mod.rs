//! The subcommands of `tsa`, as a person types them.

mod check;
mod up;
