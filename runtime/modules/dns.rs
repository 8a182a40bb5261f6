//! `kumo.dns`: lookups, and where answers come from (interface A.13).

use std::net::IpAddr;

use mlua::{Error, Lua, Result, Table, Value};

use super::function::Functions;
use crate::dns::{self, Config, Mx, Resolver, Seconds, Source, Strategy, Zones};
use crate::host::Host;
use crate::policy;

/// Puts the functions of `kumo.dns` in place.
pub fn install(lua: &Lua, _host: &Host) -> Result<()> {
    let functions = Functions::of(lua, policy::table(lua, "kumo.dns")?, "kumo.dns");
    install_lookups(&functions)?;
    install_sources(&functions)?;
    install_settings(&functions)
}

fn install_lookups(functions: &Functions<'_>) -> Result<()> {
    functions
        .add_async("lookup_mx", |lua, (domain, resolver): (String, Option<String>)| async move {
            let mx = chosen(&lua, resolver)?.mx(&domain).await.map_err(Error::external)?;
            mx_table(&lua, &mx)
        })?
        .add_async(
            "lookup_addr",
            |lua, (name, resolver, strategy): (String, Option<String>, Option<Value>)| async move {
                let strategy: Strategy = match strategy {
                    Some(text) => policy::options(&lua, text, "kumo.dns.lookup_addr")?,
                    None => Strategy::default(),
                };
                let found = chosen(&lua, resolver)?.addr(&name, strategy).await.map_err(Error::external)?;
                Ok(found.iter().map(ToString::to_string).collect::<Vec<_>>())
            },
        )?
        .add_async("lookup_ptr", |lua, (ip, resolver): (String, Option<String>)| async move {
            chosen(&lua, resolver)?.ptr(parse_ip(&ip)?).await.map_err(Error::external)
        })?
        .add_async("lookup_txt", |lua, (name, resolver): (String, Option<String>)| async move {
            chosen(&lua, resolver)?.txt(&name).await.map_err(Error::external)
        })?
        .add_async("rbl_lookup", |lua, (ip, list, resolver): (String, String, Option<String>)| async move {
            let listed = chosen(&lua, resolver)?.rbl(parse_ip(&ip)?, &list).await.map_err(Error::external)?;
            let (answer, reason) = listed.unzip();
            Ok((answer.map(|ip: IpAddr| ip.to_string()), reason.flatten()))
        })?
        .add("ptr_host", |_, ip: String| Ok(dns::ptr_host(parse_ip(&ip)?)))?
        .add("reverse_ip", |_, ip: String| Ok(dns::reverse_ip(parse_ip(&ip)?)))?;
    Ok(())
}

fn install_sources(functions: &Functions<'_>) -> Result<()> {
    functions
        .add("configure_resolver", |lua, config: Value| {
            let config: Config = policy::options(lua, config, "kumo.dns.configure_resolver")?;
            configure(lua, Source::Configured(Box::new(config)))
        })?
        // There is no libunbound here: its name servers are asked as any others are.
        .add("configure_unbound_resolver", |lua, config: Value| {
            let config: Config = policy::options(lua, config, "kumo.dns.configure_unbound_resolver")?;
            configure(lua, Source::Configured(Box::new(config)))
        })?
        .add("configure_test_resolver", |lua, zones: Table| configure(lua, Source::Zones(read_zones(&zones)?)))?
        .add("load_resolv_conf", |lua, path: Option<String>| {
            let path = path.unwrap_or_else(|| "/etc/resolv.conf".to_owned());
            let text = super::file::read_text(&policy::host(lua)?, path.as_ref())?;
            let config = Config::parse_resolv_conf(&text).map_err(Error::external)?;
            configure(lua, Source::Configured(Box::new(config)))
        })?
        .add("define_resolver", |lua, (name, source): (String, Value)| {
            let source = read_source(lua, source)?;
            Resolver::define(&policy::host(lua)?, &name, source).map_err(Error::external)
        })?;
    Ok(())
}

fn install_settings(functions: &Functions<'_>) -> Result<()> {
    functions
        .add("set_mx_concurrency_limit", |lua, limit: usize| {
            Resolver::tune(&policy::host(lua)?, |settings| settings.mx_concurrency = limit);
            Ok(())
        })?
        .add("set_mx_timeout", |lua, duration: Value| {
            let Seconds(duration) = policy::options(lua, duration, "kumo.dns.set_mx_timeout")?;
            Resolver::tune(&policy::host(lua)?, |settings| settings.timeout = duration);
            Ok(())
        })?
        .add("set_mx_negative_cache_ttl", |lua, duration: Value| {
            let Seconds(duration) = policy::options(lua, duration, "kumo.dns.set_mx_negative_cache_ttl")?;
            Resolver::tune(&policy::host(lua)?, |settings| settings.mx_negative_ttl = duration);
            Ok(())
        })?
        .add("set_mta_sts_enabled", |lua, enabled: bool| {
            Resolver::tune(&policy::host(lua)?, |settings| settings.mta_sts = enabled);
            Ok(())
        })?
        .add_missing("configure_test_mta_sts")?;
    Ok(())
}

