//! `tsa-daemon`: runs a `tsa_init.lua`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use kumo_tsa::dns::Resolver;
use kumo_tsa::host::logging::{self, Diagnostics, Format};
use kumo_tsa::host::{Clock, Host, Paths, run};
use kumo_tsa::tsa::Daemon;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Takes log records in, decides by the rules of the shaping files, and hands out suspensions, bounces and overrides.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The policy file to run.
    #[arg(long, default_value = "/opt/kumomta/etc/tsa/init.lua")]
    policy: PathBuf,
    /// Log into files in this folder, a new one each hour, instead of stderr.
    #[arg(long, value_name = "DIR")]
    diag_log_dir: Option<PathBuf>,
    /// The form of a log line.
    #[arg(long, value_enum, default_value_t)]
    diag_format: Format,
    /// Have `/opt/kumomta`, `/var/spool/kumomta` and `/var/log/kumomta` in this folder.
    #[arg(long, env = "KUMO_PREFIX", value_name = "DIR")]
    prefix: Option<PathBuf>,
    /// Answer DNS from this zone file, and from nothing else; may be given several times.
    #[arg(long, env = "KUMO_ZONES", value_name = "FILE", value_delimiter = ',')]
    zones: Vec<PathBuf>,
    /// What is logged, such as `info,kumo_tsa::dns=debug`.
    #[arg(long, env = "KUMO_TSA_LOG", value_name = "FILTER", default_value = "warn,kumo_tsa=info,lua=info")]
    log: String,
}

fn main() -> ExitCode {
    run::report(serve(Arguments::parse()))
}

fn serve(arguments: Arguments) -> anyhow::Result<()> {
    let diagnostics =
        Diagnostics { format: arguments.diag_format, folder: arguments.diag_log_dir, filter: arguments.log };
    let filter = logging::install(&diagnostics)?;
    run::block_on(async {
        let host = Host::new(Clock::system(), arguments.prefix.map_or_else(Paths::documented, Paths::with_prefix));
        host.attach_log_filter(&filter);
        if !arguments.zones.is_empty() {
            Resolver::use_zones(&host, &arguments.zones)?;
        }
        run::until_signalled(Daemon::start(&host, &arguments.policy), Daemon::stop).await
    })
}
