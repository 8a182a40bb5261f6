//! Log records that a spec makes up: full ones, of the little that matters to it.

use kumo_tsa_core::shaping::site_name;
use kumo_tsa_core::wire::{Time, parse_duration};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::mail::reply::Reply;

/// What `testing.record` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    /// Where the mail goes.
    domain: Option<String>,
    /// Whom it goes to; `user@DOMAIN` unless said.
    recipient: Option<String>,
    /// Who sent it.
    sender: Option<String>,
    /// What the peer said: `421 4.7.0 text`.
    response: Option<String>,
    /// The command that it answers.
    command: Option<String>,
    /// `TransientFailure`, `Bounce`, `Delivery`...; by the response unless said.
    r#type: Option<String>,
    /// The egress source.
    source: Option<String>,
    /// The egress pool.
    pool: Option<String>,
    tenant: Option<String>,
    campaign: Option<String>,
    /// The hosts that take the domain's mail, where DNS does not tell.
    mx: Option<Vec<String>>,
    /// The site name, where DNS does not tell.
    site: Option<String>,
    /// When: `+5 minutes` and `-5 minutes` from now, RFC 3339, or seconds since 1970.
    at: Option<At>,
    attempts: Option<u64>,
    size: Option<u64>,
    id: Option<String>,
    session: Option<String>,
    meta: Option<serde_json::Map<String, Value>>,
    headers: Option<serde_json::Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected `+5 minutes`, `-5 minutes`, RFC 3339, or seconds since 1970")]
enum At {
    Seconds(f64),
    Text(String),
}

/// Reads a time as specs write it.
pub(super) fn time(text: &str, now: Time) -> Result<Time, String> {
    let bad = |_| format!("field `at`: `{text}`: expected `+5 minutes`, `-5 minutes`, RFC 3339, or seconds since 1970");
    match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(later), _) => {
            parse_duration(later.trim()).map(|by| now.after(by)).map_err(|error| bad(error.to_string()))
        }
        (_, Some(earlier)) => {
            parse_duration(earlier.trim()).map(|by| now.before(by)).map_err(|error| bad(error.to_string()))
        }
        _ => Time::parse(text).map_err(|error| bad(error.to_string())),
    }
}

#[allow(clippy::cast_possible_truncation, reason = "times of the next 200,000 years fit")]
fn of_seconds(seconds: f64) -> Time {
    Time::from_micros((seconds * 1e6) as i64)
}

impl Options {
    /// The domain whose hosts are asked of DNS.
    pub(super) fn domain(&self) -> Result<String, String> {
        let of_recipient = self.recipient.as_deref().and_then(|to| to.rsplit_once('@')).map(|(_, domain)| domain);
        let domain = self.domain.as_deref().or(of_recipient);
        domain
            .map(str::to_lowercase)
            .ok_or_else(|| "field `domain`: expected where the mail goes, such as `a.example`".to_owned())
    }

