//! A stream of log records as a busy mail host would publish them: real responses, several sources, several providers.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use fastrand::Rng;
use kumo_tsa_core::wire::Time;
use serde_json::{Value, json};

/// The egress sources that the stream sends from.
const SOURCES: &[&str] = &["ip-1", "ip-2", "ip-3", "ip-4"];
/// The tenants whose mail it is.
const TENANTS: &[&str] = &["shop", "news", "bank"];
/// Their campaigns.
const CAMPAIGNS: &[&str] = &["welcome", "digest", "receipt"];

/// Of a thousand answers outside an episode, how many accept the mail: senders with a good name see 97 to 99 in a hundred.
const DELIVERED_PER_MILLE: u32 = 985;
/// Of a thousand answers outside an episode, how many begin one: a provider that has had enough of a source for a while.
const EPISODE_PER_MILLE: u32 = 4;
/// Of a thousand answers within an episode, how many are its refusal.
const REFUSED_PER_MILLE: u32 = 700;

/// A mailbox provider as the stream knows it: where its mail goes.
#[derive(Debug)]
struct Provider {
    domain: String,
    site: String,
    accepted: Vec<Answer>,
    refused: Vec<Answer>,
    deferred: Vec<Answer>,
}

/// An answer of a provider: reply code, enhanced code, text (RFC 5321 section 4.2, RFC 3463).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    code: u16,
    enhanced: Option<[u16; 3]>,
    content: String,
}

/// A provider deferring one source for the next answers on that path.
#[derive(Debug)]
struct Episode {
    answer: Answer,
    left: u32,
}

/// The stream. The same responses and seed give the same stream.
#[derive(Debug)]
pub(super) struct Traffic {
    providers: Vec<Provider>,
    episodes: BTreeMap<(usize, usize), Episode>,
    random: Rng,
    made: u64,
}

/// Where the providers that response files name take their mail: name, domain, site name.
///
/// The site names are those of the providers' public MX records.
const KNOWN: &[(&[&str], &str, &str)] = &[
    (&["google", "gmail"], "gmail.com", "(alt1|alt2|alt3|alt4)?.gmail-smtp-in.l.google.com"),
    (&["yahoo", "yahooinc"], "yahoo.com", "(mta5|mta6|mta7).am0.yahoodns.net"),
    (&["microsoft", "outlook", "microsoft-consumer"], "outlook.com", "outlook-com.olc.protection.outlook.com"),
    (&["office365", "microsoft365", "exchangeonline"], "contoso.com", "contoso-com.mail.protection.outlook.com"),
    (&["office365-dane", "microsoft365-dane"], "fabrikam.com", "fabrikam-com.r-v1.mx.microsoft"),
    (&["apple", "icloud"], "icloud.com", "(mx01|mx02).mail.icloud.com"),
    (&["comcast", "xfinity"], "comcast.net", "(mx1a1|mx1h1|mx2a1|mx2c1|mx2h1).comcast.net"),
    (&["orange", "franceptt", "wanadoo"], "orange.fr", "smtp-in.orange.fr"),
    (&["gmx", "gmx.net", "web.de", "gmx-web.de"], "gmx.net", "(mx00|mx01).emig.gmx.net"),
    (&["mimecast"], "northwind.com", "(us-smtp-inbound-1|us-smtp-inbound-2).mimecast.com"),
    (&["qq", "qq.com", "tencent"], "qq.com", "(mx1|mx2|mx3).qq.com"),
    (&["163", "163.com", "netease"], "163.com", "(163mx01|163mx02|163mx03).mxmail.netease.com"),
    (&["yahoo.co.jp", "yahoojapan", "yahoo-japan"], "yahoo.co.jp", "(mx1|mx2|mx3|mx5).mail.yahoo.co.jp"),
];

