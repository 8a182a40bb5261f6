//! Daemons, mail hosts with the policy of the user guide, and a provider; all in this process, on real sockets.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kumo_tsa::dns::{Resolver, Source, Zones};
use kumo_tsa::host::{Host, Paths};
use kumo_tsa::mail::automation::Automation;
use kumo_tsa::mail::queue::Queues;
use kumo_tsa::mail::service::MailHost;
use kumo_tsa::policy::explain;
use serde_json::Value;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::daemon::rig::Rig;
use crate::support::Bench;
use crate::support::smtp::{Answer, Sink, Step, Talk, Turn};

/// How soon a decision is in force, from the provider's answer on.
pub(super) const SOON: Duration = Duration::from_millis(500);

/// `one` and `alias` are one site; `two` and `three` have theirs.
pub(super) const ZONE: &str = "
$ORIGIN example.com.
$TTL 600
one MX 10 mx1
alias MX 10 mx1
two MX 10 mx2
three MX 10 mx3
mx1 A 127.0.0.1
mx2 A 127.0.0.1
mx3 A 127.0.0.1
";

const INIT: &str = "
kumo.on('init', function()
  kumo.define_spool { name = 'data', path = '/var/spool/kumomta/data', kind = 'Fjall', min_free_space = 0 }
  kumo.define_spool { name = 'meta', path = '/var/spool/kumomta/meta', kind = 'Fjall', min_free_space = 0 }
  kumo.configure_local_logs { log_dir = '/var/log/kumomta', min_free_space = 0 }
  kumo.start_esmtp_listener { listen = '127.0.0.1:0', hostname = 'us.example' }
  -- Configure publishing of logs to automation daemon
  shaper.setup_publish()
end)

-- Attach various hooks to the shaper
kumo.on('get_egress_path_config', shaper.get_egress_path_config)

kumo.on('smtp_server_message_received', function(msg)
  msg:set_meta('tenant', msg:get_first_named_header_value 'X-Tenant')
  msg:set_meta('campaign', msg:get_first_named_header_value 'X-Campaign')
end)
";

/// Rules for all that tests need: what a provider says chooses the rule. `LENGTH` is how long what they do lasts.
const RULES: &str = r#"
[[default.automation]]
regex = "hold it"
action = "Suspend"
duration = "LENGTH"

[[default.automation]]
regex = "hold tenant"
action = "SuspendTenant"
duration = "LENGTH"

[[default.automation]]
regex = "hold campaign"
action = "SuspendCampaign"
duration = "LENGTH"

[[default.automation]]
regex = "bounce domain"
action = "Bounce"
duration = "LENGTH"

[[default.automation]]
regex = "bounce tenant"
action = "BounceTenant"
duration = "LENGTH"

[[default.automation]]
regex = "slow down"
action = {SetConfig={name="max_message_rate", value="2/s,max_burst=1"}}
duration = "LENGTH"

[[default.automation]]
regex = "this domain slowly"
action = {SetDomainConfig={name="max_message_rate", value="2/s,max_burst=1"}}
duration = "LENGTH"

[[default.automation]]
regex = "one session"
action = {SetConfig={name="connection_limit", value=1}}
duration = "LENGTH"

[[default.automation]]
regex = "one each"
action = {SetConfig={name="max_deliveries_per_connection", value=1}}
duration = "LENGTH"

[[default.automation]]
regex = "who are you"
action = {SetConfig={name="ehlo_domain", value="other.example"}}
duration = "LENGTH"

[[default.automation]]
regex = "three times"
trigger = {Threshold="3/hr"}
action = "Suspend"
duration = "LENGTH"
"#;

/// A shaping file: where the provider is, these options for all paths, and the rules.
pub(super) fn shaping(sink: &Sink, options: &str, length: &str) -> String {
    let port = sink.port();
    format!(
        "[default]\nsmtp_port = {port}\nprohibited_hosts = []\nenable_tls = \"Disabled\"\n{options}\n{}",
        RULES.replace("LENGTH", length)
    )
}

