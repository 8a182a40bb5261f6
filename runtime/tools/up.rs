//! `tsa up`: the policies of a folder in one process, until Ctrl-C.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use kumo_tsa_core::wire::parse_duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::player::Player;
use super::show::Show;
use super::traffic::Traffic;
use crate::dns::Resolver;
use crate::host::run::signalled;
use crate::host::{Clock, Host, Paths};
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

    /// The responses to play: lines of provider, code and text with tabs between [default: DIR/responses.tsv, else those of the quickstart]
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
    if arguments.dir.is_file() {
        bail!("`{}` is a file: DIR is the folder that holds {POLICY}, such as {QUICKSTART}", arguments.dir.display());
    }
    if !policy.is_file() {
        bail!("no `{}`: DIR must be a folder with a {POLICY}, such as {QUICKSTART}", policy.display());
    }
    let traffic = arguments.traffic.then(|| load_traffic(&arguments)).transpose()?;
    let scratch = tempfile::tempdir().context("making a folder for the daemon's state")?;
    let prefix = arguments.prefix.clone().unwrap_or_else(|| scratch.path().to_owned());
    let paths = Paths::with_prefix(prefix).moving(POLICY_FOLDER, std::path::absolute(&arguments.dir)?);
    let host = Host::new(Clock::system(), paths);
    if !arguments.zones.is_empty() {
        Resolver::use_zones(&host, &arguments.zones)?;
    }
    let daemon = Daemon::start(&host, &Path::new(POLICY_FOLDER).join(POLICY)).await?;
    let outcome = watch(&arguments, &host, &daemon, traffic).await;
    daemon.stop().await;
    outcome
}

fn load_traffic(arguments: &Arguments) -> anyhow::Result<Traffic> {
    let own = arguments.dir.join(RESPONSES);
    match &arguments.responses {
        Some(file) => Traffic::load(file, arguments.seed),
        None if own.exists() => Traffic::load(&own, arguments.seed),
        None => Traffic::quickstart(arguments.seed),
    }
}

/// Plays traffic, if there is any, and shows what the daemon decides, until the time is up or Ctrl-C.
async fn watch(arguments: &Arguments, host: &Host, daemon: &Daemon, traffic: Option<Traffic>) -> anyhow::Result<()> {
    let mut effects = daemon.effects();
    let address =
        reachable(*daemon.addresses().first().context("the policy started no listener (tsa.start_http_listener)")?);
    let mut show = Show::new(std::io::stdout().is_terminal());
    show.line(&format!("running {}", arguments.dir.join(POLICY).display()));
    show.line(&format!("overrides in force, as a shaping file: curl -s 'http://{address}/get_config_v1/shaping.toml'"));
    let mut player = None;
    if let Some(traffic) = traffic {
        show.line(&format!("traffic: {}", traffic.describe()));
        player = Some(Player::start(host, traffic, address, arguments.rate)?);
    }
    let started = Instant::now();
    let mut ticks = tokio::time::interval_at(started + COUNT_EVERY, COUNT_EVERY);
    let end = over(arguments.duration);
    tokio::pin!(end);
    while !show.is_closed() {
        tokio::select! {
            reason = &mut end => {
                reason?;
                break;
            }
            effect = effects.recv() => match effect {
                Ok(effect) => show.effect(&effect, started.elapsed()),
                Err(RecvError::Lagged(missed)) => show.line(&format!("({missed} effects were not shown)")),
                Err(RecvError::Closed) => break,
            },
            _ = ticks.tick(), if player.is_some() => {
                show.count(player.as_ref().map(Player::counts).unwrap_or_default(), started.elapsed());
            }
        }
    }
    let Some(mut player) = player else { return Ok(()) };
    player.stop().await;
    while let Ok(effect) = effects.try_recv() {
        show.effect(&effect, started.elapsed());
    }
    show.summary(player.counts(), started.elapsed(), host.clock().now());
    player.failure().map_or(Ok(()), |failure| Err(anyhow!("a record was not accepted: {failure}")))
}

/// Returns when the time is up, or when the process is told to stop.
async fn over(duration: Option<Duration>) -> std::io::Result<()> {
    let time = async {
        match duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = time => Ok(()),
        signal = signalled() => signal.map(drop),
    }
}

/// Where a client of this machine reaches a listener on all addresses.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    address
}
