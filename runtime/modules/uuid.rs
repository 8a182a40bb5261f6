//! `kumo.uuid`: unique ids (RFC 9562).

use mlua::{Lua, LuaString, MetaMethod, Result, UserData, UserDataFields, UserDataMethods};

use super::function::{Functions, failure};
use crate::host::{Clock, Host};
use crate::policy;

/// An id that a policy holds: `hyphenated`, `simple`, `braced`, `urn` and `bytes`.
struct Uuid(uuid::Uuid);

/// Puts `kumo.uuid` in place: `make_` gives text, `new_` and `parse` give an id.
pub fn install(lua: &Lua, host: &Host) -> Result<()> {
    let functions = Functions::of(lua, policy::table(lua, "kumo.uuid")?, "kumo.uuid");
    let (make, new) = (host.clock().clone(), host.clock().clone());
    functions
        .add("make_v4", |_, ()| Ok(uuid::Uuid::new_v4().to_string()))?
        .add("new_v4", |_, ()| Ok(Uuid(uuid::Uuid::new_v4())))?
        .add("make_v7", move |_, ()| Ok(v7(&make).to_string()))?
        .add("new_v7", move |_, ()| Ok(Uuid(v7(&new))))?
        .add("parse", |_, text: LuaString| {
            // Sixteen bytes are an id as `bytes` gives it; anything else is text.
            let parsed = match <[u8; 16]>::try_from(&*text.as_bytes()) {
                Ok(bytes) => Ok(uuid::Uuid::from_bytes(bytes)),
                Err(_) => uuid::Uuid::try_parse_ascii(&text.as_bytes()),
            };
            parsed.map(Uuid).map_err(|e| failure(format!("kumo.uuid.parse: invalid id `{}`: {e}", text.display())))
        })?;
    for version in ["v1", "v3", "v5", "v6"] {
        functions.add_missing(&format!("make_{version}"))?.add_missing(&format!("new_{version}"))?;
    }
    Ok(())
}

/// An id that sorts by the host's time.
fn v7(clock: &Clock) -> uuid::Uuid {
    let micros = u64::try_from(clock.now().micros()).unwrap_or(0);
    let nanos = u32::try_from(micros % 1_000_000).unwrap_or(0) * 1_000;
    uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, micros / 1_000_000, nanos))
}

impl UserData for Uuid {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_method_get("bytes", |lua, this| lua.create_string(this.0.as_bytes()));
        fields.add_field_method_get("hyphenated", |_, this| Ok(this.0.hyphenated().to_string()));
        fields.add_field_method_get("simple", |_, this| Ok(this.0.simple().to_string()));
        fields.add_field_method_get("braced", |_, this| Ok(this.0.braced().to_string()));
        fields.add_field_method_get("urn", |_, this| Ok(this.0.urn().to_string()));
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| Ok(this.0.hyphenated().to_string()));
        methods.add_meta_method(MetaMethod::Eq, |_, this, other: mlua::UserDataRef<Self>| Ok(this.0 == other.0));
    }
}
