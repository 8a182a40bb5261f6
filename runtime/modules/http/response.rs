//! What came back.

use mlua::{Lua, LuaString, MetaMethod, MultiValue, Result, UserData, UserDataMethods, Value};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use std::sync::{Mutex, PoisonError};

use super::super::function::failure;
use super::super::map;
use super::explained;

/// A response: its head, and its body until that has been read.
pub(in super::super) struct Response {
    status: StatusCode,
    headers: HeaderMap,
    content_length: Option<u64>,
    body: Mutex<Option<Body>>,
}

enum Body {
    Coming(reqwest::Response),
    /// What came with the answer to a websocket handshake.
    Here(Vec<u8>),
}

impl Response {
    pub(super) fn of_request(response: reqwest::Response) -> Self {
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            content_length: response.content_length(),
            body: Mutex::new(Some(Body::Coming(response))),
        }
    }

    /// The answer to a websocket handshake.
    pub(in super::super) fn of_handshake(
        response: tokio_tungstenite::tungstenite::http::Response<Option<Vec<u8>>>,
    ) -> Self {
        let (head, body) = response.into_parts();
        let body = body.unwrap_or_default();
        Self {
            status: head.status,
            headers: head.headers,
            content_length: Some(body.len() as u64),
            body: Mutex::new(Some(Body::Here(body))),
        }
    }

    fn take(&self) -> Result<Body> {
        let body = self.body.lock().unwrap_or_else(PoisonError::into_inner).take();
        body.ok_or_else(|| failure("broken response wrapper: the body has already been read"))
    }

    async fn text(&self) -> Result<String> {
        match self.take()? {
            Body::Coming(response) => response.text().await.map_err(|e| failure(explained(&e))),
            Body::Here(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    async fn bytes(&self, lua: &Lua) -> Result<LuaString> {
        match self.take()? {
            Body::Coming(response) => lua.create_string(response.bytes().await.map_err(|e| failure(explained(&e)))?),
            Body::Here(bytes) => lua.create_string(bytes),
        }
    }
}

impl UserData for Response {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("status_code", |_, this, ()| Ok(this.status.as_u16()));
        methods.add_method("status_reason", |_, this, ()| Ok(this.status.canonical_reason()));
        methods.add_method("status_is_informational", |_, this, ()| Ok(this.status.is_informational()));
        methods.add_method("status_is_success", |_, this, ()| Ok(this.status.is_success()));
        methods.add_method("status_is_redirection", |_, this, ()| Ok(this.status.is_redirection()));
        methods.add_method("status_is_client_error", |_, this, ()| Ok(this.status.is_client_error()));
        methods.add_method("status_is_server_error", |_, this, ()| Ok(this.status.is_server_error()));
        methods.add_method("headers", |_, this, ()| Ok(Headers(this.headers.clone())));
        methods.add_method("content_length", |_, this, ()| Ok(this.content_length));
        methods.add_async_method("text", |_, this, ()| async move { this.text().await });
        methods.add_async_method("bytes", |lua, this, ()| async move { this.bytes(&lua).await });
    }
}

/// The headers of a response: `headers['content-type']` in any case, and `pairs`.
struct Headers(HeaderMap);

impl UserData for Headers {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::Index, |lua, this, name: String| {
            this.0.get(name).map(|value| lua.create_string(value.as_bytes())).transpose()
        });
        methods.add_meta_method(MetaMethod::Pairs, |lua, this, ()| -> Result<MultiValue> {
            let mut pairs = Vec::new();
            for (name, value) in &this.0 {
                let name = lua.create_string(name.as_str())?;
                pairs.push((Value::String(name), Value::String(lua.create_string(value.as_bytes())?)));
            }
            map::pairs(lua, pairs)
        });
        methods.add_meta_method(MetaMethod::Len, |_, this, ()| Ok(this.0.len()));
    }
}
