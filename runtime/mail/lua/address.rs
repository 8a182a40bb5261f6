//! Envelope addresses and the mailboxes of headers, as Lua sees them (interface A.7).

use mlua::{FromLua, Lua, MetaMethod, Result, Table, UserData, UserDataFields, UserDataMethods, Value};

use super::failure;
use crate::mail::Address;
use crate::mail::header::Mailbox;

impl UserData for Address {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_method_get("user", |_, this| Ok(this.user().to_owned()));
        fields.add_field_method_get("domain", |_, this| Ok(this.domain().to_owned()));
        fields.add_field_method_get("email", |_, this| Ok(this.email().to_owned()));
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| Ok(this.email().to_owned()));
        methods.add_meta_method(MetaMethod::Eq, |_, this, other: Self| Ok(*this == other));
    }
}

impl FromLua for Address {
    /// An address, or the text of one.
    fn from_lua(value: Value, _: &Lua) -> Result<Self> {
        match &value {
            Value::String(text) => Self::parse(&text.to_string_lossy()).map_err(mlua::Error::external),
            Value::UserData(userdata) if userdata.is::<Self>() => Ok(userdata.borrow::<Self>()?.clone()),
            other => Err(failure(format!("expected an address, got {}", other.type_name()))),
        }
    }
}

/// The addresses of a value: an address, or a list of them.
pub(super) fn addresses(value: Value, lua: &Lua) -> Result<Vec<Address>> {
    match value {
        Value::Table(list) => list.sequence_values::<Address>().collect(),
        one => Address::from_lua(one, lua).map(|one| vec![one]),
    }
}

/// What an address header says.
pub(super) struct AddressHeader(pub(super) Vec<Mailbox>);

impl AddressHeader {
    fn first<T>(&self, of: impl Fn(&Mailbox) -> T) -> Option<T> {
        self.0.first().map(of)
    }
}

impl UserData for AddressHeader {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_method_get("user", |_, this| Ok(this.first(|one| one.address.user().to_owned())));
        fields.add_field_method_get("domain", |_, this| Ok(this.first(|one| one.address.domain().to_owned())));
        fields.add_field_method_get("email", |_, this| Ok(this.first(|one| one.address.email().to_owned())));
        fields.add_field_method_get("name", |_, this| Ok(this.first(|one| one.name.clone()).flatten()));
        fields.add_field_method_get("list", |lua, this| {
            this.0.iter().map(|one| mailbox_table(lua, one)).collect::<Result<Vec<_>>>()
        });
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| {
            let all: Vec<_> = this.0.iter().map(|one| one.address.email()).collect();
            Ok(all.join(", "))
        });
    }
}

fn mailbox_table(lua: &Lua, mailbox: &Mailbox) -> Result<Table> {
    let table = lua.create_table()?;
    table.set("name", mailbox.name.as_deref())?;
    table.set("address", mailbox.address.email())?;
    table.set("email", mailbox.address.email())?;
    table.set("user", mailbox.address.user())?;
    table.set("domain", mailbox.address.domain())?;
    Ok(table)
}
