//! `kumo.encode`: bytes as text and back (base16, base32 and base64 of RFC 4648).

use data_encoding::{
    BASE32, BASE32_NOPAD, BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, Encoding, HEXLOWER, HEXLOWER_PERMISSIVE,
};
use mlua::{Lua, LuaString, Result};

use super::function::{Functions, failure};
use crate::host::Host;
use crate::policy;

/// Each alphabet: its name, how it is written, and how it is read.
pub(super) const ENCODINGS: &[(&str, Encoding, Encoding)] = &[
    ("hex", HEXLOWER, HEXLOWER_PERMISSIVE),
    ("base32", BASE32, BASE32),
    ("base32_nopad", BASE32_NOPAD, BASE32_NOPAD),
    ("base64", BASE64, BASE64),
    ("base64_nopad", BASE64_NOPAD, BASE64_NOPAD),
    ("base64url", BASE64URL, BASE64URL),
    ("base64url_nopad", BASE64URL_NOPAD, BASE64URL_NOPAD),
];

/// Puts `kumo.encode` in place: for each alphabet `NAME_encode(bytes)` and `NAME_decode(text)`.
pub fn install(lua: &Lua, _host: &Host) -> Result<()> {
    let functions = Functions::of(lua, policy::table(lua, "kumo.encode")?, "kumo.encode");
    for (name, writer, reader) in ENCODINGS {
        functions.add(&format!("{name}_encode"), |_, bytes: LuaString| Ok(writer.encode(&bytes.as_bytes())))?.add(
            &format!("{name}_decode"),
            move |lua, text: LuaString| {
                let bytes = reader
                    .decode(&text.as_bytes())
                    .map_err(|e| failure(format!("kumo.encode.{name}_decode: invalid {name} text: {e}")))?;
                lua.create_string(bytes)
            },
        )?;
    }
    Ok(())
}
