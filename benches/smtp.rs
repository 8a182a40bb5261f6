//! A sender and a sink of mail that do what `smtp-source` and `smtp-sink` of postfix do: one thread each, one command after
//! the other, nothing kept.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// When nothing has arrived for so long, something is lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// Takes all mail and counts it.
pub struct Sink {
    pub addr: SocketAddr,
    arrived: Arc<AtomicU64>,
}

impl Sink {
    /// Starts on a thread of its own, which ends with the process.
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        listener.set_nonblocking(true).expect("nonblocking");
        let addr = listener.local_addr().expect("address");
        let arrived = Arc::new(AtomicU64::new(0));
        let count = arrived.clone();
        std::thread::spawn(move || {
            on_one_thread(async move {
                let listener = TcpListener::from_std(listener).expect("listener");
                loop {
                    let (stream, _) = listener.accept().await.expect("accept");
                    let count = count.clone();
                    tokio::task::spawn_local(async move {
                        // Whoever breaks off has its messages missed.
                        let _ = take(stream, &count).await;
                    });
                }
            });
        });
        Self { addr, arrived }
    }

    pub fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Acquire)
    }

    /// Waits until so many have arrived in all.
    pub fn wait_for(&self, messages: u64) {
        let (mut last, mut since) = (self.arrived(), Instant::now());
        while self.arrived() < messages {
            if self.arrived() > last {
                (last, since) = (self.arrived(), Instant::now());
            }
            assert!(since.elapsed() < PATIENCE, "{last} of {messages} messages have arrived, and no more come");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn on_one_thread<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

async fn take(mut stream: TcpStream, count: &AtomicU64) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.write_all(b"220 sink ESMTP\r\n").await?;
    let (mut input, mut output) = (Vec::with_capacity(8 * 1_024), Vec::new());
    let mut is_content = false;
    while stream.read_buf(&mut input).await? > 0 {
        let mut at = 0;
        loop {
            let rest = &input[at..];
            let end: &[u8] = if is_content { b"\r\n.\r\n" } else { b"\r\n" };
            let Some(found) = rest.windows(end.len()).position(|w| w == end) else { break };
            at += found + end.len();
            if is_content {
                is_content = false;
                count.fetch_add(1, Ordering::Release);
                output.extend_from_slice(b"250 2.0.0 Ok\r\n");
                continue;
            }
            output.extend_from_slice(match rest.get(..4).unwrap_or_default() {
                b"EHLO" => b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n",
                b"DATA" => b"354 End data with <CR><LF>.<CR><LF>\r\n",
                b"QUIT" => b"221 2.0.0 Bye\r\n",
                _ => b"250 2.0.0 Ok\r\n",
            });
            match rest.get(..4).unwrap_or_default() {
                // The end of an empty message has no line before it; there are none here.
                b"DATA" => is_content = true,
                b"QUIT" => return stream.write_all(&output).await,
                _ => {}
            }
        }
        input.drain(..at);
        stream.write_all(&output).await?;
        output.clear();
    }
    Ok(())
}

/// What is sent, and how.
#[derive(Clone, Copy)]
pub struct Load {
    pub messages: u64,
    pub connections: usize,
    /// How many bytes a message has.
    pub size: usize,
    /// Whether a connection carries more than one message.
    pub kept: bool,
}

impl Load {
    /// Sends it all; returns when the last has been accepted.
    pub fn send(self, to: SocketAddr) {
        let left = std::cell::Cell::new(self.messages);
        let content = content(self.size);
        on_one_thread(async {
            let senders = (0..self.connections).map(|_| async {
                while left.get() > 0 {
                    self.converse(to, &left, &content).await;
                }
            });
            futures_util::future::join_all(senders).await;
        });
    }

    /// One connection, to its end.
    async fn converse(self, to: SocketAddr, left: &std::cell::Cell<u64>, content: &[u8]) {
        let mut stream = TcpStream::connect(to).await.expect("connect");
        stream.set_nodelay(true).expect("nodelay");
        let mut input = Vec::with_capacity(1_024);
        expect(&mut stream, &mut input, b"", "220").await;
        expect(&mut stream, &mut input, b"HELO source.example\r\n", "250").await;
        while left.get() > 0 {
            left.set(left.get() - 1);
            expect(&mut stream, &mut input, b"MAIL FROM:<from@source.example>\r\n", "250").await;
            expect(&mut stream, &mut input, b"RCPT TO:<to@sink.example>\r\n", "250").await;
            expect(&mut stream, &mut input, b"DATA\r\n", "354").await;
            expect(&mut stream, &mut input, content, "250").await;
            if !self.kept {
                break;
            }
        }
        expect(&mut stream, &mut input, b"QUIT\r\n", "221").await;
    }
}

/// A message of so many bytes in lines of 80, with its end.
fn content(size: usize) -> Vec<u8> {
    let mut content = b"From: <from@source.example>\r\nTo: <to@sink.example>\r\nSubject: a message\r\n\r\n".to_vec();
    while content.len() < size {
        let line = (size - content.len()).clamp(3, 80);
        content.resize(content.len() + line - 2, b'x');
        content.extend_from_slice(b"\r\n");
    }
    content.extend_from_slice(b".\r\n");
    content
}

/// Says something and reads the answer, which is one line here.
async fn expect(stream: &mut TcpStream, input: &mut Vec<u8>, say: &[u8], code: &str) {
    if !say.is_empty() {
        stream.write_all(say).await.expect("write");
    }
    input.clear();
    while !input.ends_with(b"\n") {
        let read = stream.read_buf(input).await.expect("read");
        assert!(read > 0, "connection closed");
    }
    let answer = String::from_utf8_lossy(input);
    assert!(answer.starts_with(code), "{} is answered {answer}", String::from_utf8_lossy(&say[..say.len().min(40)]));
}
