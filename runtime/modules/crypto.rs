//! `kumo.crypto`: named, and not in this version.

use mlua::{Lua, Result};

use super::function::Functions;
use crate::host::Host;
use crate::policy;

/// Puts `kumo.crypto` in place; each function raises an error that names it.
pub fn install(lua: &Lua, _host: &Host) -> Result<()> {
    let functions = Functions::of(lua, policy::table(lua, "kumo.crypto")?, "kumo.crypto");
    for name in ["aes_encrypt_block", "aes_decrypt_block", "aws_sign_v4", "hmac_sha1", "hmac_sha256", "hmac_sha512"] {
        functions.add_missing(name)?;
    }
    Ok(())
}
