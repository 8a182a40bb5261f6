//! `kumo.domain_map`: a map whose keys are domains, with wildcards (interface A.13).

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use mlua::{Lua, MetaMethod, MultiValue, Result, Table, UserData, UserDataMethods, Value};

use super::function::Functions;
use super::map;
use crate::host::Host;
use crate::policy;
use crate::policy::memo::{self, Kept};

/// A map from domains to values; clones share their entries.
///
/// `*.example.com` stands for every name below `example.com`, at any depth, and `*` for every name. The entry with the
/// most labels in common wins, an exact one before all. Case and a final dot do not matter.
#[derive(Clone, Default)]
pub struct DomainMap(Arc<RwLock<BTreeMap<String, Entry>>>);

struct Entry {
    /// The key as the policy wrote it.
    written: String,
    value: Kept,
}

/// Puts `kumo.domain_map` in place.
pub fn install(lua: &Lua, _host: &Host) -> Result<()> {
    memo::register::<DomainMap>(lua)?;
    Functions::of(lua, policy::table(lua, "kumo.domain_map")?, "kumo.domain_map").add(
        "new",
        |lua, entries: Option<Table>| {
            let made = DomainMap::default();
            if let Some(entries) = entries {
                for pair in entries.pairs::<String, Value>() {
                    let (domain, value) = pair?;
                    made.set(&domain, map::keep(lua, "kumo.domain_map", &domain, &value)?);
                }
            }
            Ok(made)
        },
    )?;
    Ok(())
}

fn normal(domain: &str) -> String {
    domain.strip_suffix('.').unwrap_or(domain).to_lowercase()
}

impl DomainMap {
    /// Nil removes the entry.
    fn set(&self, domain: &str, value: Kept) {
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(value, Kept::Nil) {
            map.remove(&normal(domain));
        } else {
            map.insert(normal(domain), Entry { written: domain.to_owned(), value });
        }
    }

    fn get(&self, domain: &str) -> Option<Kept> {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let name = normal(domain);
        if let Some(entry) = map.get(&name) {
            return Some(entry.value.clone());
        }
        let above = std::iter::successors(Some(name.as_str()), |name| Some(name.split_once('.')?.1)).skip(1);
        let mut wildcards = above.map(|suffix| format!("*.{suffix}")).chain(["*".to_owned()]);
        wildcards.find_map(|wildcard| map.get(&wildcard)).map(|entry| entry.value.clone())
    }

    fn pairs(&self, lua: &Lua) -> Result<MultiValue> {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let pair = |entry: &Entry| Ok((Value::String(lua.create_string(&entry.written)?), entry.value.give(lua)?));
        map::pairs(lua, map.values().map(pair).collect::<Result<_>>()?)
    }
}

impl UserData for DomainMap {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::Index, |lua, this, domain: String| {
            this.get(&domain).map(|value| value.give(lua)).transpose()
        });
        methods.add_meta_method(MetaMethod::NewIndex, |lua, this, (domain, value): (String, Value)| {
            this.set(&domain, map::keep(lua, "kumo.domain_map", &domain, &value)?);
            Ok(())
        });
        methods.add_meta_method(MetaMethod::Len, |_, this, ()| {
            Ok(this.0.read().unwrap_or_else(PoisonError::into_inner).len())
        });
        methods.add_meta_method(MetaMethod::Pairs, |lua, this, ()| this.pairs(lua));
    }
}
