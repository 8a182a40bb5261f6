//! What is published: good and bad bodies, encodings, batches.

use std::io::Write;

use serde_json::{Value, json};

use super::rig::{JSON, RULES, Rig, policy, record};

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

async fn daemon() -> Rig {
    Rig::new(RULES).start().await
}

/// The paths that are suspended.
async fn held(rig: &Rig) -> usize {
    rig.json("/get_suspension_v1/suspended.json").await["ready_q"].as_array().unwrap().len()
}

#[tokio::test]
async fn one_record_is_answered_with_nothing() {
    let rig = daemon().await;
    for content_type in ["application/json", "application/json; charset=utf-8", "application/vnd.kumo+json"] {
        let answer = rig.post(&[("content-type", content_type)], record(1, "fine").to_string()).await;
        assert_eq!(answer, (200, String::new()), "{content_type}");
    }
    assert_eq!(rig.metric(r#"tsa_records_total{type="Delivery",outcome="unmatched"}"#).await, Some(3.0));
}

#[tokio::test]
async fn bad_bodies_are_told_what_is_wrong_and_change_nothing() {
    let rig = daemon().await;
    let good = record(1, "hold it").to_string();
    let half = good[..good.len() / 2].to_owned();
    let with = |field: &str, value: Value| {
        let mut record = record(1, "hold it");
        record[field] = value;
        record.to_string()
    };
    let deep = with("meta", json!(null)).replace("null}", "") + &"[".repeat(100_000);
    let deep_but_closed = format!("{}{}{}", "[".repeat(5_000), "1", "]".repeat(5_000));
    let mut invalid = good.clone().into_bytes();
    let at = good.find("hold it").unwrap();
    invalid[at] = 0xff;
    let cases: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        ("half a record", half.into(), 400, "Failed to parse the request body as JSON: "),
        ("nothing", Vec::new(), 400, "Failed to parse the request body as JSON: "),
        ("invalid UTF-8", invalid, 400, "invalid UTF-8"),
        ("deep nesting", deep.into(), 400, "Failed to parse the request body as JSON: "),
        ("wrong type", with("size", json!("big")).into(), 422, "field `size`"),
        ("unknown type", with("type", json!("Explosion")).into(), 422, "Explosion"),
        ("missing field", good.replace("\"id\":", "\"ident\":").into(), 422, "`id`"),
        ("no address", with("recipient", json!("nobody")).into(), 422, "`nobody` is not an address"),
        ("a number", b"17".to_vec(), 422, "Failed to deserialize the JSON body into the target type: "),
        (
            "deep in an unknown field",
            with("meta", json!(0)).replace("\"meta\":0", &format!("\"meta\":{deep_but_closed}")).into(),
            400,
            "recursion",
        ),
    ];
    for (what, body, status, text) in cases {
        let answer = rig.post(&[JSON], body).await;
        assert_eq!(answer.0, status, "{what}: {}", answer.1);
        assert!(answer.1.contains(text), "{what}: {}", answer.1);
    }
    assert_eq!(held(&rig).await, 0);
    rig.publish(&record(1, "hold it")).await;
    assert_eq!(held(&rig).await, 1);
}

#[tokio::test]
async fn what_is_too_large_is_told_so_in_these_words() {
    let rig = daemon().await;
    let text = "Failed to buffer the request body: length limit exceeded";
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(3_000_000));
    assert_eq!(rig.post(&[JSON], large.clone()).await, (413, text.to_owned()));
    let streamed = reqwest::Body::from(large.clone());
    assert_eq!(rig.post(&[JSON, ("expect", "100-continue")], streamed).await, (413, text.to_owned()));
    // The limit is of what comes out of it.
    let small = gzip(large.as_bytes());
    assert!(small.len() < 10_000);
    assert_eq!(rig.post(&[JSON, ("content-encoding", "gzip")], small).await, (413, text.to_owned()));
}

#[tokio::test]
async fn a_listener_may_take_more() {
    let rig = Rig::new(RULES).policy(&policy("request_body_limit = 4000000", "")).start().await;
    let mut large = record(1, "hold it");
    large["meta"] = json!({"x": "x".repeat(3_000_000)});
    rig.publish(&large).await;
    assert_eq!(held(&rig).await, 1);
}