fn chosen(lua: &Lua, name: Option<String>) -> Result<Resolver> {
    let host = policy::host(lua)?;
    match name {
        None => Ok(Resolver::of(&host)),
        Some(name) => Resolver::named(&host, &name).map_err(Error::external),
    }
}

fn configure(lua: &Lua, source: Source) -> Result<()> {
    Resolver::configure(&policy::host(lua)?, source).map_err(Error::external)
}

fn parse_ip(text: &str) -> Result<IpAddr> {
    text.parse().map_err(|_| Error::runtime(format!("`{text}` is not an ip address")))
}

fn mx_table(lua: &Lua, mx: &Mx) -> Result<Table> {
    let by_preference = lua.create_table()?;
    for (preference, hosts) in &mx.by_preference {
        by_preference.set(*preference, hosts.clone())?;
    }
    let table = lua.create_table()?;
    table.set("domain_name", mx.domain.as_str())?;
    table.set("hosts", mx.hosts.clone())?;
    table.set("site_name", mx.site_name.as_str())?;
    table.set("by_pref", by_preference)?;
    table.set("is_domain_literal", mx.is_domain_literal)?;
    table.set("is_secure", mx.is_secure)?;
    table.set("is_mx", mx.is_mx)?;
    Ok(table)
}

/// Reads what `define_resolver` takes.
fn read_source(lua: &Lua, value: Value) -> Result<Source> {
    let bad = || {
        Error::runtime(
            "a resolver is `'HickorySystemConfig'`, or a table with one of `Hickory`, `Unbound`, `Test` and `Aggregate`",
        )
    };
    if let Value::String(text) = &value {
        return if text.to_str()? == "HickorySystemConfig" { Ok(Source::System) } else { Err(bad()) };
    }
    let Value::Table(table) = value else { return Err(bad()) };
    let mut pairs = table.pairs::<String, Value>();
    let (kind, inner) = pairs.next().ok_or_else(bad)??;
    if pairs.next().is_some() {
        return Err(bad());
    }
    match (kind.as_str(), inner) {
        ("Hickory" | "Unbound", config) => {
            Ok(Source::Configured(Box::new(policy::options(lua, config, "kumo.dns.define_resolver")?)))
        }
        ("Test", Value::Table(zones)) => Ok(Source::Zones(read_zones(&zones)?)),
        ("Aggregate", Value::Table(list)) => {
            let sources = list.sequence_values::<Value>().map(|source| read_source(lua, source?));
            Ok(Source::Aggregate(sources.collect::<Result<_>>()?))
        }
        _ => Err(bad()),
    }
}

/// Reads zones: a list of zone texts or of `{zone=, secure=}`, or `{zones=, servfail=}` with such a list.
fn read_zones(table: &Table) -> Result<Zones> {
    let mut zones = Zones::default();
    let full = table.contains_key("zones")? || table.contains_key("servfail")?;
    let list = if full {
        check_keys(table, &["zones", "servfail"])?;
        for name in table.get::<Option<Vec<String>>>("servfail")?.unwrap_or_default() {
            zones.fail(&name).map_err(Error::external)?;
        }
        table.get::<Option<Vec<Value>>>("zones")?.unwrap_or_default()
    } else {
        table.sequence_values().collect::<Result<_>>()?
    };
    for (index, zone) in list.into_iter().enumerate() {
        let (text, secure) = match zone {
            Value::String(text) => (text.to_str()?.to_owned(), false),
            Value::Table(zone) => {
                check_keys(&zone, &["zone", "secure"])?;
                (zone.get("zone")?, zone.get::<Option<bool>>("secure")?.unwrap_or(false))
            }
            other => {
                let got = other.type_name();
                return Err(Error::runtime(format!("a zone is a text or `{{zone=, secure=}}`, got {got}")));
            }
        };
        zones.parse(&format!("zone {}", index + 1), &text, secure).map_err(Error::external)?;
    }
    Ok(zones)
}

fn check_keys(table: &Table, known: &[&str]) -> Result<()> {
    for pair in table.pairs::<Value, Value>() {
        let key = pair?.0.to_string()?;
        if !known.contains(&key.as_str()) {
            return Err(Error::runtime(format!("unknown field `{key}`, expected one of `{}`", known.join("`, `"))));
        }
    }
    Ok(())
}
