//! The mail host: how much goes through it, and what waiting mail costs.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use kumo_tsa::host::{Clock, Host, Paths};
use kumo_tsa::mail::spool::{Definition, Spools};
use kumo_tsa::mail::{Address, Message};
use tempfile::TempDir;

use crate::server::Server;
use crate::smtp::{Load, Sink};
use crate::{Row, count, median};

const ROUNDS: usize = 5;
const MESSAGES: u64 = 10_000;
const CONNECTIONS: usize = 32;
const SIZE: usize = 2 * 1_024;

const WAITING: u64 = 200_000;
const QUEUES: u64 = 10_000;

/// A host with what hosts have: a spool that lasts, logs, and a policy that looks at each message.
const POLICY: &str = r"
local kumo = require 'kumo'
PATHS
kumo.on('init', function()
  for _, name in ipairs { 'data', 'meta' } do
    kumo.define_spool { name = name, path = 'DIR/spool/' .. name, kind = 'Fjall', min_free_space = 0, min_free_inodes = 0 }
  end
  kumo.configure_local_logs { log_dir = 'DIR/logs', min_free_space = 0, min_free_inodes = 0 }
  kumo.start_esmtp_listener { listen = '127.0.0.1:0', relay_hosts = { '127.0.0.0/8' } }
  INIT
end)
kumo.on('smtp_server_message_received', function(msg)
  msg:set_meta('tenant', msg:from_header().domain)
end)
kumo.on('get_queue_config', function(domain, tenant, campaign)
  return kumo.make_queue_config { protocol = { smtp = { mx_list = { 'SINK' } } } }
end)
";

const UNSHAPED: &str = r"
kumo.on('get_egress_path_config', function()
  return kumo.make_egress_path { prohibited_hosts = {}, enable_tls = 'Disabled' }
end)
";

const SHAPED: &str = r"
local shaper = require('policy-extras.shaping'):setup_with_automation {
  publish = { 'DAEMON' }, subscribe = { 'DAEMON' }, no_default_files = true, extra_files = { 'DIR/shaping.toml' },
}
kumo.on('get_egress_path_config', shaper.get_egress_path_config)
";

/// Options and rules, but no caps.
const SHAPING: &str = r#"
["default"]
prohibited_hosts = []
enable_tls = "Disabled"

[["default".automation]]
regex = "please slow down, you of all senders"
trigger = {Threshold="5/hr"}
action = "Suspend"
duration = "1 hour"

[["default".automation]]
regex = ["/mailbox .* full/", "/over ?quota/"]
action = {SetConfig={name="max_message_rate", value="100/s"}}
duration = "90 minutes"
"#;

/// The mail host with the state that it keeps.
struct Subject {
    kumod: Server,
    _dir: TempDir,
}

impl Subject {
    fn plain(sink: &Sink) -> Self {
        Self::start(sink, "", UNSHAPED)
    }

    /// With shaping and automation.
    fn shaped(sink: &Sink, daemon: &Server) -> Self {
        Self::start(sink, "shaper.setup_publish()", &SHAPED.replace("DAEMON", &format!("http://{}", daemon.addr)))
    }

    fn start(sink: &Sink, init: &str, paths: &str) -> Self {
        let dir = tempfile::tempdir().expect("dir");
        std::fs::write(dir.path().join("shaping.toml"), SHAPING).expect("shaping");
        let kumod = Server::kumod(dir.path(), &policy(sink, init, paths));
        Self { kumod, _dir: dir }
    }
}

fn policy(sink: &Sink, init: &str, paths: &str) -> String {
    POLICY.replace("PATHS", paths).replace("INIT", init).replace("SINK", &sink.addr.to_string())
}

/// Messages per second from the first connection until the last has arrived.
fn rate(load: Load, to: SocketAddr, sink: &Sink) -> f64 {
    let expected = sink.arrived() + load.messages;
    let started = Instant::now();
    load.send(to);
    sink.wait_for(expected);
    load.messages as f64 / started.elapsed().as_secs_f64()
}

fn load(kept: bool) -> Load {
    Load { messages: MESSAGES, connections: CONNECTIONS, size: SIZE, kept }
}

pub fn run(rows: &mut Vec<Row>) {
    let sink = Sink::start();
    let subject = Subject::plain(&sink);
    for (name, kept, target, least) in [
        ("10,000 messages of 2 KB through kumod, a connection for each", false, "at least 0.35", 0.35),
        ("10,000 messages of 2 KB through kumod, 32 connections kept", true, "at least 0.2", 0.2),
    ] {
        let direct = || rate(load(kept), sink.addr, &sink);
        rows.push(compare(
            (name, target, least),
            || rate(load(kept), subject.kumod.addr, &sink),
            ("straight to the sink", &direct),
        ));
    }
}

