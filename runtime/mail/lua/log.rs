//! `kumo.configure_local_logs` and what else says where records go (interface A.4).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kumo_tsa_core::wire::Kind;
use mlua::serde::SerializeOptions;
use mlua::{IntoLua, Lua, LuaSerdeExt, Value};
use serde::de::value::{Error as BadKind, StrDeserializer};
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer};

use crate::host::Host;
use crate::mail::config::{Config, QueueConfig};
use crate::mail::log::audit::AuditLog;
use crate::mail::log::classifier::Classifier;
use crate::mail::log::hook::Definition;
use crate::mail::log::pattern::Names;
use crate::mail::log::segment::{Limits, Place, Segments};
use crate::mail::log::selection::{Form, Selection};
use crate::mail::log::template::Template;
use crate::mail::log::writer::Writer;
use crate::mail::log::{Audit, Filter, LocalLog, Logger, SHOULD_ENQUEUE, whole};
use crate::mail::room::{Least, Room};
use crate::policy;

const LOCAL: &str = "kumo.configure_local_logs";
const HOOK: &str = "kumo.configure_log_hook";
const DISPOSITION: &str = "kumo.configure_log_disposition_hook";
const CLASSIFIER: &str = "kumo.configure_bounce_classifier";
const AUDIT: &str = "kumo.aaa.configure_acct_log";

/// Puts the functions there.
pub fn install(lua: &Lua, _host: &Host) -> mlua::Result<()> {
    policy::declare_multiple(lua, &[SHOULD_ENQUEUE.name()])?;
    let kumo = policy::table(lua, "kumo")?;
    kumo.set("configure_local_logs", lua.create_async_function(configure_local_logs)?)?;
    kumo.set("configure_log_hook", lua.create_async_function(configure_log_hook)?)?;
    kumo.set("configure_log_disposition_hook", lua.create_async_function(configure_log_disposition_hook)?)?;
    kumo.set("configure_accounting_db_path", lua.create_function(configure_accounting_db_path)?)?;
    kumo.set("configure_bounce_classifier", lua.create_function(configure_bounce_classifier)?)?;
    policy::table(lua, "kumo.aaa")?.set("configure_acct_log", lua.create_async_function(configure_acct_log)?)
}

/// JSON as a handler gets it: null is nil.
pub(in crate::mail) struct Json(pub(in crate::mail) serde_json::Value);

