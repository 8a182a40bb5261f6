//! Who may ask what (interface C.1).

use kumo_tsa::host::{Clock, Host, Paths};
use kumo_tsa::modules;
use kumo_tsa::policy;

use super::rig::{self, JSON, RULES, Rig, record};

const EVENTS: &str = r"
kumo.on('http_server_validate_auth_basic', function(user, password)
  if user == 'broken' then error 'on purpose' end
  return user == 'me' and password == 'secret'
end)
kumo.on('http_server_validate_auth_bearer', function(token)
  if token == 'known' then return { identity = 'host' } end
end)
";

/// A daemon that trusts no address.
async fn wary() -> Rig {
    Rig::new(RULES).policy(&rig::policy("trusted_hosts = {}", EVENTS)).start().await
}

#[tokio::test]
async fn without_credentials_only_the_status_is_told() {
    let rig = wary().await;
    assert_eq!(rig.get("/tsa/status").await, (200, "TSA Daemon OK".to_owned()));
    for path in ["/api/check-liveness/v1", "/rapidoc", "/api-docs/openapi.json"] {
        assert_eq!(rig.get(path).await.0, 200, "{path}");
    }
    assert_eq!(rig.get("/nothing").await.0, 404);
    let denied = |method: &str, path: &str| {
        let resource = format!("http_listener/{}/{path}", rig.address());
        (401, format!("<Unauthenticated>@ ip=127.0.0.1 not permitted {method} on {resource}"))
    };
    for path in [
        "get_config_v1/shaping.toml",
        "get_suspension_v1/suspended.json",
        "get_bounce_v1/bounced.json",
        "subscribe_event_v1",
        "subscribe_suspension_v1",
        "subscribe_state_v1",
        "tsa/effects.json",
        "metrics",
        "metrics.json",
        "api/machine-info",
        "api/admin/memory/stats",
        "api/admin/task-dump",
    ] {
        assert_eq!(rig.get(&format!("/{path}")).await, denied("GET", path));
    }
    assert_eq!(rig.post(&[JSON], record(1, "hold it").to_string()).await, denied("POST", "publish_log_v1"));
}

#[tokio::test]
async fn an_identity_that_the_policy_accepts_may_use_the_daemon() {
    let rig = wary().await;
    let basic = format!("Basic {}", data_encoding::BASE64.encode(b"me:secret"));
    for credentials in [basic.as_str(), "Bearer known"] {
        let with = ("authorization", credentials);
        assert_eq!(rig.post(&[JSON, with], record(1, "hold it").to_string()).await, (200, String::new()));
        let ask = async |path: &str| {
            rig.client.get(rig.url(path)).header(with.0, with.1).send().await.unwrap().status().as_u16()
        };
        assert_eq!(ask("/get_suspension_v1/suspended.json").await, 200);
        assert_eq!(ask("/metrics").await, 401, "for trusted hosts alone");
    }
}

#[tokio::test]
async fn other_credentials_are_refused() {
    let rig = wary().await;
    let encoded = |pair: &str| format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes()));
    for (credentials, status, text) in [
        (encoded("me:wrong"), 401, "HttpBasicAuth Authentication Failed for me"),
        (encoded("broken:x"), 500, "try again later"),
        ("Bearer unknown".to_owned(), 401, "HttpBearerAuth Authentication Failed"),
        ("Basic %%%".to_owned(), 400, "malformed Authorization header: expected `user:password` in base64"),
    ] {
        let answer = rig.post(&[JSON, ("authorization", &credentials)], record(1, "hold it").to_string()).await;
        assert_eq!(answer, (status, text.to_owned()));
    }
}

#[tokio::test]
async fn an_answer_that_is_no_verdict_lets_nobody_in() {
    let events = "
kumo.on('http_server_validate_auth_basic', function(user, password)
  return load('return ' .. password)()
end)
kumo.on('http_server_validate_auth_bearer', function(token) return load('return ' .. token)() end)
";
    let rig = Rig::new(RULES).policy(&rig::policy("trusted_hosts = {}", events)).start().await;
    let ask = async |answer: &str| {
        let basic = format!("Basic {}", data_encoding::BASE64.encode(format!("me:{answer}").as_bytes()));
        let mut statuses = Vec::new();
        for credentials in [basic, format!("Bearer {answer}")] {
            let request = rig.client.get(rig.url("/tsa/effects.json")).header("authorization", credentials);
            let response = request.send().await.unwrap();
            statuses.push((response.status().as_u16(), response.text().await.unwrap() == "try again later"));
        }
        assert_eq!(statuses[0], statuses[1], "{answer}");
        statuses[0]
    };
    for answer in ["'no'", "0", "1.5", "{}", "{ groups = {} }", "{ identity = '' }", "{ ok = true }", "print"] {
        assert_eq!(ask(answer).await, (500, true), "{answer}");
    }
    for answer in ["nil", "false"] {
        assert_eq!(ask(answer).await.0, 401, "{answer}");
    }
    for answer in [
        "true",
        "{ identity = 'me' }",
        "{ groups = { 'operators' } }",
        "{ identities = { { identity = 'me', context = 'HttpBasicAuth' } } }",
        "{ peer_address = '192.0.2.1' }",
    ] {
        assert_eq!(ask(answer).await.0, 200, "{answer}");
    }
}

#[tokio::test]
async fn tls_with_a_certificate_made_for_the_listener() {
    let rig = Rig::new(RULES).policy(&rig::policy("use_tls = true, hostname = 'tsa.example'", "")).start().await;
    let host = Host::new(Clock::system(), Paths::documented());
    let lua = policy::bare(&host, &[modules::http::install]).unwrap();
    let get = format!(
        "return require('kumo').http.build_client {{ accept_invalid_certs = true }}:get 'https://{}/tsa/status':send():text()",
        rig.address()
    );
    assert_eq!(lua.load(get).eval_async::<String>().await.unwrap(), "TSA Daemon OK");
}
