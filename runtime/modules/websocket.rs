//! `kumo.http.connect_websocket`: a websocket client (interface A.11).

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use mlua::{Lua, LuaString, Result, UserData, UserDataMethods, Value};
use serde::Deserialize;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream};

use super::function::{Functions, failure};
use super::http::{Response, explained, header, led, tls_config};
use super::time::TimeDelta;
use crate::host::Host;
use crate::policy;

/// How long connecting may take, the handshake included.
const CONNECT_TIMEOUT: Duration = Duration::from_mins(1);
/// How long `recv_batch` waits for company after a frame has come.
const LINGER: Duration = Duration::from_millis(10);
/// When a connection on which nothing comes is asked whether the other end is still there, and when again.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_AGAIN: Duration = Duration::from_secs(5);
/// How many of these may go unanswered: after half a minute a peer that went without a word is noticed.
const KEEPALIVE_PROBES: u32 = 3;
/// The most frames that one `recv_batch` returns; the rest stays for the next.
const MAX_BATCH_FRAMES: usize = 10_000;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// An open websocket; one task may read while another sends.
struct Stream {
    reader: Mutex<SplitStream<Socket>>,
    writer: Mutex<SplitSink<Socket, Message>>,
}

/// What a read comes to.
enum Frame {
    Data(bytes::Bytes),
    Closed,
}

/// What `kumo.http.connect_websocket` takes beside the URL.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    /// Headers of the handshake; none by default.
    headers: BTreeMap<String, String>,
}

/// Puts `kumo.http.connect_websocket` in place.
pub fn install(lua: &Lua, host: &Host) -> Result<()> {
    let host = host.clone();
    Functions::of(lua, policy::table(lua, "kumo.http")?, "kumo.http").add_async(
        "connect_websocket",
        move |lua, (url, options): (String, Value)| {
            let host = host.clone();
            async move {
                let options = match options {
                    Value::Nil => Options::default(),
                    options => policy::options(&lua, options, "kumo.http.connect_websocket")?,
                };
                connect(&host, &url, &options).await
            }
        },
    )?;
    Ok(())
}

async fn connect(host: &Host, url: &str, options: &Options) -> Result<(Stream, Response)> {
    let failed = |why: String| failure(format!("connecting to `{url}`: {why}"));
    let mut request = url.into_client_request().map_err(|e| failed(explained(&e)))?;
    if let Ok(parsed) = reqwest::Url::parse(url) {
        let there = led(host, parsed.clone()).map_err(|e| failed(e.to_string()))?;
        if there != parsed {
            request = there.as_str().into_client_request().map_err(|e| failed(explained(&e)))?;
        }
    }
    for (name, value) in &options.headers {
        let (name, value) = header(name, value.as_bytes())?;
        request.headers_mut().insert(name, value);
    }
    let tls = Connector::Rustls(tls_config(host, false).map_err(|e| failed(explained(&e)))?);
    let connecting = tokio_tungstenite::connect_async_tls_with_config(request, None, true, Some(tls));
    let (socket, response) = timeout(CONNECT_TIMEOUT, connecting)
        .await
        .map_err(|_| failed(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs())))?
        .map_err(|e| failed(explained(&e)))?;
    // A peer that lost its power says no goodbye, and a reader would wait for it for ever.
    if let Err(error) = keep_alive(socket.get_ref()) {
        tracing::debug!("keepalive on the connection to {url}: {error}");
    }
    let (writer, reader) = socket.split();
    let stream = Stream { reader: Mutex::new(reader), writer: Mutex::new(writer) };
    Ok((stream, Response::of_handshake(response)))
}

