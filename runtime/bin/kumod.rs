//! `kumod`: the mail host, run by an `init.lua`.

use std::process::ExitCode;

use clap::Parser as _;
use kumo_tsa::dns::Resolver;
use kumo_tsa::host::{Clock, Host, Paths, logging, run, user};
use kumo_tsa::mail::service::MailHost;
use kumo_tsa::mail::start::{Arguments, Mode};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    run::report(start(&Arguments::parse()))
}

fn start(arguments: &Arguments) -> anyhow::Result<()> {
    // First, while there is one thread, and before anything belongs to the wrong user.
    user::become_user(arguments.user.as_deref())?;
    user::raise_file_limit()?;
    let filter = logging::install(&arguments.diagnostics())?;
    run::block_on_threads(arguments.threads(), async {
        let paths = arguments.prefix.clone().map_or_else(Paths::documented, Paths::with_prefix);
        let host = Host::new(Clock::system(), paths);
        host.attach_log_filter(&filter);
        if !arguments.zones.is_empty() {
            Resolver::use_zones(&host, &arguments.zones)?;
        }
        match arguments.mode() {
            Mode::Validate => Ok(kumo_tsa::mail::validate::run(&host, &arguments.policy).await?),
            Mode::Script(args) => Ok(kumo_tsa::mail::script::run(&host, &arguments.policy, args).await?),
            Mode::Service => run::until_signalled(MailHost::start(&host, &arguments.policy), MailHost::stop).await,
        }
    })
}
