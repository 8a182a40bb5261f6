//! `kumo.http`: an HTTP client (interface A.11); [`websocket`](super::websocket) adds to the same table.

mod request;
mod response;
pub mod tls;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mlua::{Lua, Result, UserData, UserDataMethods, Value};
use reqwest::Method;
use serde::Deserialize;

use self::request::Request;
pub(super) use self::request::header;
pub(super) use self::response::Response;
pub(super) use self::tls::config as tls_config;
use super::function::{Functions, failure};
use crate::host::{Host, Neighbourhood, Stranger};
use crate::policy;

/// How long a request may take, its body included, unless the client or the request says otherwise.
const TIMEOUT: Duration = Duration::from_mins(1);

/// The longest that an unused connection is kept; the pool adds this to the time of now.
const MAX_IDLE: Duration = Duration::from_hours(24 * 365);

/// What `kumo.http.build_client` takes.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    /// The `User-Agent` header; none by default.
    user_agent: Option<String>,
    /// Logs what goes over the connection, at level trace.
    connection_verbose: bool,
    /// How long an unused connection is kept; 90 seconds by default.
    #[serde(deserialize_with = "policy::optional_duration")]
    pool_idle_timeout: Option<Duration>,
    /// For a whole request; 60 seconds by default.
    #[serde(deserialize_with = "policy::optional_duration")]
    timeout: Option<Duration>,
    /// Takes any certificate for any name.
    accept_invalid_certs: bool,
}

/// A client with its pool of connections; `close` releases them.
struct Client {
    host: Host,
    open: Mutex<Option<reqwest::Client>>,
}

/// Puts `kumo.http.build_client` in place.
pub fn install(lua: &Lua, host: &Host) -> Result<()> {
    let host = host.clone();
    Functions::of(lua, policy::table(lua, "kumo.http")?, "kumo.http").add(
        "build_client",
        move |lua, options: Value| {
            let options = if options.is_nil() { Value::Table(lua.create_table()?) } else { options };
            Client::build(&host, policy::options(lua, options, "kumo.http.build_client")?)
        },
    )?;
    Ok(())
}

/// A client builder with the host's trust anchors, and no process-wide TLS provider behind it.
pub fn builder(host: &Host) -> std::result::Result<reqwest::ClientBuilder, rustls::Error> {
    let mut config = tls_config(host, false)?.as_ref().clone();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(reqwest::Client::builder().tls_backend_preconfigured(config).timeout(TIMEOUT))
}

/// Where a URL leads on this host: to itself, unless the host is told otherwise ([`Neighbourhood`]).
///
/// # Errors
/// When the host may not reach it.
pub fn led(host: &Host, mut url: reqwest::Url) -> std::result::Result<reqwest::Url, Stranger> {
    let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    if let Some(address) = Neighbourhood::of(host).lead(&name, url.port_or_known_default().unwrap_or(0))? {
        // Neither fails for a URL that has a host.
        let _ = url.set_ip_host(address.ip());
        let _ = url.set_port(Some(address.port()));
    }
    Ok(url)
}

/// An error with all its causes, since the outermost seldom says what went wrong.
pub(super) fn explained(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

impl Client {
    fn build(host: &Host, options: Options) -> Result<Self> {
        let failed = |e: &dyn std::error::Error| failure(format!("kumo.http.build_client: {}", explained(e)));
        let mut builder = builder(host).map_err(|e| failed(&e))?;
        if options.accept_invalid_certs {
            let config = tls_config(host, true).map_err(|e| failed(&e))?;
            builder = builder.tls_backend_preconfigured(config.as_ref().clone());
        }
        if let Some(agent) = options.user_agent {
            builder = builder.user_agent(agent);
        }
        if let Some(idle) = options.pool_idle_timeout {
            builder = builder.pool_idle_timeout(idle.min(MAX_IDLE));
        }
        if let Some(timeout) = options.timeout {
            builder = builder.timeout(timeout);
        }
        let client = builder.connection_verbose(options.connection_verbose).build().map_err(|e| failed(&e))?;
        Ok(Self { host: host.clone(), open: Mutex::new(Some(client)) })
    }

    fn request(&self, method: Method, url: &str) -> Result<Request> {
        let client = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let client = client.as_ref().ok_or_else(|| failure(format!("{method} {url}: the client is closed")))?;
        let parsed =
            reqwest::Url::parse(url).map_err(|e| failure(format!("{method} {url}: invalid url `{url}`: {e}")))?;
        let parsed = led(&self.host, parsed).map_err(|e| failure(format!("{method} {url}: {e}")))?;
        Ok(Request::new(format!("{method} {url}"), client.request(method, parsed)))
    }
}

impl UserData for Client {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        let verbs = [
            ("get", Method::GET),
            ("post", Method::POST),
            ("put", Method::PUT),
            ("delete", Method::DELETE),
            ("patch", Method::PATCH),
            ("head", Method::HEAD),
        ];
        for (name, method) in verbs {
            methods.add_method(name, move |_, this, url: String| this.request(method.clone(), &url));
        }
        methods.add_method("request", |_, this, (method, url): (String, String)| {
            let parsed = Method::from_bytes(method.as_bytes())
                .map_err(|e| failure(format!("invalid HTTP method `{method}`: {e}")))?;
            this.request(parsed, &url)
        });
        methods.add_method("close", |_, this, ()| {
            this.open.lock().unwrap_or_else(PoisonError::into_inner).take();
            Ok(())
        });
    }
}
