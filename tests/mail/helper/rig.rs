//! A policy that uses the helpers, on a host that takes notes of what it is asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use kumo_tsa::dns::{Resolver, Source, Zones};
use kumo_tsa::host::Host;
use kumo_tsa::policy::{Error, Event, Policy, table, to_json};
use mlua::{Lua, MultiValue, Value as LuaValue};
use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::support::Bench;

const ZONE: &str = "
$ORIGIN example.com.
$TTL 600
@ MX 10 mx
mx A 192.0.2.1
";

/// What the host was asked to do, in order: the function and its arguments.
#[derive(Default)]
pub(super) struct Notes(Mutex<Vec<(&'static str, Value)>>);

impl Notes {
    pub(super) fn of(host: &Host) -> Arc<Self> {
        host.slot(Self::default)
    }

    /// The arguments of all calls of a function.
    pub(super) fn calls(&self, function: &str) -> Vec<Value> {
        let all = self.0.lock().unwrap();
        all.iter().filter(|(name, _)| *name == function).map(|(_, arguments)| arguments.clone()).collect()
    }

    /// What was told by `set_overrides` so far: the owner and one change each.
    pub(super) fn changes(&self) -> Vec<(String, Value)> {
        let mut changes = Vec::new();
        for call in self.calls("kumo.shaping.set_overrides") {
            let owner = call[0].as_str().unwrap();
            // An empty table has no elements, whatever it is of.
            let list = call[1].as_array().cloned().unwrap_or_default();
            changes.extend(list.into_iter().map(|change| (owner.to_owned(), change)));
        }
        changes
    }

    /// Waits until something is as it should be.
    pub(super) async fn until(&self, what: &str, ready: impl Fn(&Self) -> bool) {
        for _ in 0..1000 {
            if ready(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("waited in vain for: {what}\nuntil now: {:#?}", self.0.lock().unwrap());
    }
}

fn note(lua: &Lua, host: &Host, path: &'static str) -> mlua::Result<()> {
    let (parent, name) = path.rsplit_once('.').unwrap();
    let notes = Notes::of(host);
    let function = lua.create_function(move |lua, arguments: MultiValue| {
        let arguments = arguments.iter().map(|one| to_json(lua, one)).collect::<mlua::Result<Vec<_>>>()?;
        notes.0.lock().unwrap().push((path, Value::Array(arguments)));
        Ok(())
    })?;
    table(lua, parent)?.set(name, function)
}

/// What an existing kumod has.
pub(super) fn existing(lua: &Lua, host: &Host) -> mlua::Result<()> {
    for path in [
        "kumo.configure_log_hook",
        "kumo.api.admin.suspend_ready_q.suspend",
        "kumo.api.admin.suspend.suspend",
        "kumo.api.admin.bounce.bounce",
    ] {
        note(lua, host, path)?;
    }
    let kumo = table(lua, "kumo")?;
    for name in ["make_egress_path", "make_queue_config", "make_egress_source", "make_egress_pool"] {
        kumo.set(name, lua.create_function(|_, given: LuaValue| Ok(given))?)?;
    }
    kumo.set(
        "reject",
        lua.create_function(|_, (code, text): (u16, String)| -> mlua::Result<()> {
            Err(mlua::Error::external(format!("{code} {text}")))
        })?,
    )
}

/// What our mail host has beside that.
pub(super) fn ours(lua: &Lua, host: &Host) -> mlua::Result<()> {
    existing(lua, host)?;
    note(lua, host, "kumo.shaping.set_overrides")
}

/// Our mail host as it is; log hooks are taken note of.
pub(super) fn real(lua: &Lua, host: &Host) -> mlua::Result<()> {
    kumo_tsa::mail::lua::installs().iter().try_for_each(|install| install(lua, host))?;
    let kumo = table(lua, "kumo")?;
    let configure: mlua::Function = kumo.get("configure_log_hook")?;
    note(lua, host, "kumo.configure_log_hook")?;
    let noted: mlua::Function = kumo.get("configure_log_hook")?;
    let both = lua.load("local noted, configure = ... return function(t) noted(t) return configure(t) end");
    kumo.set("configure_log_hook", both.call::<mlua::Function>((noted, configure))?)
}

/// A policy that has set up automation.
pub(super) struct Stage {
    pub(super) bench: Bench,
    pub(super) notes: Arc<Notes>,
    pub(super) policy: Policy,
}

/// Events that tests call.
const TOOLS: &str = r"
handlers = {}
local on = kumo.on
function kumo.on(event, handler)
  handlers[event] = handler
  on(event, handler)
end

function message(text)
  local ok, record = pcall(kumo.json_parse, text)
  local meta = { log_record = ok and record or nil, reception_protocol = 'LogRecord' }
  return {
    meta = meta,
    get_meta = function(_, key) return meta[key] end,
    set_meta = function(_, key, value) meta[key] = value end,
    get_data = function() return text .. '\r\n' end,
  }
end

on('call', function(event, arguments)
  return kumo.json_encode { handlers[event](table.unpack(kumo.json_parse(arguments))) }
end)
on('enqueue', function(text, hook)
  local msg = message(text)
  local answer = handlers.should_enqueue_log_record(msg, hook)
  return tostring(answer) .. ' ' .. tostring(msg.meta.queue)
end)
on('deliver', function(hook, method, texts)
  local connection = handlers['make.' .. hook](hook)
  local list = {}
  for i, text in ipairs(texts) do list[i] = message(text) end
  local ok, answer = pcall(connection[method], connection, method == 'send' and list[1] or list)
  connection:close()
  return kumo.json_encode { ok = ok, answer = type(answer) == 'table' and answer or (tostring(answer):gsub('\n.*', '')) }
end)
";

/// A host of some kind, with mail for `example.com` in its DNS.
pub(super) fn bench(kind: kumo_tsa::policy::Install) -> Bench {
    let bench = Bench::new().with(kumo_tsa::shaping::install).with(kind);
    let mut zones = Zones::default();
    zones.parse("test.zone", ZONE, false).unwrap();
    Resolver::replace(&bench.host, Source::Zones(zones)).unwrap();
    bench
}

impl Stage {
    /// Sets up automation with `options`, the inside of a Lua table, and with shaping files that say `rules`.
    pub(super) async fn new(kind: kumo_tsa::policy::Install, rules: &str, options: &str) -> Self {
        match Self::try_new(kind, rules, options).await {
            Ok(stage) => stage,
            Err(error) => panic!("{}", kumo_tsa::policy::explain(&error)),
        }
    }

    pub(super) async fn try_new(kind: kumo_tsa::policy::Install, rules: &str, options: &str) -> Result<Self, Error> {
        let bench = bench(kind);
        bench.write("/opt/kumomta/etc/policy/shaping.toml", rules);
        let policy = bench
            .try_load(&format!(
                "{TOOLS}
                 local shaping = require 'policy-extras.shaping'
                 shaper = shaping:setup_with_automation {{
                   no_default_files = true, extra_files = {{ '/opt/kumomta/etc/policy/shaping.toml' }}, {options}
                 }}
                 on('init', shaper.setup_publish)
                 on('get_egress_path_config', shaper.get_egress_path_config)
                 on('path', function(...) return kumo.json_encode(shaper.get_egress_path_config(...)) end)"
            ))
            .await?;
        let notes = Notes::of(&bench.host);
        Ok(Self { bench, notes, policy })
    }

    /// As it is once `init` has run.
    pub(super) async fn started(kind: kumo_tsa::policy::Install, rules: &str, options: &str) -> Self {
        let stage = Self::new(kind, rules, options).await;
        stage.init().await;
        stage
    }

    pub(super) async fn init(&self) {
        self.policy.call::<_, ()>(&Event::single("init"), ()).await.unwrap();
    }

    async fn text(&self, event: &'static str, arguments: impl mlua::IntoLuaMulti) -> String {
        match self.policy.ask(&Event::single(event), arguments).await {
            Ok(text) => text,
            Err(error) => panic!("{}", kumo_tsa::policy::explain(&error)),
        }
    }

    /// What the handler of an event answers: a list of its values.
    pub(super) async fn call(&self, event: &str, arguments: Value) -> Value {
        let text = self.text("call", (event.to_owned(), arguments.to_string())).await;
        serde_json::from_str(&text).unwrap()
    }

    /// Whether a record is put into a queue, and into which.
    pub(super) async fn enqueue(&self, record: &Value, hook: &str) -> String {
        self.text("enqueue", (record.to_string(), hook)).await
    }

    /// What `send` or `send_batch` says, and whether it raised that.
    pub(super) async fn deliver(&self, hook: &str, method: &str, records: &[Value]) -> (bool, Value) {
        let texts: Vec<_> = records.iter().map(Value::to_string).collect();
        self.deliver_texts(hook, method, texts).await
    }

    pub(super) async fn deliver_texts(&self, hook: &str, method: &str, texts: Vec<String>) -> (bool, Value) {
        let text = self.text("deliver", (hook.to_owned(), method.to_owned(), texts)).await;
        let answer: Value = serde_json::from_str(&text).unwrap();
        (answer["ok"].as_bool().unwrap(), answer["answer"].clone())
    }

    /// The options of an egress path.
    pub(super) async fn path(&self, domain: &str, source: &str, site: &str) -> Value {
        serde_json::from_str(&self.text("path", (domain, source, site)).await).unwrap()
    }
}

/// What stands in for an existing daemon: one record a request, suspensions and bounces by websocket, nothing else.
#[derive(Clone)]
pub(in crate::mail) struct Standin {
    pub(in crate::mail) url: String,
    state: Arc<Shared>,
}

struct Shared {
    /// Bodies that were taken, and what was asked for: method, path, status.
    taken: Mutex<Vec<Value>>,
    asked: Mutex<Vec<String>>,
    overlay: Mutex<String>,
    snapshot: Mutex<Vec<Value>>,
    live: broadcast::Sender<Value>,
    token: Option<&'static str>,
    /// Answers before the usual ones, for publishers.
    first_answers: Mutex<Vec<Response>>,
    /// Only `/subscribe_suspension_v1`.
    old: bool,
}

impl Standin {
    pub(in crate::mail) async fn start() -> Self {
        Self::with(None, false).await
    }

    /// One that wants an `Authorization` header, or one so old that it knows no bounces.
    pub(in crate::mail) async fn with(token: Option<&'static str>, old: bool) -> Self {
        let state = Arc::new(Shared {
            taken: Mutex::default(),
            asked: Mutex::default(),
            overlay: Mutex::default(),
            snapshot: Mutex::default(),
            live: broadcast::channel(100).0,
            token,
            first_answers: Mutex::default(),
            old,
        });
        let mut router = Router::new()
            .route("/publish_log_v1", post(publish))
            .route("/get_config_v1/shaping.toml", get(overlay))
            .route("/get_suspension_v1/suspended.json", get(suspended))
            .route("/get_bounce_v1/bounced.json", get(bounced))
            .route("/subscribe_suspension_v1", get(stream));
        if !old {
            router = router.route("/subscribe_event_v1", get(stream));
        }
        let router = router.layer(middleware::from_fn_with_state(state.clone(), admit)).with_state(state.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    pub(in crate::mail) fn hook(&self) -> String {
        format!("{}.tsa.kumomta", self.url)
    }

    pub(in crate::mail) fn taken(&self) -> Vec<Value> {
        self.state.taken.lock().unwrap().clone()
    }

    pub(in crate::mail) fn asked(&self) -> Vec<String> {
        self.state.asked.lock().unwrap().clone()
    }

    pub(in crate::mail) fn answer_first(&self, answers: Vec<Response>) {
        *self.state.first_answers.lock().unwrap() = answers;
    }

    pub(in crate::mail) fn overlay(&self, text: &str) {
        text.clone_into(&mut self.state.overlay.lock().unwrap());
    }

    /// Tells of something that holds: who subscribes later hears of it too.
    pub(in crate::mail) fn hold(&self, frame: &Value) {
        self.state.snapshot.lock().unwrap().push(frame.clone());
        let _ = self.state.live.send(frame.clone());
    }

    /// Closes all websockets.
    pub(in crate::mail) fn hang_up(&self) {
        let _ = self.state.live.send(Value::Null);
    }
}

async fn admit(State(state): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let asked = format!("{} {}", request.method(), request.uri());
    let token = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let answer = if state.token.is_some() && token != state.token {
        (StatusCode::UNAUTHORIZED, "who is it").into_response()
    } else {
        next.run(request).await
    };
    state.asked.lock().unwrap().push(format!("{asked} {}", answer.status().as_u16()));
    answer
}

async fn publish(State(state): State<Arc<Shared>>, headers: HeaderMap, body: String) -> Response {
    let mut first = std::mem::take(&mut *state.first_answers.lock().unwrap());
    if !first.is_empty() {
        let answer = first.remove(0);
        *state.first_answers.lock().unwrap() = first;
        return answer;
    }
    if headers["content-type"] != "application/json" {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    match serde_json::from_str::<Value>(&body) {
        Ok(record) if record["type"].is_string() => {
            state.taken.lock().unwrap().push(record);
            StatusCode::OK.into_response()
        }
        Ok(_) => (StatusCode::UNPROCESSABLE_ENTITY, "missing field `type`").into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

async fn overlay(State(state): State<Arc<Shared>>) -> String {
    state.overlay.lock().unwrap().clone()
}

fn bodies(state: &Shared, kind: &str) -> Vec<Value> {
    state.snapshot.lock().unwrap().iter().filter_map(|frame| frame.get(kind).cloned()).collect()
}

async fn suspended(State(state): State<Arc<Shared>>) -> Json<Value> {
    Json(json!({"ready_q": bodies(&state, "ReadyQSuspension"), "sched_q": bodies(&state, "SchedQSuspension")}))
}

async fn bounced(State(state): State<Arc<Shared>>) -> Json<Value> {
    Json(json!(bodies(&state, "SchedQBounce")))
}

async fn stream(State(state): State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let mut live = state.live.subscribe();
        let snapshot = state.snapshot.lock().unwrap().clone();
        let text = |frame: &Value| {
            let text = frame.to_string();
            Message::text(if state.old { text.replace("Suspension\":", "\":") } else { text })
        };
        for frame in &snapshot {
            socket.send(text(frame)).await.unwrap();
        }
        while let Ok(frame) = live.recv().await {
            if frame.is_null() || socket.send(text(&frame)).await.is_err() {
                return;
            }
        }
    })
}