/// What a provider says to a message: `451.hold.it@..` is answered `451 4.7.1 hold it`.
pub(super) fn provider(turn: &Turn<'_>) -> Answer {
    let Some(recipient) = turn.mail.and_then(|mail| mail.recipients.first()) else { return Answer::Usual };
    let local = recipient.split('@').next().unwrap_or_default();
    match local.split_once('.') {
        Some((code, words)) if turn.step == Step::Body && code.parse::<u16>().is_ok() => {
            Answer::Say(format!("{code} {}.7.1 {}", &code[..1], words.replace('.', " ")))
        }
        _ => Answer::Usual,
    }
}

/// The policy of the user guide, with daemons at these URLs and more of its own.
pub(super) fn policy(publish: &[String], subscribe: &[String], options: &str, more: &str) -> String {
    let list = |urls: &[String]| urls.iter().map(|url| format!("'{url}', ")).collect::<String>();
    format!(
        "local kumo = require 'kumo'
local shaping = require 'policy-extras.shaping'

local shaper = shaping:setup_with_automation {{
  publish = {{ {} }},
  subscribe = {{ {} }},
  extra_files = {{ '/opt/kumomta/etc/policy/shaping.toml' }},
  {options}
}}
{INIT}
{more}
",
        list(publish),
        list(subscribe)
    )
}

/// The daemon of the user guide.
const GUIDE: &str = include_str!("../../fixtures/guide/tsa_init.lua");
/// The file that comes with the program. Reading it takes longer than all else here, so most tests go without.
const DEFAULT_FILE: &str = "'/opt/kumomta/share/policy-extras/shaping.toml',";
/// The same for mail hosts.
pub(super) const NO_DEFAULT_FILES: &str = "no_default_files = true,";

/// A daemon whose time is the test's, at this address; it can be started there again.
pub(super) async fn daemon(shaping: &str, address: [u8; 4]) -> Rig {
    assert!(GUIDE.contains(DEFAULT_FILE));
    daemon_of(&GUIDE.replace(DEFAULT_FILE, ""), shaping, address).await
}

async fn daemon_of(text: &str, shaping: &str, address: [u8; 4]) -> Rig {
    let listen = std::net::IpAddr::from(address);
    let at = |address: &str| text.replace("0.0.0.0:8008", address);
    let rig = Rig::controlled(shaping).policy(&at(&format!("{listen}:0"))).start().await;
    let bound = rig.address().to_string();
    rig.policy(&at(&bound))
}

/// Waits until so many mail hosts follow a daemon.
pub(super) async fn followed(rig: &Rig, hosts: f64) {
    for _ in 0..2000 {
        if rig.metric(r#"tsa_subscribers{endpoint="subscribe_state_v1"}"#).await == Some(hosts) {
            return;
        }
        pass(0.01).await;
    }
    panic!("nobody subscribes: {}", rig.get("/metrics").await.1);
}

/// A mail host that can be stopped and started again.
pub(super) struct Mail {
    bench: Bench,
    running: Option<MailHost>,
}

impl Mail {
    pub(super) async fn new(shaping: &str, policy: &str) -> Self {
        let bench = Bench::new();
        bench.write("/opt/kumomta/etc/policy/shaping.toml", shaping);
        bench.write("/opt/kumomta/etc/policy/init.lua", policy);
        let mut mail = Self { bench, running: None };
        mail.start().await;
        mail
    }

    async fn start(&mut self) {
        let mut zones = Zones::default();
        zones.parse("zone", ZONE, false).unwrap();
        Resolver::replace(&self.bench.host, Source::Zones(zones)).unwrap();
        let started = MailHost::start(&self.bench.host, Path::new("/opt/kumomta/etc/policy/init.lua")).await;
        self.running = Some(started.unwrap_or_else(|error| panic!("{}", explain(&error))));
    }

