//! `tsa up`: the policies of a folder in one process, until Ctrl-C.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use kumo_tsa_core::wire::parse_duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::player::Player;
use super::show::Show;
use super::traffic::Traffic;
use crate::dns::Resolver;
use crate::host::{Clock, Host, Paths, signalled};
use crate::tsa::Daemon;

/// The folder of documented paths that DIR stands in for.
const POLICY_FOLDER: &str = "/opt/kumomta/etc/policy";
const QUICKSTART: &str = "examples/quickstart";
const POLICY: &str = "tsa_init.lua";
const RESPONSES: &str = "responses.tsv";
/// How often the running count is shown.
const COUNT_EVERY: Duration = Duration::from_secs(2);

/// What `tsa up` is asked.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder with `tsa_init.lua` and the files it loads; it stands in for /opt/kumomta/etc/policy
    #[arg(value_name = "DIR", default_value = QUICKSTART)]
    dir: PathBuf,

    /// Play provider responses at the daemon over HTTP
    #[arg(long)]
    traffic: bool,

    /// The responses to play: lines of provider, code and text with tabs between [default: DIR/responses.tsv]
    #[arg(long, value_name = "FILE", requires = "traffic")]
    responses: Option<PathBuf>,

    /// Log records to publish in a second
    #[arg(long, value_name = "N", default_value_t = 400, requires = "traffic", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,

    /// The same seed plays the same responses
    #[arg(long, value_name = "N", default_value_t = 1, requires = "traffic")]
    seed: u64,

    /// End after this time, such as `20s` or `5m`, instead of at Ctrl-C
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    duration: Option<Duration>,

    /// Where other documented paths lead, the daemon's state among them [default: a folder that is removed at the end]
    #[arg(long, value_name = "DIR", env = "KUMO_PREFIX")]
    prefix: Option<PathBuf>,

    /// Answer DNS from this zone file; may be given several times
    #[arg(long, value_name = "FILE", env = "KUMO_ZONES", value_delimiter = ':')]
    zones: Vec<PathBuf>,
}

/// Runs the policies of the folder.
pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let policy = arguments.dir.join(POLICY);
    if !policy.is_file() {
        bail!("no `{}`: DIR must be a folder with a {POLICY}, such as {QUICKSTART}", policy.display());
    }
    let mut traffic = if arguments.traffic { Some(load_traffic(&arguments)?) } else { None };
    let scratch = tempfile::tempdir().context("making a folder for the daemon's state")?;
    let dir = std::path::absolute(&arguments.dir)?;
    let prefix = arguments.prefix.clone().unwrap_or_else(|| scratch.path().to_owned());
    let host = Host::new(Clock::system(), Paths::with_prefix(prefix).moving(POLICY_FOLDER, dir));
    if !arguments.zones.is_empty() {
        Resolver::use_zones(&host, &arguments.zones)?;
    }
    let daemon = Daemon::start(&host, &Path::new(POLICY_FOLDER).join(POLICY)).await?;
    let mut show = Show::new(std::io::stdout().is_terminal());
    let address = *daemon.addresses().first().context("the policy started no listener: see `tsa.start_http_listener`")?;
    show.line(&format!("running {}", policy.display()));
    show.line(&format!("what is in force, as a shaping file:  curl -s 'http://{address}/get_config_v1/shaping.toml'"));
    let player = traffic.take().map(|traffic| {
        show.line(&traffic.describe());
        Player::start(traffic, address, arguments.rate, host.clock().clone())
    });
    watch(&daemon, &mut show, player.as_ref(), arguments.duration).await;
    if let Some(player) = player {
        player.stop().await;
        show.summary(&player_counts(&player), &in_force(address).await);
    }
    daemon.stop().await;
    Ok(())
}
