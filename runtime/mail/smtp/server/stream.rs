//! The two directions of a connection: lines and content in, replies out.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What a buffer holds before it is known that more is to come: most commands, and little memory for silent clients.
const SMALL: usize = 512;
/// The same for a client that has said something.
const USUAL: usize = 4 * 1024;
/// Replies to pipelined commands are sent together, up to this many bytes.
const BATCH: usize = 16 * 1024;
/// The longest command line that is read, in bytes with its line end; RFC 4954 section 4 asks for this.
const LONGEST_COMMAND: usize = 12_288;

/// Why a connection is over.
#[derive(Debug)]
pub(super) enum End {
    /// The client, or this server, has closed it, or it is broken.
    Closed,
    /// The client was silent for too long.
    Silent,
    /// The host stops.
    Stopping,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

/// A line that came in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Without its line end.
    Command(Vec<u8>),
    /// It was too long, and is gone.
    TooLong,
}

/// A connection with its buffers.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    pub(super) input: BytesMut,
    output: Vec<u8>,
    /// Whether the rest of a line that was too long is still to come.
    skipping: bool,
    /// Whether anything has come in yet.
    talks: bool,
    stop: watch::Receiver<bool>,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// Only while TLS is being agreed on, and after that has failed.
    Gone,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, stop: watch::Receiver<bool>) -> Self {
        let stream = Stream::Plain(stream);
        Self { stream, input: BytesMut::new(), output: Vec::new(), skipping: false, talks: false, stop }
    }

    /// The next line. What is to be said goes out before this waits; `idle` is as for [`fill`](Self::fill).
    pub(super) async fn line(&mut self, patience: Duration, idle: bool) -> Result<Line, End> {
        let mut searched = 0;
        loop {
            if let Some(found) = self.input[searched..].iter().position(|byte| *byte == b'\n') {
                let line = self.input.split_to(searched + found + 1);
                if std::mem::take(&mut self.skipping) || line.len() > LONGEST_COMMAND {
                    return Ok(Line::TooLong);
                }
                let text = line.strip_suffix(b"\r\n").unwrap_or(&line[..line.len() - 1]);
                return Ok(Line::Command(text.to_vec()));
            }
            if self.input.len() > LONGEST_COMMAND {
                self.skipping = true;
                self.input.clear();
            }
            searched = self.input.len();
            self.flush(patience).await?;
            if self.input.is_empty() && self.input.capacity() > 4 * USUAL {
                // Nothing waits: a client that now falls silent is to cost little.
                self.input = BytesMut::new();
            }
            let space = if self.talks { USUAL } else { SMALL };
            self.fill(space, patience, idle).await?;
            self.talks = true;
        }
    }

    /// Waits for more input and tells how much came; `idle` says that the connection may be closed when the host stops.
    pub(super) async fn fill(&mut self, space: usize, patience: Duration, idle: bool) -> Result<usize, End> {
        self.input.reserve(space);
        let read = async {
            tokio::select! {
                biased;
                read = self.stream.read_buf(&mut self.input) => match read {
                    Ok(0) | Err(_) => Err(End::Closed),
                    Ok(read) => Ok(read),
                },
                _ = self.stop.wait_for(|stop| *stop), if idle => Err(End::Stopping),
            }
        };
        timeout(patience, read).await.unwrap_or(Err(End::Silent))
    }

    /// Adds to what is to be said.
    pub(super) async fn say(&mut self, bytes: &[u8], patience: Duration) -> Result<(), End> {
        self.output.extend_from_slice(bytes);
        if self.output.len() > BATCH { self.flush(patience).await } else { Ok(()) }
    }

    /// Sends what is to be said.
    pub(super) async fn flush(&mut self, patience: Duration) -> Result<(), End> {
        if self.output.is_empty() {
            return Ok(());
        }
        let send = async {
            self.stream.write_all(&self.output).await?;
            self.stream.flush().await
        };
        timeout(patience, send).await.map_err(|_| End::Closed)??;
        self.output.clear();
        self.output.shrink_to(SMALL);
        Ok(())
    }

    /// Goes over to TLS. What came in before that is dropped: it could be from anybody (RFC 3207 section 4.2).
    pub(super) async fn start_tls(&mut self, acceptor: &TlsAcceptor, patience: Duration) -> Result<(), End> {
        self.input.clear();
        let Stream::Plain(plain) = std::mem::replace(&mut self.stream, Stream::Gone) else {
            return Err(End::Closed);
        };
        let agreed = timeout(patience, acceptor.accept(plain)).await.map_err(|_| End::Closed)?;
        self.stream = Stream::Tls(Box::new(agreed?));
        Ok(())
    }

    /// The session, once it is within TLS.
    pub(super) fn tls(&self) -> Option<&rustls::ServerConnection> {
        match &self.stream {
            Stream::Tls(stream) => Some(stream.get_ref().1),
            _ => None,
        }
    }

    /// Says goodbye: sends what is to be said and closes, without waiting for a client that does not read.
    pub(super) async fn close(mut self, patience: Duration) {
        let _ = self.flush(patience).await;
        let _ = timeout(patience, self.stream.shutdown()).await;
        // What the client has sent meanwhile is read, for else the system would take the last reply back.
        let mut rest = [0; 1024];
        let drain = async { while matches!(self.stream.read(&mut rest).await, Ok(read) if read > 0) {} };
        let _ = timeout(Duration::from_millis(200), drain).await;
        self.input.advance(self.input.len());
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}
