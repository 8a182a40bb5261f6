//! The processes under test: the daemon itself, and the servers that it is compared with.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

/// A server in a process of its own, killed when dropped.
pub struct Server {
    child: Child,
    pub addr: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// The daemon with these rules after the default ones, its state in `dir`.
    pub fn daemon(dir: &Path, rules: &str) -> Self {
        std::fs::write(dir.join("rules.toml"), rules).expect("rules");
        std::fs::write(dir.join("tsa_init.lua"), POLICY.replace("DIR", &dir.display().to_string())).expect("policy");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tsa-daemon"));
        command.arg("--policy").arg(dir.join("tsa_init.lua")).env("KUMO_TSA_LOG", "warn");
        Self::start(command)
    }

    /// The mail host with this policy, in which `DIR` stands for `dir`; the address is that of its SMTP listener.
    pub fn kumod(dir: &Path, policy: &str) -> Self {
        let file = dir.join("init.lua");
        std::fs::write(&file, policy.replace("DIR", &dir.display().to_string())).expect("policy");
        let me = Command::new("id").arg("-un").output().expect("id").stdout;
        let mut command = Command::new(env!("CARGO_BIN_EXE_kumod"));
        command.args(["--user", String::from_utf8_lossy(&me).trim(), "--policy"]).arg(file);
        command.env("KUMO_PREFIX", dir).env("KUMOD_LOG", "warn");
        Self::start(command)
    }

    /// A bare hyper handler that reads the body and answers 200.
    pub fn bare() -> Self {
        Self::own("serve-bare")
    }

    /// The same, but it also parses each line of the body as a log record.
    pub fn parsing() -> Self {
        Self::own("serve-parsing")
    }

    fn own(role: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("exe"));
        command.arg(role);
        Self::start(command)
    }

    /// Waits for the listener's address and reads away whatever else comes on stderr.
    fn start(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("spawn");
        let mut lines = BufReader::new(child.stderr.take().expect("stderr")).lines();
        let (mut addr, mut head) = (None, Vec::new());
        while let Some(Ok(line)) = lines.next() {
            if let Some((_, at)) = line.split_once("listener on ") {
                addr = at.trim().parse().ok();
            }
            if line.contains("initialization complete") {
                break;
            }
            head.push(line);
        }
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, addr: addr.unwrap_or_else(|| panic!("no listener: {head:#?}")) }
    }

    /// The value of a metric without labels; 0 when it is not there.
    pub fn metric(&self, name: &str) -> u64 {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(self.addr).expect("connect");
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("write");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("read");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    }

    /// How long processors have worked for it so far.
    pub fn cpu(&self) -> std::time::Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("stat");
        // The name in brackets may hold blanks; `utime` and `stime` are the 14th and 15th field.
        let (_, fields) = stat.rsplit_once(')').expect("stat");
        let ticks: u64 = fields.split_whitespace().skip(11).take(2).map(|n| n.parse::<u64>().expect("ticks")).sum();
        // Of which Linux tells 100 a second.
        std::time::Duration::from_millis(ticks * 10)
    }

    /// A figure of `/proc/PID/status` in MiB, such as `VmRSS` or `VmHWM`.
    pub fn memory_mib(&self, figure: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("status");
        let line = status.lines().find_map(|l| l.strip_prefix(figure)).expect("figure");
        let kib: f64 = line.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect("number");
        kib / 1024.0
    }
}

const POLICY: &str = r"
local tsa = require 'tsa'
local kumo = require 'kumo'
kumo.on('tsa_init', function()
  tsa.configure_tsa_db_path 'DIR/tsa.db'
  tsa.start_http_listener { listen = '127.0.0.1:0', request_body_limit = 64 * 1024 * 1024 }
end)
local load = kumo.memoize(kumo.shaping.load, { name = 'shaping', ttl = '1 second', capacity = 4 })
kumo.on('tsa_load_shaping_data', function()
  return load { '/opt/kumomta/share/policy-extras/shaping.toml', 'DIR/rules.toml' }
end)
";

/// Serves until killed, when this process was started for that.
pub fn serve_if_asked(role: &str) -> bool {
    let parse = match role {
        "serve-bare" => false,
        "serve-parsing" => true,
        _ => return false,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
        eprintln!("http listener on {}\ninitialization complete", listener.local_addr().expect("addr"));
        loop {
            let (stream, _) = listener.accept().await.expect("accept");
            stream.set_nodelay(true).expect("nodelay");
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(request, parse));
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    })
}

async fn answer(request: Request<Incoming>, parse: bool) -> Result<Response<Empty<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    if parse {
        for line in body.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            std::hint::black_box(kumo_tsa_core::wire::Record::parse(line).is_ok());
        }
    } else {
        std::hint::black_box(&body);
    }
    Ok(Response::new(Empty::new()))
}
