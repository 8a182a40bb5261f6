//! `kumo.configure_local_logs` and what else says where records go (interface A.4).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kumo_tsa_core::wire::Kind;
use mlua::{Lua, Value};
use serde::de::value::{Error as BadKind, StrDeserializer};
use serde::{Deserialize, Deserializer};

use crate::host::Host;
use crate::mail::log::pattern::Names;
use crate::mail::log::segment::{Limits, Place, Segments};
use crate::mail::log::selection::{Form, Selection};
use crate::mail::log::space::{Least, Share};
use crate::mail::log::template::Template;
use crate::mail::log::writer::Writer;
use crate::mail::log::{LocalLog, Logger, whole};
use crate::policy;

/// Puts the functions there.
pub fn install(lua: &Lua, _host: &Host) -> mlua::Result<()> {
    let kumo = policy::table(lua, "kumo")?;
    kumo.set("configure_local_logs", lua.create_async_function(configure_local_logs)?)?;
    Ok(())
}

/// What is written, by kind; the field of every table here that is called so.
type PerRecord<T> = BTreeMap<String, T>;

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
    meta: Vec<String>,
    #[serde(default)]
    headers: Vec<String>,
    #[serde(default)]
    per_record: PerRecord<LocalForm>,
    #[serde(default)]
    min_free_space: Share,
    #[serde(default)]
    min_free_inodes: Share,
}

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
    const NAME: &str = "kumo.configure_local_logs";
    let table: LocalTable = policy::options(&lua, table, NAME)?;
    let host = policy::host(&lua)?;
    let (selection, places) = local_forms(&host, &table).map_err(|why: String| failure(NAME, &why))?;
    if policy::of(&lua)?.is_validating() {
        return Ok(());
    }
    let limits = Limits {
        max_file_bytes: table.max_file_size,
        max_age: table.max_segment_duration,
        compression_level: table.compression_level,
    };
    let folders = places.iter().map(|place| place.folder.clone()).collect();
    let writer = Writer::start(host.clock().clone(), Segments::new(places, limits), table.back_pressure)
        .map_err(|(folder, cause)| failure(NAME, &format!("cannot use the folder `{}`: {cause}", folder.display())))?;
    Logger::of(&host).add_local(LocalLog {
        selection,
        meta: Names::parse(&table.meta),
        headers: Names::parse(&table.headers),
        writer,
        folders,
        least: Least { space: table.min_free_space, inodes: table.min_free_inodes },
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
        Number::Float(number) => whole(number)
            .ok_or_else(|| serde::de::Error::invalid_value(serde::de::Unexpected::Float(number), &"a whole number")),
    }
}
