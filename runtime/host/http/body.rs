//! Reading request bodies.

use std::fmt::Display;
use std::io::Read;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;

use super::{Answer, plain};

/// The media type of JSON.
pub const JSON: &str = "application/json";

/// A body that stops coming for this long is given up.
const STALLED: Duration = Duration::from_mins(1);
/// What is read and dropped of a body that is too large, so that the sender gets to read the answer.
const DROPPED_BYTES: usize = 64 * 1024 * 1024;
/// A zstd frame may ask for a window of this many bytes (8 MiB), as the format's specification recommends (RFC 8878).
const ZSTD_WINDOW_LOG: u32 = 23;

/// Whether the media type is `application/json`, or `application/*+json`, with any parameters.
pub fn wanted_json(media_type: &str) -> bool {
    media_type == JSON || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

/// Reads a body and decompresses it; neither form may have more than `limit` bytes.
///
/// Refusals are 413 for what is too large, 415 for an unknown `Content-Encoding`, 400 for what does not decompress or
/// breaks off, and 408 for what stops coming.
pub async fn read_body<B>(headers: &HeaderMap, body: B, limit: usize) -> Result<Bytes, Answer>
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    let encoding = headers.get(header::CONTENT_ENCODING).map_or("", |value| value.to_str().unwrap_or("?")).trim();
    let decode: Option<Decode> = match encoding.to_ascii_lowercase().as_str() {
        "" | "identity" => None,
        "gzip" | "x-gzip" => Some(gzip),
        "deflate" => Some(deflate),
        "zstd" => Some(zstd),
        _ => {
            let text = format!("Unsupported Content-Encoding `{encoding}`: expected gzip, deflate or zstd");
            return Err(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
    };
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        // A sender that asks first is told before it sends.
        if !headers.contains_key(header::EXPECT) {
            drain(body).await;
        }
        return Err(too_large());
    }
    let raw = collect(body, limit).await?;
    match decode {
        None => Ok(raw),
        Some(decode) => decompress(decode, &raw, limit, encoding),
    }
}

async fn collect<B>(mut body: B, limit: usize) -> Result<Bytes, Answer>
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    // Nearly all bodies are one frame; these are not copied.
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    while let Some(frame) = next(&mut body).await? {
        if first.len() + more.len() + frame.len() > limit {
            drain(body).await;
            return Err(too_large());
        }
        if first.is_empty() && more.is_empty() {
            first = frame;
        } else {
            if more.is_empty() {
                more.reserve(
                    usize::try_from(body.size_hint().lower()).unwrap_or(0).min(limit) + first.len() + frame.len(),
                );
                more.extend_from_slice(&std::mem::take(&mut first));
            }
            more.extend_from_slice(&frame);
        }
    }
    Ok(if more.is_empty() { first } else { more.freeze() })
}

async fn next<B>(body: &mut B) -> Result<Option<Bytes>, Answer>
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    loop {
        match tokio::time::timeout(STALLED, body.frame()).await {
            Ok(None) => return Ok(None),
            Ok(Some(Ok(frame))) => {
                // Trailers say nothing here.
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Ok(Some(Err(cause))) => {
                let text = format!("Failed to buffer the request body: {cause}");
                return Err(plain(StatusCode::BAD_REQUEST, text));
            }
            Err(_) => {
                let text = "Failed to buffer the request body: it stopped coming";
                let mut answer = plain(StatusCode::REQUEST_TIMEOUT, text);
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                return Err(answer);
            }
        }
    }
}

async fn drain<B>(mut body: B)
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    let mut dropped = 0;
    let reading = async {
        while let Ok(Some(frame)) = next(&mut body).await {
            dropped += frame.len();
            if dropped > DROPPED_BYTES {
                break;
            }
        }
    };
    // Whoever is slower than this will see a closed connection in place of the answer.
    let _ = tokio::time::timeout(Duration::from_secs(5), reading).await;
}

fn too_large() -> Answer {
    plain(StatusCode::PAYLOAD_TOO_LARGE, "Failed to buffer the request body: length limit exceeded")
}

type Decode = fn(&[u8], &mut Vec<u8>, u64) -> std::io::Result<()>;

fn gzip(raw: &[u8], out: &mut Vec<u8>, most: u64) -> std::io::Result<()> {
    flate2::read::MultiGzDecoder::new(raw).take(most).read_to_end(out).map(drop)
}

fn deflate(raw: &[u8], out: &mut Vec<u8>, most: u64) -> std::io::Result<()> {
    flate2::read::ZlibDecoder::new(raw).take(most).read_to_end(out).map(drop)
}

fn zstd(raw: &[u8], out: &mut Vec<u8>, most: u64) -> std::io::Result<()> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(raw)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG)?;
    decoder.take(most).read_to_end(out).map(drop)
}

#[expect(clippy::result_large_err, reason = "an answer is made at most once for a request")]
fn decompress(decode: Decode, raw: &[u8], limit: usize, encoding: &str) -> Result<Bytes, Answer> {
    let mut out = Vec::new();
    if let Err(cause) = decode(raw, &mut out, limit as u64 + 1) {
        let text = format!("Failed to decompress the request body as {encoding}: {cause}");
        return Err(plain(StatusCode::BAD_REQUEST, text));
    }
    if out.len() > limit {
        return Err(too_large());
    }
    Ok(Bytes::from(out))
}