    /// Stops it, and starts another in the same folder.
    pub(super) async fn restart(&mut self) {
        self.running.take().unwrap().stop().await;
        let clock = self.bench.host.clock().clone();
        self.bench.host = Host::new(clock, Paths::with_prefix(self.bench.path("root")));
        self.start().await;
    }

    pub(super) fn host(&self) -> &Host {
        &self.bench.host
    }

    pub(super) fn address(&self) -> std::net::SocketAddr {
        self.running.as_ref().unwrap().smtp_addresses()[0]
    }

    /// Brings one message, which has to be accepted.
    pub(super) async fn send(&self, to: &str) {
        self.send_as("", to).await;
    }

    /// The same with headers: lines with their ends.
    pub(super) async fn send_as(&self, headers: &str, to: &str) {
        self.send_many(headers, to, 1).await;
    }

    pub(super) async fn send_many(&self, headers: &str, to: &str, count: usize) {
        let mut talk = Talk::greeted(self.address()).await;
        for _ in 0..count {
            bring(&mut talk, headers, to).await;
        }
        talk.say("QUIT").await;
    }

    /// Brings a message each 10 ms, until it is dropped.
    pub(super) fn flow(&self, headers: &str, to: &str) -> Flow {
        self.flow_every(0.01, headers, to)
    }

    /// The same with so many seconds between messages.
    pub(super) fn flow_every(&self, seconds: f64, headers: &str, to: &str) -> Flow {
        let (address, headers, to) = (self.address(), headers.to_owned(), to.to_owned());
        let task = tokio::spawn(async move {
            let mut talk = Talk::greeted(address).await;
            loop {
                bring(&mut talk, &headers, &to).await;
                pass(seconds).await;
            }
        });
        Flow(task.abort_handle())
    }

    /// How many messages wait in scheduled queues whose name ends so.
    pub(super) fn waiting(&self, queue: &str) -> usize {
        let names = Queues::of(self.host()).scheduled_names();
        names.iter().filter(|(name, _)| name.ends_with(queue)).map(|(_, count)| count).sum()
    }

    /// What it was told by daemons and holds for true: by owner, key and all there is to know.
    pub(super) fn told(&self) -> Vec<(String, String)> {
        let entries = Automation::of(self.host()).entries();
        let mut told: Vec<_> = entries.iter().map(|(owner, view)| (owner.to_string(), format!("{view:?}"))).collect();
        told.sort();
        told
    }

    /// Stops it and gives what it has logged, in order of time.
    pub(super) async fn stop(mut self) -> Vec<Value> {
        self.running.take().unwrap().stop().await;
        let folder = self.host().paths().resolve(Path::new("/var/log/kumomta")).into_owned();
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut records = Vec::new();
        for path in files.filter(|path| path.is_file()) {
            let text = String::from_utf8(zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap()).unwrap();
            records.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        }
        records.sort_by_key(|record| record["event_time"].to_string());
        records
    }
}

async fn bring(talk: &mut Talk, headers: &str, to: &str) {
    let data = format!("Subject: hello\r\n{headers}\r\nhello\r\n");
    let reply = talk.send("from@example.org", &[to], data.as_bytes()).await;
    assert!(reply.starts_with("250"), "{reply}");
}

/// Mail that flows until this is dropped.
pub(super) struct Flow(AbortHandle);

impl Drop for Flow {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A daemon, a mail host and a provider.
pub(super) struct Stage {
    pub(super) sink: Sink,
    pub(super) rig: Rig,
    pub(super) mail: Mail,
}

impl Stage {
    /// With these options for all paths, effects of this length, and a provider that answers so.
    pub(super) async fn with(sink: Sink, options: &str, length: &str) -> Self {
        let shaping = shaping(&sink, options, length);
        let rig = daemon(&shaping, [127, 0, 0, 1]).await;
        Self::of(sink, rig, &shaping, NO_DEFAULT_FILES).await
    }

