//! A remembered table, as a context sees it.

use std::collections::HashMap;
use std::sync::Arc;

use mlua::{AnyUserData, Lua, MetaMethod, UserData, UserDataMethods, Value};

use super::Kept;
use super::kept::{Key, Node};

/// A userdata that behaves like a table: what it shows is shared by all contexts, what is assigned to it is seen by its
/// holder alone.
pub struct Snapshot {
    shared: Arc<Node>,
    /// What was assigned, and the tables within that were looked at: they are the same each time.
    own: HashMap<Key, Value>,
}

impl Snapshot {
    pub(super) fn new(shared: Arc<Node>) -> Self {
        Self { shared, own: HashMap::new() }
    }

    fn get(&mut self, lua: &Lua, key: &Key) -> mlua::Result<Value> {
        if let Some(value) = self.own.get(key) {
            return Ok(value.clone());
        }
        let Some(kept) = self.shared.entries.get(key) else {
            return Ok(Value::Nil);
        };
        let value = kept.give(lua)?;
        if value.is_userdata() {
            self.own.insert(key.clone(), value.clone());
        }
        Ok(value)
    }

    fn has(&self, key: &Key) -> bool {
        match self.own.get(key) {
            Some(value) => !value.is_nil(),
            None => self.shared.entries.get(key).is_some_and(|kept| !matches!(kept, Kept::Nil)),
        }
    }

    fn keys(&self) -> Vec<Key> {
        let mut keys: Vec<Key> = self.shared.entries.keys().chain(self.own.keys()).cloned().collect();
        keys.sort();
        keys.dedup();
        keys.retain(|key| self.has(key));
        keys
    }

    fn len(&self) -> i64 {
        let mut len = 0;
        while self.has(&Key::Integer(len + 1)) {
            len += 1;
        }
        len
    }

    /// A table of its own with the same content, all the way down.
    pub(crate) fn to_table(&self, lua: &Lua) -> mlua::Result<Value> {
        Kept::Table(self.keep(lua, 0)?).give_plain(lua)
    }

    pub(super) fn keep(&self, lua: &Lua, depth: usize) -> mlua::Result<Arc<Node>> {
        if self.own.is_empty() {
            return Ok(self.shared.clone());
        }
        let mut node = Node::clone(&self.shared);
        for (key, value) in &self.own {
            match value {
                Value::Nil => node.entries.remove(key),
                value => node.entries.insert(key.clone(), Kept::at(lua, value, depth + 1)?),
            };
        }
        Ok(Arc::new(node))
    }
}

impl UserData for Snapshot {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method_mut(MetaMethod::Index, |lua, this, key: Value| match Key::of(&key) {
            Some(key) => this.get(lua, &key),
            None => Ok(Value::Nil),
        });
        methods.add_meta_method_mut(MetaMethod::NewIndex, |_, this, (key, value): (Value, Value)| {
            let key = Key::of(&key).ok_or_else(|| {
                let kind = key.type_name();
                mlua::Error::runtime(format!("a remembered table takes strings and integers as keys, not a {kind}"))
            })?;
            this.own.insert(key, value);
            Ok(())
        });
        methods.add_meta_method(MetaMethod::Len, |_, this, ()| Ok(this.len()));
        methods.add_meta_function(MetaMethod::Pairs, |lua, this: AnyUserData| {
            let mut keys = this.borrow::<Self>()?.keys().into_iter();
            let over = this.clone();
            let next = lua.create_function_mut(move |lua, ()| match keys.next() {
                Some(key) => {
                    let value = over.borrow_mut::<Self>()?.get(lua, &key)?;
                    Ok((key.give(lua)?, value))
                }
                None => Ok((Value::Nil, Value::Nil)),
            })?;
            Ok((next, this, Value::Nil))
        });
    }
}
