//! What policies say of queues, paths, sources and pools.

use std::time::Duration;

use kumo_tsa::mail::config::{Protocol, egress_pool, egress_source, path_config, queue_config};
use kumo_tsa_core::wire::QueueName;
use tokio::time::advance;

use crate::support::Bench;

#[tokio::test(start_paused = true)]
async fn what_is_made_behaves_like_a_table() {
    let bench = Bench::of_mail();
    let text = "
        local path = kumo.make_egress_path { connection_limit = 3, max_message_rate = '100/min', skip_hosts = {} }
        local seen = {}
        for name, value in pairs(path) do seen[name] = value end
        local mt = getmetatable(path)
        return table.concat({ path.connection_limit, path.max_message_rate, tostring(path.ehlo_domain), path.idle_timeout,
          seen.smtp_port, #seen.prohibited_hosts, seen.prohibited_hosts[1], tostring(#path > 50), tostring(path.nope),
          type(path), type(mt.__pairs), type(mt.__index), type(mt.__len) }, ' ')";
    assert_eq!(bench.eval(text).await, "3 100/m nil 5s 25 4 127.0.0.0/8 true nil userdata function function function");
    let again = "local queue = kumo.make_queue_config { max_age = '1 hour', protocol = { smtp = { mx_list = { 'a' } } } }
        local copy = kumo.make_queue_config(queue)
        return copy.max_age .. copy.protocol.smtp.mx_list[1] .. copy.retry_interval .. kumo.json_encode(copy.shrink_policy)";
    assert_eq!(bench.eval(again).await, "1ha20m{}");
}