impl Traffic {
    /// Reads a file of responses, `provider<TAB>code<TAB>text` a line; `#` begins a comment, further columns are not read.
    ///
    /// # Errors
    /// Says which line of which file is not such a line.
    pub(super) fn load(path: &Path, seed: u64) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading responses `{}`", path.display()))?;
        Self::parse(&text, seed).with_context(|| format!("responses `{}`", path.display()))
    }

    /// The responses that the quickstart carries.
    pub(super) fn quickstart(seed: u64) -> anyhow::Result<Self> {
        Self::parse(include_str!("../../examples/quickstart/responses.tsv"), seed)
    }

    fn parse(text: &str, seed: u64) -> anyhow::Result<Self> {
        let mut providers: BTreeMap<&str, Provider> = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, answer) = parse_line(line).with_context(|| format!("line {}", index + 1))?;
            let provider = providers.entry(name).or_insert_with(|| Provider::named(name));
            match answer.code {
                ..400 => provider.accepted.push(answer),
                400..500 => provider.deferred.push(answer),
                _ => provider.refused.push(answer),
            }
        }
        if providers.is_empty() {
            bail!("no responses in it: expected lines of provider, code and text, with tabs between");
        }
        let providers = providers.into_values().collect();
        Ok(Self { providers, episodes: BTreeMap::new(), random: Rng::with_seed(seed), made: 0 })
    }

    /// What the stream is made of, in a line.
    pub(super) fn describe(&self) -> String {
        let responses: usize =
            self.providers.iter().map(|p| p.accepted.len() + p.deferred.len() + p.refused.len()).sum();
        format!("{responses} responses of {} providers, {} egress sources", self.providers.len(), SOURCES.len())
    }

    /// The next record, as JSON, of an attempt that ended at `now`.
    pub(super) fn next_record(&mut self, now: Time) -> Value {
        let provider = self.random.usize(..self.providers.len());
        let source = self.random.usize(..SOURCES.len());
        let answer = self.next_answer(provider, source);
        self.made += 1;
        let to = &self.providers[provider];
        let tenant = TENANTS[self.random.usize(..TENANTS.len())];
        let campaign = CAMPAIGNS[self.random.usize(..CAMPAIGNS.len())];
        record(self.made, to, SOURCES[source], (campaign, tenant), &answer, now)
    }

    fn next_answer(&mut self, provider: usize, source: usize) -> Answer {
        let to = &self.providers[provider];
        let random = &mut self.random;
        if let Some(episode) = self.episodes.get_mut(&(provider, source)) {
            episode.left -= 1;
            let answer = episode.answer.clone();
            if episode.left == 0 {
                self.episodes.remove(&(provider, source));
            }
            if random.u32(..1_000) < REFUSED_PER_MILLE {
                return answer;
            }
        } else if random.u32(..1_000) < EPISODE_PER_MILLE
            && let Some(answer) = random.choice(&to.deferred)
        {
            let episode = Episode { answer: answer.clone(), left: random.u32(5..40) };
            self.episodes.insert((provider, source), episode);
            return answer.clone();
        }
        let pick = if random.u32(..1_000) < DELIVERED_PER_MILLE {
            random.choice(&to.accepted)
        } else {
            random.choice(&to.refused).or_else(|| random.choice(&to.deferred))
        };
        pick.cloned().unwrap_or_else(Answer::accepted)
    }
}

impl Provider {
    fn named(name: &str) -> Self {
        let lower = name.to_ascii_lowercase();
        let (domain, site) = match KNOWN.iter().find(|(names, _, _)| names.contains(&lower.as_str())) {
            Some((_, domain, site)) => ((*domain).to_owned(), (*site).to_owned()),
            None => (format!("{lower}.example"), format!("(mx1|mx2).{lower}.example")),
        };
        Self { domain, site, accepted: Vec::new(), refused: Vec::new(), deferred: Vec::new() }
    }
}

impl Answer {
    fn accepted() -> Self {
        Self { code: 250, enhanced: Some([2, 0, 0]), content: "OK".to_owned() }
    }
}

fn parse_line(line: &str) -> anyhow::Result<(&str, Answer)> {
    let mut columns = line.split('\t');
    let (Some(provider), Some(code), Some(text)) = (columns.next(), columns.next(), columns.next()) else {
        bail!("expected provider, code and text with tabs between, got `{line}`");
    };
    let code = code.trim().parse().ok().filter(|c| (200..600).contains(c));
    let Some(code) = code else { bail!("expected a reply code from 200 to 599 in the second column of `{line}`") };
    let (enhanced, content) = split_enhanced(text.trim());
    Ok((provider.trim(), Answer { code, enhanced, content: content.to_owned() }))
}

