//! `policy-extras.policy_utils`.

use crate::support::Bench;

#[tokio::test(start_paused = true)]
async fn it_passes_its_own_checks() {
    let bench = Bench::new();
    assert_eq!(bench.eval("require('policy-extras.policy_utils').test() return 'good'").await, "good");
}

#[tokio::test(start_paused = true)]
async fn values_of_the_host_are_compared_by_what_is_in_them() {
    let bench = Bench::new();
    let text = "local utils = require 'policy-extras.policy_utils'
        local kept = kumo.memoize(function() return { a = { 1, 2 }, b = 'x' } end, { name = 'm', ttl = '1 minute', capacity = 1 })
        local value = kept()
        assert(type(value) == 'userdata')
        utils.assert_eq(value, { a = { 1, 2 }, b = 'x' })
        utils.assert_eq({ a = { 1, 2 }, b = 'x' }, value)
        utils.assert_ne(value, { a = { 1, 3 }, b = 'x' })
        utils.assert_eq(utils.recursive_merge_into(value, { a = { [3] = 3 } }), { a = { 1, 2, 3 }, b = 'x' })
        utils.assert_eq(utils.dumps(value), utils.dumps { a = { 1, 2 }, b = 'x' })
        return 'good'";
    assert_eq!(bench.eval(text).await, "good");
}

#[tokio::test(start_paused = true)]
async fn a_failed_assertion_shows_both_values() {
    let bench = Bench::new();
    let error = bench.fails("require('policy-extras.policy_utils').assert_eq({ 1 }, { a = 'x' })").await;
    assert!(error.ends_with("expected {"), "{error}");
    let error = bench.fails("require('policy-extras.policy_utils').assert_matches('250 ok', '^4')").await;
    assert!(error.ends_with("expected a match of `^4` but got \"250 ok\""), "{error}");
}

#[tokio::test(start_paused = true)]
async fn data_files_are_read_by_their_names() {
    let bench = Bench::new();
    bench.write("/opt/kumomta/etc/a.json", "{\"a\": [1]}");
    bench.write("/opt/kumomta/etc/a.toml", "a = [1]");
    let text = "local utils = require 'policy-extras.policy_utils'
        utils.assert_eq(utils.load_json_or_toml_file '/opt/kumomta/etc/a.json', { a = { 1 } })
        utils.assert_eq(utils.load_json_or_toml_file '/opt/kumomta/etc/a.toml', { a = { 1 } })
        return 'good'";
    assert_eq!(bench.eval(text).await, "good");
    let error = bench.fails("require('policy-extras.policy_utils').load_json_or_toml_file 'a.yaml'").await;
    assert!(error.ends_with("`a.yaml` is neither a `.json` nor a `.toml` file"), "{error}");
}
