//! What a policy says of queues, paths, sources and pools: the objects that `kumo.make_*` makes (interface A.5, D.7).
//!
//! [`queue_config`], [`path_config`], [`egress_source`] and [`egress_pool`] ask the policy; what a handler does not answer
//! has a default.

mod cache;
mod fetch;
mod key;
mod path;
mod queue;
mod source;
mod unenforced;
mod value;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use fetch::{Configs, egress_pool, egress_source, path_config, queue_config};
pub use key::{KeyError, KeySource};
pub use path::{MemoryPolicy, PathConfig, ReconnectStrategy, RefreshStrategy, TlsMode, WakeupStrategy};
pub use queue::{MxEntry, Protocol, QueueConfig, Shrinking, Strategy};
pub use source::{Health, Pool, PoolEntry, Proxies, Source, UNSPECIFIED};
pub use unenforced::{Unenforced, say_unenforced, unenforced};
pub(in crate::mail) use value::list;

/// Options that make no config. The text has the words that helpers look for (interface B.9): ``unknown field `X` ``,
/// `missing field`, `invalid type: `, `invalid value: `.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadConfig(pub String);

/// What a `kumo.make_*` function makes.
pub trait Config: Clone + Send + Sync + 'static {
    /// The function's name, such as `kumo.make_queue_config`.
    const MAKER: &'static str;

    /// From options by their names; what is null or not there has its default.
    fn from_options(options: &Map<String, Value>) -> Result<Self, BadConfig>;

    /// All options by their names, with the values that hold; null for none.
    fn to_json(&self) -> Map<String, Value>;
}

/// Reads options with serde; the message names the field.
pub(in crate::mail) fn read<T: DeserializeOwned>(options: &Map<String, Value>) -> Result<T, BadConfig> {
    let given = Value::Object(options.iter().filter(|(_, value)| !value.is_null()).map(entry).collect());
    serde_path_to_error::deserialize(given).map_err(|error| {
        let path = error.path().to_string();
        let message = error.into_inner().to_string();
        let names_itself =
            |words: &str| message.strip_prefix(words).is_some_and(|rest| path == "." || rest.starts_with(&path));
        if names_itself("unknown field `") || names_itself("missing field `") {
            return BadConfig(message);
        }
        let told = message.starts_with("invalid type: ") || message.starts_with("invalid value: ");
        let blame = if told { "" } else { "invalid value: " };
        BadConfig(format!("field `{path}`: {blame}{message}"))
    })
}

fn entry((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// What serde makes of a config that it can write.
fn written(config: &impl serde::Serialize) -> Map<String, Value> {
    match serde_json::to_value(config) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests;
