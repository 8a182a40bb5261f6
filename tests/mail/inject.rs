//! Injection by HTTP and from Lua.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kumo_tsa::host::http::{Access, Bound, Credentials, Offered, Parameters, serve};
use kumo_tsa::host::listening::Listening as _;
use kumo_tsa::mail::inject::{self, Intake, NotTaken, set_intake};
use kumo_tsa::mail::{self, Message, header, trace};
use kumo_tsa::policy::Policy;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::daemon::rig::trusting;
use crate::support::Bench;

/// Takes everything, but for recipients at `full.example`.
#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Vec<Message>>>);

impl Intake for Taken {
    fn accept(&self, messages: Vec<Message>, _deferred_spool: bool) -> BoxFuture<'_, Result<(), NotTaken>> {
        async move {
            if messages.iter().any(|message| message.recipients()[0].domain() == "full.example") {
                return Err(NotTaken("the queue is full".to_owned()));
            }
            self.0.lock().unwrap().extend(messages);
            Ok(())
        }
        .boxed()
    }
}

struct Nobody;

impl Credentials for Nobody {
    fn check<'a>(&'a self, _: &'a Offered) -> BoxFuture<'a, Result<bool, String>> {
        async { Ok(false) }.boxed()
    }
}

struct Rig {
    bench: Bench,
    policy: Policy,
    taken: Taken,
    at: SocketAddr,
}

impl Rig {
    async fn start(policy: &str) -> Self {
        let bench = mail::lua::installs().iter().fold(Bench::new(), |bench, install| bench.with(*install));
        let taken = Taken::default();
        set_intake(&bench.host, taken.clone());
        let policy = bench.load(policy).await;
        let parameters =
            Parameters { listen: "127.0.0.1:0".to_owned(), hostname: "mx.example".to_owned(), ..Parameters::default() };
        let bound = Bound::bind(&bench.host, &parameters).unwrap();
        let at = bound.address();
        let routes = inject::routes(&policy, &Arc::new(Access::new(Nobody)));
        let host = bench.host.clone();
        tokio::spawn(serve(bound, host, move |peer, request| {
            let routes = routes.clone();
            async move {
                let mut request = request.map(axum::body::Body::new);
                request.extensions_mut().insert(peer);
                routes.oneshot(request).await.unwrap()
            }
        }));
        Self { bench, policy, taken, at }
    }

    async fn post(&self, body: &Value) -> (u16, String) {
        self.post_text(&body.to_string(), "application/json").await
    }

