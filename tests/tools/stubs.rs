//! The descriptions for editors in `lua/meta/` are of what is there at run time, no less and no more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kumo_tsa::policy::{Install, Policy};
use mlua::{AnyUserData, Table};
use regex::Regex;

use crate::support::{Bench, call};

pub(super) type Names = BTreeSet<String>;

/// What is described.
#[derive(Default)]
pub(super) struct Stubs {
    pub(super) functions: Names,
    events: Names,
    /// Methods and fields of each class.
    members: BTreeMap<String, Names>,
    /// Of each class: fields, and their types as written.
    pub(super) types: BTreeMap<String, BTreeMap<String, String>>,
}

fn root(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Stubs {
    pub(super) fn load() -> Self {
        let mut stubs = Self::default();
        for file in std::fs::read_dir(root("lua/meta")).unwrap() {
            let path = file.unwrap().path();
            let text = read(&path);
            assert!(text.starts_with("---@meta"), "{}", path.display());
            stubs.read(&text);
        }
        stubs
    }

    fn read(&mut self, text: &str) {
        let pattern = |text: &str| Regex::new(text).unwrap();
        let (class, local) = (pattern(r"^---@class ([\w.]+)"), pattern(r"^local (\w+) = \{\}"));
        let (field, function) = (pattern(r"^---@field (\w+)\??\s+(.*)"), pattern(r"^function ([\w.]+)([.:])(\w+)\("));
        let (alias, event) = (pattern(r"^(kumo\.\w+) = kumo\."), pattern(r"^---@overload fun\(event: '(\w+)',"));
        let (mut current, mut classes) = (String::new(), BTreeMap::new());
        for line in text.lines() {
            if let Some(found) = class.captures(line) {
                found[1].clone_into(&mut current);
                self.members.entry(current.clone()).or_default();
            } else if let Some(found) = local.captures(line) {
                classes.insert(found[1].to_owned(), current.clone());
            } else if let Some(found) = field.captures(line) {
                self.member(&current, &found[1]);
                self.types.entry(current.clone()).or_default().insert(found[1].to_owned(), kind(&found[2]));
            } else if let Some(found) = function.captures(line) {
                match classes.get(&found[1]) {
                    Some(class) if &found[2] == ":" => self.member(class, &found[3]),
                    _ => assert!(self.functions.insert(format!("{}.{}", &found[1], &found[3])), "{line}: twice"),
                }
            } else if let Some(found) = alias.captures(line) {
                self.functions.insert(found[1].to_owned());
            } else if let Some(found) = event.captures(line) {
                assert!(self.events.insert(found[1].to_owned()), "{line}: twice");
            }
        }
    }

    fn member(&mut self, class: &str, name: &str) {
        let new = self.members.get_mut(class).unwrap().insert(name.to_owned());
        assert!(new, "{class}.{name} stands twice");
    }

    #[track_caller]
    pub(super) fn class(&self, name: &str) -> &Names {
        self.members.get(name).unwrap_or_else(|| panic!("class {name} is not described"))
    }
}

pub(super) fn names<T: ToString>(names: impl IntoIterator<Item = T>) -> Names {
    names.into_iter().map(|name| name.to_string()).collect()
}

/// The type at the start of what describes a field.
fn kind(text: &str) -> String {
    let (mut depth, mut end) = (0, 0);
    for (at, c) in text.char_indices() {
        depth += i32::from("<({".contains(c)) - i32::from(">)}".contains(c));
        let joined = |text: &str| text.trim_end().ends_with(['|', ':', ',']) || text.trim_start().starts_with('|');
        if c == ' ' && depth == 0 && !joined(&text[..at]) && !joined(&text[at..]) {
            break;
        }
        end = at + c.len_utf8();
    }
    text[..end].trim().to_owned()
}

#[track_caller]
pub(super) fn same(what: &str, described: &Names, there: &Names) {
    let missing: Vec<_> = there.difference(described).collect();
    let gone: Vec<_> = described.difference(there).collect();
    assert!(missing.is_empty() && gone.is_empty(), "{what}: not described: {missing:?}; not there: {gone:?}");
}

/// A policy that evaluates what it is given.
async fn policy(bench: &Bench, installs: &[Install]) -> Policy {
    let text = "local kumo = require 'kumo'
        kumo.on('eval', function(text) return assert(load('local kumo = require \\'kumo\\' ' .. text))() end)";
    Policy::load(&bench.host, &bench.write("stubs.lua", text), installs).await.unwrap()
}

pub(super) async fn mail(bench: &Bench) -> Policy {
    policy(bench, &kumo_tsa::mail::installs()).await
}

async fn daemon(bench: &Bench) -> Policy {
    policy(bench, &kumo_tsa::tsa::installs()).await
}

pub(super) async fn eval(policy: &Policy, text: &str) -> String {
    call::<String>(policy, "eval", text).await.unwrap_or_else(|error| panic!("{text}: {error:?}")).unwrap()
}

const WALK: &str = "
    local found = {}
    local function walk(name, value)
      if type(value) == 'table' then
        for key, inner in pairs(value) do walk(name .. '.' .. key, inner) end
      elseif type(value) == 'function' then
        found[#found + 1] = name
      end
    end
    for _, name in ipairs { 'kumo', 'tsa' } do
      local there, module = pcall(require, name)
      if there then walk(name, module) end
    end
    return table.concat(found, ' ')";

#[tokio::test]
async fn every_function_of_both_hosts_is_described() {
    let (bench, stubs) = (Bench::new(), Stubs::load());
    let mut there = Names::new();
    for policy in [mail(&bench).await, daemon(&bench).await] {
        there.extend(names(eval(&policy, WALK).await.split(' ')));
    }
    assert!(there.contains("kumo.make_message") && there.contains("tsa.configure_tsa_db_path"), "{there:?}");
    // `stubs_testing.rs` looks at the others.
    let described = stubs.functions.iter().filter(|name| !name.starts_with("testing."));
    same("functions", &names(described), &there);
}

#[tokio::test]
async fn what_this_version_does_not_have_is_struck_through() {
    let bench = Bench::new();
    let policy = mail(&bench).await;
    let text = read(&root("lua/meta/absent.lua"));
    let pattern = Regex::new(r"(?m)^---@deprecated [^\n]*\nfunction ([\w.]+)\(").unwrap();
    let absent = names(pattern.captures_iter(&text).map(|found| found[1].to_owned()));
    assert_eq!(absent.len(), text.matches("\nfunction ").count());
    let raising = "local out = {} for name in ('NAMES'):gmatch '%S+' do
        local ok, why = pcall(assert(load('return require(\\'kumo\\')' .. name:sub(5)))()) why = tostring(why)
        if why:find 'is not implemented' then out[#out + 1] = name end end return table.concat(out, ' ')";
    // What takes something from the world when it is called without arguments stays out.
    let harmless = |name: &&String| name.starts_with("kumo.") && !name.contains("validation_failed");
    let all = Stubs::load().functions.iter().filter(harmless).cloned().collect::<Vec<_>>().join(" ");
    same("absent", &absent, &names(eval(&policy, &raising.replace("NAMES", &all)).await.split(' ')));
}

/// The Rust sources of the hosts, without their tests.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = read(&path).split("#[cfg(test)]").next().unwrap().to_owned();
            found.push((path.strip_prefix(root("")).unwrap().display().to_string(), text));
        }
    }
}

