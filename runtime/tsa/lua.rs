//! The `tsa` module, and the events of the daemon.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ipnet::IpNet;
use mlua::{ExternalError, FromLua, Lua, Table, Value};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::host::Host;
use crate::host::http::{Bound, Credentials, Offered, Parameters};
use crate::policy::{self, Event, Policy};
use crate::shaping::LuaShaping;

/// Asked once, after the rules are loaded: where listeners are started and the store is put.
pub(super) const TSA_INIT: Event<(), ()> = Event::single("tsa_init");
/// Asked at start and every 30 s for the rules.
pub(super) const TSA_LOAD_SHAPING_DATA: Event<(), LuaShaping> = Event::single("tsa_load_shaping_data");
const VALIDATE_BASIC: Event<(String, String), Verdict> = Event::single("http_server_validate_auth_basic");
const VALIDATE_BEARER: Event<String, Verdict> = Event::single("http_server_validate_auth_bearer");

/// What a policy has asked of the daemon that runs it.
pub(super) struct Wishes {
    wanted: Mutex<StoreWish>,
    listeners: mpsc::UnboundedSender<Bound>,
    bound: Mutex<Option<mpsc::UnboundedReceiver<Bound>>>,
}

/// Where the state is kept, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct StoreWish {
    /// The documented path; the store's folder is named after it.
    pub(super) path: PathBuf,
    /// Whether records are acknowledged only when they are on disk.
    pub(super) sync: bool,
}

impl Default for Wishes {
    fn default() -> Self {
        let (listeners, bound) = mpsc::unbounded_channel();
        let wanted = StoreWish { path: "/var/spool/kumomta/tsa.db".into(), sync: false };
        Self { wanted: Mutex::new(wanted), listeners, bound: Mutex::new(Some(bound)) }
    }
}

impl Wishes {
    pub(super) fn store(&self) -> StoreWish {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The listeners that the policy starts, now and later; there is one taker.
    pub(super) fn take_listeners(&self) -> Option<mpsc::UnboundedReceiver<Bound>> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Puts the `tsa` module into a Lua context.
pub fn install(lua: &Lua, _host: &Host) -> mlua::Result<()> {
    let tsa = policy::table(lua, "tsa")?;
    tsa.set("start_http_listener", lua.create_async_function(start_http_listener)?)?;
    tsa.set("configure_tsa_db_path", lua.create_function(configure_tsa_db_path)?)?;
    Ok(())
}

/// The table that `tsa.start_http_listener` takes (interface A.3).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListenerTable {
    hostname: Option<String>,
    listen: Option<String>,
    #[serde(default)]
    use_tls: bool,
    tls_certificate: Option<KeySource>,
    tls_private_key: Option<KeySource>,
    request_body_limit: Option<usize>,
    trusted_hosts: Option<Vec<String>>,
}

/// Where a key or certificate is (interface A.20).
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a path, or a table with `key_data`")]
enum KeySource {
    Path(PathBuf),
    Data { key_data: String },
}

/// `tsa.start_http_listener { listen = '0.0.0.0:8008', ... }`
async fn start_http_listener(lua: Lua, table: Value) -> mlua::Result<()> {
    let host = policy::host(&lua)?;
    let table: ListenerTable = policy::options(&lua, table, "tsa.start_http_listener")?;
    let parameters =
        parameters(&host, table).map_err(|why| format!("tsa.start_http_listener: {why}").into_lua_err())?;
    let bound = Bound::bind(&host, &parameters).map_err(ExternalError::into_lua_err)?;
    // Without a daemon to serve it, as when a policy is only evaluated, the listener is closed again.
    let _ = host.slot(Wishes::default).listeners.send(bound);
    Ok(())
}

fn parameters(host: &Host, table: ListenerTable) -> Result<Parameters, String> {
    let default = Parameters::default();
    let read = |name: &str, source: Option<KeySource>| match source {
        None => Ok(None),
        Some(KeySource::Data { key_data }) => Ok(Some(key_data.into_bytes())),
        Some(KeySource::Path(path)) => std::fs::read(host.paths().resolve(&path))
            .map(Some)
            .map_err(|cause| format!("field `{name}`: cannot read `{}`: {cause}", path.display())),
    };
    let trusted_hosts = match table.trusted_hosts {
        None => default.trusted_hosts,
        Some(texts) => texts.iter().map(|text| parse_net(text)).collect::<Result<_, _>>()?,
    };
    Ok(Parameters {
        hostname: table.hostname.unwrap_or(default.hostname),
        listen: table.listen.unwrap_or(default.listen),
        use_tls: table.use_tls,
        tls_certificate: read("tls_certificate", table.tls_certificate)?,
        tls_private_key: read("tls_private_key", table.tls_private_key)?,
        request_body_limit_bytes: table.request_body_limit.unwrap_or(default.request_body_limit_bytes),
        trusted_hosts,
    })
}

fn parse_net(text: &str) -> Result<IpNet, String> {
    let net = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    net.ok_or_else(|| {
        format!("field `trusted_hosts`: `{text}` is neither an address nor a network, such as `10.0.0.0/8`")
    })
}

/// The second argument of `tsa.configure_tsa_db_path`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct StoreTable {
    sync: bool,
}

