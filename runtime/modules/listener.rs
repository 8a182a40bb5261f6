//! `start_http_listener` (interface A.3), for the tables of daemons that have it.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use mlua::{ExternalError, Function, Lua, Value};
use serde::Deserialize;

use crate::host::Host;
use crate::host::http::{Bound, Parameters};
use crate::host::listening::Listeners;
use crate::policy;

/// The table that `start_http_listener` takes (interface A.3).
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

/// The function, which calls itself `name` in errors: `kumo.start_http_listener { listen = '0.0.0.0:8000', ... }`.
///
/// It binds at once, and what is bound waits to be served. Nothing is bound while a policy is only being validated.
pub fn function(lua: &Lua, name: &'static str) -> mlua::Result<Function> {
    lua.create_function(move |lua, table| start(lua, table, name))
}

fn start(lua: &Lua, table: Value, name: &str) -> mlua::Result<()> {
    let host = policy::host(lua)?;
    let table: ListenerTable = policy::options(lua, table, name)?;
    let parameters = parameters(&host, table).map_err(|why| format!("{name}: {why}").into_lua_err())?;
    if policy::of(lua).is_ok_and(|policy| policy.is_validating()) {
        return Ok(());
    }
    let bound = Bound::bind(&host, &parameters).map_err(ExternalError::into_lua_err)?;
    Listeners::of(&host).add(bound);
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
