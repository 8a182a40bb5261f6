//! Responses by their shape: what differs from message to message taken out.

use std::collections::HashMap;
use std::net::IpAddr;

use kumo_tsa_core::wire::{PathName, Record};

/// How many shapes are kept; of more, those that are seen least are forgotten.
const SHAPES: usize = 10_000;

/// As much of a response as makes its shape, in bytes.
const SHAPE_BYTES: usize = 200;

/// The longest example that is kept, in bytes.
const EXAMPLE_BYTES: usize = 512;

/// A part of a response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part<'t> {
    /// The same in each.
    Text(&'t str),
    /// A number.
    Digits,
    /// An address of a person.
    Address,
    /// An address of a machine.
    Ip,
    /// What tells one message, session or machine from others.
    Id,
}

impl Part<'_> {
    /// For people to read.
    fn show(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Digits => "#",
            Self::Address => "<address>",
            Self::Ip => "<ip>",
            Self::Id => "<id>",
        }
    }
}

/// What is known of the responses of one shape.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) count: u64,
    /// One of them, as patterns see it.
    pub(super) example: String,
    /// The recipient's domain; `None` when there are several.
    pub(super) domain: Option<String>,
    /// The site; `None` when there are several.
    pub(super) site: Option<String>,
}

impl Shape {
    /// Takes in more of the shape; of several domains or sites it is of none.
    fn meet(&mut self, count: u64, domain: Option<&str>, site: Option<&str>) {
        self.count += count;
        self.domain = self.domain.take().filter(|known| Some(known.as_str()) == domain);
        self.site = self.site.take().filter(|known| Some(known.as_str()) == site);
    }
}

/// Responses by shape.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    pub(super) all: HashMap<String, Shape>,
    /// Responses whose shape has been forgotten.
    pub(super) forgotten: u64,
    /// All responses.
    pub(super) total: u64,
}

impl Shapes {
    /// Takes a response in; `text` is it as one line.
    pub(super) fn add(&mut self, record: &Record<'_>, text: &str) {
        self.total += 1;
        let domain = record.domains().first().map(|domain| domain.as_ref().to_owned());
        let site = PathName::parse(&record.site, record.egress_source.as_deref()).site;
        let key = shape(text);
        if let Some(known) = self.all.get_mut(&key) {
            known.meet(1, domain.as_deref(), Some(site));
        } else {
            let example = text.get(..text.floor_char_boundary(EXAMPLE_BYTES)).unwrap_or(text).to_owned();
            self.all.insert(key, Shape { count: 1, example, domain, site: Some(site.to_owned()) });
        }
    }

    /// Takes in what has been gathered elsewhere.
    pub(super) fn merge(&mut self, other: Self) {
        self.total += other.total;
        self.forgotten += other.forgotten;
        for (key, more) in other.all {
            if let Some(known) = self.all.get_mut(&key) {
                known.meet(more.count, more.domain.as_deref(), more.site.as_deref());
            } else {
                self.all.insert(key, more);
            }
        }
        if self.all.len() > SHAPES {
            self.prune(SHAPES / 2);
        }
    }

    fn prune(&mut self, keep: usize) {
        let mut counts: Vec<u64> = self.all.values().map(|shape| shape.count).collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let least = counts.get(keep).copied().unwrap_or_default();
        let forgotten = &mut self.forgotten;
        self.all.retain(|_, shape| {
            let stays = shape.count > least;
            *forgotten += if stays { 0 } else { shape.count };
            stays
        });
    }

    /// The shapes, the most frequent first.
    pub(super) fn sorted(&self) -> Vec<(&str, &Shape)> {
        let mut all: Vec<_> = self.all.iter().map(|(key, shape)| (key.as_str(), shape)).collect();
        all.sort_by(|a, b| b.1.count.cmp(&a.1.count).then_with(|| a.0.cmp(b.0)));
        all
    }
}

/// The shape of a response, for people to read.
fn shape(text: &str) -> String {
    let mut shown = String::with_capacity(SHAPE_BYTES);
    for part in parts(text) {
        shown.push_str(part.show());
    }
    shown
}

/// Takes a response apart; what is beyond a sane length does not count.
pub(super) fn parts(text: &str) -> Vec<Part<'_>> {
    let (codes, rest) = codes(text);
    let mut parts = vec![Part::Text(codes)];
    let mut left = rest.get(..cut(rest)).unwrap_or(rest);
    while !left.is_empty() {
        let word = left.find(|c: char| !is_inner(c)).unwrap_or(left.len());
        let (inner, after) = left.split_at(word);
        // What ends a sentence is no part of its last word.
        let own = inner.trim_end_matches(['.', ':', '-', '_', '+', '~', '%']);
        classify(own, &mut parts);
        text_part(inner.get(own.len()..).unwrap_or_default(), &mut parts);
        let gap = after.find(is_inner).unwrap_or(after.len());
        let (between, rest) = after.split_at(gap);
        text_part(between, &mut parts);
        left = rest;
    }
    parts
}

/// Code and enhanced code, which stay as they are, and the rest.
fn codes(text: &str) -> (&str, &str) {
    let code = text.find(' ').map_or(text.len(), |at| at + 1);
    let (first, rest) = text.split_at(code);
    let second = rest.find(' ').map_or(rest.len(), |at| at + 1);
    let enhanced = is_enhanced_code(rest.get(..second).unwrap_or_default().trim_end());
    text.split_at(if enhanced { first.len() + second } else { first.len() })
}

