//! `kumo.http.connect_websocket`, against a server of its own.

use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::any;
use tokio::time::Instant;

use super::Tables;
use super::http::serve;

/// Serves one conversation, and a place that refuses.
async fn tables<F, T>(talk: F) -> Tables
where
    F: Fn(WebSocket) -> T + Clone + Send + Sync + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let upgrade = async move |upgrade: WebSocketUpgrade| upgrade.on_upgrade(talk.clone());
    let named = async |headers: HeaderMap, upgrade: WebSocketUpgrade| {
        let token = headers.get("authorization").unwrap().to_str().unwrap().to_owned();
        upgrade.on_upgrade(async move |mut socket| socket.send(Message::text(token)).await.unwrap())
    };
    let router = Router::new()
        .route("/ws", any(upgrade))
        .route("/named", any(named))
        .route("/no", any(async || (StatusCode::FORBIDDEN, "not you")));
    let address = serve(router).await;
    Tables::new().with("url", format!("ws://{address}"))
}

async fn silent(mut socket: WebSocket) {
    while socket.recv().await.is_some() {}
}

#[tokio::test]
async fn frames_come_and_go() {
    let tables = tables(async |mut socket: WebSocket| {
        while let Some(Ok(message)) = socket.recv().await {
            if let Message::Text(text) = message {
                socket.send(Message::text(format!("<{text}>"))).await.unwrap();
                socket.send(Message::binary(vec![0xff, 0xfe])).await.unwrap();
            }
        }
    })
    .await;
    let code = "local s, r = kumo.http.connect_websocket(url .. '/ws')
                s:send('hi') local text, binary = s:recv(), s:recv()
                s:close()
                return r:status_code(), text, #binary, s:recv()";
    assert_eq!(tables.run(code).await.unwrap(), "101, <hi>, 2, nil");
}

#[tokio::test]
async fn headers_go_with_the_handshake() {
    let tables = tables(silent).await;
    let code = "return kumo.http.connect_websocket(url .. '/named', {headers = {Authorization = 'Bearer t'}}):recv()";
    assert_eq!(tables.run(code).await.unwrap(), "Bearer t");
    let error = tables.run("kumo.http.connect_websocket(url, {header = {}})").await.unwrap_err();
    assert!(error.contains("unknown field `header`"), "{error}");
}

#[tokio::test]
async fn a_refusal_names_its_status() {
    let tables = tables(silent).await;
    for (code, expected) in [
        ("kumo.http.connect_websocket(url .. '/none')", "HTTP error: 404 Not Found"),
        ("kumo.http.connect_websocket(url .. '/no')", "HTTP error: 403 Forbidden"),
        ("kumo.http.connect_websocket('ws://127.0.0.1:1/')", "Connection refused"),
        ("kumo.http.connect_websocket('nonsense')", "connecting to `nonsense`: "),
        ("kumo.http.connect_websocket()", "bad argument #1 to `kumo.http.connect_websocket`"),
    ] {
        let error = tables.run(code).await.unwrap_err();
        assert!(error.contains(expected), "{error}\nexpected: {expected}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_waits_its_time_when_nothing_comes() {
    let tables = tables(silent).await;
    let before = Instant::now();
    let code = "local s = kumo.http.connect_websocket(url .. '/ws')
                return s:recv_batch('3 seconds'), s:recv_batch(0.5), s:recv_batch(1)";
    assert_eq!(tables.run(code).await.unwrap(), "{}, {}, {}");
    assert_eq!(before.elapsed().as_millis() / 100, 45);
}

#[tokio::test(start_paused = true)]
async fn a_batch_returns_soon_after_frames_have_come() {
    let tables = tables(async |mut socket: WebSocket| {
        for n in 1..=3 {
            socket.send(Message::text(n.to_string())).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        socket.send(Message::Ping("are you there".into())).await.unwrap();
        let pong = socket.recv().await.unwrap().unwrap();
        socket.send(Message::text(format!("{pong:?}"))).await.unwrap();
        socket.send(Message::Close(None)).await.unwrap();
    })
    .await;
    let before = Instant::now();
    let code = "local s = kumo.http.connect_websocket(url .. '/ws')
                return table.concat(s:recv_batch('1h'), ','), table.concat(s:recv_batch('1h'), ','), pcall(s.recv_batch, s, '1h')";
    let shown = tables.run(code).await.unwrap();
    assert!(shown.starts_with("1,2,3, Pong(b\"are you there\"), false, websocket closed"), "{shown}");
    assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
}
