//! `tsa replay`: what rules would have done with the mail of these logs.

mod chart;
mod chunk;
mod compare;
mod engine;
mod feed;
mod frames;
mod html;
mod json;
mod kept;
mod lines;
mod order;
mod play;
mod progress;
mod propose;
mod report;
mod shape;
mod source;
mod times;

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use kumo_tsa_core::shaping::{LoadOptions, Shaping};

use self::chunk::RuleSet;
use self::compare::Alone;
use self::engine::Watch;
use self::feed::Feed;
use self::play::Span;
use self::progress::Progress;
use crate::dns::Resolver;
use crate::host::{Clock, Host, Paths, run};
use crate::shaping;

/// Says how to ask for what was not asked rightly.
const USAGE: &str = "Type: tsa replay --shaping FILE LOGS... (`-` is standard input)";

// Paragraphs are broken to the width of the terminal; commands are short enough to stay whole.
const EXAMPLES: &str = "Examples:
  Yesterday's logs under the default rules and your own:
    tsa replay --shaping /opt/kumomta/share/policy-extras/shaping.toml \\
      /opt/kumomta/etc/policy/shaping.toml /var/log/kumomta
  What a change to the rules would change:
    tsa replay --shaping new.toml --against shaping.toml /var/log/kumomta
  A page with a chart, from a log of another machine:
    ssh mx1 cat /var/log/kumomta/20260131-120000 |
      tsa replay --shaping shaping.toml --html replay.html -

LOGS are files or folders of JSON lines, plain or compressed with gzip or zstd, told by their content; \
`-` is standard input. Records up to 10 minutes out of order are put in order; broken lines and logs that \
are cut short are counted.

Nothing is asked of the network: sites of domains come from --zones, and without them a block of a domain \
acts for that domain alone.

The last line of --json is {records, ready_q, sched_q, bounces, overrides, rules}: what is in force when \
the logs end, as the daemon lists it, and what each rule did. Lines before it are effect, unmatched, input \
and, with --against, only_shaping, only_against and against.";

/// What `tsa replay` is asked.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(super) struct Arguments {
    /// Shaping files in the order in which they merge; may be given several times
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    shaping: Vec<PathBuf>,

    /// Logs of mail hosts: files, folders, `-` for standard input
    #[arg(value_name = "LOGS")]
    logs: Vec<PathBuf>,

    /// Other shaping files: tells what each set would have done that the other would not
    #[arg(long, value_name = "FILE", num_args = 1..)]
    against: Vec<PathBuf>,

    /// Answer DNS from this zone file, for blocks whose domain stands for its whole site; may be given several times
    #[arg(long, value_name = "FILE", env = "KUMO_ZONES", value_delimiter = ',')]
    zones: Vec<PathBuf>,

    /// Write JSON lines; the last says what is in force when the logs end
    #[arg(long)]
    json: bool,

    /// Write a page with the timeline as a chart
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Threads that look at records [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
}

/// Replays the logs. Who reads the report may have seen enough before its end, as `head` does.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let closed = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    match replay(arguments) {
        Err(error) if error.downcast_ref().is_some_and(closed) => Ok(()),
        ended => ended,
    }
}

fn replay(arguments: &Arguments) -> anyhow::Result<()> {
    let Given { shaping, against, logs } = sort_out(arguments);
    if logs.is_empty() {
        bail!("{}. {USAGE}", no_logs(&shaping, &against));
    }
    if let Some(log) = shaping.iter().chain(&against).find(|file| source::is_log(file)) {
        bail!("`{}` is no shaping file but logs. {USAGE}", log.display());
    }
    let feed = Feed::new(source::find(&logs)?)?;
    if feed.logs == 0 {
        bail!("no file there is a log of a mail host: {}", names(&logs));
    }
    let sets: Vec<RuleSet> = run::block_on(load_all(&shaping, &against, &arguments.zones))?;
    let page = arguments.html.as_deref().map(Page::create).transpose()?;
    let jobs = arguments.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);

    let mut out = BufWriter::new(io::stdout().lock());
    let progress = Progress::new(feed.total_bytes);
    let mut watching = Watching { progress: &progress, json: arguments.json, out: &mut out };
    let outcome = engine::run(feed, &sets, jobs, Clock::system().now(), &mut watching);
    progress.done();
    let outcome = outcome?;
    if let Some(page) = page {
        page.write(&html::page(&outcome, &sets))?;
    }
    if arguments.json {
        json::rest(&mut out, &outcome, &sets)?;
    } else {
        report::write(&mut out, &outcome, &sets)?;
    }
    Ok(out.flush()?)
}

