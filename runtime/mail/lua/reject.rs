//! `kumo.reject` and `kumo.disconnect` (interface A.6).

use mlua::{Error, ExternalError, Lua, Result};

use crate::host::Host;
use crate::mail::Rejection;
use crate::mail::rejection::Closing;
use crate::policy;

/// Puts the functions there.
pub fn install(lua: &Lua, _host: &Host) -> Result<()> {
    let kumo = policy::table(lua, "kumo")?;
    kumo.set(
        "reject",
        lua.create_function(|_, (code, message): (i64, String)| -> Result<()> {
            Err(rejection("kumo.reject", code, message, Closing::If421))
        })?,
    )?;
    kumo.set(
        "disconnect",
        lua.create_function(|_, (code, message, mode): (i64, String, Option<String>)| -> Result<()> {
            let closing = match mode.as_deref() {
                None | Some("ForceDisconnect") => Closing::ForceDisconnect,
                Some("FollowWith421") => Closing::FollowWith421,
                Some("If421") => Closing::If421,
                Some(other) => {
                    return Err(Error::runtime(format!(
                        "kumo.disconnect: unknown mode `{other}`: expected `If421`, `FollowWith421` or `ForceDisconnect`"
                    )));
                }
            };
            Err(rejection("kumo.disconnect", code, message, closing))
        })?,
    )
}

fn rejection(function: &str, code: i64, message: String, closing: Closing) -> Error {
    match u16::try_from(code) {
        Ok(code @ 400..=599) => Rejection { code, message, closing }.into_lua_err(),
        _ => Error::runtime(format!("{function}: invalid code `{code}`: expected 400 to 599")),
    }
}
