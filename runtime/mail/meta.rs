//! What is noted about a message: a map of JSON values, small while nobody changes it.

use serde_json::{Map, Value};

/// The notes of a message. [`pack`](Self::pack) makes one text of them, which takes a fraction of the memory; they are read
/// from it as they are, and unpacked by the first change.
#[derive(Clone, Debug)]
pub(super) enum Meta {
    Open(Map<String, Value>),
    Packed(Box<str>),
}

impl Default for Meta {
    fn default() -> Self {
        Self::Packed("".into())
    }
}

impl Meta {
    /// From the whole map.
    pub(super) fn of(map: Map<String, Value>) -> Self {
        Self::Open(map)
    }

    /// From the text of the whole map.
    pub(super) fn of_text(text: String) -> Self {
        Self::Packed(text.into())
    }

    /// The value of `key`, `null` too.
    pub(super) fn get(&self, key: &str) -> Option<Value> {
        self.look(|map| map.get(key).cloned())
    }

    /// What is read from the whole map.
    pub(super) fn look<T>(&self, read: impl FnOnce(&Map<String, Value>) -> T) -> T {
        match self {
            Self::Open(map) => read(map),
            Self::Packed(text) => read(&parse_map(text)),
        }
    }

    pub(super) fn set(&mut self, key: String, value: Value) {
        if let Self::Packed(text) = self {
            *self = Self::Open(parse_map(text));
        }
        if let Self::Open(map) = self {
            map.insert(key, value);
        }
    }

    /// The whole map.
    pub(super) fn to_map(&self) -> Map<String, Value> {
        match self {
            Self::Open(map) => map.clone(),
            Self::Packed(text) => parse_map(text),
        }
    }

    /// Makes it small.
    pub(super) fn pack(&mut self) {
        if let Self::Open(map) = self {
            *self = if map.is_empty() {
                Self::default()
            } else {
                Self::Packed(Value::Object(std::mem::take(map)).to_string().into())
            };
        }
    }
}

/// Reads what `pack` wrote.
fn parse_map(text: &str) -> Map<String, Value> {
    if text.is_empty() { Map::new() } else { serde_json::from_str(text).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn packing_changes_nothing_that_is_read() {
        let mut meta = Meta::default();
        assert_eq!(meta.get("a"), None);
        meta.set("big".to_owned(), json!(9_007_199_254_740_993_i64));
        meta.set("none".to_owned(), Value::Null);
        meta.set("list".to_owned(), json!([1, {"x": 1.5}]));
        let before = meta.to_map();
        meta.pack();
        assert!(matches!(meta, Meta::Packed(_)));
        assert_eq!(meta.to_map(), before);
        assert_eq!(meta.get("big"), Some(json!(9_007_199_254_740_993_i64)));
        assert_eq!(meta.get("none"), Some(Value::Null));
        meta.set("more".to_owned(), json!("x"));
        assert_eq!(meta.to_map().len(), 4);
    }
}
