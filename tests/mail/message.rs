//! Messages as policies see them.

use kumo_tsa::mail::{self, Address, Message};
use kumo_tsa_core::wire::Time;
use serde_json::json;

use crate::support::Bench;

fn bench() -> Bench {
    mail::lua::installs().iter().fold(Bench::new(), |bench, install| bench.with(*install))
}

/// A message in the variable `msg`, then `text`. Lua makes a line feed of each line end in its texts.
fn with(body: &str, text: &str) -> String {
    format!(
        "local msg = kumo.make_message('from@a.example', {{'one@b.example', 'two@c.example'}}, ([==[{body}]==]):gsub('\\n', '\\r\\n'):sub(1, -1))\n{text}"
    )
}

const BODY: &str = "Subject: =?utf-8?q?caf=C3=A9?=\r\nX-Tenant-Id: 7\r\nX-Other: b\r\nFrom: \"Me, I\" <me@a.example>\r\nX-Tenant-Id: 8\r\n\r\nhello\r\n";

#[track_caller]
fn gives(text: &str, expected: &str) {
    let place = std::panic::Location::caller();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let got = runtime.block_on(bench().eval(&with(BODY, &format!("return tostring({text})"))));
    assert_eq!(got, expected, "{place}");
}

#[track_caller]
fn fails(text: &str, expected: &str) {
    let place = std::panic::Location::caller();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let got = runtime.block_on(bench().fails(&with(BODY, text)));
    assert!(got.contains(expected), "{place}: {got}");
}

/// What several statements note in the table `out`, joined.
#[track_caller]
fn notes(text: &str, expected: &str) {
    let place = std::panic::Location::caller();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let text = format!(
        "local out = {{}} local function note(v) table.insert(out, tostring(v)) end\n{text}\nreturn table.concat(out, ';')"
    );
    assert_eq!(runtime.block_on(bench().eval(&with(BODY, &text))), expected, "{place}");
}

