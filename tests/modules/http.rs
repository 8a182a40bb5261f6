//! `kumo.http`, against a server of its own.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::any;

use super::Tables;

/// Serves on a free port until the test ends.
pub(super) async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Says back what it was sent: method, the headers that tests set, body.
async fn echo(request: Request) -> impl IntoResponse {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let mut lines = vec![format!("{} {}", head.method, head.uri)];
    for name in ["authorization", "content-type", "user-agent", "x-a", "x-b"] {
        if let Some(value) = head.headers.get(name) {
            lines.push(format!("{name}: {}", value.to_str().unwrap()));
        }
    }
    lines.push(String::from_utf8_lossy(&body).into_owned());
    let mut headers = HeaderMap::new();
    headers.insert("X-Echo", "yes".parse().unwrap());
    (headers, lines.join("\n"))
}

async fn tables() -> Tables {
    let router = Router::new()
        .route("/echo", any(echo))
        .route(
            "/status/{code}",
            any(|path: axum::extract::Path<u16>| async move { StatusCode::from_u16(path.0).unwrap() }),
        )
        .route("/never", any(std::future::pending::<()>));
    let address = serve(router).await;
    Tables::new().with("url", format!("http://{address}"))
}

#[track_caller]
fn has(shown: Result<String, String>, expected: &str) {
    let error = shown.expect_err("raises");
    assert!(error.contains(expected), "{error}\nexpected: {expected}");
}

#[tokio::test]
async fn a_request_carries_what_was_chained() {
    let tables = tables().await;
    let code = "local r = kumo.http.build_client{user_agent = 'me/1'}:post(url .. '/echo?q=1')
                  :header('X-A', '1'):headers{['x-b'] = '2'}:bearer_auth('tok'):timeout('5s'):body('hello'):send()
                return r:text()";
    let expected = "POST /echo?q=1\nauthorization: Bearer tok\nuser-agent: me/1\nx-a: 1\nx-b: 2\nhello";
    assert_eq!(tables.run(code).await.unwrap(), expected);

    let code = "local c = kumo.http.build_client{} return c:put(url .. '/echo'):basic_auth('u', 'p'):send():text(),
                c:get(url .. '/echo'):send():text(), c:delete(url .. '/echo'):send():text(), c:request('PURGE', url .. '/echo'):send():bytes()";
    let expected = "PUT /echo\nauthorization: Basic dTpw\n, GET /echo\n, DELETE /echo\n, PURGE /echo\n";
    assert_eq!(tables.run(code).await.unwrap(), expected);
}

#[tokio::test]
async fn forms() {
    let tables = tables().await;
    let code = "return kumo.http.build_client():post(url .. '/echo'):form_url_encoded{b = 'x y', a = 1}:send():text()";
    assert_eq!(
        tables.run(code).await.unwrap(),
        "POST /echo\ncontent-type: application/x-www-form-urlencoded\na=1&b=x+y"
    );

    let code = "return kumo.http.build_client():post(url .. '/echo')
                :form_multipart_data{a = 'x', f = {data = 'y', file_name = 'f.txt', content_type = 'text/plain'}}:send():text()";
    let shown = tables.run(code).await.unwrap();
    for part in ["name=\"a\"\r\n\r\nx\r\n", "name=\"f\"; filename=\"f.txt\"\r\nContent-Type: text/plain\r\n\r\ny\r\n"] {
        assert!(shown.contains(part), "{shown:?}");
    }
}

