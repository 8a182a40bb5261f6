//! `kumo.digest`: checksums of bytes.

use mlua::{Lua, LuaString, MetaMethod, Result, UserData, UserDataFields, UserDataMethods, Variadic};

use super::encode::ENCODINGS;
use super::function::Functions;
use crate::host::Host;
use crate::policy;

/// A checksum: its `bytes`, and the same in each alphabet of `kumo.encode`, such as `hex` and `base64`.
struct Digest(Vec<u8>);

/// Puts `kumo.digest` in place: each function takes any number of strings, one after the other.
pub fn install(lua: &Lua, _host: &Host) -> Result<()> {
    let functions = Functions::of(lua, policy::table(lua, "kumo.digest")?, "kumo.digest");
    add::<md5::Md5>(&functions, "md5")?;
    add::<sha1::Sha1>(&functions, "sha1")?;
    add::<sha2::Sha224>(&functions, "sha224")?;
    add::<sha2::Sha256>(&functions, "sha256")?;
    add::<sha2::Sha384>(&functions, "sha384")?;
    add::<sha2::Sha512>(&functions, "sha512")?;
    add::<sha2::Sha512_256>(&functions, "sha512_256")?;
    add::<sha3::Sha3_224>(&functions, "sha3_224")?;
    add::<sha3::Sha3_256>(&functions, "sha3_256")?;
    add::<sha3::Sha3_384>(&functions, "sha3_384")?;
    add::<sha3::Sha3_512>(&functions, "sha3_512")?;
    Ok(())
}

fn add<D: sha2::Digest + 'static>(functions: &Functions<'_>, name: &str) -> Result<()> {
    functions.add(name, |_, parts: Variadic<LuaString>| {
        let mut hasher = D::new();
        for part in parts.iter() {
            hasher.update(&*part.as_bytes());
        }
        Ok(Digest(hasher.finalize().to_vec()))
    })?;
    Ok(())
}

impl UserData for Digest {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_method_get("bytes", |lua, this| lua.create_string(&this.0));
        for (name, writer, _) in ENCODINGS {
            fields.add_field_method_get(*name, |_, this| Ok(writer.encode(&this.0)));
        }
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| Ok(data_encoding::HEXLOWER.encode(&this.0)));
    }
}