#[test]
fn every_event_that_a_host_asks_has_its_signature() {
    let mut all = Vec::new();
    for layer in ["modules", "mail", "tsa", "shaping"] {
        sources(&root(&format!("runtime/{layer}")), &mut all);
    }
    let event = Regex::new(r#"Event::(?:single|multiple)\("(\w+)"\)"#).unwrap();
    let asked = all.iter().flat_map(|(_, text)| event.captures_iter(text).map(|found| found[1].to_owned()));
    let asked = names(asked.collect::<Vec<_>>());
    assert!(asked.len() > 25, "{asked:?}");
    same("events", &Stubs::load().events, &asked);
}

/// Classes of objects that have methods alone, and how to come by one.
const OBJECTS: &[(&str, &str, &str)] = &[
    ("kumo.Message", "Message", "kumo.make_message('a@b.c', 'd@e.f', 'From: N <a@b.c>\\r\\n\\r\\nhi')"),
    ("kumo.UserThrottle", "Named", "kumo.make_throttle('x', '1/s')"),
    ("kumo.HttpClient", "Client", "kumo.http.build_client {}"),
    ("kumo.HttpRequest", "Request", "kumo.http.build_client({}):get 'http://127.0.0.1:1/'"),
    ("kumo.Regex", "Pattern", "kumo.regex.compile 'x'"),
    ("kumo.Timer", "Timer", "kumo.time.start_timer 'x'"),
    ("kumo.File", "Handle", "kumo.fs.open '/opt/kumomta/x'"),
    ("kumo.Shaping", "LuaShaping", "kumo.shaping.load {}"),
];

#[tokio::test]
async fn every_method_of_an_object_is_described() {
    let (bench, stubs) = (Bench::new(), Stubs::load());
    bench.write("/opt/kumomta/x", "");
    let policy = mail(&bench).await;
    for (class, _, make) in OBJECTS {
        let object: AnyUserData = call(&policy, "eval", format!("return {make}")).await.unwrap().unwrap();
        let methods: Table = object.metatable().unwrap().get("__index").unwrap_or_else(|e| panic!("{class}: {e}"));
        let there = names(methods.pairs::<String, mlua::Value>().map(|pair| pair.unwrap().0));
        same(class, stubs.class(class), &there);
    }
}

/// Classes with fields, or whose objects come from afar: what their sources name.
const WRITTEN: &[(&str, &str, &str)] = &[
    ("kumo.HttpResponse", "Response", "runtime/modules/http/response.rs"),
    ("kumo.WebSocket", "Stream", "runtime/modules/websocket.rs"),
    ("kumo.ConnectionMeta", "Connection", "runtime/mail/lua/connection.rs"),
    ("kumo.Time", "Time", "runtime/modules/time.rs"),
    ("kumo.TimeDelta", "TimeDelta", "runtime/modules/time.rs"),
    ("kumo.Uuid", "Uuid", "runtime/modules/uuid.rs"),
    ("kumo.EnvelopeAddress", "Address", "runtime/mail/lua/address.rs"),
    ("kumo.HeaderAddress", "AddressHeader", "runtime/mail/lua/address.rs"),
    ("testing.Daemon", "Handle", "runtime/tools/spec/world/lua/daemon.rs"),
    ("testing.Host", "Handle", "runtime/tools/spec/world/lua/host.rs"),
    ("testing.Policy", "Handle", "runtime/tools/spec/world/lua/policy.rs"),
    ("testing.Provider", "Handle", "runtime/tools/spec/world/lua/provider.rs"),
];
/// Those that policies use as tables, or as texts; `Digest` is looked at by itself.
const PLAIN: &[&str] = &["Digest", "Headers", "DomainMap", "CidrMap", "Snapshot", "ListenerDomain"];

#[test]
fn every_member_of_other_objects_is_described() {
    let (stubs, member) =
        (Stubs::load(), Regex::new(r#"add_(?:async_)?(?:method|field_method_get)\(\s*"(\w+)""#).unwrap());
    for (class, kind, file) in WRITTEN {
        let text = read(&root(file));
        let own = text.split("impl UserData for ").find(|part| part.starts_with(&format!("{kind} "))).unwrap();
        same(class, stubs.class(class), &names(member.captures_iter(own).map(|found| found[1].to_owned())));
    }
}

#[tokio::test]
async fn a_digest_is_written_in_each_alphabet() {
    let bench = Bench::new();
    let policy = mail(&bench).await;
    let text = "local out, digest = { 'bytes' }, kumo.digest.md5 'x'
        for name in pairs(kumo.encode) do
          name = name:match '^(.*)_encode$'
          if name then assert(digest[name]) out[#out + 1] = name end
        end
        return table.concat(out, ' ')";
    same("kumo.Digest", Stubs::load().class("kumo.Digest"), &names(eval(&policy, text).await.split(' ')));
}

#[test]
fn no_kind_of_object_is_forgotten() {
    let mut all = Vec::new();
    sources(&root("runtime"), &mut all);
    let kind = Regex::new(r"impl UserData for (\w+) ").unwrap();
    let there = names(all.iter().flat_map(|(_, text)| kind.captures_iter(text)).map(|found| found[1].to_owned()));
    let known = OBJECTS.iter().chain(WRITTEN).map(|(_, kind, _)| *kind).chain(PLAIN.iter().copied());
    same("objects", &names(known), &there);
}

/// Classes of option tables, and calls that refuse one with a field that is none.
pub(super) const OPTIONS: &[(&str, &str)] = &[
    ("kumo.MemoizeOptions", "kumo.memoize(print, T)"),
    ("kumo.Task", "kumo.spawn_task(T)"),
    ("kumo.ThreadPool", "kumo.spawn_thread_pool(T)"),
    ("kumo.EgressPath", "kumo.make_egress_path(T)"),
    ("kumo.QueueConfig", "kumo.make_queue_config(T)"),
    ("kumo.EgressSource", "kumo.make_egress_source(T)"),
    ("kumo.EgressPool", "kumo.make_egress_pool(T)"),
    ("kumo.ListenerDomain", "kumo.make_listener_domain(T)"),
    ("kumo.HttpListener", "kumo.start_http_listener(T)"),
    ("kumo.EsmtpListener", "kumo.start_esmtp_listener(T)"),
    ("kumo.TraceHeaders", "kumo.start_esmtp_listener({ trace_headers = T })"),
    ("kumo.EgressPoolEntry", "kumo.make_egress_pool({ name = 'x', entries = { T } })"),
    ("kumo.SourceHealth", "kumo.make_egress_source({ name = 'x', suspend_when_unplumbed = T })"),
    ("kumo.CustomLua", "kumo.make_queue_config({ protocol = { custom_lua = T } })"),
    ("kumo.SmtpProtocol", "kumo.make_queue_config({ protocol = { smtp = T } })"),
    ("kumo.LogForm", "kumo.configure_local_logs({ log_dir = 'x', per_record = { Any = T } })"),
    ("kumo.HookForm", "kumo.configure_log_hook({ name = 'x', per_record = { Any = T } })"),
    (
        "kumo.InjectionRecipient",
        "kumo.api.inject.inject_v1({ envelope_sender = 'a@b.c', content = '', recipients = { T } })",
    ),
    ("kumo.Spool", "kumo.define_spool(T)"),
    ("kumo.LocalLogs", "kumo.configure_local_logs(T)"),
    ("kumo.LogHook", "kumo.configure_log_hook(T)"),
    ("kumo.LogDispositionHook", "kumo.configure_log_disposition_hook(T)"),
    ("kumo.AccessLog", "kumo.aaa.configure_acct_log(T)"),
    ("kumo.BounceClassifier", "kumo.configure_bounce_classifier(T)"),
    ("kumo.ShapingLoadOptions", "kumo.shaping.load({}, T)"),
    ("kumo.PathSuspension", "kumo.api.admin.suspend_ready_q.suspend(T)"),
    ("kumo.Suspension", "kumo.api.admin.suspend.suspend(T)"),
    ("kumo.Bounce", "kumo.api.admin.bounce.bounce(T)"),
    ("kumo.Injection", "kumo.api.inject.inject_v1(T)"),
    ("kumo.HttpClientOptions", "kumo.http.build_client(T)"),
    ("kumo.WebSocketOptions", "kumo.http.connect_websocket('ws://127.0.0.1:1/', T)"),
    ("kumo.ResolverConfig", "kumo.dns.configure_resolver(T)"),
];

/// The fields that a call says it takes.
async fn fields(policy: &Policy, expression: &str) -> Names {
    let expression = expression.replace('T', "{ nonsense = 1 }");
    let said = eval(policy, &format!("return tostring(select(2, pcall(function() return {expression} end)))")).await;
    let list = said.split("unknown field `nonsense`, expected").nth(1).unwrap_or_else(|| panic!("{said}"));
    let list = list.split(", while processing").next().unwrap();
    names(Regex::new(r"`(\w+)`").unwrap().captures_iter(list).map(|found| found[1].to_owned()))
}

#[tokio::test]
async fn every_field_of_an_option_table_is_described() {
    let (bench, stubs) = (Bench::new(), Stubs::load());
    let policy = mail(&bench).await;
    for (class, expression) in OPTIONS {
        let mut there = fields(&policy, expression).await;
        if *class == "kumo.EgressSource" {
            // Read apart from the others.
            let source = "return tostring(kumo.make_egress_source { name = 'x', socks5_proxy_username = 'x' })";
            let all: serde_json::Map<_, _> = serde_json::from_str(&eval(&policy, source).await).unwrap();
            there.extend(all.keys().cloned());
        }
        same(class, stubs.class(class), &there);
    }
    let policy = daemon(&bench).await;
    let of_tsa = |name: &str, rest: &str| format!("require 'tsa'.{name}({rest})");
    let store = fields(&policy, &of_tsa("configure_tsa_db_path", "'x', T")).await;
    same("tsa.StoreOptions", stubs.class("tsa.StoreOptions"), &store);
    let listener = fields(&policy, &of_tsa("start_http_listener", "T")).await;
    same("kumo.HttpListener", stubs.class("kumo.HttpListener"), &listener);
}

#[test]
fn the_options_of_a_path_are_explained_as_in_shaping_files() {
    let text = read(&root("lua/meta/kumo_config.lua"));
    for option in kumo_tsa_core::shaping::options() {
        let field = text.lines().find(|line| line.starts_with(&format!("---@field {}? ", option.name))).unwrap();
        assert!(field.contains(option.doc), "{field}");
        assert_eq!(field.contains(&format!("Default: `{}`", option.default)), option.default != "nil", "{field}");
    }
}

#[tokio::test]
async fn every_description_is_lua() {
    let bench = Bench::new();
    let policy = mail(&bench).await;
    for file in std::fs::read_dir(root("lua/meta")).unwrap() {
        let text = read(&file.unwrap().path());
        assert_eq!(eval(&policy, &format!("assert(load([==[{text}]==])) return 'yes'")).await, "yes");
    }
}

#[test]
fn a_clone_works_in_editors() {
    let config: serde_json::Value = serde_json::from_str(&read(&root(".luarc.json"))).unwrap();
    assert_eq!(config["runtime.version"], "Lua 5.4");
    for library in config["workspace.library"].as_array().unwrap() {
        assert!(root(library.as_str().unwrap()).is_dir(), "{library}");
    }
    // `require 'kumo'`, `require 'tsa'` and `require 'testing'` find their descriptions by the name behind `---@meta`.
    for module in ["kumo", "tsa", "testing"] {
        let text = read(&root(&format!("lua/meta/{module}.lua")));
        assert!(text.starts_with(&format!("---@meta {module}\n")), "{module}");
        assert!(text.ends_with(&format!("\nreturn {module}\n")), "{module}");
    }
}