/// Takes an enhanced status code (RFC 3463) off the front of a text.
fn split_enhanced(text: &str) -> (Option<[u16; 3]>, &str) {
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    let mut parts = first.split('.').map(str::parse);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(Ok(class @ (2 | 4 | 5))), Some(Ok(subject)), Some(Ok(detail)), None) => {
            (Some([class, subject, detail]), rest)
        }
        _ => (None, text),
    }
}

fn record(
    number: u64,
    to: &Provider,
    source: &str,
    (campaign, tenant): (&str, &str),
    answer: &Answer,
    now: Time,
) -> Value {
    let kind = match answer.code {
        ..400 => "Delivery",
        400..500 => "TransientFailure",
        _ => "Bounce",
    };
    let enhanced =
        answer.enhanced.map(|[class, subject, detail]| json!({"class": class, "subject": subject, "detail": detail}));
    json!({
        "type": kind,
        "id": format!("{number:032x}"),
        "sender": format!("bounce@{tenant}.example"),
        "recipient": format!("user{number}@{}", to.domain),
        "queue": format!("{campaign}:{tenant}@{}", to.domain),
        "site": format!("{source}->{}@smtp_client", to.site),
        "size": 2_048,
        "response": {"code": answer.code, "enhanced_code": enhanced, "content": answer.content, "command": null},
        "peer_address": {"name": to.domain, "addr": "192.0.2.1"},
        "timestamp": now.micros().div_euclid(1_000_000),
        "event_time": now,
        "created": now.micros().div_euclid(1_000_000),
        "created_time": now,
        "num_attempts": 0,
        "bounce_classification": "Uncategorized",
        "egress_pool": "pool",
        "egress_source": source,
        "source_address": null,
        "feedback_report": null,
        "meta": {},
        "headers": {},
        "delivery_protocol": "ESMTP",
        "reception_protocol": "ESMTP",
        "nodeid": "00000000-0000-4000-8000-000000000001",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSES: &str =
        "# comment\ngoogle\t421\t4.7.28 Slow down\thttps://example.com\nyahooinc\t554\tNo\nnew one\t250\t2.0.0 OK\n";

    #[test]
    fn reads_a_file_of_responses() {
        let traffic = Traffic::parse(RESPONSES, 1).unwrap();
        let sites: Vec<&str> = traffic.providers.iter().map(|p| p.domain.as_str()).collect();
        assert_eq!(sites, ["gmail.com", "new one.example", "yahoo.com"]);
        let slow = Answer { code: 421, enhanced: Some([4, 7, 28]), content: "Slow down".to_owned() };
        assert_eq!(traffic.providers[0].deferred, [slow]);
    }

    #[test]
    fn a_bad_line_is_named() {
        let err = format!("{:#}", Traffic::parse("google\t421\tSlow down\nwhat\n", 1).unwrap_err());
        assert_eq!(err, "line 2: expected provider, code and text with tabs between, got `what`");
        let err = format!("{:#}", Traffic::parse("google\tx\tSlow down\n", 1).unwrap_err());
        assert_eq!(err, "line 1: expected a reply code from 200 to 599 in the second column of `google\tx\tSlow down`");
    }

    #[test]
    fn the_same_seed_gives_the_same_stream_and_most_mail_is_delivered() {
        let stream = |seed| {
            let mut traffic = Traffic::parse(RESPONSES, seed).unwrap();
            (0..2_000).map(|_| traffic.next_record(Time::from_secs(0))).collect::<Vec<_>>()
        };
        assert_eq!(stream(7), stream(7));
        assert_ne!(stream(7), stream(8));
        let delivered = stream(7).iter().filter(|r| r["type"] == "Delivery").count();
        assert!((1_700..2_000).contains(&delivered), "{delivered}");
    }
}