#[tokio::test]
async fn a_content_type_is_asked_for() {
    let rig = daemon().await;
    let body = || record(1, "hold it").to_string();
    assert_eq!(rig.post(&[], body()).await.0, 415);
    assert_eq!(rig.post(&[("content-type", "text/plain")], body()).await.0, 415);
    let (status, text) = rig.post(&[JSON, ("content-encoding", "br")], body()).await;
    assert_eq!((status, text.as_str()), (415, "Unsupported Content-Encoding `br`: expected gzip, deflate or zstd"));
    assert_eq!(held(&rig).await, 0);
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn compressed_bodies_are_read() {
    let rig = daemon().await;
    let body = |path: &str| {
        let mut record = record(1, "hold it");
        record["site"] = path.into();
        record.to_string().into_bytes()
    };
    for (encoding, body) in [
        ("gzip", gzip(&body("a->one@smtp_client"))),
        ("deflate", zlib(&body("a->two@smtp_client"))),
        ("zstd", zstd::encode_all(body("a->three@smtp_client").as_slice(), 3).unwrap()),
        ("identity", body("a->four@smtp_client")),
    ] {
        assert_eq!(rig.post(&[JSON, ("content-encoding", encoding)], body).await, (200, String::new()), "{encoding}");
    }
    assert_eq!(held(&rig).await, 4);
    let (status, text) = rig.post(&[JSON, ("content-encoding", "gzip")], "no gzip").await;
    assert_eq!(status, 400, "{text}");
}

#[tokio::test]
async fn d4_each_record_of_a_batch_is_taken_or_refused_for_itself() {
    let rig = daemon().await;
    let on = |number, path: &str| {
        let mut record = record(number, "hold it");
        record["site"] = path.into();
        record.to_string()
    };
    let bad = on(9, "a->x@smtp_client").replace("\"size\":1000", "\"size\":{}");
    let lines =
        [on(1, "a->one@smtp_client"), bad.clone(), String::new(), "{half".to_owned(), on(2, "a->two@smtp_client")];
    let (status, text) = rig.post(&[NDJSON], lines.join("\n")).await;
    assert_eq!(status, 200, "{text}");
    let tally: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(tally["accepted"], 2);
    let refused = tally["refused"].as_array().unwrap();
    assert_eq!(refused.iter().map(|one| one["index"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    assert!(refused[0]["error"].as_str().unwrap().contains("field `size`"), "{text}");
    assert!(refused[1]["error"].as_str().unwrap().contains("invalid JSON"), "{text}");
    assert_eq!(held(&rig).await, 2);

    let array = format!("[{}, {bad} ,{{half]", on(3, "a->three@smtp_client"));
    assert_eq!(rig.post(&[JSON], array).await.0, 400, "the elements cannot be told apart");
    let array = format!(" [{}, {bad} ,{{half}}]", on(3, "a->three@smtp_client"));
    let (status, text) = rig.post(&[JSON], gzip(array.as_bytes())).await;
    assert_eq!(status, 400, "compressed, but not said so: {text}");
    let (status, text) = rig.post(&[JSON, ("content-encoding", "gzip")], gzip(array.as_bytes())).await;
    let tally: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &tally["accepted"], tally["refused"].as_array().unwrap().len()), (200, &json!(1), 2));
    assert_eq!(held(&rig).await, 3);
    assert_eq!(rig.post(&[JSON], "[]").await, (200, r#"{"accepted":0,"refused":[]}"#.to_owned()));
    assert_eq!(rig.post(&[NDJSON], "").await, (200, r#"{"accepted":0,"refused":[]}"#.to_owned()));
}

#[tokio::test]
async fn t2_a_batch_counts_like_records_one_by_one() {
    let rig = daemon().await;
    let three: Vec<_> = (1..=3).map(|number| record(number, "three times")).collect();
    rig.publish(&three[0]).await;
    let (status, _) = rig.post(&[JSON], json!([three[0], three[1], three[1]]).to_string()).await;
    assert_eq!((status, held(&rig).await), (200, 0), "r1: the same records again count once");
    rig.publish(&three[2]).await;
    assert_eq!(held(&rig).await, 1);
}

#[tokio::test]
async fn r1_r4_the_metrics_say_what_became_of_records() {
    let rig = daemon().await;
    for _ in 0..2 {
        rig.publish(&record(1, "hold it")).await;
    }
    let mut nowhere = record(2, "hold it");
    nowhere["site"] = "".into();
    rig.publish(&nowhere).await;
    rig.post(&[JSON], "{").await;
    rig.post(&[JSON], "{}").await;
    for (series, value) in [
        (r#"tsa_records_total{type="Delivery",outcome="counted"}"#, 1.0),
        (r#"tsa_records_total{type="Delivery",outcome="unchanged"}"#, 1.0),
        (r#"tsa_records_total{type="Delivery",outcome="no_site"}"#, 1.0),
        (r#"tsa_records_total{type="unknown",outcome="refused_syntax"}"#, 1.0),
        (r#"tsa_records_total{type="unknown",outcome="refused_shape"}"#, 1.0),
        (r#"tsa_rule_matches_total{rule="hold it",origin="/opt/kumomta/etc/policy/shaping.toml:2"}"#, 2.0),
        (r#"tsa_rule_effects_total{rule="hold it",origin="/opt/kumomta/etc/policy/shaping.toml:2"}"#, 1.0),
        ("tsa_effects_live", 1.0),
        ("tsa_store_append_seconds_count", 1.0),
    ] {
        assert_eq!(rig.metric(series).await, Some(value), "{series}");
    }
}
