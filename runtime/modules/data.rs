//! Plain data, free of any Lua state: what JSON, TOML and YAML can hold.

use std::fmt;

use super::function::failure;
use crate::policy::memo::Snapshot;
use mlua::{Function, Lua, LuaSerdeExt, Result, Table, Value};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// How deep a Lua value may nest; a table that contains itself ends here.
const MAX_DEPTH: usize = 128;

/// How many members more than half of a list may be nil; a table with more holes is written as a map.
const MAX_HOLES: usize = 1024;

/// How the `toml` crate hands a date to generic readers: a map with this one key.
const TOML_DATETIME: &str = "$__toml_private_datetime";

/// A value without functions, userdata or anything else that belongs to a Lua state.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Data {
    Nil,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Data>),
    /// In the order of the text or of Lua's iteration.
    Map(Vec<(Key, Data)>),
}

/// A key of a map; written as text, and kept apart so that a YAML integer key stays one in Lua.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Integer(i64),
    Text(String),
}

impl Data {
    /// Takes a copy of a Lua value.
    ///
    /// A table is a list if it came from a decoded list, or if its keys are 1 to n with n > 0. Userdata is walked with its
    /// `__pairs`; userdata without it becomes its `tostring`.
    ///
    /// # Errors
    /// Functions, threads, text that is not UTF-8, keys that are tables, and nesting beyond [`MAX_DEPTH`].
    pub(super) fn from_lua(lua: &Lua, value: &Value) -> Result<Self> {
        Self::take(lua, value, 0)
    }

    fn take(lua: &Lua, value: &Value, depth: usize) -> Result<Self> {
        if depth > MAX_DEPTH {
            return Err(failure(format!("value nests deeper than {MAX_DEPTH}; does it contain itself?")));
        }
        Ok(match value {
            Value::Nil => Self::Nil,
            Value::Boolean(b) => Self::Bool(*b),
            Value::Integer(i) => Self::Integer(*i),
            Value::Number(n) => Self::Float(*n),
            Value::String(s) => Self::Text(s.to_str()?.to_owned()),
            Value::Table(table) => Self::take_table(lua, table, depth)?,
            Value::LightUserData(p) if p.0.is_null() => Self::Nil,
            Value::UserData(userdata) => Self::take_userdata(lua, userdata, depth)?,
            other => {
                return Err(failure(format!("a {} cannot be written as data", other.type_name())));
            }
        })
    }

    fn take_table(lua: &Lua, table: &Table, depth: usize) -> Result<Self> {
        let mut pairs = Vec::new();
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair?;
            pairs.push((Key::from_lua(&key)?, Self::take(lua, &value, depth + 1)?));
        }
        let is_marked = table.metatable().is_some_and(|m| m == lua.array_metatable());
        let len = if is_marked { highest(&pairs) } else { table.raw_len() };
        let is_list = (is_marked || len > 0)
            && len <= pairs.len() * 2 + MAX_HOLES
            && pairs.iter().all(|(key, _)| key.is_within(len));
        Ok(if is_list { Self::list(len, pairs) } else { Self::Map(pairs) })
    }

    /// Keys that are missing are nil in the list.
    fn list(len: usize, pairs: Vec<(Key, Self)>) -> Self {
        let mut list: Vec<_> = (0..len).map(|_| Self::Nil).collect();
        for (key, value) in pairs {
            if let Some(place) = key.index().and_then(|i| list.get_mut(i)) {
                *place = value;
            }
        }
        Self::List(list)
    }

    fn take_userdata(lua: &Lua, userdata: &mlua::AnyUserData, depth: usize) -> Result<Self> {
        if let Some(scalar) = super::time::scalar(userdata) {
            return Ok(scalar);
        }
        if let Ok(snapshot) = userdata.borrow::<Snapshot>() {
            return Self::take(lua, &snapshot.to_table(lua)?, depth);
        }
        let pairs = userdata.metatable().and_then(|m| m.get::<Option<Function>>("__pairs")).ok().flatten();
        let Some(pairs) = pairs else {
            return Ok(Self::Text(Value::UserData(userdata.clone()).to_string()?));
        };
        // A plain copy has the shape that a table would have, list or map.
        let copy = lua.create_table()?;
        let (next, state, mut key): (Function, Value, Value) = pairs.call(userdata)?;
        loop {
            let (k, v): (Value, Value) = next.call((&state, key))?;
            if k.is_nil() {
                break;
            }
            copy.raw_set(k.clone(), v)?;
            key = k;
        }
        Self::take_table(lua, &copy, depth)
    }

    /// Makes the Lua value; a list gets mlua's array metatable, so that an empty one is written as `[]` again.
    pub(super) fn to_lua(&self, lua: &Lua) -> Result<Value> {
        Ok(match self {
            Self::Nil => Value::Nil,
            Self::Bool(b) => Value::Boolean(*b),
            Self::Integer(i) => Value::Integer(*i),
            Self::Float(n) => Value::Number(*n),
            Self::Text(text) => Value::String(lua.create_string(text)?),
            Self::List(items) => {
                let table = lua.create_table_with_capacity(items.len(), 0)?;
                for (i, item) in (1_i64..).zip(items) {
                    table.raw_set(i, item.to_lua(lua)?)?;
                }
                table.set_metatable(Some(lua.array_metatable()))?;
                Value::Table(table)
            }
            Self::Map(pairs) => {
                let table = lua.create_table_with_capacity(0, pairs.len())?;
                for (key, value) in pairs {
                    match key {
                        Key::Integer(i) => table.raw_set(*i, value.to_lua(lua)?)?,
                        Key::Text(key) => table.raw_set(key.as_str(), value.to_lua(lua)?)?,
                    }
                }
                Value::Table(table)
            }
        })
    }

    /// The same data with every map sorted by key.
    pub(super) fn sorted(self) -> Self {
        match self {
            Self::List(items) => Self::List(items.into_iter().map(Self::sorted).collect()),
            Self::Map(pairs) => {
                let mut pairs: Vec<_> = pairs.into_iter().map(|(key, value)| (key, value.sorted())).collect();
                pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
                Self::Map(pairs)
            }
            other => other,
        }
    }

    /// The same data without nil members, for formats that have no word for nothing.
    pub(super) fn without_nil(self) -> Self {
        match self {
            Self::List(items) => {
                Self::List(items.into_iter().filter(|v| *v != Self::Nil).map(Self::without_nil).collect())
            }
            Self::Map(pairs) => Self::Map(
                pairs.into_iter().filter(|(_, v)| *v != Self::Nil).map(|(k, v)| (k, v.without_nil())).collect(),
            ),
            other => other,
        }
    }
}

