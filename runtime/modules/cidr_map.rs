//! `kumo.cidr_map`: a map whose keys are networks (interface A.13).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};

use ipnet::IpNet;
use mlua::{Lua, MetaMethod, MultiValue, Result, Table, UserData, UserDataMethods, Value};

use super::function::{Functions, failure};
use super::map;
use crate::host::Host;
use crate::policy;
use crate::policy::memo::{self, Kept};

/// A map from networks to values; clones share their entries.
///
/// An address finds the smallest network that holds it; a network finds its own entry.
#[derive(Clone, Default)]
pub struct CidrMap(Arc<RwLock<BTreeMap<IpNet, Kept>>>);

/// Puts `kumo.cidr_map` in place.
pub fn install(lua: &Lua, _host: &Host) -> Result<()> {
    memo::register::<CidrMap>(lua)?;
    Functions::of(lua, policy::table(lua, "kumo.cidr_map")?, "kumo.cidr_map").add(
        "new",
        |lua, entries: Option<Table>| {
            let made = CidrMap::default();
            if let Some(entries) = entries {
                for pair in entries.pairs::<String, Value>() {
                    let (network, value) = pair?;
                    made.set(&network, map::keep(lua, "kumo.cidr_map", &network, &value)?)?;
                }
            }
            Ok(made)
        },
    )?;
    Ok(())
}

/// A network such as `10.0.0.0/8`, or an address, that of a socket included.
fn parse_network(text: &str) -> Result<IpNet> {
    let address = || text.parse::<IpAddr>().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    let network = address().map(IpNet::from).or_else(|| text.parse().ok());
    network.map(|network: IpNet| network.trunc()).ok_or_else(|| {
        failure(format!("kumo.cidr_map: `{text}` is not an IP address, nor a network such as `10.0.0.0/8`"))
    })
}

impl CidrMap {
    /// Nil removes the entry.
    fn set(&self, network: &str, value: Kept) -> Result<()> {
        let network = parse_network(network)?;
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(value, Kept::Nil) {
            map.remove(&network);
        } else {
            map.insert(network, value);
        }
        Ok(())
    }

    fn get(&self, text: &str) -> Result<Option<Kept>> {
        let network = parse_network(text)?;
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if text.contains('/') {
            return Ok(map.get(&network).cloned());
        }
        let wider = std::iter::successors(Some(network), IpNet::supernet);
        Ok(wider.into_iter().find_map(|network| map.get(&network)).cloned())
    }

    fn pairs(&self, lua: &Lua) -> Result<MultiValue> {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let pair = |(network, value): (&IpNet, &Kept)| {
            Ok((Value::String(lua.create_string(network.to_string())?), value.give(lua)?))
        };
        map::pairs(lua, map.iter().map(pair).collect::<Result<_>>()?)
    }
}

impl UserData for CidrMap {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::Index, |lua, this, address: String| {
            this.get(&address)?.map(|value| value.give(lua)).transpose()
        });
        methods.add_meta_method(MetaMethod::NewIndex, |lua, this, (network, value): (String, Value)| {
            this.set(&network, map::keep(lua, "kumo.cidr_map", &network, &value)?)
        });
        methods.add_meta_method(MetaMethod::Len, |_, this, ()| {
            Ok(this.0.read().unwrap_or_else(PoisonError::into_inner).len())
        });
        methods.add_meta_method(MetaMethod::Pairs, |lua, this, ()| this.pairs(lua));
    }
}