/// `tsa.configure_tsa_db_path('/var/spool/kumomta/tsa.db' [, { sync = true }])`
fn configure_tsa_db_path(lua: &Lua, (path, options): (String, Option<Value>)) -> mlua::Result<()> {
    let options: StoreTable = match options {
        None | Some(Value::Nil) => StoreTable::default(),
        Some(table) => policy::options(lua, table, "tsa.configure_tsa_db_path")?,
    };
    let host = policy::host(lua)?;
    let wishes = host.slot(Wishes::default);
    let mut wanted = wishes.wanted.lock().unwrap_or_else(PoisonError::into_inner);
    *wanted = StoreWish { path: path.into(), sync: options.sync };
    Ok(())
}

/// What a handler says of credentials. Whatever is neither a boolean nor an identity is an error: a text such as
/// `"no"` must not let anyone in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Good,
    Bad,
}

impl FromLua for Verdict {
    fn from_lua(value: Value, _: &Lua) -> mlua::Result<Self> {
        match &value {
            Value::Nil | Value::Boolean(false) => Ok(Self::Bad),
            Value::Boolean(true) => Ok(Self::Good),
            Value::Table(table) if tells_who(table)? => Ok(Self::Good),
            other => Err(mlua::Error::FromLuaConversionError {
                from: other.type_name(),
                to: "verdict".to_owned(),
                message: Some(
                    "expected a boolean, or a table with `identities`, `groups`, `peer_address` or `identity`"
                        .to_owned(),
                ),
            }),
        }
    }
}

/// Whether a table says who someone is (`auth_info` in interface C.8), or has an `identity`.
fn tells_who(table: &Table) -> mlua::Result<bool> {
    for field in ["identities", "groups", "peer_address", "identity"] {
        let tells = match (field, table.get::<Value>(field)?) {
            ("identities" | "groups", Value::Table(list)) => !list.is_empty(),
            ("peer_address" | "identity", Value::String(text)) => !text.as_bytes().is_empty(),
            _ => false,
        };
        if tells {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Credentials that the policy's handlers accept.
pub(super) struct PolicyCredentials(pub(super) Policy);

impl Credentials for PolicyCredentials {
    fn check<'a>(&'a self, offered: &'a Offered) -> BoxFuture<'a, Result<bool, String>> {
        async move {
            let answer = match offered {
                Offered::Basic { user, password } => {
                    self.0.call(&VALIDATE_BASIC, (user.clone(), password.clone())).await
                }
                Offered::Bearer { token } => self.0.call(&VALIDATE_BEARER, token.clone()).await,
            };
            match answer {
                Ok(verdict) => Ok(matches!(verdict, Some(Verdict::Good))),
                Err(error) => Err(policy::explain(&error)),
            }
        }
        .boxed()
    }
}
