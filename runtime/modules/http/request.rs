//! A request that is being put together.

use std::sync::{Mutex, PoisonError};

use mlua::{AnyUserData, FromLua, Lua, LuaString, Result, Table, UserData, UserDataMethods, Value};
use reqwest::RequestBuilder;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::multipart::{Form, Part};

use super::super::function::failure;
use super::super::time::TimeDelta;
use super::{Response, explained};

/// A request; each method that adds to it returns it, so that calls can be chained. It is sent once.
pub(super) struct Request {
    /// Method and URL, for errors.
    name: String,
    builder: Mutex<Option<RequestBuilder>>,
}

impl Request {
    pub(super) fn new(name: String, builder: RequestBuilder) -> Self {
        Self { name, builder: Mutex::new(Some(builder)) }
    }

    fn take(&self) -> Result<RequestBuilder> {
        let builder = self.builder.lock().unwrap_or_else(PoisonError::into_inner).take();
        builder.ok_or_else(|| failure(format!("{}: the request has already been sent", self.name)))
    }

    /// A step that fails leaves the request as it was.
    fn change(&self, step: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Result<()> {
        let changed = step(self.take()?);
        self.builder.lock().unwrap_or_else(PoisonError::into_inner).replace(changed);
        Ok(())
    }

    async fn send(&self) -> Result<Response> {
        let sent = self.take()?.send().await;
        // The error itself names the URL.
        sent.map(Response::of_request).map_err(|e| failure(explained(&e)))
    }
}

/// Reads a header from a policy, naming what is wrong with it.
pub(in super::super) fn header(name: &str, value: &[u8]) -> Result<(HeaderName, HeaderValue)> {
    let header =
        HeaderName::from_bytes(name.as_bytes()).map_err(|e| failure(format!("invalid header name `{name}`: {e}")))?;
    let value =
        HeaderValue::from_bytes(value).map_err(|e| failure(format!("invalid value for header `{name}`: {e}")))?;
    Ok((header, value))
}

/// The pairs of a table, sorted, so that the same table always makes the same request.
fn sorted<V: FromLua>(table: &Table) -> Result<Vec<(String, V)>> {
    let mut pairs = table.pairs::<String, V>().collect::<Result<Vec<_>>>()?;
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(pairs)
}

/// A form whose values are texts, or tables of `data`, `file_name` and `content_type`.
fn multipart(lua: &Lua, table: &Table) -> Result<Form> {
    let mut form = Form::new();
    for (name, value) in sorted::<Value>(table)? {
        let part = match &value {
            Value::Table(options) => file_part(&name, options)?,
            other => Part::bytes(LuaString::from_lua(other.clone(), lua)?.as_bytes().to_vec()),
        };
        form = form.part(name, part);
    }
    Ok(form)
}

fn file_part(name: &str, options: &Table) -> Result<Part> {
    let mut part = Part::bytes(options.get::<LuaString>("data")?.as_bytes().to_vec());
    if let Some(file_name) = options.get::<Option<String>>("file_name")? {
        part = part.file_name(file_name);
    }
    if let Some(content_type) = options.get::<Option<String>>("content_type")? {
        part = part
            .mime_str(&content_type)
            .map_err(|e| failure(format!("invalid content type `{content_type}` for `{name}`: {e}")))?;
    }
    Ok(part)
}

/// Adds a method that changes the request and returns it.
fn step<A, M, F>(methods: &mut M, name: &'static str, prepare: F)
where
    A: mlua::FromLuaMulti,
    M: UserDataMethods<Request>,
    F: Fn(&Lua, &Request, A) -> Result<()> + Send + Sync + 'static,
{
    methods.add_function(name, move |lua, (this, args): (AnyUserData, mlua::MultiValue)| {
        let args = A::from_lua_args(args, 1, Some(&format!("request:{name}")), lua)?;
        prepare(lua, &*this.borrow::<Request>()?, args)?;
        Ok(this)
    });
}

impl UserData for Request {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        step(methods, "header", |_, this, (name, value): (String, LuaString)| {
            let (name, value) = header(&name, &value.as_bytes())?;
            this.change(|builder| builder.header(name, value))
        });
        step(methods, "headers", |_, this, table: Table| {
            for (name, value) in sorted::<LuaString>(&table)? {
                let (name, value) = header(&name, &value.as_bytes())?;
                this.change(|builder| builder.header(name, value))?;
            }
            Ok(())
        });
        step(methods, "timeout", |_, this, span: TimeDelta| this.change(|builder| builder.timeout(span.forward())));
        step(methods, "basic_auth", |_, this, (user, password): (String, Option<String>)| {
            this.change(|builder| builder.basic_auth(user, password))
        });
        step(methods, "bearer_auth", |_, this, token: String| this.change(|builder| builder.bearer_auth(token)));
        step(methods, "body", |_, this, body: LuaString| {
            let body = body.as_bytes().to_vec();
            this.change(|builder| builder.body(body))
        });
        step(methods, "form_url_encoded", |_, this, table: Table| {
            let pairs = sorted::<String>(&table)?;
            this.change(|builder| builder.form(&pairs))
        });
        step(methods, "form_multipart_data", |lua, this, table: Table| {
            let form = multipart(lua, &table)?;
            this.change(|builder| builder.multipart(form))
        });
        step(methods, "aws_sign_v4", |_, _, _: Value| {
            Err(failure("`request:aws_sign_v4` is not implemented in this version"))
        });
        methods.add_async_method("send", |_, this, ()| async move { this.send().await });
    }
}
