//! The blocks of a file: `default`, providers, domains.

use std::ops::Range;
use std::sync::Arc;

use super::{Reader, field};
use crate::shaping::file::{Block, DomainBlock, File, MatchEntry, ProviderBlock, SourceBlock};
use crate::shaping::finding::code;
use crate::shaping::node::{Entry, Node, Value};
use crate::shaping::option::{Kind, OptionSpec, option, options};
use crate::shaping::overlay;
use crate::shaping::param::{Param, Params};
use crate::shaping::provider::Criteria;
use crate::shaping::suggest::{nearest, quoted};
use crate::shaping::{Level, Origin};

/// Where a person finds every option with its meaning.
const OPTION_LIST: &str =
    "the options are those of `kumo.make_egress_path`: https://docs.kumomta.com/reference/kumo/make_egress_path/";

impl Reader<'_> {
    /// Adds to `file` what the top level of it, or of a piece of it, says.
    pub(super) fn entries(&mut self, file: &mut File, entries: &[Entry]) {
        for entry in entries {
            match entry.key.as_str() {
                "default" => file.default = self.domain(entry).map(|domain| domain.block),
                "provider" => {
                    for provider in self.table("provider", &entry.node).unwrap_or_default() {
                        file.providers.extend(self.provider(provider));
                    }
                }
                _ => {
                    self.check_label(entry);
                    file.domains.extend(self.domain(entry));
                }
            }
        }
    }

    /// A name without a dot is nearly always a section name that lacks its quotes.
    fn check_label(&mut self, entry: &Entry) {
        if entry.key.contains('.') || self.generated {
            return;
        }
        let name = &entry.key;
        let message = format!("Entry for domain '{name}' consists of a single DNS label");
        let help = format!("TOML needs quotes around a name with dots: `[\"{name}.com\"]` rather than `[{name}.com]`");
        self.add(Level::Warn, code::SINGLE_LABEL, &entry.span, message, Some(help));
    }

    fn domain(&mut self, entry: &Entry) -> Option<DomainBlock> {
        let fields = self.table(&entry.key, &entry.node)?;
        let mut domain = DomainBlock {
            name: entry.key.to_lowercase().into(),
            mx_rollup: true,
            site: self.site_comment(entry),
            block: Block::at(self.origin(&entry.span), self.at(&entry.span)),
        };
        for field in fields {
            if field.key == "mx_rollup" {
                domain.mx_rollup = self.bool(field).unwrap_or(true);
            } else {
                self.block_field(&mut domain.block, field, field::DOMAIN);
            }
        }
        Some(domain)
    }

    fn site_comment(&self, entry: &Entry) -> Option<Arc<str>> {
        let generated = self.generated.then(|| self.lines.after(self.at(&entry.span).start));
        generated.and_then(overlay::site_comment).map(Arc::from)
    }

    fn provider(&mut self, entry: &Entry) -> Option<ProviderBlock> {
        let fields = self.table(&entry.key, &entry.node)?;
        let mut provider = ProviderBlock {
            name: entry.key.as_str().into(),
            criteria: Criteria::default(),
            matches: Vec::new(),
            match_refused: false,
            connection_limit: None,
            message_rate: None,
            block: Block::at(self.origin(&entry.span), self.at(&entry.span)),
        };
        for field in fields {
            match field.key.as_str() {
                "match" => {
                    let before = self.findings.len();
                    self.criteria(&mut provider, field);
                    provider.match_refused = self.findings.len() > before;
                }
                "provider_connection_limit" => provider.connection_limit = self.value(Kind::Limit, field),
                "provider_max_message_rate" => provider.message_rate = self.value(Kind::Throttle, field),
                "sources" => provider.block.sources = self.sources(field, true),
                _ => self.block_field(&mut provider.block, field, field::PROVIDER),
            }
        }
        Some(provider)
    }

    fn criteria(&mut self, provider: &mut ProviderBlock, field: &Entry) {
        const EXPECTED: &str = "a list of matches, such as `[{MXSuffix=\".example.com\"}]`";
        for item in self.list("match", EXPECTED, &field.node).unwrap_or_default() {
            let [entry] = self.table("match", item).unwrap_or_default() else {
                if matches!(item.value, Value::Table(_)) {
                    let message = "field `match`: each match has one field".to_owned();
                    self.error(
                        code::BAD_VALUE,
                        &item.span,
                        message,
                        Some(format!("accepted: {}", quoted(field::MATCH.iter().copied()))),
                    );
                }
                continue;
            };
            let criteria = &mut provider.criteria;
            let (name, list) = match entry.key.as_str() {
                "MXSuffix" => ("MXSuffix", &mut criteria.mx_suffixes),
                "DomainSuffix" => ("DomainSuffix", &mut criteria.domain_suffixes),
                "HostName" => ("HostName", &mut criteria.host_names),
                name => {
                    self.unknown(code::UNKNOWN_FIELD, "match", &entry.span, name, field::MATCH);
                    continue;
                }
            };
            if let Some(text) = self.text(&entry.key, "a text, such as `\".example.com\"`", &entry.node) {
                list.push(text.to_owned());
                let span = self.at(&entry.node.span);
                provider.matches.push(MatchEntry { field: name, text: text.to_owned(), span });
            }
        }
    }

    /// A field that blocks of several kinds have; whatever else it is named is an option.
    fn block_field(&mut self, block: &mut Block, field: &Entry, fields: &[&str]) {
        match field.key.as_str() {
            "replace_base" => block.replace_base = self.bool(field).unwrap_or(false),
            "automation" => block.automation = self.automation(field),
            "sources" => block.sources = self.sources(field, false),
            _ => {
                if let Some((spec, param)) = self.option(field, fields) {
                    block.params.set(spec, &param);
                }
            }
        }
    }

    fn sources(&mut self, field: &Entry, of_provider: bool) -> Vec<SourceBlock> {
        let fields: &[&str] = if of_provider { &[field::SELECTION_RATE] } else { &[] };
        let mut sources = Vec::new();
        for entry in self.table("sources", &field.node).unwrap_or_default() {
            let mut source = SourceBlock::named(entry.key.as_str().into());
            source.span = self.at(&entry.span);
            for field in self.table(&entry.key, &entry.node).unwrap_or_default() {
                if of_provider && field.key == field::SELECTION_RATE {
                    source.selection_rate = self.value(Kind::Throttle, field);
                } else if let Some((spec, param)) = self.option(field, fields) {
                    source.params.set(spec, &param);
                }
            }
            sources.push(source);
        }
        sources
    }

    fn option(&mut self, field: &Entry, fields: &[&str]) -> Option<(&'static OptionSpec, Param)> {
        let Some(spec) = option(&field.key) else {
            self.unknown_option(field, fields);
            return None;
        };
        Some((spec, self.value(spec.kind, field)?))
    }

    pub(super) fn unknown_option(&mut self, field: &Entry, fields: &[&str]) {
        let names = fields.iter().copied().chain(options().iter().map(|spec| spec.name));
        let near = nearest(&field.key, names);
        let meant = if near.is_empty() { String::new() } else { format!("did you mean {}? ", quoted(near)) };
        let quotes = match &field.node.value {
            // `[example.com]` is a table `com` in a table `example`.
            Value::Table(_) if !fields.is_empty() => {
                "a section name with dots needs quotes, as in `[\"example.com\"]`; "
            }
            _ => "",
        };
        let also = if fields.is_empty() {
            String::new()
        } else {
            format!("; a block also takes {}", quoted(fields.iter().copied()))
        };
        let message = format!("unknown option `{}`", field.key);
        let help = format!("{meant}{quotes}{OPTION_LIST}{also}");
        self.error(code::UNKNOWN_OPTION, &field.span, message, Some(help));
    }

    /// A value of a kind, with its provenance.
    fn value(&mut self, kind: Kind, field: &Entry) -> Option<Param> {
        let origin = self.origin(&field.span);
        if let (Some(inner), Value::Table(entries)) = (kind.inner(), &field.node.value) {
            let named = |(entry, param): (&Entry, Option<Param>)| Some((Arc::from(entry.key.as_str()), param?));
            let params: Vec<_> = entries.iter().map(|entry| (entry, self.value(inner, entry))).collect();
            return Some(Param::table(origin, params.into_iter().filter_map(named).collect()));
        }
        let value = field.node.to_json();
        match kind.check(&value) {
            Ok(()) => Some(Param::new(value, origin)),
            Err(why) => {
                self.bad_value(kind, &field.key, &field.node, &why);
                None
            }
        }
    }

    pub(super) fn bad_value(&mut self, kind: Kind, name: &str, node: &Node, why: &str) {
        let code = match (kind, &node.value) {
            (Kind::Duration, Value::Text(_) | Value::Number(_)) => code::BAD_DURATION,
            _ if why.starts_with("expected ") => code::WRONG_TYPE,
            _ => code::BAD_VALUE,
        };
        self.error(code, &node.span, format!("field `{name}`: {why}"), None);
    }
}

impl Block {
    fn at(origin: Origin, span: Range<usize>) -> Self {
        Self {
            origin,
            span,
            replace_base: false,
            params: Params::default(),
            sources: Vec::new(),
            automation: Vec::new(),
        }
    }
}

impl SourceBlock {
    pub(in crate::shaping) fn named(name: Arc<str>) -> Self {
        Self { name, span: 0..0, params: Params::default(), selection_rate: None }
    }
}
