//! A value that has left its Lua context.

use std::any::TypeId;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use mlua::{AnyUserData, Lua, LuaSerdeExt, MultiValue, Table, UserData, Value};

use super::Snapshot;
use crate::policy::value::is_marked_array;

/// A copy of a Lua value that belongs to no context; clones are cheap.
#[derive(Clone, Debug)]
pub enum Kept {
    /// `nil`.
    Nil,
    /// The light userdata that stands for JSON's `null`.
    Null,
    /// A boolean.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// A float.
    Number(f64),
    /// A string.
    Text(Arc<[u8]>),
    /// A table; given to Lua as a [`Snapshot`].
    Table(Arc<Node>),
    /// A userdata whose type was [`register`]ed.
    Handle(Handle),
}

/// Makes the userdata anew in any context.
#[derive(Clone)]
pub struct Handle(Arc<Make>);

type Make = dyn Fn(&Lua) -> mlua::Result<Value> + Send + Sync;

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}

/// A table's content.
#[derive(Clone, Debug, Default)]
pub struct Node {
    pub(super) entries: BTreeMap<Key, Kept>,
    /// Decoded from a JSON or TOML array, so that it encodes as one when it is empty.
    pub(super) is_array: bool,
}

/// A key of a table that can be remembered; 1, 2, 3 come first and in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Key {
    /// An integer.
    Integer(i64),
    /// A string.
    Text(Arc<[u8]>),
}

type Keep = fn(&AnyUserData) -> mlua::Result<Handle>;

/// The userdata types that one context can remember.
#[derive(Default)]
pub(crate) struct Keepers(HashMap<TypeId, Keep>);

/// Lets userdata of type `T` be returned by memoized functions. A clone of the value is kept, and each caller gets a
/// clone of that: `T` should be a cheap handle. To be called where the type's table is installed.
///
/// # Errors
/// When the context was not made by a policy.
pub fn register<T: UserData + Clone + Send + Sync + 'static>(lua: &Lua) -> mlua::Result<()> {
    let mut keepers = lua
        .app_data_mut::<Keepers>()
        .ok_or_else(|| mlua::Error::runtime("this Lua context was not made by the host: it remembers nothing"))?;
    keepers.0.insert(TypeId::of::<T>(), |userdata| {
        let value = userdata.borrow::<T>()?.clone();
        Ok(Handle(Arc::new(move |lua| lua.create_userdata(value.clone()).map(Value::UserData))))
    });
    Ok(())
}

/// Deeper tables contain themselves, or are as good as if they did.
const DEPTH: usize = 128;

impl Kept {
    /// Takes a copy of what a function returned: several values are a list.
    ///
    /// # Errors
    /// For functions, coroutines, userdata that are not registered, and tables with them or with other keys than strings
    /// and integers.
    pub fn of_values(lua: &Lua, mut values: MultiValue) -> mlua::Result<Self> {
        match values.len() {
            0 => Ok(Self::Nil),
            1 => Self::of(lua, &values.pop_front().unwrap_or(Value::Nil)),
            _ => {
                let mut entries = BTreeMap::new();
                for (value, index) in values.iter().zip(1..) {
                    entries.insert(Key::Integer(index), Self::of(lua, value)?);
                }
                Ok(Self::Table(Arc::new(Node { entries, is_array: true })))
            }
        }
    }

    /// Takes a copy of one value.
    ///
    /// # Errors
    /// As for [`of_values`](Self::of_values).
    pub fn of(lua: &Lua, value: &Value) -> mlua::Result<Self> {
        Self::at(lua, value, 0)
    }

    pub(super) fn at(lua: &Lua, value: &Value, depth: usize) -> mlua::Result<Self> {
        if depth > DEPTH {
            return Err(refused(&format!("tables nested deeper than {DEPTH}, or that contain themselves")));
        }
        match value {
            Value::Nil => Ok(Self::Nil),
            Value::LightUserData(data) if data.0.is_null() => Ok(Self::Null),
            Value::Boolean(value) => Ok(Self::Boolean(*value)),
            Value::Integer(value) => Ok(Self::Integer(*value)),
            Value::Number(value) => Ok(Self::Number(*value)),
            Value::String(text) => Ok(Self::Text(text.as_bytes().as_ref().into())),
            Value::Table(table) => Self::of_table(lua, table, depth),
            Value::UserData(userdata) => Self::of_userdata(lua, userdata, depth),
            other => Err(refused(&format!("a {}", other.type_name()))),
        }
    }

    fn of_table(lua: &Lua, table: &Table, depth: usize) -> mlua::Result<Self> {
        let mut entries = BTreeMap::new();
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair?;
            let name = Key::of(&key).ok_or_else(|| refused(&format!("a table with a {} as key", key.type_name())))?;
            entries.insert(name, Self::at(lua, &value, depth + 1)?);
        }
        Ok(Self::Table(Arc::new(Node { entries, is_array: is_marked_array(lua, table) })))
    }

    fn of_userdata(lua: &Lua, userdata: &AnyUserData, depth: usize) -> mlua::Result<Self> {
        if let Ok(snapshot) = userdata.borrow::<Snapshot>() {
            return snapshot.keep(lua, depth).map(Self::Table);
        }
        let keep = userdata
            .type_id()
            .and_then(|id| lua.app_data_ref::<Keepers>().and_then(|keepers| keepers.0.get(&id).copied()));
        if let Some(keep) = keep {
            return keep(userdata).map(Self::Handle);
        }
        let name = userdata.type_name().ok().map(|name| name.to_string_lossy());
        Err(refused(&format!("a userdata `{}`", name.as_deref().unwrap_or("?"))))
    }

    /// Gives it to a context.
    pub fn give(&self, lua: &Lua) -> mlua::Result<Value> {
        match self {
            Self::Nil => Ok(Value::Nil),
            Self::Null => Ok(Value::NULL),
            Self::Boolean(value) => Ok(Value::Boolean(*value)),
            Self::Integer(value) => Ok(Value::Integer(*value)),
            Self::Number(value) => Ok(Value::Number(*value)),
            Self::Text(text) => lua.create_string(text).map(Value::String),
            Self::Table(node) => lua.create_userdata(Snapshot::new(node.clone())).map(Value::UserData),
            Self::Handle(handle) => handle.0(lua),
        }
    }

    /// Gives it to a context with tables as tables.
    pub(super) fn give_plain(&self, lua: &Lua) -> mlua::Result<Value> {
        match self {
            Self::Table(node) => {
                let table = lua.create_table()?;
                for (key, value) in &node.entries {
                    table.raw_set(key.give(lua)?, value.give_plain(lua)?)?;
                }
                if node.is_array {
                    table.set_metatable(Some(lua.array_metatable()))?;
                }
                Ok(Value::Table(table))
            }
            other => other.give(lua),
        }
    }
}

impl Key {
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Integer(number) => Some(Self::Integer(*number)),
            Value::Number(_) => value.as_integer().map(Self::Integer),
            Value::String(text) => Some(Self::Text(text.as_bytes().as_ref().into())),
            _ => None,
        }
    }

    pub(super) fn give(&self, lua: &Lua) -> mlua::Result<Value> {
        match self {
            Self::Integer(number) => Ok(Value::Integer(*number)),
            Self::Text(text) => lua.create_string(text).map(Value::String),
        }
    }
}

fn refused(what: &str) -> mlua::Error {
    mlua::Error::runtime(format!("kumo.memoize cannot remember {what}"))
}
