//! Where a key, a certificate or a password is (interface A.20).

use std::path::{Path, PathBuf};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::value::OptionValue;
use crate::policy::{self, Policy};

/// Where a secret is; it is written back as it was given, and read each time that it is needed.
#[derive(Clone, PartialEq, Debug)]
pub enum KeySource {
    /// In a file, by its documented path.
    Path(PathBuf),
    /// Here.
    Data(String),
    /// What an event of the policy answers.
    Event {
        /// The event.
        name: String,
        /// What it is given, one argument each.
        args: Vec<Value>,
    },
    /// In a vault, by the fields of the table.
    Vault(Map<String, Value>),
}

/// A secret that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// Its documented path.
        path: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The policy did not answer.
    #[error(transparent)]
    Policy(#[from] policy::Error),
    /// It is in a vault.
    #[error("secrets in a vault (`vault_path`) are not supported yet: expected a path, `key_data` or `event_name`")]
    Vault,
}

impl KeySource {
    /// The secret.
    pub async fn load(&self, policy: &Policy) -> Result<Vec<u8>, KeyError> {
        match self {
            Self::Path(path) => load_file(policy, path).await,
            Self::Data(data) => Ok(data.clone().into_bytes()),
            Self::Event { name, args } => Ok(crate::mail::lua::key::ask(policy, name, args).await?),
            Self::Vault(_) => Err(KeyError::Vault),
        }
    }
}

async fn load_file(policy: &Policy, path: &Path) -> Result<Vec<u8>, KeyError> {
    let real = policy.host().paths().resolve(path).into_owned();
    tokio::fs::read(real).await.map_err(|source| KeyError::Read { path: path.display().to_string(), source })
}

impl OptionValue for KeySource {
    fn read(value: &Value) -> Option<Self> {
        let table = match value {
            Value::String(path) => return Some(Self::Path(path.into())),
            other => other.as_object()?,
        };
        let text = |name: &str| table.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        if let Some(data) = text("key_data") {
            return Some(Self::Data(data));
        }
        match text("event_name") {
            Some(name) => Some(Self::Event { name, args: arguments(table.get("event_args")) }),
            None => Some(Self::Vault(table.clone())),
        }
    }

    fn write(&self) -> Value {
        match self {
            Self::Path(path) => path.display().to_string().into(),
            Self::Data(data) => serde_json::json!({ "key_data": data }),
            Self::Event { name, args } if args.is_empty() => serde_json::json!({ "event_name": name }),
            Self::Event { name, args } => serde_json::json!({ "event_name": name, "event_args": args }),
            Self::Vault(table) => Value::Object(table.clone()),
        }
    }
}

/// A list is one argument each, anything else is the only one.
fn arguments(given: Option<&Value>) -> Vec<Value> {
    match given {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list.clone(),
        Some(Value::Object(map)) if map.is_empty() => Vec::new(),
        Some(other) => vec![other.clone()],
    }
}

impl<'de> Deserialize<'de> for KeySource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::read(&value).ok_or_else(|| {
            let expected = "a path, or a table with `key_data` or `event_name`";
            D::Error::custom(format!("invalid type: {value}, expected {expected}"))
        })
    }
}
