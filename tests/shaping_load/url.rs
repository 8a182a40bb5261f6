//! Shaping files over HTTP.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kumo_tsa_core::shaping::{Level, LoadOptions};

use super::{Fixture, Log, ZONE, all, zones};

/// Serves what loading is tried with; returns its address.
async fn serve() -> String {
    use axum::http::StatusCode;
    use axum::routing::get;
    let app = axum::Router::new()
        .route("/shaping.toml", get(|| async { "[default]\nmax_ready = 3\n" }))
        .route("/shaping.json", get(|| async { r#"{"default": {"connection_limit": 4}}"# }))
        .route("/bad.toml", get(|| async { "<html>" }))
        .route("/bad", get(|| async { "<html>" }))
        .route("/busy.toml", get(|| async { (StatusCode::SERVICE_UNAVAILABLE, "come\nlater") }))
        .route("/never.toml", get(std::future::pending::<&'static str>));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

#[tokio::test]
async fn s7_urls_are_fetched_and_read_by_their_suffix() {
    let fixture = Fixture::new(zones(ZONE));
    let base = serve().await;
    let paths = [format!("{base}/shaping.toml"), format!("{base}/shaping.json")];
    let handle = fixture.load(&paths, LoadOptions::default()).await.unwrap();
    let path = handle.current().egress_path("x.example", "s", "mx.x.example", None);
    assert_eq!(serde_json::Value::Object(path.to_json()), serde_json::json!({"max_ready": 3, "connection_limit": 4}));
    assert_eq!(path.get("max_ready").unwrap().origin.to_string(), format!("{base}/shaping.toml:2"));

    let handle = fixture.load(&paths, LoadOptions { skip_remote: true, ..LoadOptions::default() }).await.unwrap();
    assert_eq!(
        handle.current().warnings()[0],
        format!("Ignoring {base}/shaping.toml because skip_remote is set to true")
    );
    assert_eq!(handle.current().warnings().len(), 2);
}

#[tokio::test]
async fn s7_a_url_that_cannot_be_fetched_counts_as_its_level_says() {
    let log = Log::new();
    let fixture = Fixture::new(zones(ZONE));
    let base = serve().await;
    let options = || LoadOptions { http_timeout: Duration::from_millis(300), ..all(Level::Error) };
    let error = async |url: String| {
        let handle = fixture.load(std::slice::from_ref(&url), options()).await.unwrap();
        let shaping = handle.current();
        let errors = shaping.errors();
        let prefix = format!("remote shaping source {url} error: ");
        errors[0].strip_prefix(&prefix).unwrap_or_else(|| panic!("{errors:?}")).to_owned()
    };
    assert_eq!(error(format!("{base}/never.toml")).await, "no answer within 300ms");
    assert_eq!(error(format!("{base}/busy.toml")).await, "HTTP status 503 Service Unavailable: come later");
    assert!(error(format!("{base}/none.toml")).await.starts_with("HTTP status 404"));
    assert!(error("http://127.0.0.1:1/x.toml".to_owned()).await.contains("refused"));
    assert!(log.text().contains("busy.toml error: HTTP status 503"), "{}", log.text());
    // Without a suffix an unreadable body is graded, with one it is a hard error.
    let url = format!("{base}/bad");
    let handle = fixture.load(std::slice::from_ref(&url), options()).await.unwrap();
    assert!(handle.current().errors()[0].starts_with(&format!("parsing {url}: ")), "{:?}", handle.current().errors());
    let url = format!("{base}/bad.toml");
    let hard = fixture.load(std::slice::from_ref(&url), all(Level::Ignore)).await.unwrap_err();
    assert!(hard.contains(&format!("parsing toml from file {url}: {url}:1:")), "{hard}");
}

#[tokio::test]
async fn p7_a_url_that_goes_away_leaves_what_it_gave() {
    use axum::http::StatusCode;
    let log = Log::new();
    let fixture = Fixture::new(zones(ZONE));
    let answer = Arc::new(Mutex::new((StatusCode::OK, "[default]\nmax_ready = 3\n".to_owned())));
    let shown = answer.clone();
    let app = axum::Router::new().fallback(move || std::future::ready(shown.lock().unwrap().clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let url = format!("{base}/shaping.toml");
    let load = async |url: &str, level: Level| {
        let handle = fixture.load(&[url.to_owned()], all(level)).await.unwrap();
        let shaping = handle.current();
        let path = shaping.egress_path("x.example", "s", "mx.x.example", None);
        (serde_json::Value::Object(path.to_json()).to_string(), shaping.errors().len(), shaping.warnings().len())
    };
    let (three, empty) = (r#"{"max_ready":3}"#.to_owned(), "{}".to_owned());
    let gone = (StatusCode::BAD_GATEWAY, "down".to_owned());
    let suffixless = format!("{base}/shaping");
    assert_eq!(load(&url, Level::Ignore).await, (three.clone(), 0, 0));
    assert_eq!(load(&suffixless, Level::Ignore).await, (three.clone(), 0, 0));
    *answer.lock().unwrap() = gone.clone();
    assert_eq!(load(&url, Level::Ignore).await, (three.clone(), 0, 0));
    assert_eq!(load(&url, Level::Warn).await, (three.clone(), 0, 1));
    assert_eq!(load(&url, Level::Error).await, (three.clone(), 1, 0));
    let other = format!("{base}/other.toml");
    assert_eq!(load(&other, Level::Error).await, (empty.clone(), 1, 0), "nothing is known of it");
    let kept = format!("remote shaping source {url}: what it gave before stays in force");
    assert!(log.text().contains(&kept), "{}", log.text());
    *answer.lock().unwrap() = (StatusCode::OK, "<html>".to_owned());
    assert_eq!(load(&suffixless, Level::Warn).await, (three, 0, 1), "no file either");
    *answer.lock().unwrap() = (StatusCode::OK, String::new());
    assert_eq!(load(&url, Level::Error).await, (empty.clone(), 0, 0), "an empty file is a good one");
    *answer.lock().unwrap() = gone;
    assert_eq!(load(&url, Level::Ignore).await, (empty, 0, 0), "the latest good one");
}