fn keep_alive(stream: &MaybeTlsStream<TcpStream>) -> std::io::Result<()> {
    let stream = match stream {
        MaybeTlsStream::Plain(stream) => stream,
        MaybeTlsStream::Rustls(stream) => stream.get_ref().0,
        _ => return Ok(()),
    };
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE_AGAIN).with_retries(KEEPALIVE_PROBES);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// The next frame that carries data. Pings are answered on the way, by the next read or write.
async fn next(reader: &mut SplitStream<Socket>) -> Result<Frame> {
    loop {
        return match reader.next().await {
            Some(Ok(Message::Text(text))) => Ok(Frame::Data(text.into())),
            Some(Ok(Message::Binary(bytes))) => Ok(Frame::Data(bytes)),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
            Some(Ok(Message::Close(_))) | None => Ok(Frame::Closed),
            Some(Err(error)) if is_end(&error) => Ok(Frame::Closed),
            Some(Err(error)) => Err(failure(format!("reading from the websocket: {}", explained(&error)))),
        };
    }
}

/// Whether the peer has gone, politely or not.
fn is_end(error: &tungstenite::Error) -> bool {
    match error {
        tungstenite::Error::ConnectionClosed
        | tungstenite::Error::AlreadyClosed
        | tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => true,
        tungstenite::Error::Io(e) => {
            use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
            matches!(e.kind(), ConnectionReset | BrokenPipe | UnexpectedEof)
        }
        _ => false,
    }
}

impl Stream {
    async fn recv(&self) -> Result<Option<bytes::Bytes>> {
        match next(&mut *self.reader.lock().await).await? {
            Frame::Data(bytes) => Ok(Some(bytes)),
            Frame::Closed => Ok(None),
        }
    }

    /// Waits up to `wait` for a frame, and then shortly for what comes along with it; empty when none came.
    async fn recv_batch(&self, wait: Duration) -> Result<Vec<bytes::Bytes>> {
        let mut reader = self.reader.lock().await;
        let mut until = Instant::now() + wait;
        let mut batch = Vec::new();
        while batch.len() < MAX_BATCH_FRAMES {
            match timeout_at(until, next(&mut reader)).await {
                Err(_) => break,
                Ok(Ok(Frame::Data(bytes))) => batch.push(bytes),
                // What was gathered is returned first; the next call finds the same end.
                Ok(Ok(Frame::Closed) | Err(_)) if !batch.is_empty() => break,
                Ok(Ok(Frame::Closed)) => return Err(failure("websocket closed")),
                Ok(Err(error)) => return Err(error),
            }
            if batch.len() == 1 {
                until = until.min(Instant::now() + LINGER);
            }
        }
        Ok(batch)
    }

    async fn send(&self, message: Message) -> Result<()> {
        match self.writer.lock().await.send(message).await {
            Err(error) if is_end(&error) => Err(failure("websocket closed")),
            Err(error) => Err(failure(format!("writing to the websocket: {}", explained(&error)))),
            Ok(()) => Ok(()),
        }
    }
}

/// Text goes as a text frame, other bytes as a binary one.
fn message(bytes: &LuaString) -> Message {
    match bytes.to_str() {
        Ok(text) => Message::text(&*text),
        Err(_) => Message::binary(bytes.as_bytes().to_vec()),
    }
}

impl UserData for Stream {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_async_method("recv", |lua, this, ()| async move {
            this.recv().await?.map(|bytes| lua.create_string(bytes)).transpose()
        });
        methods.add_async_method("recv_batch", |lua, this, wait: TimeDelta| async move {
            let batch = this.recv_batch(wait.forward()).await?;
            batch.into_iter().map(|bytes| lua.create_string(bytes)).collect::<Result<Vec<_>>>()
        });
        methods.add_async_method("send", |_, this, bytes: LuaString| {
            let message = message(&bytes);
            async move { this.send(message).await }
        });
        methods.add_async_method("close", |_, this, ()| async move {
            match this.writer.lock().await.close().await {
                Err(error) if !is_end(&error) => Err(failure(format!("closing the websocket: {}", explained(&error)))),
                _ => Ok(()),
            }
        });
    }
}