    async fn post_text(&self, body: &str, media_type: &str) -> (u16, String) {
        let client = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(trusting()).build().unwrap();
        let request = client
            .post(format!("http://{}/api/inject/v1", self.at))
            .header("content-type", media_type)
            .body(body.to_owned());
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn accepted(&self, body: &Value) -> Message {
        let (status, answer) = self.post(body).await;
        assert_eq!(
            (status, &*answer),
            (200, r#"{"success_count":1,"fail_count":0,"failed_recipients":[],"errors":[]}"#)
        );
        self.taken.0.lock().unwrap().pop().unwrap()
    }
}

async fn text(message: &Message) -> String {
    String::from_utf8(message.data().await.unwrap().to_vec()).unwrap()
}

fn whole(content: &str) -> Value {
    json!({"envelope_sender": "s@from.example", "recipients": [{"email": "r@to.example"}], "content": content})
}

fn parts(content: &Value) -> Value {
    json!({"envelope_sender": "s@from.example", "recipients": [{"email": "r@to.example", "name": "Rü"}], "content": content})
}

#[tokio::test]
async fn a_whole_message_is_filled_in_and_traced() {
    let rig = Rig::start("").await;
    let mut request = whole("Subject: {{ greeting }}\nTo: {{email}}\n\n{{ name }}.\n");
    request["substitutions"] = json!({"greeting": "hi", "name": "nobody"});
    request["recipients"][0]["substitutions"] = json!({"greeting": "hello"});
    request["recipients"][0]["name"] = json!("R");
    request["recipients"][0]["metadata"] = json!({"n": 1});
    let message = rig.accepted(&request).await;
    let text = text(&message).await;
    let (first, rest) = text.split_once("\r\n").unwrap();
    let reference = trace::parse_reference(&first["X-KumoRef: ".len()..]).unwrap();
    assert_eq!(Value::Object(reference), json!({"recipient": "r@to.example"}));
    assert_eq!(rest, "Subject: hello\r\nTo: r@to.example\r\n\r\nR.\r\n");
    assert_eq!((message.sender().email(), message.recipients().len()), ("s@from.example", 1));
    for (key, value) in
        [("reception_protocol", json!("HTTP")), ("http_auth", json!("127.0.0.1")), ("extra", json!({"n": 1}))]
    {
        assert_eq!(message.meta(key), Some(value), "{key}");
    }
    assert_eq!(message.meta("received_via"), Some(json!(rig.at.to_string())));
    request["trace_headers"] = json!({"supplemental_header": false, "received_header": true});
    request["recipients"][0].as_object_mut().unwrap().remove("metadata");
    let message = rig.accepted(&request).await;
    assert!(self::text(&message).await.starts_with("Received: from [127.0.0.1]\r\n\tby "));
    assert_eq!(message.meta("extra"), None);
}

#[tokio::test]
async fn a_message_is_made_of_parts() {
    let rig = Rig::start("").await;
    let content = json!({
        "text_body": "Hi {{name}}\n", "html_body": "<b>{{name}} {{markup}}</b><img src='cid:pic'>",
        "amp_html_body": "<html amp4email></html>", "subject": "für {{email}}",
        "from": {"email": "me@from.example", "name": "Mé"}, "reply_to": {"email": "back@from.example"},
        "headers": {"X-One": "1 {{email}}", "Message-ID": "<own@from.example>"},
        "attachments": [
            {"data": "aGk=", "base64": true, "content_type": "image/png", "content_id": "pic"},
            {"data": "plain ä", "content_type": "text/plain", "file_name": "n\r\node.txt"},
        ],
    });
    let mut request = parts(&content);
    request["substitutions"] = json!({"markup": "<i>"});
    let data = rig.accepted(&request).await.data().await.unwrap();
    let parsed = mail_parser::MessageParser::new().parse(&*data).unwrap();
    assert_eq!(parsed.subject(), Some("für r@to.example"));
    assert_eq!(parsed.from().unwrap().first().unwrap().name(), Some("Mé"));
    assert_eq!(parsed.to().unwrap().first().unwrap().name(), Some("Rü"));
    assert_eq!(parsed.reply_to().unwrap().first().unwrap().address(), Some("back@from.example"));
    assert_eq!(parsed.message_id(), Some("own@from.example"));
    assert_eq!(header::all(&data, "Message-ID").len(), 1);
    assert_eq!(header::first(&data, "X-One").unwrap(), "1 r@to.example");
    assert_eq!(parsed.body_text(0).unwrap(), "Hi Rü\r\n");
    assert_eq!(parsed.body_html(0).unwrap(), "<b>Rü &lt;i&gt;</b><img src='cid:pic'>");
    assert!(header::first(&data, "Content-Type").unwrap().starts_with("multipart/mixed"));
    let contents: Vec<_> = parsed.attachments().map(|part| part.contents().to_vec()).collect();
    assert!(contents.contains(&b"hi".to_vec()) && contents.contains(&"plain ä".as_bytes().to_vec()));
    assert!(data.split(|byte| *byte == b'\n').all(|line| line.len() < 998 && !line.ends_with(b"\n")));
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_before_anything_is_done() {
    let rig = Rig::start("").await;
    let deferred = |content: Value| {
        let mut request = parts(&content);
        request["deferred_generation"] = json!(true);
        request
    };
    let (status, answer) = rig.post(&deferred(json!({"text_body": "Hello {{name}}, your code is {{code"}))).await;
    assert_eq!(
        (status, &*answer),
        (
            422,
            "Error: failed parsing field 'content.text_body' as template: syntax error: unexpected end of input, expected \
             end of variable block (in template 'text_body.txt' line 1: 'Hello {{name}}, your code is {{code')"
        )
    );
    let (status, answer) = rig.post(&deferred(json!({"text_body": "x", "from": {"email": "bork bork"}}))).await;
    assert_eq!(
        (status, &*answer),
        (
            422,
            "Error: failed parsing content.from: invalid header: Error at line 1, expected \"@\" but found \"b\":\n\
             bork bork\n     ^___\n\nwhile parsing addr_spec\n"
        )
    );
    let cases = [
        (parts(&json!({"headers": {"Bad Name": "x"}})), 422, "invalid header name `Bad Name`"),
        (
            parts(&json!({"attachments": [{"data": "!", "content_type": "a/b", "base64": true}]})),
            422,
            "failed decoding content.attachments[0].data as base64",
        ),
        (json!({"envelope_sender": "x", "recipients": [{"email": "a@b"}], "content": ""}), 422, "invalid address `x`"),
        (json!({"envelope_sender": "", "recipients": [], "content": ""}), 422, "field `recipients` is empty"),
        (json!({"envelope_sender": ""}), 422, "missing field `recipients`"),
        (json!({"envelope_sender": "", "recipients": [], "content": "", "foo": 1}), 422, "unknown field `foo`"),
    ];
    for (request, expected, text) in cases {
        let (status, answer) = rig.post(&request).await;
        assert_eq!(status, expected, "{answer}");
        assert!(answer.contains(text), "{answer}");
    }
    assert_eq!(rig.post_text("{", "application/json").await.0, 400);
    assert_eq!(rig.post_text("{}", "text/plain").await.0, 415);
    assert!(rig.taken.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn each_recipient_has_its_own_fate() {
    let policy = "kumo.on('http_message_generated', function(msg, auth)
        local to = msg:recipient()
        if to.user == 'bad' then error('no ' .. to.email) end
        msg:set_meta('tenant', auth.identities[1].identity .. ' ' .. auth.peer_address)
    end)";
    let rig = Rig::start(policy).await;
    let mut request = whole("Subject: {{ 10 // n }}\n\nx");
    request["substitutions"] = json!({"n": 5});
    request["recipients"] = json!([
        {"email": "good@to.example"}, {"email": "bad@to.example"}, {"email": "nonsense"},
        {"email": "x@full.example"}, {"email": "zero@to.example", "substitutions": {"n": "x"}},
    ]);
    let (status, answer) = rig.post(&request).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((status, &answer["success_count"], &answer["fail_count"]), (200, &json!(1), &json!(4)));
    assert_eq!(answer["failed_recipients"], json!(["bad@to.example", "nonsense", "x@full.example", "zero@to.example"]));
    let errors: Vec<_> = answer["errors"].as_array().unwrap().iter().map(|error| error.as_str().unwrap()).collect();
    for (error, expected) in
        errors.iter().zip(["no bad@to.example", "expected `user@domain`", "the queue is full", "'content'"])
    {
        assert!(error.contains(expected), "{error}");
    }
    let message = rig.taken.0.lock().unwrap().pop().unwrap();
    assert_eq!(message.meta("tenant"), Some(json!("127.0.0.1 127.0.0.1")));
}

#[tokio::test]
async fn generation_can_be_put_off() {
    let rig = Rig::start("").await;
    let mut request = whole("Subject: {{email}}\n\nx");
    request["deferred_generation"] = json!(true);
    let (status, answer) = rig.post(&request).await;
    assert_eq!((status, &*answer), (200, r#"{"success_count":0,"fail_count":0,"failed_recipients":[],"errors":[]}"#));
    let put_off = rig.taken.0.lock().unwrap().pop().unwrap();
    assert_eq!(put_off.queue_name().unwrap(), inject::GENERATOR_QUEUE);
    assert!(rig.taken.0.lock().unwrap().is_empty());
    let response = inject::generate(&rig.policy, &put_off).await.unwrap();
    assert_eq!(response.success_count, 1);
    let message = rig.taken.0.lock().unwrap().pop().unwrap();
    assert_eq!(message.queue_name().unwrap(), "to.example");
    assert_eq!(header::first(&message.data().await.unwrap(), "subject").unwrap(), "r@to.example");
    assert_eq!(message.meta("http_auth"), Some(json!("127.0.0.1")));
}

#[tokio::test]
async fn a_policy_injects_too() {
    let rig = Rig::start("").await;
    let got = rig
        .bench
        .eval(
            "local request = { envelope_sender = 'a@b.example', recipients = {{ email = 'c@d.example' }},
               content = { text_body = 'hi', subject = 's {{email}}' } }
             local built = kumo.api.inject.build_v1(request)
             local done = kumo.api.inject.inject_v1(request)
             kumo.inject_message(kumo.make_message('', 'x@y.example', 'Subject: z\\r\\n\\r\\n'))
             return built[1]:get_first_named_header_value('subject') .. #built .. done.success_count",
        )
        .await;
    assert_eq!(got, "s c@d.example11");
    let taken = rig
        .taken
        .0
        .lock()
        .unwrap()
        .iter()
        .map(|message| message.recipients()[0].email().to_owned())
        .collect::<Vec<_>>();
    assert_eq!(taken, ["c@d.example", "x@y.example"]);
    let error = rig.bench.fails("kumo.api.inject.inject_v1 { envelope_sender = '', recipents = {} }").await;
    assert!(error.contains("kumo.api.inject.inject_v1: deserialize error: unknown field `recipents`"), "{error}");
    let full = rig.bench.fails("kumo.inject_message(kumo.make_message('', 'x@full.example', ''))").await;
    assert!(full.contains("kumo.inject_message: the queue is full"), "{full}");
}

#[tokio::test]
async fn a_mail_host_that_has_not_started_takes_nothing() {
    let bench = mail::lua::installs().iter().fold(Bench::new(), |bench, install| bench.with(*install));
    let error = bench.fails("kumo.inject_message(kumo.make_message('', 'x@y.example', ''))").await;
    assert!(error.contains("this host takes no messages now: its queues are not running"), "{error}");
}
