use serde_json::{Value, json};

use super::*;

fn full() -> Value {
    json!({
        "type": "TransientFailure", "id": "1d98076abbbc11ed940250ebf67f93bd", "sender": "me@from.example",
        "recipient": "You@Example.COM", "queue": "c:t@example.com", "site": "ip1->mx.example.com@smtp_client", "size": 321,
        "response": {
            "code": 421, "enhanced_code": {"class": 4, "subject": 7, "detail": 28},
            "content": "slow\r\ndown\nnow", "command": "RCPT TO:<you@example.com>"
        },
        "peer_address": {"name": "mx.example.com", "addr": "192.0.2.1"},
        "timestamp": 1_700_000_000, "event_time": "2023-11-14T22:13:20.250Z",
        "created": 1_699_999_000, "num_attempts": 3, "bounce_classification": "Uncategorized",
        "egress_pool": "pool", "egress_source": "ip1", "feedback_report": null,
        "meta": {"deep": [{"er": 1}]}, "headers": {"Subject": "hi"}, "nodeid": "node-1", "session_id": "s-1",
    })
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut value = full();
    change(&mut value);
    value
}

fn parse(value: &Value) -> Result<Record<'static>, BadRecord> {
    Record::parse(value.to_string().as_bytes()).map(Record::into_owned)
}

#[test]
fn all_fields_are_read() {
    let text = full().to_string();
    let record = Record::parse(text.as_bytes()).unwrap();
    assert_eq!(record.kind, Kind::TransientFailure);
    assert_eq!((&*record.id, &*record.sender), ("1d98076abbbc11ed940250ebf67f93bd", "me@from.example"));
    assert_eq!(record.recipients().collect::<Vec<_>>(), ["You@Example.COM"]);
    assert_eq!((&*record.queue, &*record.site), ("c:t@example.com", "ip1->mx.example.com@smtp_client"));
    assert_eq!((record.size, record.num_attempts), (321, 3));
    assert_eq!((record.timestamp, record.created), (Time::from_secs(1_700_000_000), Time::from_secs(1_699_999_000)));
    assert_eq!(record.event_time, Some(Time::from_micros(1_700_000_000_250_000)));
    assert_eq!((record.egress_pool.as_deref(), record.egress_source.as_deref()), (Some("pool"), Some("ip1")));
    assert_eq!((record.session_id.as_deref(), &*record.nodeid), (Some("s-1"), "node-1"));
    assert_eq!(&*record.bounce_classification, "Uncategorized");
    assert_eq!(record.response.code, 421);
    assert_eq!(record.response.enhanced_code, Some(EnhancedCode { class: 4, subject: 7, detail: 28 }));
    assert_eq!(record.response.command.as_deref(), Some("RCPT TO:<you@example.com>"));
    assert!(matches!(record.site, Cow::Borrowed(_)) && matches!(record.egress_source, Some(Cow::Borrowed(_))));
    assert!(matches!(record.response.content, Cow::Owned(_)), "escapes cannot be borrowed");
    assert_eq!(record.clone().into_owned(), record);
}

#[test]
fn r3_the_event_time_goes_before_the_timestamp() {
    assert_eq!(parse(&full()).unwrap().time(), Time::from_micros(1_700_000_000_250_000));
    let without = with(|v| v["event_time"] = Value::Null);
    assert_eq!(parse(&without).unwrap().time(), Time::from_secs(1_700_000_000));
}

#[test]
fn every_type_is_known() {
    for kind in [
        "Reception",
        "Delivery",
        "Bounce",
        "TransientFailure",
        "Expiration",
        "AdminBounce",
        "OOB",
        "Feedback",
        "Rejection",
        "AdminRebind",
        "DeferredInjectionRebind",
        "Delayed",
        "XferOut",
        "XferIn",
    ] {
        assert!(parse(&with(|v| v["type"] = kind.into())).is_ok(), "{kind}");
    }
}

