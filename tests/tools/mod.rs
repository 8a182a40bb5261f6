//! The subcommands of `tsa`, as a person types them.

mod explain;
mod schema;
mod stubs;
mod up;
