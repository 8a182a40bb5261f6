//! `kumo.memoize` (interface B.7).

use std::sync::Arc;

use mlua::{Function, Lua, MultiValue, Value};

use crate::host::Host;
use crate::policy;
use crate::policy::memo::{Cache, Caches, Kept, Params, key};

/// Puts the function there.
pub fn install(lua: &Lua, host: &Host) -> mlua::Result<()> {
    let host = host.clone();
    policy::table(lua, "kumo")?.set(
        "memoize",
        lua.create_function(move |lua, (function, params): (Function, Value)| {
            let params: Params = policy::options(lua, params, "kumo.memoize")?;
            let cache = Caches::of(&host).declare(params);
            remembering(lua, &host, function, &cache)
        })?,
    )
}

fn remembering(lua: &Lua, host: &Host, function: Function, cache: &Arc<Cache>) -> mlua::Result<Function> {
    let (host, cache) = (host.clone(), cache.clone());
    lua.create_async_function(move |lua, args: MultiValue| {
        let (host, cache, function) = (host.clone(), cache.clone(), function.clone());
        async move {
            let key = key(&lua, &args)?;
            let populate = || {
                let (lua, call) = (lua.clone(), function.call_async::<MultiValue>(args.clone()));
                async move { Kept::of_values(&lua, call.await?) }
            };
            cache.get(&host, &key, populate).await?.give(&lua)
        }
    })
}
