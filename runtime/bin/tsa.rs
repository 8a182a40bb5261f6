//! `tsa`: the person's tool around the hosts.

use std::process::ExitCode;

use clap::Parser as _;
use kumo_tsa::host::logging::{self, Diagnostics, Format};
use kumo_tsa::{host::run, tools};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    run::report(run_tool(tools::Arguments::parse()))
}

fn run_tool(arguments: tools::Arguments) -> anyhow::Result<ExitCode> {
    let filter = std::env::var("KUMO_TSA_LOG").unwrap_or_else(|_| "error".to_owned());
    logging::install(&Diagnostics { format: Format::default(), folder: None, filter })?;
    tools::run(arguments)
}