#[test]
fn what_may_be_missing_and_what_may_not() {
    let Value::Object(members) = full() else { panic!() };
    for name in members.keys() {
        let value = with(|v| {
            v.as_object_mut().unwrap().remove(name);
        });
        let optional = ["peer_address", "event_time", "egress_pool", "egress_source", "feedback_report", "session_id"]
            .contains(&&**name);
        match parse(&value) {
            Ok(_) => assert!(optional, "{name}"),
            Err(e) => {
                assert!(!optional, "{name}: {e}");
                assert!(e.to_string().contains(&format!("missing field `{name}` at line 1 column ")), "{e}");
            }
        }
        if optional {
            assert!(parse(&with(|v| v[name] = Value::Null)).is_ok(), "{name} may be null");
        }
    }
    for (name, optional) in [("code", false), ("content", false), ("enhanced_code", true), ("command", true)] {
        let value = with(|v| {
            v["response"].as_object_mut().unwrap().remove(name);
        });
        match parse(&value) {
            Ok(_) => assert!(optional),
            Err(e) => {
                assert!(
                    e.to_string().contains(&format!("field `response`: missing field `{name}` at line 1 column ")),
                    "{e}"
                );
            }
        }
    }
}

#[track_caller]
fn refused(body: &str, expected: &str) {
    let error = Record::parse(body.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), expected);
    assert_eq!(matches!(error, BadRecord::Syntax { .. }), expected.starts_with("invalid JSON: "));
}

#[test]
fn errors_name_the_field_and_the_place() {
    let shape = |name: &str, value: Value| parse(&with(|v| v[name] = value)).unwrap_err().to_string();
    assert!(
        shape("size", json!("x")).starts_with(
            "invalid log record: field `size`: invalid type: string \"x\", expected u64 at line 1 column "
        )
    );
    assert!(shape("recipient", json!(7)).starts_with(
        "invalid log record: field `recipient`: invalid type: integer `7`, expected an address or a list of addresses at line 1"
    ));
    assert!(shape("meta", json!([])).contains("field `meta`: invalid type: sequence, expected an object at line 1"));
    assert!(
        shape("headers", Value::Null).contains("field `headers`: invalid type: null, expected an object at line 1")
    );
    assert!(shape("type", json!("Any")).contains("field `type`: unknown variant `Any`, expected one of `Reception`, "));
    for value in [json!(1), json!(1.5), Value::Null, json!(true), json!([]), json!({"Delivery": null})] {
        let said = shape("type", value);
        assert!(
            said.contains("field `type`: invalid type: ") && said.contains("expected a record type, such as"),
            "{said}"
        );
    }
    assert!(shape("recipient", json!([])).ends_with("field `recipient`: an empty list; expected at least one address"));
    let list = json!({"code": 250, "content": "", "enhanced_code": [4, 2, 1]});
    assert!(
        shape("response", list).contains("field `response.enhanced_code`: invalid type: sequence, expected an object")
    );
    assert!(shape("event_time", json!("noon")).contains("field `event_time`: invalid time `noon`: expected RFC 3339"));
    assert!(
        shape("response", json!("ok"))
            .contains("field `response`: invalid type: string \"ok\", expected an object with")
    );
    assert!(
        shape("response", json!({"code": "x", "content": ""})).contains("field `response.code`: invalid type: string")
    );
    assert!(
        shape("response", json!({"code": 250, "content": 1}))
            .contains("field `response.content`: invalid type: integer")
    );
    let wrong_code = json!({"code": 250, "content": "", "enhanced_code": {"class": 1}});
    assert!(
        shape("response", wrong_code).contains("field `response.enhanced_code`: missing field `subject` at line 1")
    );
    refused("[]", "invalid log record: invalid type: sequence, expected a log record, an object at line 1 column 0");
    refused("{\"id\": \"a\",\n \"id\": \"b\"}", "invalid log record: duplicate field `id` at line 2 column 5");
    refused("{", "invalid JSON: EOF while parsing an object at line 1 column 1");
    refused("{\"size\": x}", "invalid JSON: expected value at line 1 column 10");
    refused("", "invalid JSON: EOF while parsing a value at line 1 column 0");
    let twice = format!("{}{}", full(), full());
    let error = Record::parse(twice.as_bytes()).unwrap_err();
    assert!(error.to_string().starts_with("invalid JSON: trailing characters at line 1"), "{error}");
    let twice = r#"{"response":{"code":1,"content":"","content":""}}"#;
    refused(twice, "invalid log record: field `response`: duplicate field `response.content` at line 1 column 44");
    let twice = r#"{"response":{"code":1,"content":""},"response":{}}"#;
    refused(twice, "invalid log record: duplicate field `response` at line 1 column 46");
}

