//! The mail of four hours: what comes at any time of day, and two campaigns.

use std::time::Duration;

use fastrand::Rng;

/// How long the mail goes on, and for how long it is watched.
pub(super) const HOURS: u8 = 4;

/// What comes at any time: one letter in each of these.
const EVERY: Duration = Duration::from_secs(40);
/// Of how many letters at any time each domain gets one, by its share in a hundred.
const SHARES: &[(&str, u32)] = &[
    ("yahoo.com", 30),
    ("aol.com", 5),
    ("post.example", 20),
    ("university.example", 15),
    ("club.example", 10),
    ("friendly.example", 20),
];
const TENANTS: &[(&str, &str)] = &[("shop", "order"), ("news", "weekly"), ("receipts", "receipt")];

/// Letters that leave all at once.
struct Campaign {
    tenant: &'static str,
    name: &'static str,
    /// From the start.
    begin: Duration,
    lasts: Duration,
    letters: u32,
    domains: &'static [&'static str],
}

const CAMPAIGNS: &[Campaign] = &[
    Campaign {
        tenant: "shop",
        name: "sale",
        begin: Duration::from_mins(20),
        lasts: Duration::from_mins(8),
        letters: 260,
        domains: &["yahoo.com", "yahoo.com", "aol.com"],
    },
    Campaign {
        tenant: "news",
        name: "digest",
        begin: Duration::from_mins(130),
        lasts: Duration::from_secs(5),
        letters: 100,
        domains: &["post.example"],
    },
];

/// One message to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Letter {
    /// When, from the start.
    pub(super) at: Duration,
    pub(super) tenant: &'static str,
    pub(super) campaign: &'static str,
    pub(super) to: String,
}

impl Letter {
    pub(super) fn sender(&self) -> String {
        format!("bounce@{}.example", self.tenant)
    }

    pub(super) fn text(&self) -> String {
        format!(
            "From: {tenant} <{tenant}@{tenant}.example>\r\nTo: <{to}>\r\nSubject: {campaign}\r\n\
             X-Tenant: {tenant}\r\nX-Campaign: {campaign}\r\n\r\nHello\r\n",
            tenant = self.tenant,
            campaign = self.campaign,
            to = self.to,
        )
    }
}

/// The letters in the order in which they are sent. The same seed gives the same ones.
pub(super) fn plan(seed: u64) -> Vec<Letter> {
    let mut random = Rng::with_seed(seed);
    let mut letters = Vec::new();
    let mut at = Duration::ZERO;
    while at < Duration::from_hours(HOURS.into()) {
        letters.push(daily(&mut random, at, letters.len()));
        at += EVERY;
    }
    for campaign in CAMPAIGNS {
        for number in 0..campaign.letters {
            let at = campaign.begin + campaign.lasts * number / campaign.letters;
            let domain = campaign.domains[random.usize(..campaign.domains.len())];
            let to = format!("reader{number}@{domain}");
            letters.push(Letter { at, tenant: campaign.tenant, campaign: campaign.name, to });
        }
    }
    letters.sort_by_key(|letter| letter.at);
    letters
}

fn daily(random: &mut Rng, from: Duration, number: usize) -> Letter {
    let at = from + EVERY.mul_f64(random.f64());
    let mut lot = random.u32(..100);
    let mut domain = SHARES[0].0;
    for (name, share) in SHARES {
        domain = name;
        match lot.checked_sub(*share) {
            Some(rest) => lot = rest,
            None => break,
        }
    }
    let (tenant, campaign) = TENANTS[random.usize(..TENANTS.len())];
    let user =
        if domain == "club.example" && random.u32(..5) == 0 { "full".to_owned() } else { format!("user{number}") };
    Letter { at, tenant, campaign, to: format!("{user}@{domain}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_plans_the_same_mail() {
        let letters = plan(1);
        assert_eq!(letters, plan(1));
        assert_ne!(letters, plan(2));
        assert_eq!(letters.len(), 360 + 360);
        assert!(letters.is_sorted_by_key(|letter| letter.at));
        assert!(letters.iter().all(|letter| letter.at <= Duration::from_hours(HOURS.into())));
    }

    #[test]
    fn shares_are_of_a_hundred() {
        assert_eq!(SHARES.iter().map(|(_, share)| share).sum::<u32>(), 100);
    }
}
