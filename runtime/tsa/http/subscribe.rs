//! Subscribers: state first, then changes, at the reader's own pace (semantics P1 to P3).

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use kumo_tsa_core::wire::Time;
use prometheus_client::metrics::gauge::Gauge;

use super::App;
use crate::host::Host;
use crate::host::http::Answer;
use crate::tsa::feed::{Feed, Framed, Snapshot};

/// How many frames are gathered before they are handed to the socket.
const AT_ONCE: usize = 512;
/// Subscribers have nothing to tell that is longer.
const INCOMING_BYTES: usize = 64 * 1024;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// What subscribers of an endpoint are sent of a feed.
pub(super) trait View<K>: Clone + Send + Sync + 'static {
    /// Before the state.
    fn first(&self) -> Option<Utf8Bytes>;
    /// A frame of the feed, or nothing if the endpoint does not carry its kind.
    fn frame(&self, key: &K, frame: Utf8Bytes) -> Option<Utf8Bytes>;
    /// Between the state and the changes.
    fn ready(&self) -> Option<Utf8Bytes>;
    /// Which of what holds goes first.
    fn sort(&self, live: &mut Vec<(Time, K)>);
}

/// Turns a request into a subscription.
pub(super) fn subscribe<K, V>(upgrade: WebSocketUpgrade, app: &App, feed: Arc<Feed<K>>, view: V, gauge: Gauge) -> Answer
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: View<K>,
{
    // A subscriber is sent all that holds, at a moment after its handshake, and then all that changes after that moment:
    // there is no gap into which a change could fall (P3).
    let (host, open) = (app.host.clone(), app.open.clone());
    upgrade.max_message_size(INCOMING_BYTES).max_frame_size(INCOMING_BYTES).on_upgrade(move |socket| async move {
        gauge.inc();
        serve(socket, &host, &feed, &view).await;
        gauge.dec();
        drop(open);
    })
}

async fn serve<K, V>(socket: WebSocket, host: &Host, feed: &Arc<Feed<K>>, view: &V)
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: View<K>,
{
    let (mut sink, source) = socket.split();
    // No pings are sent, ever: existing mail hosts die of them (P1). TCP tells when a peer is gone.
    tokio::select! {
        _ = send(&mut sink, feed, view) => {}
        () = listen(source) => {}
        () = host.shutdown().requested() => {
            let away = CloseFrame { code: close_code::AWAY, reason: "the daemon is stopping".into() };
            let goodbye = async { sink.send(Message::Close(Some(away))).await };
            let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        }
    }
}

/// Reads until the peer goes; pings are answered by the websocket itself as it is read.
async fn listen(mut source: SplitStream<WebSocket>) {
    while let Some(Ok(message)) = source.next().await {
        if matches!(message, Message::Close(_)) {
            break;
        }
    }
}

async fn send<K, V>(sink: &mut SplitSink<WebSocket, Message>, feed: &Arc<Feed<K>>, view: &V) -> Result<(), axum::Error>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: View<K>,
{
    let mut newer = feed.watch();
    loop {
        let mut version = send_state(sink, feed, view).await?;
        loop {
            newer.borrow_and_update();
            let Ok((last, changed)) = feed.after(version, AT_ONCE) else { break };
            version = last;
            if changed.is_empty() {
                // The feed lives as long as its subscribers.
                if newer.changed().await.is_err() {
                    return Ok(());
                }
                continue;
            }
            send_frames(sink, feed, view, changed).await?;
            sink.flush().await?;
        }
    }
}

/// Hands frames to the socket; those that are not kept are made first, apart from those who publish.
async fn send_frames<K, V>(
    sink: &mut SplitSink<WebSocket, Message>,
    feed: &Arc<Feed<K>>,
    view: &V,
    framed: Vec<Framed<K>>,
) -> Result<(), axum::Error>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: View<K>,
{
    let missing: Vec<K> = framed.iter().filter(|(_, frame)| frame.is_none()).map(|(key, _)| key.clone()).collect();
    let mut made = Vec::new().into_iter();
    if !missing.is_empty() {
        let feed = feed.clone();
        made = tokio::task::spawn_blocking(move || feed.render(&missing)).await.map_err(axum::Error::new)?.into_iter();
    }
    for (key, frame) in framed {
        // What does not hold any more comes again, as its end, unless it ends by itself.
        let frame = frame.or_else(|| made.next().flatten());
        if let Some(frame) = frame.and_then(|frame| view.frame(&key, frame)) {
            sink.feed(Message::Text(frame)).await?;
        }
    }
    Ok(())
}

async fn send_state<K, V>(
    sink: &mut SplitSink<WebSocket, Message>,
    feed: &Arc<Feed<K>>,
    view: &V,
) -> Result<u64, axum::Error>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: View<K>,
{
    if let Some(frame) = view.first() {
        sink.feed(Message::Text(frame)).await?;
    }
    let Snapshot { version, mut live } = feed.snapshot();
    view.sort(&mut live);
    let mut live = live.into_iter().map(|(_, key)| (key, None)).peekable();
    while live.peek().is_some() {
        send_frames(sink, feed, view, live.by_ref().take(AT_ONCE).collect()).await?;
    }
    if let Some(frame) = view.ready() {
        sink.feed(Message::Text(frame)).await?;
    }
    sink.flush().await?;
    Ok(version)
}