#[test]
fn the_envelope_is_seen_and_set() {
    notes(
        "note(msg:sender()) note(msg:sender().user) note(msg:sender().domain) note(#msg:recipient())
         note(msg:recipient_list()[2].email) msg:set_recipient('only@d.example') note(msg:recipient())
         msg:set_sender('') note(msg:sender().email == '') note(#msg:recipient_list())
         msg:set_recipient { msg:recipient(), 'x@y.example' } note(#msg:recipient()) note(#msg:id())",
        "from@a.example;from;a.example;2;two@c.example;only@d.example;true;1;2;32",
    );
    fails("msg:set_sender('nonsense')", "invalid address `nonsense`: expected `user@domain`");
    fails("msg:set_recipient({})", "expected one recipient or more");
}

#[test]
fn meta_keeps_its_types() {
    notes(
        "msg:set_meta('n', 9007199254740993) note(msg:get_meta 'n') note(math.type(msg:get_meta 'n'))
         msg:set_meta('t', {a = {1, 2, 'x'}, b = true}) note(msg:get_meta('t').a[3]) note(msg:get_meta('t').b)
         msg:set_meta('gone', nil) note(msg:get_meta 'gone') note(msg:get_meta 'never') msg:set_meta('f', 1.5) note(msg:get_meta 'f')
         msg:set_meta('from', msg:sender()) note(msg:get_meta 'from')",
        "9007199254740993;integer;x;true;nil;nil;1.5;from@a.example",
    );
    fails("msg:set_meta('f', print)", "msg:set_meta: `f`: cannot serialize a function");
}

#[test]
fn the_queue_is_named_by_meta() {
    gives("msg:queue_name()", "b.example");
    notes(
        "msg:set_meta('tenant', 't') msg:set_meta('campaign', 'c') note(msg:queue_name())
         msg:set_meta('routing_domain', 'r') note(msg:queue_name()) msg:set_meta('queue', 'q') note(msg:queue_name())",
        "c:t@b.example;c:t@b.example!r;q",
    );
    fails("msg:set_meta('tenant', 5) msg:queue_name()", "meta `tenant` must be a string or nil, and is 5");
}

#[test]
fn headers_are_read_and_changed() {
    notes(
        "note(msg:get_first_named_header_value 'subject') note(msg:get_first_named_header_value 'absent')
         note(table.concat(msg:get_all_named_header_values 'x-tenant-id', '+')) note(#msg:get_all_headers())
         note(msg:get_all_headers()[3][1]) msg:remove_all_named_headers 'X-Tenant-ID' note(#msg:get_all_headers())
         msg:append_header('X-Last', 'größer') msg:prepend_header('X-First', '1') note(msg:get_all_headers()[1][1])
         note(msg:get_first_named_header_value 'x-last') msg:remove_x_headers { 'x-last' } note(#msg:get_all_headers())
         msg:remove_x_headers() note(msg:get_data())",
        "café;nil;7+8;5;X-Other;3;X-First;größer;4;Subject: =?utf-8?q?caf=C3=A9?=\r\nFrom: \"Me, I\" <me@a.example>\r\n\r\nhello\r\n",
    );
    fails("msg:append_header('X', '1\\r\\nBcc: x', false)", "invalid value for header `X`");
}

#[test]
fn address_headers_are_taken_apart() {
    notes(
        "local from = msg:from_header() note(from.user) note(from.domain) note(from.email) note(from.name) note(#from.list)
         note(msg:to_header())",
        "me;a.example;me@a.example;Me, I;1;nil",
    );
    fails("msg:prepend_header('From', 'nobody') msg:from_header()", "header `From` is no list of addresses: `nobody`");
}

#[test]
fn headers_are_imported_as_meta() {
    notes(
        "msg:import_x_headers { 'X-TENANT-ID', 'Absent' } note(msg:get_meta 'x_tenant_id') note(msg:get_meta 'x_other')
         msg:import_x_headers() note(msg:get_meta 'x_other') msg:import_headers { 'subject' } note(msg:get_meta 'subject')",
        "7;nil;b;café",
    );
}

#[test]
fn a_scheduling_header_sets_when_it_is_due() {
    let bench = bench();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let text = with(
        "X-Schedule: {\"first_attempt\":\"2026-02-01T00:00:00Z\"}\r\n\r\nx",
        "local schedule = msg:import_scheduling_header('X-Schedule', true)
         local left = msg:get_first_named_header_value 'x-schedule'
         return schedule.first_attempt .. tostring(schedule.expires) .. tostring(left) .. tostring(msg:import_scheduling_header 'X-Schedule')",
    );
    let got = runtime.block_on(bench.eval(&text));
    assert!(got.starts_with("2026-02-01T00:00:00Zuserdata: ") || got.starts_with("2026-02-01T00:00:00ZNULL"), "{got}");
    assert!(got.ends_with("nilnil"), "{got}");
    let message = Message::new(Address::null(), Vec::new(), "", Time::from_secs(Bench::START));
    let now = Time::from_secs(Bench::START);
    message.set_schedule(Some(serde_json::from_value(json!({"first_attempt": "2026-02-01T00:00:00Z"})).unwrap()));
    assert_eq!(message.due_from(now), Time::parse("2026-02-01T00:00:00Z").unwrap());
}

#[test]
fn a_bad_schedule_is_refused() {
    fails("msg:set_scheduling { dow = 'Mon' }", "fields `dow`, `tz`, `start` and `end` go together");
    fails("msg:set_scheduling { first = 'x' }", "unknown field `first`");
    fails(
        "msg:append_header('S', '{\"dow\":') msg:import_scheduling_header 'S'",
        "msg:import_scheduling_header: header `S`: EOF while parsing",
    );
    gives("msg:set_scheduling(nil)", "nil");
}

#[test]
fn conformance_is_checked_and_mended() {
    notes(
        "note(msg:check_fix_conformance('NON_CANONICAL_LINE_ENDINGS', ''))
         msg:set_data('Subject: x\\nA: b\\n\\nhello\\n') note(msg:check_fix_conformance('NON_CANONICAL_LINE_ENDINGS', ''))
         note(msg:check_fix_conformance('MISSING_COLON_VALUE', 'NON_CANONICAL_LINE_ENDINGS')) note(msg:get_data())",
        "nil;message has conformance issues: NON_CANONICAL_LINE_ENDINGS (a line does not end with CRLF);nil;Subject: x\r\nA: b\r\n\r\nhello\r\n",
    );
    fails("msg:check_fix_conformance('NONSENSE', '')", "unknown conformance flag `NONSENSE`");
}

#[test]
fn text_is_appended() {
    gives("msg:append_text_plain('-- foot\\n') or msg:get_data():sub(-16)", "hello\r\n-- foot\r\n");
    fails("msg:append_text_html('x')", "msg:append_text_html: the message has no text/html part");
}

#[test]
fn what_is_not_there_is_named() {
    fails("msg:dkim_sign(1)", "`msg:dkim_sign` is not implemented in this version");
    fails("msg:no_such_thing()", "no_such_thing");
    fails("msg:save()", "no spools have been defined");
    fails("kumo.make_message('a@b', {}, '')", "kumo.make_message: expected one recipient or more");
    fails(
        "kumo.define_spool { name = 'data', path = '/x', flosh = true }",
        "kumo.define_spool: deserialize error: unknown field `flosh`",
    );
    fails("kumo.define_spool { name = 'other', path = '/x' }", "unknown variant `other`, expected `data` or `meta`");
}

#[test]
fn a_policy_defines_the_spool() {
    let bench = bench();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = bench.path("spool").display().to_string();
        bench
            .eval(&format!(
                "for _, name in ipairs {{ 'data', 'meta' }} do
                   kumo.define_spool {{ name = name, path = '{folder}/' .. name, kind = 'RocksDB', flush = true,
                     min_free_space = 0, min_free_inodes = '0%', rocks_params = {{ increase_parallelism = 2 }} }}
                 end return ''"
            ))
            .await;
        let spools = mail::spool::Spools::open(&bench.host).await.unwrap();
        let text = with(BODY, "msg:save(true) return msg:id() .. #msg:get_data()");
        let saved = bench.eval(&text).await;
        let (id, size) = saved.split_at(32);
        let content = spools.load_data(id.parse().unwrap()).await.unwrap();
        assert_eq!((content.len().to_string().as_str(), &*content), (size, BODY.as_bytes()));
    });
}