#[tokio::test(start_paused = true)]
async fn errors_have_the_shape_that_helpers_take_apart() {
    let bench = Bench::of_mail();
    let shape = "local ok, err = pcall(kumo.FUNCTION, TABLE)
        local found = kumo.regex.compile('deserialize error: (.*), while processing (.*)'):captures(tostring(err))
        return (found and found[1] or 'NO: ' .. tostring(err)):sub(1, 60)";
    for (function, table, said) in [
        ("make_queue_config", "{ retry = 1 }", "unknown field `retry`, expected one of `retry_interval`, `ma"),
        ("make_queue_config", "{ max_age = {} }", "field `max_age`: invalid type: map, expected a duration, suc"),
        ("make_queue_config", "{ max_age = print }", "invalid type: serialize error: cannot serialize a function, "),
        (
            "make_egress_source",
            "{ name = 'a', remote_port = 'x' }",
            "field `remote_port`: invalid type: string \"x\", expected u16",
        ),
        ("make_egress_source", "{}", "missing field `name`"),
        (
            "make_egress_pool",
            "{ name = 'p', entries = { { nam = 'x' } } }",
            "field `entries`: invalid value: unknown field `nam`, expecte",
        ),
        ("make_egress_path", "{ smtp_port = 70000 }", "field `smtp_port`: invalid value: expected a port from 0 to "),
        ("make_egress_path", "'x'", "invalid type: string, expected a table of options"),
        ("make_egress_path", "{ 1 }", "invalid type: list, expected a table of options"),
    ] {
        let text = shape.replace("FUNCTION", function).replace("TABLE", table);
        assert_eq!(bench.eval(&text).await, said, "{function} {table}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_policy_is_asked_and_what_it_does_not_answer_has_a_default() {
    let bench = Bench::of_mail();
    let policy = bench
        .load(
            "kumo.on('get_queue_config', function(domain, tenant, campaign, routing_domain)
               if domain == 'a.com' then return end
               return kumo.make_queue_config {
                 egress_pool = table.concat({ domain, tenant or '-', campaign or '-', routing_domain or '-' }, '/') }
             end)
             kumo.on('get_queue_config', function() return kumo.make_queue_config { egress_pool = 'second' } end)
             kumo.on('get_egress_path_config', function(domain, source, site)
               if domain == 'bad.com' then return {} end
               if domain == 'no.com' then error 'no' end
               return kumo.make_egress_path { ehlo_domain = domain .. source .. site }
             end)",
        )
        .await;
    let pool = async |name: &str| queue_config(&policy, &QueueName::parse(name)).await.unwrap().egress_pool.unwrap();
    assert_eq!(pool("c:t@d.com!r.com").await, "d.com/t/c/r.com");
    assert_eq!(pool("d.com").await, "d.com/-/-/-");
    assert_eq!(pool("t@a.com").await, "second");
    let path = path_config(&policy, "d.com", "s", "site").await.unwrap();
    assert_eq!(path.ehlo_domain.as_deref(), Some("d.comssite"));
    let bad = path_config(&policy, "bad.com", "s", "site").await.unwrap_err();
    assert_eq!(
        bench.text(&bad),
        "event `get_egress_path_config`: returned table, expected the value of `kumo.make_egress_path`"
    );
    let no = path_config(&policy, "no.com", "s", "site").await.unwrap_err();
    assert!(bench.first_line(&no).ends_with(": no"));

    let silent = bench.load("").await;
    let queue = queue_config(&silent, &QueueName::parse("d.com")).await.unwrap();
    assert!(queue.protocol == Protocol::default() && queue.given().is_empty());
    assert_eq!(egress_source(&silent, "unspecified").await.unwrap().name, "unspecified");
    assert_eq!(egress_pool(&silent, "unspecified").await.unwrap().weighted(), [("unspecified", 1)]);
    let error = egress_source(&silent, "ip-1").await.unwrap_err();
    assert_eq!(error.to_string(), "event `get_egress_source` has not been registered");
}

#[tokio::test(start_paused = true)]
async fn answers_are_kept_for_their_time() {
    let bench = Bench::of_mail();
    let policy = bench
        .load(
            "local function count(name)
               local file = io.open('FILE' .. name, 'a') file:write('x') file:close()
               return 0
             end
             kumo.on('get_egress_source', function(name) count 'source' return kumo.make_egress_source { name = name, ttl = '10s' } end)
             kumo.on('get_egress_pool', function(name) count 'pool'
               return kumo.make_egress_pool { name = name, entries = { { name = 'a' } } } end)
             kumo.on('get_egress_path_config', function(domain) count 'path'
               return kumo.make_egress_path { refresh_strategy = domain == 'e.com' and 'Epoch' or 'Ttl' } end)"
                .replace("FILE", &bench.path("count-").display().to_string())
                .as_str(),
        )
        .await;
    let asked = |name: &str| std::fs::read(bench.path(&format!("count-{name}"))).map_or(0, |content| content.len());
    for _ in 0..3 {
        let all = (0..5).map(|_| egress_source(&policy, "s"));
        futures_util::future::join_all(all).await;
        egress_pool(&policy, "p").await.unwrap();
    }
    assert_eq!((asked("source"), asked("pool")), (1, 1));
    advance(Duration::from_secs(11)).await;
    egress_source(&policy, "s").await.unwrap();
    egress_pool(&policy, "p").await.unwrap();
    assert_eq!((asked("source"), asked("pool")), (2, 1));
    for domain in ["d.com", "e.com"] {
        path_config(&policy, domain, "s", "t").await.unwrap();
    }
    assert_eq!(asked("path"), 2);
    advance(Duration::from_secs(61)).await;
    for domain in ["d.com", "e.com"] {
        path_config(&policy, domain, "s", "t").await.unwrap();
    }
    assert_eq!(asked("path"), 3, "the one of an epoch stays");
    bench.host.epoch().bump();
    for domain in ["d.com", "e.com"] {
        path_config(&policy, domain, "s", "t").await.unwrap();
    }
    assert_eq!(asked("path"), 4, "the one of a time stays");
}

#[tokio::test(start_paused = true)]
async fn a_policy_can_ask_itself() {
    let bench = Bench::of_mail();
    let text = "kumo.on('get_egress_path_config', function(domain) return kumo.make_egress_path { provider_name = domain } end)
        kumo.on('get_queue_config', function(domain, tenant) if tenant then return kumo.make_queue_config { max_age = 60 } end end)
        kumo.on('get_egress_source', function(name) return kumo.make_egress_source { name = name, ehlo_domain = 'me' } end)
        kumo.on('get_egress_pool', function(name) return kumo.make_egress_pool { name = name, entries = { { name = 'x' } } } end)
        kumo.on('run', function()
          local path = kumo.invoke_get_egress_path_config('d.com', 's', 't')
          path.provider_name = path.provider_name .. '!'
          return table.concat({ type(path), path.provider_name, tostring(path.ehlo_domain), path.connection_limit,
            kumo.invoke_get_queue_config('t@d.com').max_age, kumo.invoke_get_queue_config('d.com').max_age,
            kumo.invoke_get_egress_source('s').ehlo_domain, kumo.invoke_get_egress_source('unspecified').name,
            kumo.invoke_get_egress_pool('p').entries[1].name, kumo.invoke_get_egress_pool('p').entries[1].weight }, ' ')
        end)";
    let policy = bench.load(text).await;
    let shown: String = policy.call(&kumo_tsa::policy::Event::single("run"), ()).await.unwrap().unwrap();
    assert_eq!(shown, "table d.com! nil 32 1m 7days me unspecified x 1");
    assert!(bench.fails("kumo.invoke_get_egress_pool 'p'").await.contains("`get_egress_pool` has not been registered"));
}