/// What was given, by what it is.
#[derive(Debug, PartialEq)]
struct Given {
    shaping: Vec<PathBuf>,
    against: Vec<PathBuf>,
    logs: Vec<PathBuf>,
}

/// Logs may stand behind shaping files: `--shaping a.toml b.toml logs/`.
fn sort_out(arguments: &Arguments) -> Given {
    let mut logs = Vec::new();
    let mut keep_rules = |paths: &[PathBuf]| {
        let mut rules = Vec::new();
        for (at, path) in paths.iter().enumerate() {
            let to = if at > 0 && source::looks_like_logs(path) { &mut logs } else { &mut rules };
            to.push(path.clone());
        }
        rules
    };
    let shaping = keep_rules(&arguments.shaping);
    let against = keep_rules(&arguments.against);
    logs.extend(arguments.logs.iter().cloned());
    Given { shaping, against, logs }
}

/// What became of all that was given.
fn no_logs(shaping: &[PathBuf], against: &[PathBuf]) -> String {
    let more: Vec<PathBuf> = shaping.iter().skip(1).chain(against.iter().skip(1)).cloned().collect();
    if more.is_empty() {
        return "no logs are given".to_owned();
    }
    format!("no logs are given: {} taken for shaping files", names(&more))
}

fn names(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ")
}

async fn load_all(shaping: &[PathBuf], against: &[PathBuf], zones: &[PathBuf]) -> anyhow::Result<Vec<RuleSet>> {
    let mut sets = vec![load(shaping, zones).await?];
    if !against.is_empty() {
        sets.push(load(against, zones).await?);
    }
    Ok(sets)
}

async fn load(files: &[PathBuf], zones: &[PathBuf]) -> anyhow::Result<RuleSet> {
    let paths = match std::env::var_os("KUMO_PREFIX") {
        Some(prefix) => Paths::with_prefix(prefix),
        None => Paths::documented(),
    };
    if let Some(url) = files.iter().find(|file| source::is_url(file)) {
        bail!("`{}` is not read: a replay asks nothing of the network. Save it as a file first", url.display());
    }
    let host = Host::new(Clock::system(), paths);
    // Without zone files these are none, and nothing resolves: no network.
    Resolver::use_zones(&host, zones)?;
    let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let options = LoadOptions { skip_remote: true, ..LoadOptions::default() };
    let shaping = shaping::load(&host, &files, options).await?.current();
    if !shaping.errors().is_empty() {
        bail!("{}", shaping.errors().join("\n"));
    }
    say_unresolved(&shaping);
    Ok(RuleSet::new(shaping))
}

/// Rules of which not all that they would do can be told.
#[allow(clippy::print_stderr, reason = "a remark of a tool beside what it writes")]
fn say_unresolved(shaping: &Shaping) {
    let unresolved = shaping.unresolved();
    let Some(first) = unresolved.first() else { return };
    let more = if unresolved.len() > 1 { format!(" and {} more", unresolved.len() - 1) } else { String::new() };
    eprintln!(
        "note: no zone file tells the mail hosts of `{}` ({}){more}: such a block acts for its own domain alone here; see --zones",
        first.domain, first.origin
    );
}

/// A page that is to be written; made before the work begins, so that it is known to be possible.
struct Page {
    name: String,
    file: File,
}

impl Page {
    fn create(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let mut beginning = Vec::new();
        if let Ok(file) = File::open(path) {
            file.take(html::BEGINNING.len() as u64).read_to_end(&mut beginning)?;
        }
        if !beginning.is_empty() && beginning != html::BEGINNING.as_bytes() {
            bail!("`{name}` is there already and is no page: name another file after --html");
        }
        let file = File::create(path).with_context(|| format!("cannot write `{name}`"))?;
        Ok(Self { name, file })
    }

    fn write(mut self, text: &str) -> anyhow::Result<()> {
        self.file.write_all(text.as_bytes()).with_context(|| format!("cannot write `{}`", self.name))
    }
}

/// Shows how far it has come, and what has ended.
struct Watching<'w> {
    progress: &'w Progress,
    json: bool,
    out: &'w mut dyn Write,
}

impl Watch for Watching<'_> {
    fn progress(&mut self, bytes: u64, records: u64) {
        self.progress.at(bytes, records);
    }

    fn ended(&mut self, spans: Vec<Span>) -> anyhow::Result<()> {
        if self.json {
            json::effects(self.out, &spans)?;
        }
        Ok(())
    }

    fn alone(&mut self, found: &[Vec<Alone>; 2]) -> anyhow::Result<()> {
        if self.json {
            json::alone(self.out, found)?;
        }
        Ok(())
    }
}