    async fn of(sink: Sink, rig: Rig, shaping: &str, options: &str) -> Self {
        let urls = [rig.url("")];
        let mail = Mail::new(shaping, &policy(&urls, &urls, options, "")).await;
        followed(&rig, 1.0).await;
        Self { sink, rig, mail }
    }

    pub(super) async fn new(options: &str) -> Self {
        Self::with(Sink::start(provider).await, options, "1 hour").await
    }

    /// Just what the user guide says.
    pub(super) async fn of_the_guide() -> Self {
        let sink = Sink::start(provider).await;
        let shaping = shaping(&sink, "", "1 hour");
        let rig = daemon_of(GUIDE, &shaping, [127, 0, 0, 1]).await;
        Self::of(sink, rig, &shaping, "").await
    }

    /// Sends what the provider answers as the local part says; gives the time of that answer.
    pub(super) async fn provoke(&self, headers: &str, to: &str) -> Instant {
        let known = self.answers(to).len();
        self.mail.send_as(headers, to).await;
        assert!(self.sink.until(|_| self.answers(to).len() > known).await, "{to} was not tried");
        self.answers(to)[known]
    }

    fn answers(&self, to: &str) -> Vec<Instant> {
        let sessions = self.sink.sessions();
        let mails = sessions.iter().flat_map(|session| &session.mails);
        let mut times: Vec<_> = mails
            .filter(|mail| mail.recipients.iter().any(|recipient| recipient == to))
            .filter_map(|mail| mail.outcome.map(|(_, at)| at))
            .collect();
        times.sort();
        times
    }

    /// The times of all MAIL FROM for a recipient.
    pub(super) fn mails(&self, to: &str) -> Vec<Instant> {
        mails(&self.sink, to)
    }

    /// How many of them came later than a decision has to be in force.
    pub(super) fn late(&self, to: &str, answered: Instant) -> usize {
        let after: Vec<_> = self.mails(to).into_iter().filter(|at| *at > answered).collect();
        after.iter().filter(|at| **at > answered + SOON).count()
    }

    /// Ends all effects early.
    pub(super) async fn end_all(&self) {
        end_all(&self.rig).await;
    }
}

/// The times of all MAIL FROM for recipients whose address ends so.
pub(super) fn mails(sink: &Sink, to: &str) -> Vec<Instant> {
    let sessions = sink.sessions();
    let mails = sessions.iter().flat_map(|session| &session.mails);
    let mut times: Vec<_> = mails
        .filter(|mail| mail.recipients.iter().any(|recipient| recipient.ends_with(to)))
        .map(|mail| mail.began)
        .collect();
    times.sort();
    times
}

/// The effects of a daemon, by key; without what tells when it learned of each.
pub(super) async fn effects(rig: &Rig) -> Vec<Value> {
    let mut effects = rig.json("/tsa/effects.json").await.as_array().unwrap().clone();
    for effect in &mut effects {
        let value = effect["value"].as_object_mut().unwrap();
        value.remove("begin");
        value.remove("seq");
    }
    effects.sort_by_key(|effect| effect["key"].to_string());
    effects
}

pub(super) async fn end_all(rig: &Rig) {
    for effect in effects(rig).await {
        let key = effect["key"].as_str().unwrap();
        rig.client.delete(rig.url(&format!("/tsa/effects/{key}"))).send().await.unwrap().error_for_status().unwrap();
    }
}

/// Lets so many seconds of tokio's time pass.
pub(super) async fn pass(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

/// Waits until something holds, two minutes at most.
#[track_caller]
pub(super) fn until(what: &str, holds: impl Fn() -> bool) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    let what = Arc::<str>::from(what);
    async move {
        for _ in 0..12_000 {
            if holds() {
                return;
            }
            pass(0.01).await;
        }
        panic!("{place}: waited in vain for: {what}");
    }
}
