//! Values of options with their provenance.

use std::sync::Arc;

use serde_json::Value;

use super::Origin;
use super::option::OptionSpec;

/// The value of an option, where it was written, and what it took the place of.
#[derive(Clone, PartialEq, Debug)]
pub struct Param {
    /// As the file has it: durations and rates stay texts.
    pub value: Value,
    /// Where it was written; for names that merge, the newest of them.
    pub origin: Origin,
    /// The values it took the place of, the newest first, without further history of their own.
    pub overrode: Vec<Param>,
    /// For options whose values merge name by name: each name with its own provenance. Empty for all others.
    pub entries: Vec<(Arc<str>, Param)>,
}

impl Param {
    /// A value that took the place of nothing.
    pub(super) fn new(value: Value, origin: Origin) -> Self {
        Self { value, origin, overrode: Vec::new(), entries: Vec::new() }
    }

    /// A table whose names merge with those of other files.
    pub(super) fn table(origin: Origin, entries: Vec<(Arc<str>, Self)>) -> Self {
        let value = entries.iter().map(|(name, param)| (name.to_string(), param.value.clone())).collect();
        Self { value: Value::Object(value), origin, overrode: Vec::new(), entries }
    }

    /// Takes the place of `older`.
    pub(super) fn replace(&self, older: &Self) -> Self {
        let mut newer = self.clone();
        newer.overrode.push(Self { overrode: Vec::new(), ..older.clone() });
        newer.overrode.extend(older.overrode.iter().cloned());
        newer
    }

    /// Names of `newer` take the place of the same names here, the others are added.
    fn merge(&mut self, newer: &Self) {
        for (name, param) in &newer.entries {
            match self.entries.iter_mut().find(|(have, _)| have == name) {
                Some((_, have)) => *have = param.replace(have),
                None => self.entries.push((name.clone(), param.clone())),
            }
            if let Value::Object(map) = &mut self.value {
                map.insert(name.to_string(), param.value.clone());
            }
        }
        self.origin = newer.origin.clone();
    }
}

/// Options with their values, in the order in which they were first set.
#[derive(Clone, PartialEq, Default, Debug)]
pub(super) struct Params(Vec<(&'static OptionSpec, Param)>);

impl Params {
    /// Lays one value over what is here.
    pub(super) fn set(&mut self, spec: &'static OptionSpec, newer: &Param) {
        match self.0.iter_mut().find(|(have, _)| have.name == spec.name) {
            Some((_, have)) if spec.kind.merges() => have.merge(newer),
            Some((_, have)) => *have = newer.replace(have),
            None => self.0.push((spec, newer.clone())),
        }
    }

    /// Lays all values of `newer` over what is here.
    pub(super) fn overlay(&mut self, newer: &Self) {
        newer.0.iter().for_each(|(spec, param)| self.set(spec, param));
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn get(&self, name: &str) -> Option<&Param> {
        self.iter().find(|(spec, _)| spec.name == name).map(|(_, param)| param)
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&'static OptionSpec, &Param)> {
        self.0.iter().map(|(spec, param)| (*spec, param))
    }
}

/// The options of an egress path, in the order in which the lookup came upon them (interface D.5).
#[derive(Clone, PartialEq, Default, Debug)]
pub struct EgressPath {
    pub(super) params: Params,
}

impl EgressPath {
    /// The options that files set, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'static str, &Param)> {
        self.params.iter().map(|(spec, param)| (spec.name, param))
    }

    /// One option, when a file sets it.
    pub fn get(&self, name: &str) -> Option<&Param> {
        self.params.get(name)
    }

    /// The values alone, as files have them.
    pub fn to_json(&self) -> serde_json::Map<String, Value> {
        self.iter().map(|(name, param)| (name.to_owned(), param.value.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shaping::option;
    use serde_json::json;

    fn at(line: u32) -> Origin {
        Origin { file: "f".into(), line, column: 1 }
    }

    fn set(params: &mut Params, name: &str, value: Value, line: u32) {
        params.set(option(name).unwrap(), &Param::new(value, at(line)));
    }

    #[test]
    fn s7_a_later_value_keeps_what_it_overrode() {
        let mut older = Params::default();
        set(&mut older, "connection_limit", json!(1), 1);
        set(&mut older, "connection_limit", json!(2), 2);
        let mut newer = Params::default();
        set(&mut newer, "max_ready", json!(9), 9);
        set(&mut newer, "connection_limit", json!(3), 3);
        set(&mut newer, "connection_limit", json!(4), 4);
        older.overlay(&newer);
        let limit = older.get("connection_limit").unwrap();
        assert_eq!((&limit.value, limit.origin.line), (&json!(4), 4));
        let history: Vec<(i64, u32)> =
            limit.overrode.iter().map(|p| (p.value.as_i64().unwrap(), p.origin.line)).collect();
        assert_eq!(history, [(3, 3), (2, 2), (1, 1)]);
        assert!(limit.overrode.iter().all(|p| p.overrode.is_empty()));
        let path = EgressPath { params: older };
        assert_eq!(path.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["connection_limit", "max_ready"]);
        assert_eq!(path.get("max_ready").unwrap().value, json!(9));
        assert!(path.get("idle_timeout").is_none());
        assert_eq!(Value::Object(path.to_json()), json!({"connection_limit": 4, "max_ready": 9}));
        let mut params = path.params;
        params.clear();
        assert_eq!(params.iter().len(), 0);
    }

    #[test]
    fn s7_tables_merge_name_by_name() {
        let table = |line, entries: &[(&str, i64)]| {
            Param::table(at(line), entries.iter().map(|(n, v)| ((*n).into(), Param::new(json!(v), at(line)))).collect())
        };
        let spec = option("additional_connection_limits").unwrap();
        let mut params = Params::default();
        params.set(spec, &table(1, &[("a", 1), ("b", 2)]));
        params.set(spec, &table(2, &[("b", 3), ("c", 4)]));
        let limits = params.get(spec.name).unwrap();
        assert_eq!(limits.value, json!({"a": 1, "b": 3, "c": 4}));
        assert_eq!(limits.origin, at(2));
        let entries: Vec<_> =
            limits.entries.iter().map(|(n, p)| (n.to_string(), p.origin.line, p.overrode.len())).collect();
        assert_eq!(entries, [("a".to_owned(), 1, 0), ("b".to_owned(), 2, 1), ("c".to_owned(), 2, 0)]);
        assert!(limits.overrode.is_empty());
    }
}
