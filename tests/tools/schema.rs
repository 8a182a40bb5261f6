//! `tsa schema`, and what editors make of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use jsonschema::Validator;
use kumo_tsa_core::shaping::{Source, options, parse};
use proptest::prelude::*;
use serde_json::{Value, json};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const FILE: &str = "policy-extras/shaping.schema.json";
/// The files that name it in their first line.
const NAMING: [&str; 2] = ["policy-extras/shaping.toml", "examples/quickstart/shaping.toml"];

fn root(file: &str) -> PathBuf {
    Path::new(ROOT).join(file)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn validator() -> Validator {
    let schema = kumo_tsa_core::shaping::schema();
    assert!(jsonschema::draft7::meta::is_valid(&schema));
    jsonschema::draft7::new(&schema).unwrap()
}

/// What the schema has against a file.
fn complaints(validator: &Validator, toml: &str) -> Vec<String> {
    let value: toml::Table = toml.parse().unwrap();
    let value = serde_json::to_value(value).unwrap();
    validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn the_schema_that_is_shipped_is_the_one_that_is_printed() {
    let output = Command::new(env!("CARGO_BIN_EXE_tsa")).arg("schema").output().unwrap();
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed == read(&root(FILE)), "type: cargo run -- schema > {FILE}");
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), kumo_tsa_core::shaping::schema());
}