pub fn run_shaped(rows: &mut Vec<Row>) {
    let sink = Sink::start();
    let dir = tempfile::tempdir().expect("dir");
    let daemon = Server::daemon(dir.path(), "");
    let (on, off) = (Subject::shaped(&sink, &daemon), Subject::plain(&sink));
    let plain = || rate(load(true), off.kumod.addr, &sink);
    rows.push(compare(
        ("the same with shaping and automation", "at least 0.9", 0.9),
        || rate(load(true), on.kumod.addr, &sink),
        ("without", &plain),
    ));
}

fn compare(
    (name, target, least): (&'static str, &'static str, f64),
    ours: impl Fn() -> f64,
    (other, theirs): (&str, &dyn Fn() -> f64),
) -> Row {
    let (mut a, mut b, mut ratios) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let (this, that) = (ours(), theirs());
        ratios.push(this / that);
        a.push(this);
        b.push(that);
    }
    let ratio = median(ratios);
    Row {
        name,
        measured: format!("{} messages/s", count(median(a))),
        against: format!("{other}: {} messages/s", count(median(b))),
        result: format!("{ratio:.2}"),
        target,
        met: ratio >= least,
    }
}

/// Mail that waits for its time: how long a start takes with it, and what it costs to have it.
pub fn run_waiting(rows: &mut Vec<Row>) {
    let sink = Sink::start();
    let dir = tempfile::tempdir().expect("dir");
    fill(dir.path());
    let policy = policy(&sink, "", UNSHAPED);
    let started = Instant::now();
    let kumod = Server::kumod(dir.path(), &policy);
    let start = started.elapsed();
    std::thread::sleep(Duration::from_secs(3));
    let (before, watched) = (kumod.cpu(), Duration::from_secs(10));
    std::thread::sleep(watched);
    let share = kumod.cpu().saturating_sub(before).as_secs_f64() / watched.as_secs_f64() * 100.0;
    let (now, peak) = (kumod.memory_mib("VmRSS:"), kumod.memory_mib("VmHWM:"));
    let waiting = "200,000 messages that wait in 10,000 scheduled queues";
    rows.push(Row {
        name: "200,000 messages wait in 10,000 scheduled queues: memory",
        measured: format!("{now:.0} MiB, at most {peak:.0} MiB"),
        against: format!("{:.0} bytes a message", now * 1_048_576.0 / WAITING as f64),
        result: format!("{peak:.0} MiB"),
        target: "under 800 MB",
        met: peak * 1.048_576 < 800.0,
    });
    rows.push(Row {
        name: "the same: start-up",
        measured: format!("{:.1} s", start.as_secs_f64()),
        against: waiting.to_owned(),
        result: format!("{:.1} s", start.as_secs_f64()),
        target: "under 20 s",
        met: start < Duration::from_secs(20),
    });
    rows.push(Row {
        name: "the same: CPU while nothing is due",
        measured: format!("{share:.2}% of one core"),
        against: waiting.to_owned(),
        result: format!("{share:.2}%"),
        target: "near zero (1%)",
        met: share < 1.0,
    });
}

/// Puts messages into a spool as a host does, to be tried in some hours.
fn fill(dir: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runtime");
    runtime.block_on(async {
        let host = Host::new(Clock::system(), Paths::documented());
        for name in ["data", "meta"] {
            let path = dir.join("spool").join(name);
            let definition =
                serde_json::json!({"name": name, "path": path, "kind": "Fjall", "min_free_space": 0, "min_free_inodes": 0});
            Spools::define(&host, serde_json::from_value::<Definition>(definition).expect("definition"));
        }
        let spools = Spools::open(&host).await.expect("spool");
        let now = host.clock().now();
        let content: bytes::Bytes = vec![b'x'; SIZE].into();
        futures_util::stream::iter(0..WAITING)
            .for_each_concurrent(64, |n| {
                let (spools, content) = (Arc::clone(&spools), content.clone());
                async move {
                    let address = |text: String| Address::parse(&text).expect("address");
                    let to = vec![address(format!("to{n}@dest{}.example", n % QUEUES))];
                    let message = Message::new(address("from@source.example".to_owned()), to, content, now);
                    message.set_meta("tenant", "source.example".into());
                    message.set_meta("reception_protocol", "ESMTP".into());
                    message.set_meta("received_from", "127.0.0.1:40000".into());
                    message.increment_num_attempts();
                    message.set_due(Some(now.after(Duration::from_secs(4 * 3_600 + n % 3_600))));
                    spools.save(&message).await.expect("save");
                }
            })
            .await;
        spools.close().await;
    });
}
