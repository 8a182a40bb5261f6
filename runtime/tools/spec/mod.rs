//! `tsa test`: specs in Lua, run in the real engine with time under control.

mod coverage;
mod find;
mod logged;
mod lua;
mod parallel;
mod report;
mod session;
mod test;
pub mod world;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use kumo_tsa_core::wire::parse_duration;
use regex::Regex;

use coverage::Gathering;
use report::Format;
use session::Session;
use test::{Outcome, Summary, Test, Unloaded};

/// The exit status when a spec does not load.
const NOT_LOADED: u8 = 2;

const EXAMPLE: &str = "\
A spec is a file that ends in _spec.lua:

    local testing = require 'testing'
    local describe, it, before_each, assert =
      testing.describe, testing.it, testing.before_each, testing.assert
    local utils = require 'policy-extras.policy_utils'

    describe('split_ip_port', function()
      local ip, port

      before_each(function()
        ip, port = utils.split_ip_port '[::1]:25'
      end)

      it('takes an address apart', function()
        assert.equal('::1', ip)
        assert.same({ '::1', '25' }, { ip, port })
        assert.has_error(function() utils.split_ip_port(nil) end)
      end)
    end)

Every test runs in a Lua context of its own, in which the folder of the spec is /opt/kumomta/etc/policy. Specs also
start daemons, mail hosts and pretend providers, and let time pass: docs/testing.md is the manual. Installed it is
/opt/kumomta/share/docs/testing.md, and /opt/kumomta/share/lua/meta/testing_world.lua lists all that there is.

    tsa test                          all specs below the folder you are in
    tsa test policy/ --filter 'split|join'
    tsa test policy/init_spec.lua --format lines --fail-fast
    tsa test --coverage               which lines and rules no test came by
    tsa test --format junit > report.xml

Exit status: 0 when all passed, 1 when one failed, 2 when a spec does not load.";

/// What `tsa test` is asked.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Arguments {
    /// Specs, and folders that are searched for files that end in `_spec.lua`
    #[arg(value_name = "PATHS", default_value = "./")]
    paths: Vec<PathBuf>,

    /// Only tests with a match of this regular expression in their name, which begins with the names of the blocks around it
    #[arg(long, value_name = "PATTERN")]
    filter: Option<Regex>,

    /// Name the tests instead of running them
    #[arg(long)]
    list: bool,

    /// Begin no more tests after the first that fails
    #[arg(long)]
    fail_fast: bool,

    /// What results are shown as
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,

    /// How many tests run at a time [default: one for each processor]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,

    /// Say which lines of policies ran, and which rules of the shaping files no test made match
    #[arg(long)]
    coverage: bool,

    /// How long a test may take, in real time; the test's own time does not count
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    timeout: Duration,
}

impl Arguments {
    fn jobs(&self) -> usize {
        match self.jobs {
            Some(jobs) => jobs.into(),
            None => std::thread::available_parallelism().map_or(1, Into::into),
        }
    }

    fn session(&self, file: &Path, gathering: Option<&Gathering>, test: Option<&Test>) -> Session {
        let lines = test.and_then(|test| gathering?.lines_of(test));
        Session { file: file.to_owned(), limit: self.timeout, lines }
    }
}

/// Runs the specs.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let specs = find::specs(&arguments.paths)?;
    let (tests, unloaded) = load(arguments, &specs);
    if tests.is_empty() && unloaded.is_empty() {
        match &arguments.filter {
            Some(filter) => bail!("no test has a match of `{filter}` in its name; `tsa test --list` shows the names"),
            None => bail!("no test in {}; `tsa test --help` shows one", names(&specs)),
        }
    }
    let ended = if arguments.list {
        list(&tests, &unloaded)
    } else {
        let gathering = arguments.coverage.then(|| Gathering::new(&specs));
        run_all(arguments, &tests, &unloaded, gathering, began)
    };
    match ended {
        Ok(status) => Ok(status),
        // Who has seen enough may stop reading.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error).context("writing the report"),
    }
}

fn names(specs: &[PathBuf]) -> String {
    specs.iter().map(|spec| format!("`{}`", spec.display())).collect::<Vec<_>>().join(", ")
}

/// The tests that the specs declare, as far as the filter lets them through, and the specs that do not load.
fn load(arguments: &Arguments, specs: &[PathBuf]) -> (Vec<Test>, Vec<Unloaded>) {
    let (mut tests, mut unloaded) = (Vec::new(), Vec::new());
    let wanted = |test: &Test| arguments.filter.as_ref().is_none_or(|filter| filter.is_match(&test.name));
    let read = |spec: &PathBuf| arguments.session(spec, None, None).list();
    parallel::each(
        arguments.jobs(),
        specs,
        read,
        |_| false,
        |spec, listed| match listed {
            Ok(listed) => tests.extend(listed.into_iter().filter(wanted)),
            Err(error) => unloaded.push(Unloaded { file: spec.clone(), trouble: error.trouble(spec) }),
        },
    );
    (tests, unloaded)
}

/// Names the tests on stdout; what does not load on stderr.
#[allow(clippy::print_stderr, reason = "stdout is for programs too")]
fn list(tests: &[Test], unloaded: &[Unloaded]) -> io::Result<ExitCode> {
    use io::Write as _;
    let mut out = io::stdout().lock();
    for test in tests {
        let pending = if test.pending { "  (pending)" } else { "" };
        writeln!(out, "{}:{}  {}{pending}", test.file.display(), test.line, test.name)?;
    }
    for spec in unloaded {
        eprintln!("error: `{}` does not load: {}", spec.file.display(), spec.trouble.message);
    }
    Ok(if unloaded.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(NOT_LOADED) })
}

/// Runs the tests and shows how they end.
fn run_all(
    arguments: &Arguments,
    tests: &[Test],
    unloaded: &[Unloaded],
    mut gathering: Option<Gathering>,
    began: Instant,
) -> io::Result<ExitCode> {
    let mut report = arguments.format.report();
    let mut summary = Summary { unloaded: unloaded.len(), ..Summary::default() };
    let mut written = unloaded.iter().try_for_each(|spec| report.unloaded(spec));
    let enough = |outcome: &Outcome| arguments.fail_fast && outcome.status.is_bad();
    let mut rules = Vec::new();
    let sessions = gathering.as_ref();
    let work = |test: &Test| arguments.session(&test.file, sessions, Some(test)).run(test);
    if !(arguments.fail_fast && summary.unloaded > 0) {
        parallel::each(arguments.jobs(), tests, work, enough, |test, mut outcome| {
            summary.count(outcome.status);
            rules.append(&mut outcome.rules);
            if written.is_ok() {
                written = report.test(test, outcome);
            }
        });
    }
    written?;
    if let Some(gathering) = &mut gathering {
        gathering.add(rules);
    }
    summary.not_run = tests.len() - summary.tests();
    summary.took = began.elapsed();
    report.end(&summary, gathering.map(Gathering::finish).as_ref())?;
    Ok(match summary {
        Summary { unloaded: 1.., .. } => ExitCode::from(NOT_LOADED),
        Summary { failed: 0, errors: 0, .. } => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
