//! `tsa check`: what is wrong or doubtful in shaping files and policies.

mod draw;
mod files;
mod policy;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use kumo_tsa_core::shaping::check::{Checked, Input, check};
use kumo_tsa_core::shaping::{Finding, Level};

use self::draw::Drawing;
use self::files::{Exchangers, Read};
use self::policy::Verdict;
use crate::dns::Resolver;
use crate::host::{Clock, Host, run as running};
use crate::mail::config::unenforced;
use crate::tools::has_colour;
use crate::tools::policy::{self as policies, Seen};

const EXAMPLES: &str = "\
Examples:
  tsa check shaping.toml
      Files in the order in which they are loaded; the first may be the default rules:
  tsa check /opt/kumomta/share/policy-extras/shaping.toml shaping.toml
      With what DNS says about the domains that roll up, and with the sources of the mail host:
  tsa check shaping.toml --zones mx.zone --policy init.lua
      A policy and the shaping files that it loads; its folder stands in for /opt/kumomta/etc/policy:
  tsa check --policy tsa_init.lua
      For a build: a warning fails it too, and each finding is a line of JSON:
  tsa check shaping.toml --deny warnings --json

Exit status: 0 without errors, 1 with errors (with `--deny warnings`, with any finding), 2 when the command line is wrong.
docs/check.md tells what each code means; installed it is /opt/kumomta/share/docs/check.md.";

/// What `tsa check` is asked.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Shaping files, TOML or JSON, in the order in which a policy loads them
    #[arg(value_name = "FILES", required_unless_present = "policy")]
    files: Vec<PathBuf>,

    /// An init.lua or tsa_init.lua to validate as well; without FILES those that it loads are checked, and its folder stands in for /opt/kumomta/etc/policy. Sources that shaping files name are looked for in an init.lua
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// Look domains up in this zone file; may be given several times [default: what needs DNS is not checked]
    #[arg(long, value_name = "FILE", env = "KUMO_ZONES", value_delimiter = ',')]
    zones: Vec<PathBuf>,

    /// Real responses to try patterns on, besides those that come along: lines of provider, code and text with tabs between
    #[arg(long, value_name = "FILE")]
    responses: Option<PathBuf>,

    /// Show each finding as a line of JSON: level, code, file, line, column, message, help
    #[arg(long)]
    json: bool,

    /// What makes the exit status 1 besides errors
    #[arg(long, value_name = "LEVEL", value_enum)]
    deny: Option<Deny>,

    /// Where documented paths lead: /opt/kumomta is DIR/opt/kumomta, and so on
    #[arg(long, value_name = "DIR", env = "KUMO_PREFIX")]
    prefix: Option<PathBuf>,
}

/// What is to fail besides errors.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Deny {
    /// Warnings
    Warnings,
}

/// All that was found, with what it was found in.
#[derive(Default)]
struct Report {
    /// Texts by the name that findings give their file.
    texts: Vec<(Arc<str>, String)>,
    findings: Vec<Finding>,
    /// What was not looked at.
    notes: Vec<String>,
}