#[tokio::test]
async fn a_response_tells_its_status_and_headers() {
    let tables = tables().await;
    let code = "local r = kumo.http.build_client{}:get(url .. '/echo'):send()
                local h, names = r:headers(), {}
                for k, v in pairs(h) do names[k] = v end
                return r:status_code(), r:status_reason(), r:status_is_success(), h['x-echo'], h['X-ECHO'], h['no'], names['x-echo'], r:content_length()";
    assert_eq!(tables.run(code).await.unwrap(), "200, OK, true, yes, yes, nil, yes, 10");

    let code = "local c, out = kumo.http.build_client{}, {}
                for _, s in ipairs{204, 404, 503, 299} do
                  local r = c:get(url .. '/status/' .. s):send()
                  out[#out + 1] = string.format('%d %s %s%s%s', r:status_code(), r:status_reason(), r:status_is_success(), r:status_is_client_error(), r:status_is_server_error())
                end
                return table.concat(out, '; ')";
    let expected = "204 No Content truefalsefalse; 404 Not Found falsetruefalse; 503 Service Unavailable falsefalsetrue; 299 nil truefalsefalse";
    assert_eq!(tables.run(code).await.unwrap(), expected);
}

#[tokio::test]
async fn the_longest_times_are_no_trouble() {
    let tables = tables().await;
    let code = "local c = kumo.http.build_client{timeout = 1e18, pool_idle_timeout = 1e18}
                c:get(url .. '/echo'):send():text() return c:get(url .. '/echo'):timeout(1e300):send():text()";
    assert_eq!(tables.run(code).await.unwrap(), "GET /echo\n");
}

#[tokio::test]
async fn a_body_is_read_once() {
    let tables = tables().await;
    let code = "local r = kumo.http.build_client{}:get(url .. '/echo'):send() r:text() return r:bytes()";
    has(tables.run(code).await, "broken response wrapper");
}

#[tokio::test]
async fn what_goes_wrong_is_raised() {
    let tables = tables().await;
    let has_run = async |code: &str, expected: &str| has(tables.run(code).await, expected);
    has_run("kumo.http.build_client{}:get('http://127.0.0.1:1/'):send()", "Connection refused").await;
    has_run("kumo.http.build_client{}:get('nonsense')", "invalid url `nonsense`").await;
    has_run("kumo.http.build_client{}:get(url):header('a b', 'x')", "invalid header name `a b`").await;
    has_run(
        "kumo.http.build_client{}:get(url):timeout('x')",
        "bad argument #1 to `request:timeout`: invalid duration `x`",
    )
    .await;
    has_run("kumo.http.build_client{}:get(url):aws_sign_v4{}", "`request:aws_sign_v4` is not implemented").await;
    has_run("kumo.http.build_client{tiemout = 5}", "unknown field `tiemout`").await;
    has_run("kumo.http.build_client{user_agent = {}}", "invalid type: ").await;
    has_run("kumo.http.build_client{timeout = 'soon'}", "kumo.http.build_client: deserialize error: field `timeout`: invalid value: string \"soon\", expected a duration").await;
    has_run("local c = kumo.http.build_client{} c:close() c:get(url)", "the client is closed").await;
    has_run("local r = kumo.http.build_client{}:get(url .. '/echo') r:send() r:send()", "has already been sent").await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_answered_times_out() {
    let tables = tables().await;
    let before = tokio::time::Instant::now();
    has(tables.run("kumo.http.build_client{}:get(url .. '/never'):send()").await, "timed out");
    assert_eq!(before.elapsed().as_secs(), Duration::from_mins(1).as_secs());
    has(tables.run("kumo.http.build_client{timeout = 5}:get(url .. '/never'):send()").await, "timed out");
    has(tables.run("kumo.http.build_client{}:get(url .. '/never'):timeout('5s'):send()").await, "timed out");
    assert_eq!(before.elapsed().as_secs(), 70);
}

#[tokio::test]
async fn certificates_are_checked_unless_told_otherwise() {
    let cert = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(cert.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut tls) = acceptor.accept(socket).await else { continue };
            let _ = tls.read(&mut [0; 4096]).await;
            let _ = tls.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
        }
    });
    let tables = Tables::new().with("url", format!("https://{address}/"));
    has(tables.run("kumo.http.build_client{}:get(url):send()").await, "invalid peer certificate");
    let code = "return kumo.http.build_client{accept_invalid_certs = true}:get(url):send():text()";
    assert_eq!(tables.run(code).await.unwrap(), "hi");
    assert!(rustls::crypto::CryptoProvider::get_default().is_none(), "nothing is installed process-wide");
}