#[test]
fn wrong_usage_says_what_to_type() {
    let output = Command::new(env!("CARGO_BIN_EXE_tsa")).args(["schema", "out.json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("unexpected argument 'out.json'"), "{said}");
    assert!(said.contains("Usage: tsa schema > shaping.schema.json\n"), "{said}");
}

#[test]
fn help_says_how_editors_find_it() {
    let output = Command::new(env!("CARGO_BIN_EXE_tsa")).args(["schema", "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("  #:schema /opt/kumomta/share/policy-extras/shaping.schema.json\n"), "{help}");
}

#[test]
fn shaping_files_name_it_in_their_first_line() {
    for file in NAMING {
        let text = read(&root(file));
        let named = text.lines().next().unwrap().strip_prefix("#:schema ").unwrap_or_else(|| panic!("{file}"));
        let found = root(file).parent().unwrap().join(named).canonicalize().unwrap();
        assert_eq!(found, root(FILE).canonicalize().unwrap(), "{file}");
    }
}

#[test]
fn real_shaping_files_are_valid() {
    let validator = validator();
    let data = std::env::var("KUMO_TSA_DATA").map_or_else(|_| root("../shared/data"), PathBuf::from);
    let real = std::fs::read_dir(data.join("shaping")).into_iter().flatten().map(|entry| entry.unwrap().path());
    let folders = ["tests/fixtures/explain", "tests/fixtures/guide", "tests/fixtures/check/clean"];
    let fixtures = folders.iter().flat_map(|folder| std::fs::read_dir(root(folder)).unwrap());
    let fixtures = fixtures.map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> = NAMING.iter().map(|file| root(file)).chain(fixtures).chain(real).collect();
    for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "toml")) {
        assert_eq!(complaints(&validator, &read(file)), [""; 0], "{}", file.display());
    }
}

#[test]
fn the_overlay_of_a_daemon_is_valid() {
    let overlay =
        "[\"a.com\"]\nmx_rollup = true\n[\"a.com\".sources]\n[\"a.com\".sources.ip-1]\nmax_message_rate = \"1/s\"";
    assert_eq!(complaints(&validator(), overlay), [""; 0]);
}

/// Values of options that editors and the loader judge alike.
const VALUES: &[&str] = &[
    "connection_limit = 1",
    "connection_limit = 'local:1_000'",
    "connection_limit = 0",
    "connection_limit = 'many'",
    "connection_limit = 1.5",
    "max_ready = 0",
    "max_ready = -1",
    "smtp_port = 65535",
    "smtp_port = 65536",
    "idle_timeout = '1h 30m'",
    "idle_timeout = 1.5",
    "idle_timeout = -1",
    "idle_timeout = 'soon'",
    "idle_timeout = true",
    "idle_timeout = '5 minuts'",
    "idle_timeout = '5'",
    "idle_timeout = ' 1.5h30m '",
    "idle_timeout = '1. h'",
    "idle_timeout = '1h 30'",
    "idle_timeout = '-1h'",
    "idle_timeout = ''",
    "idle_timeout = 0",
    "idle_timeout = 18446744073",
    "idle_timeout = 18446744074",
    "connection_limit = '0'",
    "connection_limit = '0_010'",
    "connection_limit = 'local:0'",
    "max_message_rate = '0/min'",
    "max_message_rate = '1/0m'",
    "max_message_rate = '1/min,max_burst=0'",
    "max_message_rate = '1,000/5m,max_burst=1'",
    "max_message_rate = 'local:1/day'",
    "max_message_rate = '1/fortnight'",
    "max_message_rate = '100'",
    "max_message_rate = 100",
    "additional_connection_limits = {a = 1}",
    "additional_connection_limits = {a = 0}",
    "additional_message_rate_throttles = {a = '1/s'}",
    "additional_message_rate_throttles = ['1/s']",
    "enable_tls = 'Required'",
    "enable_tls = 'required'",
    "enable_rset = true",
    "enable_rset = 'true'",
    "skip_hosts = ['10.0.0.0/8']",
    "skip_hosts = '10.0.0.0/8'",
    "skip_hosts = ['::1', '10.0.0.1', '::/0', 'fe80::1:2/128', '0.0.0.0/32', '::ffff:10.0.0.1']",
    "skip_hosts = ['10.0.0.0/33']",
    "skip_hosts = ['10.0.0']",
    "skip_hosts = ['10.0.0.256']",
    "skip_hosts = ['::1/129']",
    "skip_hosts = ['mx.example.com']",
    "skip_hosts = [1]",
    "rustls_cipher_suites = [1]",
    "ehlo_domain = 'a'",
    "ehlo_domain = 1",
    "smtp_auth_plain_password = '/etc/key'",
    "smtp_auth_plain_password = {key_data = 'x'}",
    "smtp_auth_plain_password = {event_name = 'e', event_args = [1]}",
    "smtp_auth_plain_password = {vault_mount = 'm'}",
    "smtp_auth_plain_password = {key_data = 'x', event_name = 'e'}",
    "smtp_auth_plain_password = {path = 'x'}",
    "conection_limit = 1",
];

/// Whole files that they judge alike.
const FILES: &[&str] = &[
    "",
    "[default]\nmx_rollup = false\nreplace_base = true",
    "[default]\nmx_rollup = 1",
    "default = 1",
    "[provider.p]\nmatch = [{MXSuffix = '.a'}, {DomainSuffix = 'a'}, {HostName = 'a'}]\nprovider_connection_limit = 1",
    "[provider.p]\nmatch = [{MXSufix = '.a'}]",
    "[provider.p]\nmatch = [{}]",
    "[provider.p]\nmatch = [{MXSuffix = '.a', HostName = 'b'}]",
    "[provider.p]\nmx_rollup = true",
    "[provider.p.sources.ip-1]\nprovider_source_selection_rate = '1/s'",
    "['a.com'.sources.ip-1]\nprovider_source_selection_rate = '1/s'",
    "['a.com'.sources.ip-1]\nautomation = []",
    "['a.com']\nprovider_max_message_rate = '1/s'",
    "[['a.com'.automation]]\nregex = 'x'\naction = 'Suspend'\nduration = '1h'",
    "[['a.com'.automation]]\nregex = ['x', 'y']\naction = ['Suspend', 'Bounce']\nduration = 60\nmatch_internal = true",
    "[['a.com'.automation]]\nregex = 'x'\naction = 'Suspend'\nduration = 0",
    "[['a.com'.automation]]\nregex = 'x'\naction = 'Suspend'\nduration = '0s'",
    "[['a.com'.automation]]\nregex = 'x'\naction = 'Suspend'\nduration = '0.5s'",
    "[['a.com'.automation]]\nregex = 'x'\naction = 'Suspend'\nduration = 0.5",
    "[['a.com'.automation]]\nregex = 'x'\naction = 'Suspend'\nduration = '1 fortnight'",
    "[['a.com'.automation]]\nregex = 'x'\naction = 'Suspend'\nduration = '1h'\ntrigger = {Threshold = '0/5m'}",
    "[['a.com'.automation]]\nregex = 'x'\naction = 'Suspend'\nduration = '1h'\ntrigger = {Threshold = '3/5m,max_burst=1'}",
    "[['a.com'.automation]]\nregex = 'x'\naction = []\nduration = '1h'",
    "[['a.com'.automation]]\nregex = 'x'\naction = {SetConfig = {name = 'max_ready'}}\nduration = '1h'",
    "[['a.com'.automation]]\nregex = 'x'\naction = {SetConfig = {name = 'max_ready', value = 1, unit = 's'}}\nduration = '1h'",
    "[['a.com'.automation]]\nregex = 'x'\naction = {SetConfig = {name = 'max_reddy', value = 1}}\nduration = '1h'",
    "[['a.com'.automation]]\naction = 'Suspend'\nduration = '1h'",
    "[a.com]\nmax_ready = 1",
    "['a.com'.automation]\nregex = 'x'\naction = 'Suspend'\nduration = '1h'",
    "['a.com']\nautomation = 'x'",
    "['a.com']\nmatch = [{MXSuffix = '.a'}]",
    "[provider]\np = 1",
    "[provider.p]\nmatch = {MXSuffix = '.a'}",
    "[[provider.p.automation]]\nregex = 'x'\naction = 'SuspendTenant'\nduration = '1h'",
    "[['a.com'.automation]]\nregex = []\naction = 'Suspend'\nduration = '1h'",
    "[['a.com'.automation]]\nregex = 'x'\naction = 'Suspend'",
    "[['a.com'.automation]]\nregex = 'x'\naction = 'Stop'\nduration = '1h'",
    "[['a.com'.automation]]\nregex = 'x'\naction = 'SetConfig'\nduration = '1h'",
    "[['a.com'.automation]]\nregex = 'x'\naction = {Suspend = {}}\nduration = '1h'",
    "[['a.com'.automation]]\nregex = 'x'\naction = 'Suspend'\nduration = '1h'\ntriger = 'Immediate'",
    "[['a.com'.automation]]\nregex = 'x'\naction = 'Suspend'\nduration = '1h'\ntrigger = 'Immediate'",
    "[['a.com'.automation]]\nregex = 'x'\naction = 'Suspend'\nduration = '1h'\ntrigger = {Threshold = '1_000/5m'}",
    "[['a.com'.automation]]\nregex = 'x'\naction = 'Suspend'\nduration = '1h'\ntrigger = 'Threshold'",
    "[['a.com'.automation]]\nregex = 'x'\naction = 'Suspend'\nduration = '1h'\ntrigger = {Threshold = 'local:2/hr'}",
];

#[track_caller]
fn alike(validator: &Validator, text: &str) {
    let (complaints, read) = (complaints(validator, text), parse(&Source::new("x.toml", text)));
    match read {
        Ok(_) => assert_eq!(complaints, [""; 0], "{text}"),
        Err(findings) => assert!(!complaints.is_empty(), "{text}: the loader says: {findings}"),
    }
}

#[test]
fn a7_the_schema_takes_what_the_loader_takes() {
    let validator = validator();
    for text in FILES {
        alike(&validator, text);
    }
    for value in VALUES {
        for block in ["[default]", "['a.com']", "[provider.p]", "[provider.p.sources.s]", "['a.com'.sources.s]"] {
            alike(&validator, &format!("{block}\n{value}"));
        }
        let (name, value) = value.split_once(" = ").unwrap();
        for action in ["SetConfig", "SetDomainConfig"] {
            let action = format!("action = {{{action} = {{name = '{name}', value = {value}}}}}");
            alike(&validator, &format!("[[default.automation]]\nregex = 'x'\nduration = '1h'\n{action}"));
        }
    }
}

#[test]
fn a7_every_default_is_valid() {
    let validator = validator();
    for spec in options().iter().filter(|spec| spec.default != "nil") {
        let value: Value = serde_json::from_str(spec.default).unwrap_or_else(|_| json!(spec.default));
        let file = json!({ "default": { spec.name: value } });
        assert!(validator.is_valid(&file), "{}", spec.name);
    }
}

/// A file with something of everything.
fn everything() -> Value {
    json!({
        "default": {
            "connection_limit": 10, "enable_tls": "Required", "idle_timeout": "5s", "mx_rollup": false,
            "additional_connection_limits": {"shared": 5}, "prohibited_hosts": ["127.0.0.0/8"],
            "automation": [{"regex": "a", "action": "Suspend", "duration": "1h"}],
        },
        "provider": {"p": {
            "match": [{"MXSuffix": ".a.example"}, {"DomainSuffix": "b.example"}],
            "provider_connection_limit": 4, "provider_max_message_rate": "1/s",
            "sources": {"ip-1": {"provider_source_selection_rate": "3/min", "max_ready": 5}},
        }},
        "c.example": {
            "replace_base": true, "smtp_port": 26, "tls_private_key": {"key_data": "x"},
            "sources": {"ip-1": {"max_message_rate": "1/min"}},
            "automation": [
                {"regex": ["a", "b"], "trigger": {"Threshold": "2/hr"}, "duration": 60, "match_internal": true,
                 "action": ["Bounce", {"SetConfig": {"name": "max_message_rate", "value": "1/min"}}]},
            ],
        },
    })
}

/// What stands in for something.
fn odd() -> impl Strategy<Value = Value> {
    proptest::sample::select(vec![
        json!(0),
        json!(1),
        json!(-1),
        json!(1.5),
        json!(70_000),
        json!(true),
        json!(""),
        json!("x"),
        json!("1h"),
        json!("0s"),
        json!("1/min"),
        json!("0/min"),
        json!("local:1/min"),
        json!("1/min,max_burst=2"),
        json!("local:3"),
        json!("::1"),
        json!("Suspend"),
        json!("Immediate"),
        json!("Threshold"),
        json!("Required"),
        json!("max_ready"),
        json!([]),
        json!({}),
        json!([1]),
        json!(["x"]),
        json!([[]]),
        json!([{}]),
        json!({"x": 1}),
        json!({"x": {}}),
        json!({"key_data": 1}),
        json!({"Threshold": 5}),
        json!({"Threshold": "5/m"}),
        json!({"SetConfig": {"name": "max_ready", "value": 5}}),
        json!([{"HostName": "x"}]),
        json!({"MXSuffix": ".a", "HostName": "b"}),
        json!({"connection_limit": 5}),
    ])
}

/// How many values there are within a value, itself included.
fn size(value: &Value) -> usize {
    let inner: usize = match value {
        Value::Array(list) => list.iter().map(size).sum(),
        Value::Object(map) => map.values().map(size).sum(),
        _ => 0,
    };
    inner + 1
}

/// Changes the value of this number, counted from the outside in.
fn change(value: &mut Value, number: usize, with: &dyn Fn(&mut Value)) {
    if number == 0 {
        return with(value);
    }
    let inner: Vec<&mut Value> = match value {
        Value::Array(list) => list.iter_mut().collect(),
        Value::Object(map) => map.values_mut().collect(),
        _ => Vec::new(),
    };
    let mut before = 1;
    for one in inner {
        let more = size(one);
        if number < before + more {
            return change(one, number - before, with);
        }
        before += more;
    }
}

#[test]
fn a7_the_schema_and_the_loader_agree_on_what_is_odd() {
    let validator = validator();
    let config = ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() };
    let key = "connection_limit|max_redy|regex|value|match|x";
    proptest!(config, |(at in any::<prop::sample::Index>(), odd in odd(), key in key, how in 0..3)| {
        let mut file = everything();
        let number = at.index(size(&file) - 1) + 1;
        change(&mut file, number, &|value| match (how, value) {
            (0, Value::Object(map)) => drop(map.insert(key.clone(), odd.clone())),
            (1, Value::Object(map)) => {
                let first = map.keys().next().cloned();
                first.and_then(|first| map.remove(&first));
            }
            (_, value) => *value = odd.clone(),
        });
        let complaints: Vec<_> = validator.iter_errors(&file).map(|error| error.to_string()).collect();
        let said = parse(&Source::new("x.json", file.to_string())).err().map(|findings| findings.to_string());
        prop_assert_eq!(complaints.is_empty(), said.is_none(), "{}\n{:?}\n{:?}", file, complaints, said);
    });
}
