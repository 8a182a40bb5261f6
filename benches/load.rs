//! A load generator: keep-alive HTTP/1.1 connections that send a request as soon as the answer to the last is there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Threads that send; the server under test has as many workers, so that both share the machine's two cores.
const THREADS: usize = 2;

/// What a run measured.
pub struct Run {
    pub requests: u64,
    pub elapsed: Duration,
}

impl Run {
    pub fn per_second(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }
}

/// When a run ends.
#[derive(Clone, Copy)]
pub enum Until {
    Elapsed(Duration),
    Requests(u64),
}

/// Makes the request with this number; numbers are unique within a run and rise.
pub type Make = Arc<dyn Fn(u64, &mut Vec<u8>) + Send + Sync>;

/// Sends over `connections` connections until the end, and checks that each answer is 200.
pub fn drive(addr: SocketAddr, connections: usize, until: Until, make: &Make) -> Run {
    let number = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (make, number) = (make.clone(), number.clone());
            let mine = (connections + THREADS - 1 - thread) / THREADS;
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
                let local = tokio::task::LocalSet::new();
                local.block_on(&runtime, async {
                    let tasks: Vec<_> = (0..mine)
                        .map(|_| {
                            tokio::task::spawn_local(connection(addr, until, make.clone(), number.clone(), started))
                        })
                        .collect();
                    let mut sent = 0;
                    for task in tasks {
                        sent += task.await.expect("connection");
                    }
                    sent
                })
            })
        })
        .collect();
    let requests = threads.into_iter().map(|t| t.join().expect("thread")).sum();
    Run { requests, elapsed: started.elapsed() }
}

async fn connection(addr: SocketAddr, until: Until, make: Make, number: Arc<AtomicU64>, started: Instant) -> u64 {
    let mut stream = TcpStream::connect(addr).await.expect("connect");
    stream.set_nodelay(true).expect("nodelay");
    let (mut request, mut answer) = (Vec::new(), vec![0_u8; 16 * 1024]);
    let mut sent = 0;
    loop {
        let n = number.fetch_add(1, Ordering::Relaxed);
        let over = match until {
            Until::Elapsed(limit) => started.elapsed() >= limit,
            Until::Requests(limit) => n >= limit,
        };
        if over {
            return sent;
        }
        request.clear();
        make(n, &mut request);
        stream.write_all(&request).await.expect("write");
        read_answer(&mut stream, &mut answer).await;
        sent += 1;
    }
}

/// Reads one answer and checks that it is a 200.
pub async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) {
    let mut filled = 0;
    loop {
        let n = stream.read(&mut buffer[filled..]).await.expect("read");
        assert!(n > 0, "connection closed");
        filled += n;
        let seen = &buffer[..filled];
        if let Some(head) = seen.windows(4).position(|w| w == b"\r\n\r\n") {
            let text = std::str::from_utf8(&seen[..head]).expect("head");
            assert!(text.starts_with("HTTP/1.1 200"), "{}", String::from_utf8_lossy(seen));
            let body = text
                .lines()
                .filter_map(|l| l.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, n)| n.trim().parse().expect("length"));
            if filled >= head + 4 + body {
                return;
            }
        }
    }
}

/// A publish request with this body.
pub fn post(content_type: &str, body: &[u8], request: &mut Vec<u8>) {
    use std::io::Write as _;
    write!(
        request,
        "POST /publish_log_v1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .expect("write");
    request.extend_from_slice(body);
}
