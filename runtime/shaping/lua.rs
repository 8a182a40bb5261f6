//! `kumo.shaping`, and the loaded data as Lua sees it (interface A.10).

use std::time::Duration;

use kumo_tsa_core::shaping::{Level, LoadOptions, Matched, Trigger};
use kumo_tsa_core::wire::{PathName, Record, Throttle, format_duration};
use mlua::serde::SerializeOptions;
use mlua::{Error, FromLua, Lua, LuaSerdeExt, MetaMethod, MultiValue, Result, Table, UserData, UserDataMethods, Value};
use serde::Deserialize;
use serde_json::json;

use super::{Handle, load};
use crate::dns::Resolver;
use crate::host::Host;
use crate::policy::{self, memo};

/// How long a lookup of a path's options waits for DNS, when nothing is remembered of its domain yet.
const PATIENCE: Duration = Duration::from_secs(1);

/// Puts `kumo.shaping.load` in place.
pub fn install(lua: &Lua, _host: &Host) -> Result<()> {
    let load = lua.create_async_function(|lua, (paths, options): (Value, Value)| async move {
        // The list may be userdata that `kumo.memoize` made of one.
        let paths = Vec::<String>::from_lua(policy::plain(&lua, paths)?, &lua)?;
        let options = match options {
            Value::Nil => Options::default(),
            options => policy::options(&lua, options, "kumo.shaping.load")?,
        };
        let handle = load(&policy::host(&lua)?, &paths, options.into()).await.map_err(Error::external)?;
        Ok(LuaShaping(handle))
    })?;
    memo::register::<LuaShaping>(lua)?;
    policy::table(lua, "kumo.shaping")?.set("load", load)
}

/// The second argument of `kumo.shaping.load` (interface D.1; semantics S7).
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    provider_overlap: Level,
    dns_fail: Level,
    null_mx: Level,
    aliased_site: Level,
    remote_load: Level,
    local_load: Level,
    skip_remote: bool,
    #[serde(deserialize_with = "policy::duration")]
    http_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        let LoadOptions {
            provider_overlap,
            dns_fail,
            null_mx,
            aliased_site,
            remote_load,
            local_load,
            skip_remote,
            http_timeout,
        } = LoadOptions::default();
        Self { provider_overlap, dns_fail, null_mx, aliased_site, remote_load, local_load, skip_remote, http_timeout }
    }
}

impl From<Options> for LoadOptions {
    fn from(options: Options) -> Self {
        let Options {
            provider_overlap,
            dns_fail,
            null_mx,
            aliased_site,
            remote_load,
            local_load,
            skip_remote,
            http_timeout,
        } = options;
        Self { provider_overlap, dns_fail, null_mx, aliased_site, remote_load, local_load, skip_remote, http_timeout }
    }
}

/// Loaded shaping data as a Lua value; `kumo.memoize` keeps it as it is.
#[derive(Clone, Debug)]
pub struct LuaShaping(pub Handle);

impl FromLua for LuaShaping {
    fn from_lua(value: Value, _: &Lua) -> Result<Self> {
        if let Value::UserData(data) = &value
            && let Ok(shaping) = data.borrow::<Self>()
        {
            return Ok(shaping.clone());
        }
        Err(Error::FromLuaConversionError {
            from: value.type_name(),
            to: "shaping data".to_owned(),
            message: Some("expected the value of `kumo.shaping.load`".to_owned()),
        })
    }
}

impl UserData for LuaShaping {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_async_method("get_egress_path_config", |lua, this, (domain, source, site)| {
            let handle = this.0.clone();
            async move { egress_path(&lua, &handle, domain, source, site).await }
        });
        methods.add_method("match_rules", |lua, this, record: Table| match_rules(lua, &this.0, &record));
        methods.add_method("get_errors", |_, this, ()| Ok(this.0.current().errors().to_vec()));
        methods.add_method("get_warnings", |_, this, ()| Ok(this.0.current().warnings().to_vec()));
        methods.add_method("get_referenced_sources", |lua, this, ()| {
            plain(lua, &json!(this.0.current().referenced_sources()))
        });
        methods.add_method("hash", |_, this, ()| Ok(this.0.current().hash().to_owned()));
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| {
            let current = this.0.current();
            Ok(format!("shaping data of {} rules, {}", current.rules().count(), current.hash()))
        });
        // What `kumo.serde.json_encode` and a curious policy see.
        methods.add_meta_method(MetaMethod::Pairs, |lua, this, ()| {
            let current = this.0.current();
            let summary = json!({
                "hash": current.hash(),
                "rules": current.rules().count(),
                "errors": current.errors(),
                "warnings": current.warnings(),
            });
            let next: Value = lua.globals().get("next")?;
            Ok(MultiValue::from_vec(vec![next, plain(lua, &summary)?, Value::Nil]))
        });
    }
}

/// The options of an egress path as files have them, in a table of the caller's own.
async fn egress_path(lua: &Lua, handle: &Handle, domain: String, source: String, site: String) -> Result<Value> {
    let shaping = handle.current();
    // A domain that is no DNS name, as queues of log hooks have, fails here at once, and so fits no provider by its hosts.
    let resolver = Resolver::of(&policy::host(lua)?);
    let hosts = match resolver.mx_within(&domain, PATIENCE).await {
        Some(Ok(mx)) if mx.is_domain_literal => None,
        Some(Ok(mx)) => Some(mx.hosts.clone()),
        _ => None,
    };
    let path = shaping.egress_path(&domain, &source, &site, hosts.as_deref());
    plain(lua, &serde_json::Value::Object(path.to_json()))
}

fn match_rules(lua: &Lua, handle: &Handle, record: &Table) -> Result<Table> {
    let json = policy::to_json(lua, &Value::Table(record.clone()))?;
    let bytes = serde_json::to_vec(&json).map_err(Error::external)?;
    let record = Record::parse(&bytes).map_err(Error::external)?;
    let domains = record.domains();
    let domain = domains.first().ok_or_else(|| Error::runtime("the record has no recipient with a domain"))?;
    let shaping = handle.current();
    let site = PathName::parse(&record.site, record.egress_source.as_deref()).site;
    let found = shaping.matches(domain, site, &record.one_line(), record.is_internal());
    let rules = lua.create_table()?;
    for matched in &found.matched {
        rules.push(plain(lua, &rule_json(matched))?)?;
    }
    Ok(rules)
}

/// A rule with the field names of shaping files.
fn rule_json(matched: &Matched<'_>) -> serde_json::Value {
    let rule = matched.rule;
    let trigger = match rule.trigger {
        Trigger::Immediate => json!("Immediate"),
        Trigger::Threshold { count, period } => {
            let threshold = Throttle { limit: count, period, max_burst: None, local: false };
            json!({ "Threshold": threshold.to_string() })
        }
    };
    json!({
        "regex": rule.regex,
        "action": rule.actions,
        "trigger": trigger,
        "duration": format_duration(rule.duration),
        "match_internal": rule.match_internal,
        "was_rollup": matched.rolled,
        "hash": rule.id.to_string(),
        "origin": rule.origin.to_string(),
        "scope": rule.scope.to_string(),
    })
}

/// A Lua value without metatables.
fn plain(lua: &Lua, value: &serde_json::Value) -> Result<Value> {
    let options =
        SerializeOptions::new().set_array_metatable(false).serialize_none_to_null(false).serialize_unit_to_null(false);
    lua.to_value_with(value, options)
}
