//! What a daemon tells, frame by frame.

use kumo_tsa_core::decide::{EffectId, View};
use serde::Deserialize;
use serde_json::Value;

/// One change, as `/subscribe_state_v1` carries them (semantics P2).
#[derive(Clone, PartialEq, Debug)]
pub enum Change {
    /// The owner begins to tell all that is in force.
    Begin,
    /// An entry is in force, or is as it is now.
    Put(Box<View>),
    /// An entry has ended.
    Delete {
        /// Its key.
        key: String,
    },
    /// All that is in force has been told: entries of the owner that were not told since `Begin`, and are not among
    /// these, have ended.
    Ready {
        /// Keys that are in force.
        keys: Vec<String>,
    },
}

/// A frame that is no change.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadChange(String);

#[derive(Deserialize)]
struct Deleted {
    key: String,
}

impl Change {
    /// Reads a frame: a table with one of the names `Begin`, `Put`, `Delete`, `Ready`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(frame: &Value) -> Result<Self, BadChange> {
        let single = frame.as_object().filter(|map| map.len() == 1).and_then(|map| map.iter().next());
        let Some((name, content)) = single else {
            return Err(BadChange(format!("expected a table such as `{{Put={{..}}}}`, found {}", cut(frame))));
        };
        match name.as_str() {
            "Begin" => Ok(Self::Begin),
            "Put" => {
                let view: View = serde_path_to_error::deserialize(content)
                    .map_err(|error| BadChange(format!("`Put`: field `{}`: {}", error.path(), error.inner())))?;
                view.key.parse::<EffectId>().map_err(|bad| BadChange(format!("`Put`: {bad}")))?;
                Ok(Self::Put(Box::new(view)))
            }
            "Delete" => {
                let Deleted { key } =
                    Deleted::deserialize(content).map_err(|error| BadChange(format!("`Delete`: {error}")))?;
                Ok(Self::Delete { key })
            }
            "Ready" => Ok(Self::Ready { keys: keys(content)? }),
            other => {
                Err(BadChange(format!("unknown change `{other}`, expected one of `Begin`, `Put`, `Delete`, `Ready`")))
            }
        }
    }
}

/// A list of keys; an empty table is none, and `{keys = {..}}` is a list too.
fn keys(content: &Value) -> Result<Vec<String>, BadChange> {
    let bad = || BadChange(format!("`Ready`: expected a list of keys, found {}", cut(content)));
    match content {
        Value::Null => Ok(Vec::new()),
        Value::Object(map) if map.is_empty() => Ok(Vec::new()),
        Value::Object(map) if map.len() == 1 => map.get("keys").ok_or_else(bad).and_then(keys),
        Value::Array(list) => list.iter().map(|key| key.as_str().map(ToOwned::to_owned).ok_or_else(bad)).collect(),
        _ => Err(bad()),
    }
}

fn cut(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(120) {
        Some((at, _)) => format!("`{}…`", &text[..at]),
        None => format!("`{text}`"),
    }
}
