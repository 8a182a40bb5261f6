//! The subcommands of `tsa`, the person's tool, one file each.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod check;
mod demo;
mod documented;
mod explain;
mod player;
mod policy;
mod replay;
mod scene;
mod schema;
mod show;
pub mod spec;
mod traffic;
mod up;

/// Traffic Shaping Automation: run it, watch it.
#[derive(Debug, Parser)]
#[command(name = "tsa", version, about, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find what is wrong or doubtful in shaping files and policies
    Check(check::Arguments),
    /// Say what holds for mail to a domain from a source, and why
    Explain(explain::Arguments),
    /// Print a JSON schema of shaping files, for editors
    Schema(schema::Arguments),
    /// Run the policies of a folder in one process, and watch what they decide
    Up(up::Arguments),
    /// Play rules over the logs of mail hosts, and see what they would have done
    Replay(replay::Arguments),
    /// Run specs in Lua: tests of policies and rules, with time under control
    Test(spec::Arguments),
}

/// Runs the subcommand; tells the exit status where nothing went wrong.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Schema(arguments) => schema::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Up(arguments) => up::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Replay(arguments) => replay::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Test(arguments) => spec::run(&arguments),
    }
}

/// Whether what is written there may have colours: it is a terminal, and nobody objects (<https://no-color.org>).
fn has_colour(out: &impl IsTerminal) -> bool {
    out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
