//! What deciding needs of the shaping files.

use serde_json::Value;

use crate::shaping::{Matches, RuleId, Shaping, option};

/// The rules and options that the shaping files hold: [`Shaping`], or a test's own.
pub trait Rulebook {
    /// The rules that match; see [`Shaping::matches`].
    fn matches<'s>(&'s self, domain: &str, site: &str, text: &str, internal: bool) -> Matches<'s>;

    /// What the files say of an option for this egress path, else its default; none when it has no default either.
    fn configured(&self, domain: &str, source: &str, site: &str, name: &str) -> Option<Value>;

    /// Whether the files have a rule.
    fn has_rule(&self, id: &RuleId) -> bool;
}

impl Rulebook for Shaping {
    fn matches<'s>(&'s self, domain: &str, site: &str, text: &str, internal: bool) -> Matches<'s> {
        self.matches(domain, site, text, internal)
    }

    fn configured(&self, domain: &str, source: &str, site: &str, name: &str) -> Option<Value> {
        let path = self.egress_path(domain, source, site, None);
        path.get(name).map(|param| param.value.clone()).or_else(|| option(name)?.default_value())
    }

    fn has_rule(&self, id: &RuleId) -> bool {
        self.rule(id).is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::decide::fixture::{SITE, Sent, at};
    use crate::decide::{State, What, decide, render_overlay};
    use crate::shaping::{LoadOptions, Mx, Source, parse};

    fn shaping(text: &str) -> Shaping {
        let file = Arc::new(parse(&Source::new("shaping.toml", text)).unwrap());
        let mx = |_: &str| Mx::Site { name: SITE.to_owned(), hosts: Vec::new() };
        Shaping::merge(&[file], &mx, &LoadOptions::default()).unwrap()
    }

    #[test]
    fn a9_the_value_before_is_what_the_files_say_or_the_default() {
        let shaping = shaping("[\"example.com\"]\nmax_message_rate = \"100/min\"\n");
        let configured = |name| Rulebook::configured(&shaping, "example.com", "ip1", SITE, name);
        assert_eq!(configured("max_message_rate"), Some(json!("100/min")));
        assert_eq!(configured("connection_limit"), Some(json!(32)));
        assert_eq!(configured("enable_tls"), Some(json!("Opportunistic")));
        assert_eq!(configured("enable_dane"), Some(json!(false)));
        assert_eq!(configured("max_connection_rate"), None);
        assert_eq!(configured("no_such_option"), None);
    }

    #[test]
    fn a1_a3_a9_from_a_file_to_what_is_in_force() {
        let shaping = shaping(
            r#"
            [default]
            max_message_rate = "100/min"
            [["example.com".automation]]
            regex = "slow"
            action = ["Suspend", {SetConfig={name="max_message_rate", value="100/s"}}]
            duration = "2 hours"
            "#,
        );
        let mut state = State::default();
        let decision = decide(&state, &shaping, &Sent::new("m1", 1000).record(), at(1000));
        assert_eq!((decision.matched, decision.effects.len()), (1, 2));
        let [suspended, set] = &decision.effects[..] else { panic!("{:?}", decision.effects) };
        assert_eq!((suspended.what, suspended.until, &suspended.value), (What::Started, at(8200), &None));
        let value = set.value.as_ref().unwrap();
        assert_eq!((&value.before, &value.after, value.loosens), (&Some(json!("100/min")), &json!("100/s"), true));
        assert!(set.effect.rolled);
        for change in &decision.changes {
            state.apply(change);
        }
        assert_eq!(state.list(&shaping, at(1000)).iter().map(|one| one.rule_gone).collect::<Vec<_>>(), [false, false]);
        assert_eq!(state.list(&Shaping::empty(), at(1000)).iter().filter(|one| one.rule_gone).count(), 2);
        assert!(parse(&Source::new("overlay.toml", render_overlay(&state, at(1000)))).is_ok(), "O1");
    }
}
