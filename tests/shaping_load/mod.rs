//! Loading shaping files: disk, HTTP, DNS that answers late or never.

mod file;
mod lua;
mod rollup;
mod url;

use std::path::Path;
use std::sync::Arc;

use kumo_tsa::dns::{Resolver, Source, Zones};
use kumo_tsa::host::{Clock, Host, Paths};
use kumo_tsa::shaping::{self, Handle};
use kumo_tsa_core::shaping::{Level, LoadOptions, Shaping};
use kumo_tsa_core::wire::Time;

const ZONE: &str = "
$ORIGIN example.com.
@ MX 10 mx.example.com.
$ORIGIN big.example.
@ MX 10 mx1.big.example.
@ MX 10 mx2.big.example.
$ORIGIN null.example.
@ MX 0 .
";

fn zones(text: &str) -> Source {
    let mut zones = Zones::default();
    zones.parse("test.zone", text, false).unwrap();
    Source::Zones(zones)
}

/// A host with a folder of its own for documented paths.
struct Fixture {
    host: Host,
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new(source: Source) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::new(Clock::controlled(Time::default()), Paths::with_prefix(folder.path()));
        Resolver::replace(&host, source).unwrap();
        Self { host, folder }
    }

    /// Writes a file; returns its documented path.
    fn file(&self, name: &str, text: &str) -> String {
        let documented = format!("/opt/kumomta/etc/policy/{name}");
        let real = self.host.paths().resolve(Path::new(&documented)).into_owned();
        assert!(real.starts_with(self.folder.path()));
        std::fs::create_dir_all(real.parent().unwrap()).unwrap();
        std::fs::write(real, text).unwrap();
        documented
    }

    async fn load(&self, paths: &[String], options: LoadOptions) -> Result<Handle, String> {
        shaping::load(&self.host, paths, options).await.map_err(|error| error.to_string())
    }
}

fn all(level: Level) -> LoadOptions {
    LoadOptions {
        provider_overlap: level,
        dns_fail: level,
        null_mx: level,
        aliased_site: level,
        remote_load: level,
        local_load: level,
        ..LoadOptions::default()
    }
}

fn scopes(shaping: &Shaping) -> Vec<String> {
    let mut scopes: Vec<_> = shaping.rules().map(|rule| rule.scope.to_string()).collect();
    scopes.sort();
    scopes
}

/// The rules of the user guide, as they stand there.
const GUIDE: &str = r#"
[["example.com".automation]]
regex = "250 2\\.0\\.0 Ok"
action = "Suspend"
duration = "2 hours"

[["example.com".automation]]
regex = "250 2\\.0\\.0 boop"
action = {SetConfig={name="max_connection_rate", value="100/s"}}
trigger = {Threshold="2/hr"}
duration = "2 hours"
"#;

/// What is logged while it lives, in this thread.
struct Log {
    text: Arc<std::sync::Mutex<Vec<u8>>>,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Log {
    fn new() -> Self {
        let text = Arc::new(std::sync::Mutex::new(Vec::new()));
        let sink = text.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::INFO)
            .with_writer(move || Sink(sink.clone()))
            .finish();
        Self { text, _guard: tracing::subscriber::set_default(subscriber) }
    }

    fn text(&self) -> String {
        String::from_utf8(self.text.lock().unwrap().clone()).unwrap()
    }
}

struct Sink(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
