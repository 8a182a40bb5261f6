//! A simple SMTP client for tests: says what it is told, and reads what comes.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use kumo_tsa::modules::http::tls::AnyCertificate;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A session with an SMTP server.
pub(crate) struct Talk {
    stream: BufReader<Box<dyn Stream>>,
}

impl Talk {
    /// Connects, and leaves the banner to be read.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(Box::new(stream)) }
    }

    /// Connects, reads the banner and says EHLO.
    pub(crate) async fn greeted(address: SocketAddr) -> Self {
        let mut talk = Self::connect(address).await;
        assert!(talk.reply().await.starts_with("220"));
        assert!(talk.say("EHLO client.example").await.starts_with("250"));
        talk
    }

    /// Writes bytes as they stand; says whether they went out.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok() && self.stream.flush().await.is_ok()
    }

    /// The next reply, its lines joined with line feeds; empty when the server has closed.
    pub(crate) async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let mut line = Vec::new();
            if !matches!(self.stream.read_until(b'\n', &mut line).await, Ok(1..)) {
                return reply;
            }
            let line = String::from_utf8_lossy(&line);
            reply.push_str(line.trim_end());
            if line.as_bytes().get(3) != Some(&b'-') {
                return reply;
            }
            reply.push('\n');
        }
    }

    /// Says a line and reads the reply.
    pub(crate) async fn say(&mut self, line: &str) -> String {
        self.write(format!("{line}\r\n").as_bytes()).await;
        self.reply().await
    }

    /// Says lines all at once, and reads as many replies.
    pub(crate) async fn pipeline(&mut self, lines: &[&str]) -> Vec<String> {
        let text: String = lines.iter().flat_map(|line| [*line, "\r\n"]).collect();
        self.write(text.as_bytes()).await;
        let mut replies = Vec::new();
        for _ in lines {
            replies.push(self.reply().await);
        }
        replies
    }

    /// Begins TLS with whatever certificate; EHLO has to be said again.
    pub(crate) async fn start_tls(&mut self) {
        assert!(self.say("STARTTLS").await.starts_with("220"));
        let hollow: Box<dyn Stream> = Box::new(tokio::io::empty());
        let plain = std::mem::replace(&mut self.stream, BufReader::new(hollow)).into_inner();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let any = AnyCertificate::new(&provider);
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(any))
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let tls = TlsConnector::from(Arc::new(config)).connect(name, plain).await.unwrap();
        self.stream = BufReader::new(Box::new(tls));
    }

    /// One transaction; gives the reply to the message, or the first refusal.
    pub(crate) async fn send(&mut self, sender: &str, recipients: &[&str], data: &[u8]) -> String {
        let mut lines = vec![format!("MAIL FROM:<{sender}>")];
        lines.extend(recipients.iter().map(|to| format!("RCPT TO:<{to}>")));
        for line in lines {
            let reply = self.say(&line).await;
            if !reply.starts_with('2') {
                return reply;
            }
        }
        let reply = self.say("DATA").await;
        if !reply.starts_with("354") {
            return reply;
        }
        self.write(&stuffed(data)).await;
        self.reply().await
    }

    /// Whether the server has closed, having said nothing more.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.reply().await.is_empty()
    }
}

/// A message as DATA wants it: dots doubled at the start of lines, and the final dot.
pub(crate) fn stuffed(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 16);
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        if line[0] == b'.' {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    if !out.is_empty() && !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}