impl IntoLua for Json {
    fn into_lua(self, lua: &Lua) -> mlua::Result<Value> {
        let options = SerializeOptions::new().serialize_none_to_null(false).serialize_unit_to_null(false);
        lua.to_value_with(&self.0, options)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LocalTable {
    log_dir: PathBuf,
    #[serde(default = "default_file_bytes", deserialize_with = "whole_number")]
    max_file_size: u64,
    #[serde(default = "default_back_pressure")]
    back_pressure: usize,
    #[serde(default)]
    compression_level: i32,
    #[serde(default, deserialize_with = "policy::optional_duration")]
    max_segment_duration: Option<Duration>,
    #[serde(default)]
    min_free_space: Least,
    #[serde(default)]
    min_free_inodes: Least,
    #[serde(default)]
    meta: Vec<String>,
    #[serde(default)]
    headers: Vec<String>,
    #[serde(default)]
    per_record: BTreeMap<String, LocalForm>,
    filter_event: Option<String>,
}

/// One kind of record in a local log.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LocalForm {
    #[serde(default = "yes")]
    enable: bool,
    suffix: Option<String>,
    log_dir: Option<PathBuf>,
    template: Option<String>,
    segment_header: Option<String>,
}

/// `kumo.configure_local_logs { log_dir = '/var/log/kumomta', ... }`
async fn configure_local_logs(lua: Lua, table: Value) -> mlua::Result<()> {
    let table: LocalTable = policy::options(&lua, table, LOCAL)?;
    let (host, policy) = (policy::host(&lua)?, policy::of(&lua)?);
    let (selection, places) = local_forms(&host, &table).map_err(|why| failure(LOCAL, &why))?;
    if let Some(event) = table.filter_event.as_ref().filter(|event| !policy.defines(event)) {
        return Err(failure(LOCAL, &format!("field `filter_event`: event `{event}` has not been registered")));
    }
    if policy.is_validating() {
        return Ok(());
    }
    let limits = Limits {
        max_file_bytes: table.max_file_size,
        max_age: table.max_segment_duration,
        compression_level: table.compression_level,
    };
    let room = |place: &Place| Room::new(&host, place.folder.clone(), table.min_free_space, table.min_free_inodes);
    let rooms = places.iter().map(room).collect();
    let writer = Arc::new(writer(&host, places, limits, table.back_pressure, LOCAL)?);
    let filter = table.filter_event.map(|event| Filter::start(policy, event, writer.clone(), table.back_pressure));
    Logger::of(&host).add_local(LocalLog {
        selection,
        meta: Names::parse(&table.meta),
        headers: Names::parse(&table.headers),
        writer,
        filter,
        rooms,
    });
    Ok(())
}

/// Which kinds go where. What has the same folder and suffix goes to the same files.
fn local_forms(host: &Host, table: &LocalTable) -> Result<(Selection, Vec<Place>), String> {
    let real = |folder: &Path| host.paths().resolve(folder).into_owned();
    let mut places = vec![Place { folder: real(&table.log_dir), ..Place::default() }];
    let mut selection = Selection::default();
    for (name, form) in &table.per_record {
        let kind = parse_kind(name)?;
        let place = Place {
            folder: real(form.log_dir.as_deref().unwrap_or(&table.log_dir)),
            suffix: form.suffix.clone().unwrap_or_default(),
            header: form.segment_header.as_deref().map(as_line),
            ..Place::default()
        };
        let same = |other: &Place| (&other.folder, &other.suffix) == (&place.folder, &place.suffix);
        let at = places.iter().position(same).unwrap_or(places.len());
        match places.get_mut(at) {
            Some(known) => known.header = known.header.take().or(place.header),
            None => places.push(place),
        }
        let template = parse_template(name, form.template.as_deref())?;
        selection.set(kind, form.enable.then_some(Form { template, place: at }));
    }
    Ok((selection, places))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HookTable {
    name: String,
    #[serde(default = "default_back_pressure")]
    back_pressure: usize,
    #[serde(default)]
    meta: Vec<String>,
    #[serde(default)]
    headers: Vec<String>,
    #[serde(default)]
    per_record: BTreeMap<String, HookForm>,
    #[serde(default)]
    deferred_spool: bool,
    queue: Option<serde_json::Map<String, serde_json::Value>>,
    shaping_event: Option<String>,
}

/// One kind of record that a hook may get.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HookForm {
    #[serde(default = "yes")]
    enable: bool,
    template: Option<String>,
}

fn hook_forms(forms: &BTreeMap<String, HookForm>) -> Result<Selection, String> {
    let mut selection = Selection::default();
    for (name, form) in forms {
        let kind = parse_kind(name)?;
        let template = parse_template(name, form.template.as_deref())?;
        selection.set(kind, form.enable.then_some(Form { template, place: 0 }));
    }
    Ok(selection)
}

/// `kumo.configure_log_hook { name = 'webhook', ... }`; `queue = { ... }` is what `kumo.make_queue_config` takes, for the
/// queue that is called like the hook, and `shaping_event` the name of an event that gives shaping data: the policy is asked
/// only about records that a rule of it may match.
async fn configure_log_hook(lua: Lua, table: Value) -> mlua::Result<()> {
    let table: HookTable = policy::options(&lua, table, HOOK)?;
    let selection = hook_forms(&table.per_record).map_err(|why| failure(HOOK, &why))?;
    if let Some(queue) = &table.queue {
        QueueConfig::from_options(queue).map_err(|why| failure(HOOK, &format!("field `queue`: {why}")))?;
    }
    let policy = policy::of(&lua)?;
    if policy.is_validating() {
        return Ok(());
    }
    let definition = Definition {
        name: table.name,
        back_pressure: table.back_pressure,
        meta: Names::parse(&table.meta),
        headers: Names::parse(&table.headers),
        selection,
        deferred_spool: table.deferred_spool,
        queue: table.queue,
        shaping_event: table.shaping_event,
    };
    Logger::of(&policy::host(&lua)?).add_hook(policy, definition).map_err(|why| failure(HOOK, &why))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DispositionTable {
    name: String,
    #[serde(default)]
    per_record: BTreeMap<String, HookForm>,
}

/// `kumo.configure_log_disposition_hook { name = 'x', ... }`: the event `log_disposition_x` is told of each record.
async fn configure_log_disposition_hook(lua: Lua, table: Value) -> mlua::Result<()> {
    let table: DispositionTable = policy::options(&lua, table, DISPOSITION)?;
    let selection = hook_forms(&table.per_record).map_err(|why| failure(DISPOSITION, &why))?;
    let policy = policy::of(&lua)?;
    if policy.is_validating() {
        return Ok(());
    }
    let logger = Logger::of(&policy::host(&lua)?);
    logger.add_disposition(policy, table.name, selection).map_err(|why| failure(DISPOSITION, &why))
}

/// `kumo.configure_accounting_db_path('/var/spool/kumomta/accounting.db')`
fn configure_accounting_db_path(lua: &Lua, path: String) -> mlua::Result<()> {
    Logger::of(&policy::host(lua)?).set_accounting_path(path.into());
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassifierTable {
    files: Vec<PathBuf>,
    // What tunes the pool of threads and the caches of another implementation has nothing to tune here.
    #[serde(rename = "back_pressure")]
    _back_pressure: Option<usize>,
    #[serde(rename = "pool_size")]
    _pool_size: Option<usize>,
    #[serde(rename = "cache_size")]
    _cache_size: Option<usize>,
    #[serde(rename = "uncategorized_cache_size")]
    _uncategorized_cache_size: Option<usize>,
}

/// `kumo.configure_bounce_classifier { files = { '/opt/kumomta/share/bounce_classifier/iana.toml' } }`
fn configure_bounce_classifier(lua: &Lua, table: Value) -> mlua::Result<()> {
    let table: ClassifierTable = policy::options(lua, table, CLASSIFIER)?;
    let host = policy::host(lua)?;
    let classifier =
        Classifier::load(host.paths(), &table.files).map_err(|cause| failure(CLASSIFIER, &cause.to_string()))?;
    Logger::of(&host).set_classifier(classifier);
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
struct AuditTable {
    log_dir: PathBuf,
    #[serde(default = "default_file_bytes", deserialize_with = "whole_number")]
    max_file_size: u64,
    #[serde(default = "default_back_pressure")]
    back_pressure: usize,
    #[serde(default)]
    compression_level: i32,
    #[serde(default, deserialize_with = "policy::optional_duration")]
    max_segment_duration: Option<Duration>,
    #[serde(default, rename = "min_free_space")]
    _min_free_space: Least,
    #[serde(default, rename = "min_free_inodes")]
    _min_free_inodes: Least,
    #[serde(default = "yes")]
    log_authz_allow: bool,
    #[serde(default = "yes")]
    log_authz_deny: bool,
    #[serde(default = "yes")]
    log_authn_ok: bool,
    #[serde(default = "yes")]
    log_authn_fail: bool,
}

/// `kumo.aaa.configure_acct_log { log_dir = '/var/log/kumomta/acct', ... }`
async fn configure_acct_log(lua: Lua, table: Value) -> mlua::Result<()> {
    let table: AuditTable = policy::options(&lua, table, AUDIT)?;
    if policy::of(&lua)?.is_validating() {
        return Ok(());
    }
    let host = policy::host(&lua)?;
    let limits = Limits {
        max_file_bytes: table.max_file_size,
        max_age: table.max_segment_duration,
        compression_level: table.compression_level,
    };
    let folder = host.paths().resolve(&table.log_dir).into_owned();
    let places = vec![Place { folder, prefix: "acct-", ..Place::default() }];
    Audit::of(&host).add(AuditLog {
        writer: writer(&host, places, limits, table.back_pressure, AUDIT)?,
        authz_allow: table.log_authz_allow,
        authz_deny: table.log_authz_deny,
        authn_ok: table.log_authn_ok,
        authn_fail: table.log_authn_fail,
    });
    Ok(())
}

fn writer(
    host: &Host,
    places: Vec<Place>,
    limits: Limits,
    back_pressure: usize,
    function: &str,
) -> mlua::Result<Writer> {
    let started = Writer::start(host.clock().clone(), Segments::new(places, limits), back_pressure);
    started
        .map_err(|(folder, cause)| failure(function, &format!("cannot use the folder `{}`: {cause}", folder.display())))
}

fn as_line(text: &str) -> Vec<u8> {
    let mut line = text.as_bytes().to_vec();
    if !line.ends_with(b"\n") {
        line.push(b'\n');
    }
    line
}

/// A record type; `None` is `Any`.
fn parse_kind(name: &str) -> Result<Option<Kind>, String> {
    if name == "Any" {
        return Ok(None);
    }
    let parsed = Kind::deserialize(StrDeserializer::<BadKind>::new(name));
    parsed.map(Some).map_err(|cause| format!("field `per_record`: {cause}, or `Any`"))
}

fn parse_template(kind: &str, text: Option<&str>) -> Result<Option<Template>, String> {
    text.map(Template::parse).transpose().map_err(|why| format!("field `per_record.{kind}.template`: {why}"))
}

fn failure(function: &str, why: &str) -> mlua::Error {
    mlua::Error::runtime(format!("{function}: {why}"))
}

const fn yes() -> bool {
    true
}

const fn default_file_bytes() -> u64 {
    1_000_000_000
}

const fn default_back_pressure() -> usize {
    128_000
}

/// A count that a policy may write as `1e9`.
fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a whole number")]
    enum Number {
        Integer(u64),
        Float(f64),
    }
    match Number::deserialize(deserializer)? {
        Number::Integer(number) => Ok(number),
        Number::Float(number) => {
            whole(number).ok_or_else(|| D::Error::invalid_value(Unexpected::Float(number), &"a whole number"))
        }
    }
}
