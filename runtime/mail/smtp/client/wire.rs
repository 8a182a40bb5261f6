//! The two directions of a connection: commands and messages out, replies in.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::Trouble;
use super::answer::{Draft, LONGEST_LINE};
use super::body::Pieces;
use crate::mail::reply::Reply;

/// How much is read at once.
const READ: usize = 2048;
/// Pieces of a message below this go out together, and what is larger goes out in steps of this, each with its own time.
const STEP: usize = 64 * 1024;
/// How long a peer that takes nothing more may take to say why.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A connection with its buffers.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    input: BytesMut,
    output: Vec<u8>,
    /// Why nothing more goes out. What the peer said before that can still be read.
    jammed: Option<Trouble>,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    pub(super) fn plain(stream: TcpStream) -> Self {
        Self::new(Stream::Plain(stream))
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>) -> Self {
        Self::new(Stream::Tls(Box::new(stream)))
    }

    fn new(stream: Stream) -> Self {
        Self { stream, input: BytesMut::new(), output: Vec::new(), jammed: None }
    }

    /// The bare connection, to make TLS of. What the peer has said ahead of it could be anybody's (RFC 3207 section 5),
    /// so it must have said nothing.
    pub(super) fn into_plain(self) -> Result<TcpStream, Trouble> {
        match self.stream {
            Stream::Plain(stream) if self.input.is_empty() => Ok(stream),
            _ => Err(Trouble::garbage(&self.input)),
        }
    }

    /// Adds a command, without its line end, to what is to be sent.
    pub(super) fn push(&mut self, command: &str) {
        self.output.extend_from_slice(command.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }

    /// Sends what there is. A failure shows when the answer is read: the peer may have said why.
    pub(super) async fn flush(&mut self, limit: Duration) {
        let Self { stream, output, jammed, .. } = self;
        if jammed.is_none() && !output.is_empty() {
            *jammed = put(stream, output, limit).await.err();
        }
        output.clear();
    }

    /// Sends a message and its end; `limit` is for each step of it.
    pub(super) async fn send_body(&mut self, data: &[u8], limit: Duration) {
        for piece in Pieces::new(data) {
            if self.output.len() + piece.len() > STEP {
                self.flush(limit).await;
            }
            if piece.len() < STEP {
                self.output.extend_from_slice(piece);
                continue;
            }
            for step in piece.chunks(STEP) {
                if self.jammed.is_none() {
                    self.jammed = put(&mut self.stream, step, limit).await.err();
                }
            }
        }
        self.flush(limit).await;
        self.output.shrink_to(STEP);
    }

    /// The next reply, which may take `limit`.
    pub(super) async fn reply(&mut self, limit: Duration) -> Result<Reply, Trouble> {
        let allowed = if self.jammed.is_some() { limit.min(LAST_WORDS) } else { limit };
        let outcome = timeout(allowed, self.receive()).await.unwrap_or(Err(Trouble::Silent(limit)));
        match (outcome, self.jammed.take()) {
            (Err(Trouble::Silent(_) | Trouble::Closed), Some(jam)) => Err(jam),
            (outcome, jam) => {
                self.jammed = jam;
                outcome
            }
        }
    }

    async fn receive(&mut self) -> Result<Reply, Trouble> {
        let mut draft = Draft::default();
        loop {
            while let Some(line) = self.line()? {
                if let Some(reply) = draft.add(&line)? {
                    return Ok(reply);
                }
            }
            self.fill().await?;
        }
    }

    /// The next line that has come whole, without its end.
    fn line(&mut self) -> Result<Option<BytesMut>, Trouble> {
        let Some(end) = self.input.iter().position(|byte| *byte == b'\n') else {
            return if self.input.len() > LONGEST_LINE { Err(Trouble::Endless) } else { Ok(None) };
        };
        let mut line = self.input.split_to(end + 1);
        let ending = if line.ends_with(b"\r\n") { 2 } else { 1 };
        line.truncate(line.len() - ending);
        if line.len() > LONGEST_LINE { Err(Trouble::Endless) } else { Ok(Some(line)) }
    }

    async fn fill(&mut self) -> Result<(), Trouble> {
        self.input.reserve(READ);
        match self.stream.read_buf(&mut self.input).await {
            Ok(0) => Err(Trouble::Closed),
            Ok(_) => Ok(()),
            // What TLS makes of an end without a farewell.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Trouble::Closed),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns when the peer closes or says something unasked. May be cancelled: what has come stays to be read.
    pub(super) async fn disturbed(&mut self) {
        if self.input.is_empty() {
            // What is wrong shows when the session is used again.
            let _ = self.fill().await;
        }
    }

    /// Closes in good order.
    pub(super) async fn close(mut self, limit: Duration) {
        // The session is over, whether the peer hears of it or not.
        let _ = timeout(limit, self.stream.shutdown()).await;
    }
}

async fn put(stream: &mut Stream, bytes: &[u8], limit: Duration) -> Result<(), Trouble> {
    let send = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    Ok(timeout(limit, send).await.map_err(|_| Trouble::Silent(limit))??)
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
