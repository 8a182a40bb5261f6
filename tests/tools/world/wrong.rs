//! What is told to who writes something wrong.

use super::play;

/// Each line of Lua fails, and says these.
#[track_caller]
fn fails(cases: &[(&str, &[&str])]) {
    let mut spec = String::new();
    for (code, parts) in cases {
        let call = format!("do local ok, why = pcall(function() {code} end)\nsame(ok, false, [[{code}]])\n");
        spec.push_str(&call);
        for part in *parts {
            spec.extend(["has(why, [[", *part, "]])\n"]);
        }
        spec.push_str("end\n");
    }
    play(&spec);
}

#[test]
fn options_name_function_key_and_what_is_accepted() {
    fails(&[
        ("testing.daemon { polcy = 'x' }", &["testing.daemon: ", "unknown field `polcy`", "`policy`", "`shaping`"]),
        ("testing.daemon { policy = 5 }", &["testing.daemon: ", "field `policy`"]),
        ("testing.daemon 'x'", &["testing.daemon: expected a table of options, got string"]),
        ("testing.daemon {}", &["testing.daemon: expected `policy`"]),
        ("testing.daemon { policy = 'no.lua' }", &["testing.daemon: no policy file `no.lua` in `"]),
        ("testing.daemon { files = { 'no.toml' } }", &["testing.daemon: no shaping file `"]),
        ("testing.daemon { shaping = '[default' }", &["testing.daemon: ", "shaping.toml"]),
        (
            "testing.host { shaping = '', demons = {} }",
            &["testing.host: unknown field `demons`", "`daemons`", "`provider`", "`policy`"],
        ),
        (
            "testing.host { daemons = 5 }",
            &["testing.host: field `daemons`: expected a list of what `testing.daemon` returns", "got integer"],
        ),
        (
            "testing.host { provider = {} }",
            &["testing.host: field `provider`: expected what `testing.provider`", "got table"],
        ),
        (
            "testing.record { domain = 'a.example', respons = '' }",
            &["testing.record: unknown field `respons`", "`response`"],
        ),
        (
            "testing.record { domain = 'a.example', response = 'hm' }",
            &["testing.record: field `response`: `hm`: expected three digits"],
        ),
        ("testing.record { response = '250 ok' }", &["testing.record: field `domain`: expected"]),
        ("testing.record { domain = 'a.example', at = 'soon' }", &["field `at`: `soon`: expected `+5 minutes`"]),
        ("testing.zones(5)", &["testing.zones: expected the text of a zone file, got integer"]),
        ("testing.zones 'a.example. MX 10 10.0.0.1.'", &["testing.zones: ", "host name"]),
        ("testing.advance 'soon'", &["testing.advance: expected a duration, such as `2 hours`", "got `soon`"]),
        ("testing.advance(-1)", &["testing.advance: expected a duration"]),
        ("testing.policy(nil)", &["testing.policy: expected the file of a policy"]),
        ("testing.message { too = 'x' }", &["testing.message: unknown field `too`", "`to`"]),
        ("testing.message { to = 'x' }", &["testing.message: field `to`: `x` is no address"]),
    ]);
}

#[test]
fn scripts_of_providers_are_checked_before_they_run() {
    fails(&[
        ("testing.provider 'no'", &["testing.provider: expected a function, or a table of answers", "got string"]),
        (
            "testing.provider { ['mx.a'] = { rctp = '450 no' } }",
            &[
                "testing.provider: `mx.a`: unknown step `rctp`, expected one of `connect`, `ehlo`, `starttls`, `mail`, `rcpt`, `data`, `body`",
            ],
        ),
        (
            "testing.provider { ['mx.a'] = { rcpt = 'no' } }",
            &["testing.provider: `mx.a`: step `rcpt`: `no`: expected three digits and text"],
        ),
        (
            "testing.provider { ['mx.a'] = { rcpt = { says = '450 no' } } }",
            &["unknown field `says`, expected a table of `say`"],
        ),
        (
            "testing.provider { ['mx.a'] = 5 }",
            &["testing.provider: `mx.a`: expected a function, or a table of answers by step, got integer"],
        ),
        ("testing.provider { rcpt = { after = 'soon' } }", &["field `after`: expected a duration"]),
    ]);
}

#[test]
fn methods_name_themselves() {
    fails(&[
        ("testing.daemon({ shaping = '' }):publish(5)", &["daemon:publish: expected what `testing.record` returns"]),
        ("testing.daemon({ shaping = '' }):publish()", &["daemon:publish: expected what `testing.record` returns"]),
        (
            "testing.daemon({ shaping = '' }):publish { domain = 'a.example', tennant = 'x' }",
            &["daemon:publish: unknown field `tennant`", "`tenant`"],
        ),
        (
            "local r = testing.record { domain = 'a.example' } r.recipient = 'x' testing.daemon({ shaping = '' }):publish(r)",
            &["daemon:publish: invalid log record", "`recipient`"],
        ),
        ("testing.daemon({ shaping = '' }):config { source = 'x' }", &["daemon:config: missing field `domain`"]),
        ("testing.host({ shaping = '' }):inject {}", &["host:inject: missing field `to`"]),
        ("testing.host({ shaping = '' }):inject { to = 'x' }", &["host:inject: field `to`: `x` is no address"]),
        ("testing.host({ shaping = '' }):records { typ = 'x' }", &["host:records: unknown field `typ`", "`type`"]),
    ]);
}