/// Checks, shows what was found, and chooses the exit status.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if let Some(folder) = arguments.files.iter().chain(&arguments.policy).find(|file| file.is_dir()) {
        bail!(
            "`{}` is a folder: name its files, as in `tsa check {}`",
            folder.display(),
            folder.join("shaping.toml").display()
        );
    }
    if let Some(policy) = arguments.files.iter().find(|file| file.extension().is_some_and(|end| end == "lua")) {
        bail!("`{0}` is a policy, not a shaping file: type `tsa check --policy {0}`", policy.display());
    }
    let report = running::block_on(look(arguments))?;
    show(arguments, &report)?;
    let counts = |level| report.findings.iter().filter(|finding| finding.level == level).count();
    let failed = counts(Level::Error) > 0 || (arguments.deny.is_some() && counts(Level::Warn) > 0);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn look(arguments: &Arguments) -> anyhow::Result<Report> {
    let paths = policies::paths(arguments.prefix.as_deref(), arguments.policy.as_deref())?;
    let host = Host::new(Clock::system(), paths);
    // Without zone files these are none, and nothing resolves: no network.
    Resolver::use_zones(&host, &arguments.zones)?;
    let responses = files::responses(arguments.responses.as_deref())?;
    let mut report = Report::default();
    let mut verdict = match &arguments.policy {
        Some(policy) => policy::look(&host, policy).await,
        None => Verdict::default(),
    };
    let names = if arguments.files.is_empty() { loaded(&host, &mut report) } else { arguments.files.clone() };
    let Read { checked, texts, findings, unread } = files::read(&host, &names);
    report.texts = texts;
    report.findings = findings;
    let sources = verdict.sources(&files::sources(&checked)).await;
    let exchangers = files::exchangers(&host, &checked, !arguments.zones.is_empty()).await;
    report.findings.extend(doubts(&checked, unread.is_empty(), &responses, exchangers.as_ref(), sources.as_ref()));
    in_order(&mut report.findings, &names);
    if !unread.is_empty() && !checked.is_empty() {
        report
            .notes
            .push(format!("looked at without {}: warnings may change with what is in there", unread.join(", ")));
    }
    if exchangers.is_none() && checked.iter().any(|one| one.file.rolled_domains().next().is_some()) {
        report.notes.push("DNS was not asked: `--zones FILE` also checks what domains roll up into".to_owned());
    }
    report.notes.extend(verdict.notes);
    report.texts.extend(verdict.text);
    report.findings.extend(verdict.findings);
    Ok(report)
}

/// The files that the policy loads, as they lie on this machine, from the folder that the tool was called in; what it fetches is
/// not looked at.
fn loaded(host: &Host, report: &mut Report) -> Vec<PathBuf> {
    let (fetched, files): (Vec<String>, Vec<String>) =
        Seen::of(host).files().unwrap_or_default().into_iter().partition(|file| file.starts_with("http"));
    report.notes.extend(fetched.iter().map(|url| format!("{url} was not fetched")));
    let here = std::env::current_dir().unwrap_or_default();
    let lies = |file: String| {
        let real = host.paths().resolve(Path::new(&file)).into_owned();
        // The default rules also travel inside the executable.
        let real = if real.exists() { real } else { PathBuf::from(file) };
        real.strip_prefix(&here).map(Path::to_owned).unwrap_or(real)
    };
    files.into_iter().map(lies).collect()
}

/// By file, then by place.
fn in_order(findings: &mut [Finding], files: &[PathBuf]) {
    let file = |finding: &Finding| files.iter().position(|file| file.as_os_str() == &*finding.origin.file);
    findings.sort_by_cached_key(|finding| (file(finding), finding.origin.line, finding.origin.column));
}

/// What is doubtful in what can be read.
fn doubts(
    checked: &[Checked],
    complete: bool,
    responses: &[String],
    exchangers: Option<&Exchangers>,
    sources: Option<&BTreeSet<String>>,
) -> Vec<Finding> {
    let without_effect: Vec<(&str, &str)> =
        unenforced().iter().filter(|one| one.of == "egress path").map(|one| (one.option, one.instead)).collect();
    let mx = exchangers.map(|known| |domain: &str| known.of(domain));
    let has_source = sources.map(|known| |name: &str| known.contains(name));
    check(&Input {
        files: checked,
        complete,
        mx: mx.as_ref().map(|mx| mx as &dyn Fn(&str) -> _),
        responses,
        has_source: has_source.as_ref().map(|has| has as &dyn Fn(&str) -> bool),
        owner: &files::owner,
        without_effect: &without_effect,
    })
}

fn show(arguments: &Arguments, report: &Report) -> anyhow::Result<()> {
    let stdout = std::io::stdout();
    let colour = has_colour(&stdout);
    let text = if arguments.json { draw::json(report) } else { Drawing::new(report, colour).text() };
    let mut out = stdout.lock();
    // Whoever reads may have seen enough.
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