fn highest(pairs: &[(Key, Data)]) -> usize {
    pairs.iter().filter_map(|(key, _)| key.index()).max().map_or(0, |i| i + 1)
}

impl Key {
    /// Where the key stands in a list that begins with 1.
    fn index(&self) -> Option<usize> {
        match self {
            Self::Integer(i) => usize::try_from(*i).ok()?.checked_sub(1),
            Self::Text(_) => None,
        }
    }

    fn is_within(&self, len: usize) -> bool {
        self.index().is_some_and(|i| i < len)
    }

    fn from_lua(key: &Value) -> Result<Self> {
        Ok(match key {
            Value::Integer(i) => Self::Integer(*i),
            Value::String(s) => Self::Text(s.to_str()?.to_owned()),
            Value::Number(n) => Self::Text(n.to_string()),
            Value::Boolean(b) => Self::Text(b.to_string()),
            other => return Err(failure(format!("a {} cannot be a key in data", other.type_name()))),
        })
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Nil => serializer.serialize_unit(),
            Self::Bool(b) => serializer.serialize_bool(*b),
            Self::Integer(i) => serializer.serialize_i64(*i),
            Self::Float(n) => serializer.serialize_f64(*n),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    seq.serialize_element(item)?;
                }
                seq.end()
            }
            Self::Map(pairs) => {
                let mut map = serializer.serialize_map(Some(pairs.len()))?;
                for (key, value) in pairs {
                    match key {
                        Key::Integer(i) => map.serialize_entry(&i.to_string(), value)?,
                        Key::Text(key) => map.serialize_entry(key, value)?,
                    }
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(DataVisitor)
    }
}

struct DataVisitor;

impl<'de> Visitor<'de> for DataVisitor {
    type Value = Data;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("data")
    }

    fn visit_unit<E>(self) -> std::result::Result<Data, E> {
        Ok(Data::Nil)
    }

    fn visit_none<E>(self) -> std::result::Result<Data, E> {
        Ok(Data::Nil)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Data, D::Error> {
        Data::deserialize(deserializer)
    }

    fn visit_bool<E>(self, b: bool) -> std::result::Result<Data, E> {
        Ok(Data::Bool(b))
    }

    fn visit_i64<E>(self, i: i64) -> std::result::Result<Data, E> {
        Ok(Data::Integer(i))
    }

    fn visit_u64<E>(self, i: u64) -> std::result::Result<Data, E> {
        Ok(i64::try_from(i).map_or(Data::Float(i as f64), Data::Integer))
    }

    fn visit_f64<E>(self, n: f64) -> std::result::Result<Data, E> {
        Ok(Data::Float(n))
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<Data, E> {
        Ok(Data::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> std::result::Result<Data, E> {
        Ok(Data::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Data, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Data::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Data, A::Error> {
        let mut pairs = Vec::new();
        while let Some((key, value)) = map.next_entry::<Data, Data>()? {
            let key = match key {
                Data::Integer(i) => Key::Integer(i),
                Data::Text(text) if text == TOML_DATETIME => return Ok(value),
                Data::Text(text) => Key::Text(text),
                Data::Bool(b) => Key::Text(b.to_string()),
                Data::Float(n) => Key::Text(n.to_string()),
                Data::Nil | Data::List(_) | Data::Map(_) => {
                    return Err(de::Error::custom("a key must be text, a number or a boolean"));
                }
            };
            pairs.push((key, value));
        }
        Ok(Data::Map(pairs))
    }
}
