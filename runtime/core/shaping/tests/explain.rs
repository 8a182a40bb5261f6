//! What a lookup did, told to people.

use super::*;

const FILE: &str = "[default]
smtp_port = 1
[[default.automation]]
regex = ['one', 'two']
action = 'Suspend'
duration = '1h'
[provider.suffix]
match = [{MXSuffix='.shared.net'}, {HostName='mx9.else.net'}]
[[provider.suffix.automation]]
regex = 'two'
match_internal = true
action = 'Suspend'
duration = '1h'
[provider.names]
match = [{HostName='mx1.shared.net'}]
[provider.domain]
match = [{DomainSuffix='.com'}]
[[provider.domain.automation]]
regex = '(a|a)*(?!x)b$'
action = 'Suspend'
duration = '1h'
['a.com']
smtp_port = 2
['b.com']
mx_rollup = false
[['b.com'.automation]]
regex = 'two'
action = 'Suspend'
duration = '1h'
";

const SITE: &str = "(mx1|mx2).shared.net";

#[test]
fn s3_providers_say_why_they_fit() {
    let shaping = merged(&[FILE]);
    let hosts = ["MX1.shared.net.".to_owned(), "mx2.shared.net".to_owned()];
    let told = |hosts: Option<&[String]>| {
        let fits = shaping.providers_for("A.com", SITE, hosts);
        let told =
            fits.iter().map(|fit| (fit.name.to_string(), fit.by.clone(), fit.site_wide, fit.strangers.join(",")));
        told.collect::<Vec<_>>()
    };
    let suffix = ("suffix".to_owned(), vec![Criterion::MxSuffix(".shared.net")], true, String::new());
    let domain = ("domain".to_owned(), vec![Criterion::DomainSuffix(".com")], false, String::new());
    let names = |strangers: &str| {
        ("names".to_owned(), vec![Criterion::HostName("mx1.shared.net")], false, strangers.to_owned())
    };
    assert_eq!(told(Some(&hosts)), [suffix.clone(), names("mx2.shared.net"), domain.clone()]);
    assert_eq!(told(None), [suffix, domain], "a site name does not tell which host is in the way");
    assert!(shaping.providers_for("http://hook", SITE, None).is_empty(), "no domain name, no provider");
    assert_eq!(shaping.providers_for("x.org", SITE, None)[0].origin.line, 7);
}

#[test]
fn the_blocks_that_take_part_are_in_the_order_of_the_lookup() {
    let shaping = merged(&[FILE]);
    let blocks = |domain: &str| {
        shaping
            .blocks_for(domain, SITE, None)
            .iter()
            .map(|taking| taking.scope.to_string())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(blocks("B.com"), format!("default provider:suffix provider:domain site:{SITE} domain:b.com"));
    assert_eq!(blocks("x.org"), format!("default provider:suffix site:{SITE}"));
    assert!(Shaping::empty().blocks_for("a.com", SITE, None).is_empty());
}

#[test]
fn s6_every_rule_is_tried_and_says_what_came_of_it() {
    let shaping = merged(&[FILE]);
    let tried = |text: &str, internal: bool| {
        let trials = shaping.trials("b.com", SITE, text, internal);
        trials.iter().map(|trial| (trial.rule.origin.line, trial.rolled, trial.outcome.clone())).collect::<Vec<_>>()
    };
    let two: Arc<str> = "two".into();
    let expected = [
        (3, true, Outcome::Matched(&two)),
        (9, true, Outcome::Matched(&two)),
        (18, false, Outcome::Missed),
        (26, false, Outcome::Matched(&two)),
    ];
    assert_eq!(tried("451 two", false), expected);
    let outcomes = |text: &str, internal| tried(text, internal).into_iter().map(|(_, _, one)| one).collect::<Vec<_>>();
    let (internal, matched) = (Outcome::Internal, Outcome::Matched(&two));
    assert_eq!(outcomes("451 two", true), [internal.clone(), matched, internal.clone(), internal]);
    let long = "a".repeat(60);
    assert_eq!(outcomes(&long, false)[2], Outcome::Exceeded);
    for (text, internal) in [("451 two one", false), ("451 two", true), ("one", false), (&long, false)] {
        let trials = shaping.trials("b.com", SITE, text, internal);
        let hit = trials.iter().filter(|trial| matches!(trial.outcome, Outcome::Matched(_)));
        let found = shaping.matches("b.com", SITE, text, internal);
        let matched: Vec<_> = found.matched.iter().map(|one| (one.rule.id, one.rolled)).collect();
        assert_eq!(hit.map(|trial| (trial.rule.id, trial.rolled)).collect::<Vec<_>>(), matched, "{text}");
        let given_up = trials.iter().filter(|trial| trial.outcome == Outcome::Exceeded).count();
        assert_eq!(given_up, found.exceeded.len(), "{text}");
    }
}
