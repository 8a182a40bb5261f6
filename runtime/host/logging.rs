//! Where diagnostics go.
//!
//! A bin installs the log subscriber, which is process-wide by nature; a host only holds a handle to change its filter.
//! Lines that others wait for go out through [`Host::announce`], whatever the filter says (interface F.1).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use super::Host;

/// The form of a diagnostic line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Format {
    /// Several lines for each event, for reading on a terminal.
    Pretty,
    /// One line for each event.
    #[default]
    Full,
    /// One short line for each event.
    Compact,
    /// One JSON object for each event.
    Json,
}

/// How a process logs.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    /// The form of a line.
    pub format: Format,
    /// Where files are written, a new one each hour; stderr if not given.
    pub folder: Option<PathBuf>,
    /// What is logged, such as `info,kumo_tsa::dns=debug`.
    pub filter: String,
}

/// A log filter that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("invalid log filter `{text}`")]
pub struct BadFilter {
    text: String,
    #[source]
    source: tracing_subscriber::filter::ParseError,
}

/// Changes what is logged while the process runs.
#[derive(Clone, Default)]
pub struct LogFilter(Arc<Mutex<Option<reload::Handle<EnvFilter, Registry>>>>);

impl std::fmt::Debug for LogFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogFilter")
    }
}

impl LogFilter {
    /// Logs what `filter` lets through from now on; without an installed subscriber only the text is checked.
    pub fn set(&self, filter: &str) -> Result<(), BadFilter> {
        let parsed = parse_filter(filter)?;
        if let Some(handle) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            // The handle fails only when the subscriber is gone, and then nothing is logged at all.
            let _ = handle.reload(parsed);
        }
        Ok(())
    }

    fn attach(&self, other: &Self) {
        let handle = other.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = handle;
    }
}

fn parse_filter(text: &str) -> Result<EnvFilter, BadFilter> {
    EnvFilter::try_new(our_targets(text)).map_err(|source| BadFilter { text: text.to_owned(), source })
}

/// Filters of existing installations name the existing programs' log targets (interface F.1, F.2): here they are ours.
fn our_targets(filter: &str) -> String {
    let rest_of = |part: &str, target: &str| {
        let rest = part.strip_prefix(target)?;
        (rest.is_empty() || rest.starts_with(['=', '[', ':'])).then(|| format!("kumo_tsa{rest}"))
    };
    let parts = filter.split(',').map(|part| {
        let found = ["tsa_daemon", "kumod"].iter().find_map(|target| rest_of(part.trim(), target));
        found.unwrap_or_else(|| part.to_owned())
    });
    parts.collect::<Vec<_>>().join(",")
}

/// Makes this process log; to be called once, by a bin.
pub fn install(diagnostics: &Diagnostics) -> anyhow::Result<LogFilter> {
    let (filter, handle) = reload::Layer::new(parse_filter(&diagnostics.filter)?);
    let writer = match &diagnostics.folder {
        Some(folder) => Writer::Hourly(Hourly::new(folder.clone())?),
        None => Writer::Stderr,
    };
    let lines = fmt::layer().with_ansi(false).with_writer(move || writer.clone());
    let lines: Box<dyn Layer<_> + Send + Sync> = match diagnostics.format {
        Format::Pretty => lines.pretty().boxed(),
        Format::Full => lines.boxed(),
        Format::Compact => lines.compact().boxed(),
        Format::Json => lines.json().boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines).try_init()?;
    Ok(LogFilter(Arc::new(Mutex::new(Some(handle)))))
}

#[derive(Clone)]
enum Writer {
    Stderr,
    Hourly(Hourly),
}

impl Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stderr => io::stderr().write(line),
            Self::Hourly(files) => files.write(line),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Files named by the hour, in UTC, such as `2026-01-31T12.log`.
#[derive(Clone)]
struct Hourly(Arc<Mutex<(PathBuf, i64, File)>>);

impl Hourly {
    fn new(folder: PathBuf) -> anyhow::Result<Self> {
        let hour = Self::hour();
        let file = std::fs::create_dir_all(&folder)
            .and_then(|()| Self::open(&folder, hour))
            .map_err(|cause| anyhow::anyhow!("cannot log into the folder `{}`: {cause}", folder.display()))?;
        Ok(Self(Arc::new(Mutex::new((folder, hour, file)))))
    }

    fn hour() -> i64 {
        time::OffsetDateTime::now_utc().unix_timestamp() / 3600
    }

    fn open(folder: &std::path::Path, hour: i64) -> io::Result<File> {
        let time = time::OffsetDateTime::from_unix_timestamp(hour * 3600).map_err(io::Error::other)?;
        let name = format!("{:04}-{:02}-{:02}T{:02}.log", time.year(), u8::from(time.month()), time.day(), time.hour());
        OpenOptions::new().create(true).append(true).open(folder.join(name))
    }

    fn write(&self, line: &[u8]) -> io::Result<usize> {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hour = Self::hour();
        if current.1 != hour {
            current.2 = Self::open(&current.0, hour)?;
            current.1 = hour;
        }
        current.2.write(line)
    }
}

/// Takes the lines that others wait for.
pub type Announcer = Arc<dyn Fn(&str) + Send + Sync>;

/// Where the host's announcements go: stderr, unless said otherwise before the first.
#[derive(Default)]
struct Announce(Mutex<Option<Announcer>>);

impl Host {
    /// The handle to change what this host's process logs.
    pub fn log_filter(&self) -> Arc<LogFilter> {
        self.slot(LogFilter::default)
    }

    /// Lets this host change the filter of the installed subscriber.
    pub fn attach_log_filter(&self, installed: &LogFilter) {
        self.log_filter().attach(installed);
    }

    /// Writes a line that others wait for, such as the address of a listener, to stderr: plain, at INFO, in any log
    /// configuration (interface F.1).
    pub fn announce(&self, text: &str) {
        let announcer = self.slot(Announce::default).0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(announcer) = announcer {
            announcer(text);
        } else {
            let line = format!("{} INFO {text}\n", self.clock().now());
            // With stderr closed there is nobody to tell.
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }

    /// Sends announcements to `announcer` instead of stderr, as a host within another program does.
    pub fn announce_to(&self, announcer: Announcer) {
        *self.slot(Announce::default).0.lock().unwrap_or_else(PoisonError::into_inner) = Some(announcer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_is_named() {
        let error = LogFilter::default().set("kumo=loud").unwrap_err();
        assert_eq!(error.to_string(), "invalid log filter `kumo=loud`");
        LogFilter::default().set("info,kumo_tsa=debug").unwrap();
    }

    #[test]
    fn filters_of_existing_installations_mean_this_daemon() {
        assert_eq!(our_targets("tsa_daemon=info, tsa_daemon,lua=warn"), "kumo_tsa=info,kumo_tsa,lua=warn");
        assert_eq!(
            our_targets("tsa_daemons=info,x::tsa_daemon=warn,debug"),
            "tsa_daemons=info,x::tsa_daemon=warn,debug"
        );
    }

    #[test]
    fn lines_go_into_the_file_of_the_hour() {
        let folder = tempfile::tempdir().unwrap();
        let files = Hourly::new(folder.path().join("diag")).unwrap();
        files.write(b"one\n").unwrap();
        let written: Vec<_> = std::fs::read_dir(folder.path().join("diag")).unwrap().collect();
        assert_eq!(written.len(), 1);
        assert_eq!(std::fs::read_to_string(written[0].as_ref().unwrap().path()).unwrap(), "one\n");
    }
}