/// Where a text is cut: between words.
fn cut(text: &str) -> usize {
    if text.len() <= SHAPE_BYTES {
        return text.len();
    }
    let most = text.get(..text.floor_char_boundary(SHAPE_BYTES)).unwrap_or(text);
    most.rfind(' ').unwrap_or(most.len())
}

fn is_inner(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '@' | '.' | '_' | '%' | '+' | '~' | ':' | '-')
}

fn text_part<'t>(text: &'t str, parts: &mut Vec<Part<'t>>) {
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
}

/// What one word is.
fn classify<'t>(word: &'t str, parts: &mut Vec<Part<'t>>) {
    if word.is_empty() {
        return;
    }
    if word.contains('@') {
        parts.push(Part::Address);
    } else if word.contains(['.', ':']) && word.parse::<IpAddr>().is_ok() {
        parts.push(Part::Ip);
    } else if !word.contains(|c: char| c.is_ascii_digit()) || is_enhanced_code(word) || is_code(word) {
        parts.push(Part::Text(word));
    } else if word.contains('.') && !is_number(word) {
        host(word, parts);
    } else if is_id(word) {
        parts.push(Part::Id);
    } else {
        digits(word, parts);
    }
}

/// `5.7.1`
fn is_enhanced_code(word: &str) -> bool {
    let mut numbers = word.split('.');
    let short = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let class = numbers.next().is_some_and(|class| matches!(class, "2" | "4" | "5"));
    class && numbers.next().is_some_and(short) && numbers.next().is_some_and(short) && numbers.next().is_none()
}

/// `TSS04`, `S3140`, `OFR_104`: what a provider calls a reason.
fn is_code(word: &str) -> bool {
    let letters = word.bytes().take_while(u8::is_ascii_uppercase).count();
    let number = word.get(letters..).unwrap_or_default().trim_start_matches(['_', '-']);
    (1..=5).contains(&letters) && (1..=5).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b':' | b'-' | b'+' | b'%'))
}

/// Letters and digits mixed, and many of them.
fn is_id(word: &str) -> bool {
    word.len() >= 8 && word.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// A name of a host, or of what is written like one: labels with digits tell machines apart.
fn host<'t>(word: &'t str, parts: &mut Vec<Part<'t>>) {
    for (at, label) in word.split('.').enumerate() {
        if at > 0 {
            parts.push(Part::Text("."));
        }
        if label.contains(|c: char| c.is_ascii_digit()) {
            parts.push(Part::Id);
        } else {
            text_part(label, parts);
        }
    }
}

fn digits<'t>(word: &'t str, parts: &mut Vec<Part<'t>>) {
    let mut left = word;
    while !left.is_empty() {
        let number = left.find(|c: char| !c.is_ascii_digit()).unwrap_or(left.len());
        if number > 0 {
            parts.push(Part::Digits);
        }
        let rest = left.get(number..).unwrap_or_default();
        let text = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (between, after) = rest.split_at(text);
        text_part(between, parts);
        left = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_message_to_message_is_taken_out() {
        for (text, expected) in [
            ("421 4.7.0 [TSS04] Messages from 192.0.2.7 deferred", "421 4.7.0 [TSS04] Messages from <ip> deferred"),
            ("450 4.2.0 <joe@example.com>: Greylisted for 300 s", "450 4.2.0 <<address>>: Greylisted for # s"),
            ("550 5.1.1 no such user k12-20020a05620a1a9700b0 - gsmtp", "550 5.1.1 no such user <id> - gsmtp"),
            ("451 4.3.2 try mx7.mail.example.com later.", "451 4.3.2 try <id>.mail.example.com later."),
            (
                "554 blocked (S3140), see https://x.example/q?ip=192.0.2.7",
                "554 blocked (S3140), see https://x.example/q?ip=<ip>",
            ),
            ("452 too many at 12:30:45, again", "452 too many at #:#:#, again"),
            ("421", "421"),
            ("", ""),
            ("421 2001:db8::1 Zu viele Grüße", "421 <ip> Zu viele Grüße"),
        ] {
            assert_eq!(shape(text), expected);
        }
    }

    #[test]
    fn the_end_of_a_long_response_does_not_count() {
        let long = |end: &str| format!("550 5.7.1 {} {end}", "refused ".repeat(40));
        assert_eq!(shape(&long("one")), shape(&long("another")));
    }

    #[test]
    fn the_rarest_shapes_are_forgotten_first() {
        let mut shapes = Shapes::default();
        let one = |count| Shape { count, example: String::new(), domain: None, site: None };
        let word = |n: usize| n.to_string().bytes().map(|digit| char::from(digit + 49)).collect::<String>();
        let all = (0..=SHAPES).map(|n| (word(n), one(if n % 100 == 0 { 5 } else { 1 }))).collect();
        shapes.merge(Shapes { all, forgotten: 0, total: 0 });
        assert_eq!(shapes.all.len(), SHAPES / 100 + 1);
        assert!(shapes.all.values().all(|shape| shape.count == 5));
        assert_eq!(shapes.forgotten, (SHAPES - SHAPES / 100) as u64);
    }
}