    /// The record. `site` is what DNS says of the domain.
    pub(super) fn build(self, site: Option<String>, now: Time) -> Result<Value, String> {
        let domain = self.domain()?;
        let reply = reply(self.response.as_deref().unwrap_or("250 2.0.0 OK"))?;
        let at = match &self.at {
            None => now,
            Some(At::Seconds(seconds)) => of_seconds(*seconds),
            Some(At::Text(text)) => time(text, now)?,
        };
        let named = self.mx.as_deref().map(site_name).or(self.site).or(site);
        let source = self.source.unwrap_or_else(|| "unspecified".to_owned());
        let site = format!("{source}->{}@smtp_client", named.unwrap_or_else(|| domain.clone()));
        let host = self.mx.as_ref().and_then(|hosts| hosts.first().cloned()).unwrap_or_else(|| format!("mx.{domain}"));
        let kind = self.r#type.unwrap_or_else(|| match reply.code {
            200..300 => "Delivery".to_owned(),
            code if code >= 500 => "Bounce".to_owned(),
            _ => "TransientFailure".to_owned(),
        });
        let mut meta = self.meta.unwrap_or_default();
        for (key, value) in [("tenant", &self.tenant), ("campaign", &self.campaign)] {
            if let Some(value) = value {
                meta.entry(key).or_insert_with(|| value.clone().into());
            }
        }
        let queue = queue(&domain, self.tenant.as_deref(), self.campaign.as_deref());
        let seconds = at.micros().div_euclid(1_000_000);
        Ok(json!({
            "type": kind,
            "id": self.id.unwrap_or_else(|| Uuid::new_v4().simple().to_string()),
            "sender": self.sender.unwrap_or_else(|| "news@sender.example".to_owned()),
            "recipient": self.recipient.unwrap_or_else(|| format!("user@{domain}")),
            "queue": queue, "site": site, "size": self.size.unwrap_or(1024),
            "response": reply.answering(self.command.unwrap_or_else(|| ".".to_owned())),
            "peer_address": {"name": host, "addr": "192.0.2.1"},
            "timestamp": seconds, "event_time": at, "created": seconds, "created_time": at,
            "num_attempts": self.attempts.unwrap_or(0), "bounce_classification": "Uncategorized",
            "egress_pool": self.pool.unwrap_or_else(|| "unspecified".to_owned()), "egress_source": source,
            "source_address": null, "feedback_report": null, "meta": meta, "headers": self.headers.unwrap_or_default(),
            "delivery_protocol": "ESMTP", "reception_protocol": "ESMTP", "nodeid": Uuid::nil(),
            "session_id": self.session,
        }))
    }
}

fn queue(domain: &str, tenant: Option<&str>, campaign: Option<&str>) -> String {
    match (campaign, tenant) {
        (None, None) => domain.to_owned(),
        (None, Some(tenant)) => format!("{tenant}@{domain}"),
        (Some(campaign), tenant) => format!("{campaign}:{}@{domain}", tenant.unwrap_or_default()),
    }
}

/// Reads `421 4.7.0 text`.
fn reply(text: &str) -> Result<Reply, String> {
    let bad =
        || format!("field `response`: `{text}`: expected three digits and text, such as `421 4.7.0 try again later`");
    let (code, rest) = text.split_at_checked(3).ok_or_else(bad)?;
    let code: u16 = code.parse().map_err(|_| bad())?;
    if !(200..600).contains(&code) || !(rest.is_empty() || rest.starts_with([' ', '-'])) {
        return Err(bad());
    }
    Ok(Reply::new(code, rest.get(1..).unwrap_or("")))
}

#[cfg(test)]
mod tests {
    use kumo_tsa_core::wire::Record;

    use super::*;

    fn build(options: Value) -> Result<Value, String> {
        let options: Options = serde_json::from_value(options).map_err(|error| error.to_string())?;
        options.build(Some("mx.a.example".to_owned()), Time::from_secs(1000))
    }

    #[test]
    fn a_domain_and_a_response_make_a_record_that_daemons_take() {
        let record = build(json!({"domain": "a.example", "response": "421 4.7.0 [TSS04] slow", "source": "ip1",
            "tenant": "t", "campaign": "c", "at": "+5 minutes"}))
        .unwrap()
        .to_string();
        let record = Record::parse(record.as_bytes()).unwrap();
        assert_eq!((&*record.site, &*record.queue), ("ip1->mx.a.example@smtp_client", "c:t@a.example"));
        assert_eq!(record.one_line(), "421 4.7.0 [TSS04] slow");
        assert_eq!(record.time(), Time::from_secs(1300));
        assert_eq!(record.kind, kumo_tsa_core::wire::Kind::TransientFailure);
    }

    #[test]
    fn mistakes_name_the_field() {
        assert!(build(json!({"domain": "a.example", "response": "hello"})).unwrap_err().contains("field `response`"));
        assert!(build(json!({"domain": "a.example", "at": "soon"})).unwrap_err().contains("field `at`: `soon`"));
        assert!(build(json!({"response": "250 ok"})).unwrap_err().contains("field `domain`"));
    }
}
