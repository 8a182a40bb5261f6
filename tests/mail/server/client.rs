//! A client that says exactly what a test has it say.

use std::net::SocketAddr;
use std::sync::Arc;

use kumo_tsa::modules::http::tls::AnyCertificate;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

pub(crate) struct Client {
    stream: Option<TcpStream>,
    tls: Option<Box<dyn Stream>>,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects, without waiting for the greeting.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: Some(TcpStream::connect(address).await.unwrap()), tls: None, buffer: Vec::new() }
    }

    /// Connects, reads the greeting and says EHLO.
    pub(crate) async fn greet(address: SocketAddr) -> Self {
        let mut client = Self::connect(address).await;
        let greeting = client.reply().await;
        assert!(greeting.starts_with("220 "), "{greeting}");
        client.expect("EHLO client.example", "250").await;
        client
    }

    fn io(&mut self) -> &mut dyn Stream {
        match (&mut self.tls, &mut self.stream) {
            (Some(tls), _) => tls,
            (None, Some(stream)) => stream,
            (None, None) => unreachable!(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.io().write_all(bytes.as_ref()).await.unwrap();
        self.io().flush().await.unwrap();
    }

    /// One reply, its lines joined by line feeds; empty at the end of the connection.
    pub(crate) async fn reply(&mut self) -> String {
        let mut lines = Vec::new();
        loop {
            let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') else {
                let mut chunk = [0; 4096];
                let read = self.io().read(&mut chunk).await.unwrap_or(0);
                if read == 0 {
                    assert!(self.buffer.is_empty(), "half a reply: {}", self.buffer.escape_ascii());
                    return lines.join("\n");
                }
                self.buffer.extend_from_slice(&chunk[..read]);
                continue;
            };
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let line = String::from_utf8(line).unwrap();
            let line = line.strip_suffix("\r\n").expect("lines end with CRLF").to_owned();
            let last = line.as_bytes().get(3) == Some(&b' ');
            lines.push(line);
            if last {
                return lines.join("\n");
            }
        }
    }

    /// Says a line and gives the reply.
    pub(crate) async fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n")).await;
        self.reply().await
    }

    /// Says a line to which the reply begins so.
    #[track_caller]
    pub(crate) fn expect(&mut self, line: &str, begins: &str) -> impl Future<Output = String> {
        let place = std::panic::Location::caller();
        async move {
            let reply = self.say(line).await;
            assert!(reply.starts_with(begins), "{place}: {line}: {reply}");
            reply
        }
    }

    /// Whether the server has closed the connection.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.reply().await.is_empty()
    }

    /// MAIL and RCPT.
    pub(crate) async fn envelope(&mut self, recipients: &[&str]) {
        self.expect("MAIL FROM:<sender@example.com>", "250").await;
        for recipient in recipients {
            self.expect(&format!("RCPT TO:<{recipient}>"), "250").await;
        }
    }

    /// DATA and what comes after it, without the end.
    pub(crate) async fn data(&mut self, content: impl AsRef<[u8]>) -> String {
        self.expect("DATA", "354").await;
        self.send(content).await;
        self.send("\r\n.\r\n").await;
        self.reply().await
    }

    /// A whole message to one recipient.
    pub(crate) async fn message(&mut self, recipient: &str) -> String {
        self.envelope(&[recipient]).await;
        self.data("Subject: test\r\n\r\nhello").await
    }

    /// STARTTLS, with `along` in the same packet.
    pub(crate) async fn start_tls(&mut self, along: &str) {
        self.send(format!("STARTTLS\r\n{along}")).await;
        let ready = self.reply().await;
        assert!(ready.starts_with("220"), "{ready}");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let any = AnyCertificate::new(&provider);
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(any))
            .with_no_client_auth();
        let name = ServerName::try_from("mx.example").unwrap();
        let stream = self.stream.take().unwrap();
        let tls = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        self.tls = Some(Box::new(tls));
    }
}
