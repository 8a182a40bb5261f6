//! Zones held in memory: DNS without a network.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::proto::serialize::txt::{Parser, parse_ttl};

use super::address::canonical;
use super::backend::Answer;
use super::{Error, parse_name};

/// How long an answer holds where a zone states no TTL, in seconds.
const DEFAULT_TTL: u32 = 300;
/// How many CNAMEs are followed.
const MAX_ALIASES: usize = 8;
/// The wildcard that covers every name that nothing else does.
const ROOT_WILDCARD: &str = "*.";

/// Zones that answer for the names in them. Every other name does not exist; nothing is asked outside.
///
/// The text is that of RFC 1035 section 5 with `$ORIGIN` and `$TTL` (RFC 2308), without `$INCLUDE`. An origin without its
/// final dot is taken as complete, a record without a TTL has that of the record before, and the first one 300 s.
/// Wildcards work (RFC 4592), and so do names that exist only because something stands below them.
///
/// Clones are cheap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Zones(Arc<Content>);

#[derive(Clone, Debug, Default, PartialEq)]
struct Content {
    records: HashMap<String, Vec<Stored>>,
    /// Names without records of their own, above a name that has some.
    above: HashSet<String>,
    servfail: HashSet<String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Stored {
    kind: RecordType,
    ttl: u32,
    data: RData,
    secure: bool,
}

impl Zones {
    /// Adds the records of a zone file's text. `file` stands in errors; `secure` marks answers as if DNSSEC had validated them.
    pub fn parse(&mut self, file: &str, text: &str, secure: bool) -> Result<(), Error> {
        let at = |line, why: String| Error::Zone { file: file.to_owned(), line, why };
        let mut state = Reading { origin: None, ttl: None, last_ttl: DEFAULT_TTL, owner: None };
        let content = Arc::make_mut(&mut self.0);
        for entry in split_entries(text).map_err(|(line, why)| at(line, why.to_owned()))? {
            let record = state.read(&entry).map_err(|why| at(entry.line, why))?;
            if let Some((owner, ttl, data)) = record {
                content.insert(&owner, state.origin.as_ref(), Stored { kind: data.record_type(), ttl, data, secure });
            }
        }
        Ok(())
    }

    /// Lets lookups of `name` fail with SERVFAIL.
    pub fn fail(&mut self, name: &str) -> Result<(), Error> {
        Arc::make_mut(&mut self.0).servfail.insert(canonical(&parse_name(name)?));
        Ok(())
    }

    pub(super) fn query(&self, name: &Name, kind: RecordType) -> Result<Answer, Error> {
        self.0.query(name, kind)
    }
}

impl Content {
    fn insert(&mut self, owner: &Name, origin: Option<&Name>, record: Stored) {
        if let Some(origin) = origin.filter(|origin| !origin.is_root()) {
            let mut name = owner.clone();
            while origin.zone_of(&name) && name.num_labels() > 0 {
                self.above.insert(canonical(&name));
                name = name.base_name();
            }
        }
        let records = self.records.entry(canonical(owner)).or_default();
        if !records.iter().any(|known| known.data == record.data) {
            records.push(record);
        }
    }

    fn query(&self, name: &Name, kind: RecordType) -> Result<Answer, Error> {
        let asked = canonical(name);
        let mut current = asked.clone();
        for _ in 0..MAX_ALIASES {
            if self.servfail.contains(&current) {
                return Err(Error::Failed { name: asked, kind, why: "SERVFAIL".into() });
            }
            let Some(records) = self.at(&current) else { return Err(Error::NxDomain { name: asked, kind }) };
            let found: Vec<_> = records.iter().filter(|record| record.kind == kind).collect();
            if !found.is_empty() {
                return Ok(Answer {
                    ttl: Duration::from_secs(found.iter().map(|record| record.ttl).min().unwrap_or_default().into()),
                    secure: found.iter().all(|record| record.secure),
                    records: found.into_iter().map(|record| record.data.clone()).collect(),
                });
            }
            match records.iter().find_map(|record| if let RData::CNAME(to) = &record.data { Some(to) } else { None }) {
                Some(to) => current = canonical(&to.0),
                None => return Err(Error::NoRecords { name: asked, kind }),
            }
        }
        Err(Error::Failed { name: asked, kind, why: format!("more than {MAX_ALIASES} CNAMEs in a row") })
    }

