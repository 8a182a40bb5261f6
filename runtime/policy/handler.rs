//! The handlers that a policy registers with `kumo.on`; each Lua context has its own.

use std::collections::{HashMap, HashSet};

use mlua::{Function, Lua, MultiValue};

/// The global that holds the name of the event whose handler runs, or ran last, in a context (interface B.3).
pub(super) const CURRENT_EVENT: &str = "_KUMO_CURRENT_EVENT";

/// The event of scripts, within which handlers may still be registered.
const MAIN: &str = "main";

#[derive(Default)]
pub(super) struct Handlers {
    by_event: HashMap<String, Vec<Handler>>,
    multiple: HashSet<String>,
}

struct Handler {
    function: Function,
    /// `file:line`, innermost first.
    stack: Vec<String>,
}

impl Handlers {
    pub(super) fn of(&self, event: &str) -> Vec<Function> {
        self.by_event.get(event).map_or_else(Vec::new, |list| list.iter().map(|h| h.function.clone()).collect())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.by_event.keys()
    }
}

/// Names events that take several handlers; every other event takes one.
pub fn declare_multiple(lua: &Lua, events: &[&str]) -> mlua::Result<()> {
    with(lua, |handlers| handlers.multiple.extend(events.iter().map(|event| (*event).to_owned())))
}

/// Registers a handler (interface B.3).
///
/// # Errors
/// When the event takes one handler and has it, and when a handler is running: then only one context of many would
/// have the new one.
pub fn register(lua: &Lua, event: &str, function: Function) -> mlua::Result<()> {
    if let Some(current) = lua.globals().raw_get::<Option<String>>(CURRENT_EVENT)?
        && current != MAIN
    {
        return Err(mlua::Error::runtime(format!(
            "Attempting to register an event handler via `kumo.on('{event}', ...)` from within the event handler \
             '{current}'. Handlers must be registered at the top level of the policy, so that every Lua context has \
             them; a module that registers handlers when it is required must be required there"
        )));
    }
    let stack = call_stack(lua);
    with(lua, |handlers| {
        let multiple = handlers.multiple.contains(event);
        let list = handlers.by_event.entry(event.to_owned()).or_default();
        match list.first() {
            Some(first) if !multiple => {
                let place = first.stack.first().map_or("?", String::as_str);
                Err(mlua::Error::runtime(format!("{event} event already has a handler defined at {place}")))
            }
            _ => {
                list.push(Handler { function, stack });
                Ok(())
            }
        }
    })?
}

/// The call stacks that registered the event's handlers, in order; `None` without a handler.
pub fn registrars(lua: &Lua, event: &str) -> mlua::Result<Option<Vec<Vec<String>>>> {
    with(lua, |handlers| handlers.by_event.get(event).map(|list| list.iter().map(|h| h.stack.clone()).collect()))
}

/// Asks the handlers that this very context has, from within it: for functions by which a policy asks itself.
///
/// As with [`Policy::call`](super::Policy::call), the first handler that returns something has answered.
///
/// # Errors
/// What a handler raises.
pub async fn ask_here(lua: &Lua, event: &str, args: MultiValue) -> mlua::Result<Option<MultiValue>> {
    for function in with(lua, |handlers| handlers.of(event))? {
        let values = function.call_async::<MultiValue>(args.clone()).await?;
        if !values.is_empty() {
            return Ok(Some(values));
        }
    }
    Ok(None)
}

fn with<T>(lua: &Lua, act: impl FnOnce(&mut Handlers) -> T) -> mlua::Result<T> {
    let mut handlers = lua
        .app_data_mut::<Handlers>()
        .ok_or_else(|| mlua::Error::runtime("this Lua context was not made by the host: it has no event handlers"))?;
    Ok(act(&mut handlers))
}

fn call_stack(lua: &Lua) -> Vec<String> {
    let mut stack = Vec::new();
    let mut level = 0;
    while let Some(place) = lua.inspect_stack(level, |frame| {
        let line = frame.current_line()?;
        let source = frame.source().short_src?.into_owned();
        Some(format!("{source}:{line}"))
    }) {
        stack.extend(place);
        level += 1;
    }
    stack
}
