//! Option tables and values that cross.

use std::time::Duration;

use kumo_tsa::policy;
use serde::Deserialize;

use crate::support::Bench;

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Params {
    name: String,
    #[serde(default)]
    limits: Vec<u32>,
    #[serde(default, deserialize_with = "policy::optional_duration")]
    timeout: Option<Duration>,
    #[serde(default)]
    inner: Option<Inner>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Inner {
    enabled: bool,
}

fn bench() -> Bench {
    Bench::new().with(|lua, _| {
        let kumo = policy::table(lua, "kumo")?;
        let show = lua.create_function(|lua, value| {
            let params: Params = policy::options(lua, value, "kumo.show")?;
            let inner = params.inner.map(|inner| inner.enabled);
            Ok(format!("{} {:?} {:?} {inner:?}", params.name, params.limits, params.timeout))
        })?;
        kumo.set("show", show)?;
        kumo.set("json", lua.create_function(|lua, value| Ok(policy::to_json(lua, &value)?.to_string()))?)
    })
}

#[tokio::test(start_paused = true)]
async fn options_are_read() {
    let bench = bench();
    assert_eq!(
        bench
            .eval("return kumo.show { name = 'a', limits = { 1, 2 }, timeout = '1h 30m', inner = { enabled = true } }")
            .await,
        "a [1, 2] Some(5400s) Some(true)"
    );
    assert_eq!(bench.eval("return kumo.show { name = 'a', limits = {}, timeout = 1.5 }").await, "a [] Some(1.5s) None");
    let remembered =
        "local f = kumo.memoize(function() return { name = 'm', limits = { 7 }, inner = { enabled = false } } end,
        { name = 'x', ttl = 1, capacity = 1 }) return kumo.show(f())";
    assert_eq!(bench.eval(remembered).await, "m [7] None Some(false)");
}

#[tokio::test(start_paused = true)]
async fn errors_have_the_shape_that_helpers_take_apart() {
    let bench = bench();
    assert_eq!(
        bench.fails("kumo.show { name = 'a', nmae = 1 }").await,
        "event `run`: kumo.show: deserialize error: unknown field `nmae`, expected one of `name`, `limits`, `timeout`, \
         `inner`, while processing {\"name\":\"a\",\"nmae\":1}"
    );
    assert_eq!(
        bench.fails("kumo.show { name = 'a', limits = { 1, 'x' } }").await.split(", while").next().unwrap(),
        "event `run`: kumo.show: deserialize error: field `limits[1]`: invalid type: string \"x\", expected u32"
    );
    assert_eq!(
        bench.fails("kumo.show { name = 5 }").await,
        "event `run`: kumo.show: deserialize error: field `name`: invalid type: integer `5`, expected a string, \
         while processing {\"name\":5}"
    );
    assert_eq!(
        bench.fails("kumo.show {}").await,
        "event `run`: kumo.show: deserialize error: missing field `name`, while processing {}"
    );
    assert_eq!(
        bench.fails("kumo.show { timeout = '5 minuts' }").await,
        "event `run`: kumo.show: deserialize error: field `timeout`: invalid value: string \"5 minuts\", expected a \
         duration, such as `5 minutes`, or a number of seconds, while processing {\"timeout\":\"5 minuts\"}"
    );
    assert!(bench.fails("local t = {} t.t = t kumo.show(t)").await.contains("nested deeper than 128"));
}

#[tokio::test(start_paused = true)]
async fn json_tells_lists_from_maps() {
    let bench = bench();
    let json = async |text: &str| bench.eval(&format!("return kumo.json({text})")).await;
    assert_eq!(json("{ 1, 2.5, 'x', true }").await, "[1,2.5,\"x\",true]");
    assert_eq!(json("{}").await, "{}");
    assert_eq!(json("{ [2] = 'b' }").await, "{\"2\":\"b\"}");
    assert_eq!(json("1 / 0").await, "null");
    assert_eq!(
        json("kumo.memoize(function() return { a = { 1, 2 } } end, { name = 'j', ttl = 1, capacity = 1 })()").await,
        "{\"a\":[1,2]}"
    );
    assert_eq!(bench.fails("kumo.json(print)").await, "event `run`: serialize error: cannot serialize a function");
}