    /// The records of a name, or of the wildcard that covers it; `None` if it does not exist.
    fn at(&self, name: &str) -> Option<&[Stored]> {
        if let Some(records) = self.records.get(name) {
            return Some(records);
        }
        if self.above.contains(name) {
            return Some(&[]);
        }
        let mut rest = name;
        while let Some((_, parent)) = rest.split_once('.').filter(|(_, parent)| !parent.is_empty()) {
            if let Some(records) = self.records.get(&format!("*.{parent}")) {
                return Some(records);
            }
            if self.records.contains_key(parent) || self.above.contains(parent) {
                return None;
            }
            rest = parent;
        }
        self.records.get(ROOT_WILDCARD).map(Vec::as_slice)
    }
}

/// What carries over from one entry of a zone file to the next.
struct Reading {
    origin: Option<Name>,
    ttl: Option<u32>,
    last_ttl: u32,
    owner: Option<String>,
}

impl Reading {
    fn read(&mut self, entry: &Entry) -> Result<Option<(Name, u32, RData)>, String> {
        let mut words = entry.text.split_whitespace();
        let first = words.next().unwrap_or_default();
        if !first.starts_with('$') {
            return self.read_record(entry).map(Some);
        }
        let value = words.next().ok_or_else(|| format!("`{first}` without a value"))?;
        match first.to_ascii_uppercase().as_str() {
            "$ORIGIN" => {
                self.origin = Some(match value {
                    "." => Name::root(),
                    _ => parse_name(value).map_err(|e| e.to_string())?,
                });
            }
            "$TTL" => self.ttl = Some(parse_ttl(value).map_err(|_| format!("`{value}` is not a TTL"))?),
            _ => return Err(format!("`{first}` is not supported, only `$ORIGIN` and `$TTL` are")),
        }
        Ok(None)
    }

    /// Hands one record to hickory's parser, with everything that is implied spelled out.
    fn read_record(&mut self, entry: &Entry) -> Result<(Name, u32, RData), String> {
        let origin = self.origin.clone().unwrap_or_else(Name::root);
        let origin_text = canonical(&origin);
        let owner = if entry.owned { "" } else { self.owner.as_deref().ok_or("a record without a name before it")? };
        let text = entry.text.replace(AT, &origin_text);
        let full = format!("$TTL {}\n{owner} {text}\n", self.ttl.unwrap_or(self.last_ttl));
        let full = if entry.owned { full.replacen("\n ", "\n", 1) } else { full };
        let (_, sets) = Parser::new(full, None, Some(origin)).parse().map_err(|e| e.to_string())?;
        let record = sets.values().flat_map(|set| set.records_without_rrsigs()).next().ok_or("no record in it")?;
        self.owner = Some(canonical(&record.name));
        self.last_ttl = record.ttl;
        check_address_owner(&record.data)?;
        Ok((record.name.clone(), record.ttl, record.data.clone()))
    }
}

/// A mail exchanger is a name: hosts that are addresses are a common slip, and no mail server follows them.
fn check_address_owner(data: &RData) -> Result<(), String> {
    let RData::MX(mx) = data else { return Ok(()) };
    let host = mx.exchange.to_ascii();
    match host.trim_end_matches('.').parse::<IpAddr>() {
        Ok(ip) => Err(format!("the exchange of an MX record is a host name, not the address `{ip}`")),
        Err(_) => Ok(()),
    }
}

/// One record or directive: a line, or several in parentheses; comments are gone.
struct Entry {
    line: usize,
    /// Whether it states its own name, by starting in the first column.
    owned: bool,
    text: String,
}

/// Stands for a bare `@` until the origin is known.
const AT: char = '\u{1}';

fn split_entries(text: &str) -> Result<Vec<Entry>, (usize, &'static str)> {
    let mut entries = Vec::new();
    let mut open: Option<Entry> = None;
    for (number, line) in text.lines().enumerate() {
        let (line_no, inside) = (number + 1, open.is_some());
        let mut entry = open.take().unwrap_or_else(|| Entry {
            line: line_no,
            owned: !line.starts_with(char::is_whitespace),
            text: String::new(),
        });
        let closed = strip_line(line, inside, &mut entry.text).map_err(|why| (line_no, why))?;
        if !closed {
            open = Some(entry);
        } else if !entry.text.trim().is_empty() {
            entries.push(entry);
        }
    }
    match open {
        Some(entry) => Err((entry.line, "`(` without a `)`")),
        None => Ok(entries),
    }
}

/// Adds what counts in a line to `out`; returns whether the entry ends with it.
fn strip_line(line: &str, mut inside: bool, out: &mut String) -> Result<bool, &'static str> {
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    out.push(' ');
    if !inside && !line.starts_with(char::is_whitespace) {
        out.clear();
    }
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                out.push(c);
                out.extend(chars.next());
            }
            '"' => {
                quoted = !quoted;
                out.push(c);
            }
            _ if quoted => out.push(c),
            ';' => break,
            '(' if inside => return Err("`(` inside of parentheses"),
            ')' if !inside => return Err("`)` without a `(`"),
            '(' | ')' => {
                inside = c == '(';
                out.push(' ');
            }
            '@' => {
                let alone = out.chars().last().is_none_or(char::is_whitespace)
                    && chars.peek().is_none_or(|next| next.is_whitespace() || matches!(next, ';' | ')'));
                out.push(if alone { AT } else { c });
            }
            c if c.is_control() && c != '\t' => return Err("a control character"),
            _ => out.push(c),
        }
    }
    if quoted { Err("`\"` without a closing one") } else { Ok(!inside) }
}
