//! `tsa up`: the policies of a folder in one process, until Ctrl-C.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use kumo_tsa_core::wire::parse_duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::demo::{self, Demo};
use super::player::Player;
use super::scene::{Scene, Stage};
use super::show::Show;
use super::traffic::Traffic;
use crate::host::Clock;
use crate::host::run::{self, signalled};

const QUICKSTART: &str = "examples/quickstart";
const POLICY: &str = "tsa_init.lua";
const RESPONSES: &str = "responses.tsv";
/// How often the running count is shown.
const COUNT_EVERY: Duration = Duration::from_secs(2);
/// How long the demonstration takes unless said.
const DEMO: Duration = Duration::from_secs(20);

/// What `tsa up` is asked.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder with `tsa_init.lua`, `init.lua` and `provider.lua`, whichever are there, and the files they load; it stands in for /opt/kumomta/etc/policy
    #[arg(value_name = "DIR", default_value = QUICKSTART)]
    dir: PathBuf,

    /// Send mail: the same of four hours twice, with automation off and on. In a folder without `provider.lua`: play provider responses at the daemon over HTTP
    #[arg(long)]
    traffic: bool,

    /// The responses to play: lines of provider, code and text with tabs between [default: DIR/responses.tsv, else those of the quickstart]
    #[arg(long, value_name = "FILE", requires = "traffic")]
    responses: Option<PathBuf>,

    /// Log records to publish in a second, where responses are played
    #[arg(long, value_name = "N", default_value_t = 400, requires = "traffic", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,

    /// The same seed sends the same mail, or plays the same responses
    #[arg(long, value_name = "N", default_value_t = 1, requires = "traffic")]
    seed: u64,

    /// End after this time, such as `20s` or `5m`, instead of at Ctrl-C; for the demonstration, how long it takes
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    duration: Option<Duration>,

    /// Where other documented paths lead, such as state and spool [default: a folder that is removed at the end]
    #[arg(long, value_name = "DIR", env = "KUMO_PREFIX")]
    prefix: Option<PathBuf>,

    /// Answer DNS from this zone file; may be given several times
    #[arg(long, value_name = "FILE", env = "KUMO_ZONES", value_delimiter = ',')]
    zones: Vec<PathBuf>,
}

/// Runs the policies of the folder.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.dir.is_file() {
        bail!("`{}` is a file: DIR is the folder that holds {POLICY}, such as {QUICKSTART}", arguments.dir.display());
    }
    let scratch = tempfile::tempdir().context("making a folder for what the hosts keep")?;
    let prefix = arguments.prefix.clone().unwrap_or_else(|| scratch.path().to_owned());
    let stage = Stage {
        dir: arguments.dir.clone(),
        prefix: prefix.clone(),
        zones: arguments.zones.clone(),
        clock: Clock::system(),
        private: false,
        automation: true,
    };
    if stage.policies().is_empty() {
        let policy = arguments.dir.join(POLICY);
        bail!("no `{}`: DIR must be a folder with a {POLICY}, such as {QUICKSTART}", policy.display());
    }
    if arguments.traffic && arguments.responses.is_none() && stage.can_demonstrate() {
        let real = arguments.duration.unwrap_or(DEMO);
        let (dir, zones) = (arguments.dir.clone(), arguments.zones.clone());
        let demo = Demo { dir, zones, seed: arguments.seed, real, prefix };
        return demo::pace::block_on(demo.run());
    }
    run::block_on(run_for_real(arguments, &stage))
}

/// Runs them in real time.
async fn run_for_real(arguments: &Arguments, stage: &Stage) -> anyhow::Result<()> {
    let traffic = arguments.traffic.then(|| load_traffic(arguments)).transpose()?;
    let scene = stage.start().await?;
    let outcome = watch(arguments, stage, &scene, traffic).await;
    scene.stop().await;
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

/// Says what listens where.
fn introduce(show: &mut Show, stage: &Stage, scene: &Scene) {
    show.line(&format!("running {}", stage.policies().join(", ")));
    if let Some(address) = scene.smtp_address() {
        show.line(&format!("mail is taken in at {address}: swaks --server {address} --to someone@yahoo.com"));
    }
    if scene.provider.is_some() && scene.mail.is_some() {
        show.line("mail goes to the pretend provider alone, whatever its domain");
    }
    if let Some(address) = scene.daemon_address() {
        show.line(&format!(
            "overrides in force, as a shaping file: curl -s 'http://{address}/get_config_v1/shaping.toml'"
        ));
    }
}

/// Plays traffic, if there is any, and shows what the daemon decides, until the time is up or Ctrl-C.
async fn watch(arguments: &Arguments, stage: &Stage, scene: &Scene, traffic: Option<Traffic>) -> anyhow::Result<()> {
    let mut show = Show::new(std::io::stdout().is_terminal());
    introduce(&mut show, stage, scene);
    let Some(daemon) = &scene.daemon else {
        if arguments.traffic {
            bail!("there is no {POLICY} to play responses at");
        }
        return Ok(over(arguments.duration).await?);
    };
    let mut effects = daemon.effects();
    let host = daemon.host();
    let mut player = None;
    if let Some(traffic) = traffic {
        let address = scene.daemon_address().context("the policy started no listener (tsa.start_http_listener)")?;
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
