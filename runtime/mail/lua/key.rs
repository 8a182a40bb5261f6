//! Secrets that a policy's event answers (interface A.20).

use mlua::LuaString;
use serde_json::Value;

use super::argument::Arguments;
use crate::policy::{Error, Event, Policy};

/// What the event answers.
pub(crate) async fn ask(policy: &Policy, event: &str, args: &[Value]) -> Result<Vec<u8>, Error> {
    let event = Event::<Arguments, LuaString>::named(event);
    let text = policy.ask(&event, Arguments(args.to_vec())).await?;
    Ok(text.as_bytes().to_vec())
}