#[test]
fn what_is_not_utf8_is_refused_also_where_nobody_looks() {
    let mut body = full().to_string().into_bytes();
    let at = body.windows(2).position(|pair| pair == b"hi").unwrap();
    body[at] = 0xff;
    let error = Record::parse(&body).unwrap_err();
    assert_eq!(error.to_string(), format!("invalid JSON: invalid UTF-8 after byte {at}"));
}

#[test]
fn deep_nesting_is_refused_also_where_nobody_looks() {
    let nested = |depth: usize| {
        let mut text = with(|v| v["more"] = json!(1)).to_string();
        let inner = format!("\"more\":{}{}", "[".repeat(depth), "]".repeat(depth));
        text = text.replace("\"more\":1", &inner);
        Record::parse(text.as_bytes()).map(|_| ())
    };
    assert!(nested(50).is_ok());
    assert!(nested(126).is_ok());
    let error = nested(100_000).unwrap_err();
    assert!(error.to_string().starts_with("invalid JSON: recursion limit exceeded at line 1"), "{error}");
    assert!(nested(128).is_err());
    let wide = with(|v| v["more"] = json!(vec![json!([{"a": -1, "b": 0.5, "c": [true, null, "x"]}]); 60]));
    assert!(parse(&wide).is_ok(), "wide is not deep");
}

#[test]
fn r2_the_domains_of_all_recipients_each_once() {
    let domains = |recipient: Value| -> Vec<String> {
        let record = parse(&with(|v| v["recipient"] = recipient)).unwrap();
        record.domains().into_iter().map(Cow::into_owned).collect()
    };
    assert_eq!(domains(json!("You@Example.COM")), ["example.com"]);
    assert_eq!(domains(json!(["a@x.example", "b@Y.example", "c@X.EXAMPLE"])), ["x.example", "y.example"]);
    assert_eq!(domains(json!(["\"a@b\"@x.example", "u@BÜCHER.example"])), ["x.example", "bücher.example"]);
    assert_eq!(domains(json!(["Postmaster", "postmaster@x.example"])), ["x.example"]);
    assert_eq!(domains(json!("POSTMASTER")), Vec::<String>::new());
}

#[test]
fn what_is_no_address_is_refused() {
    for (recipient, kind, good) in [
        ("nobody", "Bounce", false),
        ("", "Bounce", false),
        ("", "Rejection", true),
        ("nobody", "Rejection", false),
        ("a@", "Bounce", false),
        ("@b", "Bounce", false),
        ("postMaster", "Bounce", true),
        ("<Postmaster>", "Bounce", true),
        ("<postmaster", "Bounce", false),
        ("\u{0}@\u{0}", "Bounce", false),
        ("a b@c.example", "Bounce", false),
        ("a@exa mple.com", "Bounce", false),
        ("a@..", "Bounce", false),
        ("a@b..c", "Bounce", false),
        ("a@.b", "Bounce", false),
        ("a@b.", "Bounce", true),
        ("a@b@c.com", "Bounce", false),
        ("<a@b>", "Bounce", false),
        ("a@b>", "Bounce", false),
        ("\"a b@c\"@d", "Bounce", true),
        ("\"a\n\"@d", "Bounce", false),
        ("a@[192.0.2.1]", "Bounce", true),
        ("a@[", "Bounce", false),
        ("a@[]", "Bounce", false),
        ("a@[x]y]", "Bounce", false),
        ("jos\u{e9}@b\u{fc}cher.example", "Bounce", true),
        ("a@b", "Bounce", true),
    ] {
        let value = with(|v| {
            v["recipient"] = json!(["u@x.example", recipient]);
            v["type"] = kind.into();
        });
        match parse(&value) {
            Ok(_) => assert!(good, "{recipient} {kind}"),
            Err(e) => {
                assert!(!good && matches!(e, BadRecord::Shape { .. }));
                let why = format!("field `recipient`: `{recipient}` is not an address; expected `user@domain`");
                assert_eq!(e.to_string(), format!("invalid log record: {why}"));
            }
        }
    }
}

