//! Credentials of HTTP requests, as the handlers of a policy accept them (interface C.1).

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use mlua::{FromLua, Lua, Table, Value};

use crate::host::http::{Credentials, Offered};
use crate::policy::{self, Event, Policy};

const VALIDATE_BASIC: Event<(String, String), Verdict> = Event::single("http_server_validate_auth_basic");
const VALIDATE_BEARER: Event<String, Verdict> = Event::single("http_server_validate_auth_bearer");

/// What a handler says of credentials. Whatever is neither a boolean nor an identity is an error: a text such as
/// `"no"` must not let anyone in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Good,
    Bad,
}

impl FromLua for Verdict {
    fn from_lua(value: Value, _: &Lua) -> mlua::Result<Self> {
        match &value {
            Value::Nil | Value::Boolean(false) => Ok(Self::Bad),
            Value::Boolean(true) => Ok(Self::Good),
            Value::Table(table) if tells_who(table)? => Ok(Self::Good),
            other => Err(mlua::Error::FromLuaConversionError {
                from: other.type_name(),
                to: "verdict".to_owned(),
                message: Some(
                    "expected a boolean, or a table with `identities`, `groups`, `peer_address` or `identity`"
                        .to_owned(),
                ),
            }),
        }
    }
}

/// Whether a table says who someone is (`auth_info` in interface C.8), or has an `identity`.
fn tells_who(table: &Table) -> mlua::Result<bool> {
    for field in ["identities", "groups", "peer_address", "identity"] {
        let tells = match (field, table.get::<Value>(field)?) {
            ("identities" | "groups", Value::Table(list)) => !list.is_empty(),
            ("peer_address" | "identity", Value::String(text)) => !text.as_bytes().is_empty(),
            _ => false,
        };
        if tells {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Credentials that the policy's handlers accept.
#[derive(Debug)]
pub struct PolicyCredentials(pub Policy);

impl Credentials for PolicyCredentials {
    fn check<'a>(&'a self, offered: &'a Offered) -> BoxFuture<'a, Result<bool, String>> {
        async move {
            let answer = match offered {
                Offered::Basic { user, password } => {
                    self.0.call(&VALIDATE_BASIC, (user.clone(), password.clone())).await
                }
                Offered::Bearer { token } => self.0.call(&VALIDATE_BEARER, token.clone()).await,
            };
            match answer {
                Ok(verdict) => Ok(matches!(verdict, Some(Verdict::Good))),
                Err(error) => Err(policy::explain(&error)),
            }
        }
        .boxed()
    }
}
