//! `policy-extras.sources`.

use serde_json::{Value, json};

use super::rig::{bench, ours};
use crate::support::{Bench, call};

const FILE: &str = r#"
[source."ip-1"]
source_address = "192.0.2.1"

[source."ip-2"]
source_address = "192.0.2.2"

[pool."one"]
[pool."one"."ip-1"]

[pool."both"]
ttl = "5 minutes"
[pool."both"."ip-2"]
weight = 2
[pool."both"."ip-1"]
"#;

const TOOLS: &str = "
kumo.on('source', function(name) return kumo.json_encode_pretty(sources.get_egress_source(name)) end)
kumo.on('pool', function(name) return kumo.json_encode_pretty(sources.get_egress_pool(name)) end)";

async fn made(bench: &Bench, setup: &str, event: &'static str, name: &str) -> Value {
    serde_json::from_str(&answer(bench, setup, event, name).await).unwrap()
}

async fn answer(bench: &Bench, setup: &str, event: &'static str, name: &str) -> String {
    let policy = bench.load(&format!("sources = require 'policy-extras.sources' sources:setup {setup} {TOOLS}")).await;
    assert!(policy.defines("get_egress_source") && policy.defines("get_egress_pool"));
    match call::<String>(&policy, event, name).await {
        Ok(text) => text.unwrap(),
        Err(error) => bench.first_line(&error),
    }
}

#[tokio::test]
async fn sources_and_pools_come_out_of_files_and_tables() {
    let bench = bench(ours);
    bench.write("/opt/kumomta/etc/policy/sources.toml", FILE);
    let file = "{ '/opt/kumomta/etc/policy/sources.toml' }";
    assert_eq!(made(&bench, file, "source", "ip-1").await, json!({"name": "ip-1", "source_address": "192.0.2.1"}));
    assert_eq!(made(&bench, file, "pool", "one").await, json!({"name": "one", "entries": [{"name": "ip-1"}]}));
    assert_eq!(
        made(&bench, file, "pool", "both").await,
        json!({"name": "both", "ttl": "5 minutes", "entries": [{"name": "ip-1"}, {"name": "ip-2", "weight": 2}]})
    );
    // Later ones add to earlier ones and go before them.
    let more = "{ '/opt/kumomta/etc/policy/sources.toml',
                  { source = { ['ip-1'] = { ehlo_domain = 'a.example', source_address = '192.0.2.9' } } } }";
    assert_eq!(
        made(&bench, more, "source", "ip-1").await,
        json!({"ehlo_domain": "a.example", "name": "ip-1", "source_address": "192.0.2.9"})
    );
}

#[tokio::test]
async fn what_is_not_defined_is_said() {
    let bench = bench(ours);
    bench.write("/opt/kumomta/etc/policy/sources.toml", FILE);
    let text = answer(&bench, "{ '/opt/kumomta/etc/policy/sources.toml' }", "source", "ip-9").await;
    assert!(text.ends_with("egress source `ip-9` is in none of the files of `sources:setup`"), "{text}");
    let text = answer(&bench, "{ { sauce = {} } }", "source", "ip-9").await;
    assert!(text.ends_with("table 1 of `sources:setup`: unknown field `sauce`, expected `source` or `pool`"), "{text}");
}

/// What constructors of the host say, as helpers take it apart.
const CONSTRUCTORS: &str = "
local function make(known)
  return function(t)
    for key, value in pairs(t) do
      local why = known[key] == nil and 'unknown field `' .. key .. '`, expected `name`'
        or type(value) ~= known[key] and 'invalid type: ' .. type(value) .. ', expected a ' .. known[key]
      if why then error('x: deserialize error: ' .. why .. ', while processing {}') end
    end
    return t
  end
end
kumo.make_egress_source = make { name = 'string', source_address = 'string' }
kumo.make_egress_pool = function(t)
  make { name = 'string', entries = 'table', ttl = 'string' }(t)
  for _, entry in ipairs(t.entries) do make { name = 'string', weight = 'number' }(entry) end
  return t
end";

#[tokio::test]
async fn all_that_is_wrong_is_found_and_named() {
    let mut bench = bench(ours);
    bench.options.validating = true;
    let text = format!(
        "{CONSTRUCTORS}
         local sources = require 'policy-extras.sources'
         sources:setup {{ {{
           source = {{ a = {{ source_address = 1, colour = 'red' }}, b = {{ source_address = '::1' }} }},
           pool = {{ p = {{ ttl = 1, b = {{ weight = 'much' }}, z = {{}} }}, empty = {{}}, q = {{ b = {{}}, size = 3 }} }},
         }} }}
         kumo.on('check', function(files) return table.concat(sources:check(kumo.json_parse(files)), '; ') end)"
    );
    let policy = bench.load(&text).await;
    call::<()>(&policy, "validate_config", ()).await.unwrap();
    assert!(kumo_tsa::modules::kumo::declared_invalid(&bench.host));
    let files = json!([{
        "source": {"a": {"source_address": 1, "colour": "red"}, "b": {"source_address": "::1"}},
        "pool": {"p": {"ttl": 1, "b": {"weight": "much"}, "z": {}}, "empty": {}, "q": {"b": {}, "size": 3}},
    }]);
    let found = call::<String>(&policy, "check", files.to_string()).await.unwrap().unwrap();
    assert_eq!(
        found.split("; ").collect::<Vec<_>>(),
        [
            "pool `empty`: it has no sources",
            "pool `p`: member `b`: invalid type: string, expected a number",
            "pool `p`: option `ttl`: invalid type: number, expected a string",
            "pool `p`: source `z` is not defined",
            "pool `q`: `size` is no option of it: unknown field `size`, expected `name`",
            "source `a`: `colour` is no option of it: unknown field `colour`, expected `name`",
            "source `a`: option `source_address`: invalid type: number, expected a string",
        ]
    );
}