#[test]
fn s6_one_line_with_spaces_for_line_breaks() {
    let line = |content: &str, code: Value| {
        let response = json!({"code": 421, "enhanced_code": code, "content": content});
        parse(&with(|v| v["response"] = response)).unwrap().one_line()
    };
    let code = json!({"class": 4, "subject": 7, "detail": 28});
    assert_eq!(line("slow down", code.clone()), "421 4.7.28 slow down");
    assert_eq!(line("slow down", Value::Null), "421 slow down");
    assert_eq!(line("a\r\nb\nc\rd\r\n", code), "421 4.7.28 a b c d ");
    assert_eq!(line("\n\n\r\r\n", Value::Null), "421     ");
    assert_eq!(line("", Value::Null), "421 ");
}

#[test]
fn r5_what_the_mail_host_made_up() {
    let internal = |content: &str| parse(&with(|v| v["response"]["content"] = content.into())).unwrap().is_internal();
    assert!(internal("KumoMTA internal: no sources"));
    assert!(!internal("KumoMTA internal"));
    assert!(!internal("550 KumoMTA internal: no sources"));
}

#[test]
fn r1_identity_is_what_the_fields_say() {
    let id = |value: &Value| parse(value).unwrap().identity();
    let same = id(&full());
    let mut shuffled = serde_json::Map::new();
    for (name, value) in full().as_object().unwrap().iter().rev() {
        shuffled.insert(name.clone(), value.clone());
    }
    assert_eq!(id(&Value::Object(shuffled)), same, "the order of fields");
    let pretty = serde_json::to_string_pretty(&full()).unwrap();
    assert_eq!(Record::parse(pretty.as_bytes()).unwrap().identity(), same, "white space");
    assert_eq!(id(&with(|v| v["recipient"] = json!(["You@Example.COM"]))), same, "a list of one");
    for (name, value) in [
        ("size", json!(1)),
        ("meta", json!({})),
        ("created", json!(1)),
        ("timestamp", json!(1)),
        ("sender", json!("x")),
    ] {
        assert_eq!(id(&with(|v| v[name] = value.clone())), same, "{name} has no part in it");
    }
    for (name, value) in [
        ("nodeid", json!("node-2")),
        ("id", json!("x")),
        ("type", json!("Bounce")),
        ("event_time", json!("2023-11-14T22:13:20.251Z")),
        ("event_time", Value::Null),
        ("num_attempts", json!(4)),
        ("session_id", json!("s-2")),
        ("session_id", json!("")),
        ("session_id", Value::Null),
        ("site", json!("x")),
        ("recipient", json!("you@Example.COM")),
        ("recipient", json!(["You@Example.COM", "You@Example.COM"])),
        ("response", json!({"code": 421, "content": "slow\r\ndown\nnow", "command": "RCPT TO:<you@example.com>"})),
    ] {
        assert_ne!(id(&with(|v| v[name] = value.clone())), same, "{name} {value}");
    }
    for (name, value) in [
        ("code", json!(422)),
        ("content", json!("slow down now")),
        ("command", Value::Null),
        ("enhanced_code", json!({"class": 5, "subject": 7, "detail": 28})),
        ("enhanced_code", json!({"class": 4, "subject": 8, "detail": 28})),
        ("enhanced_code", json!({"class": 4, "subject": 7, "detail": 29})),
    ] {
        assert_ne!(id(&with(|v| v["response"][name] = value.clone())), same, "response.{name} {value}");
    }
    let moved = with(|v| {
        v["nodeid"] = json!("node-11");
        v["id"] = json!("d98076abbbc11ed940250ebf67f93bd");
    });
    assert_ne!(id(&moved), same, "fields do not run into each other");
    let zero = |code: Value| id(&with(|v| v["response"]["enhanced_code"] = code));
    assert_ne!(zero(json!({"class": 0, "subject": 0, "detail": 0})), zero(Value::Null));
}
