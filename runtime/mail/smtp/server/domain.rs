//! What a policy says of a domain that mail is for or from: `kumo.make_listener_domain` (interface A.5).

use std::net::IpAddr;

use ipnet::IpNet;
use serde::de::{Error as _, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Whether mail for a domain is taken, and who may send as it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenerDomain {
    /// Whether anybody may send to it. Default: false.
    pub relay_to: bool,
    /// What becomes of returned mail that is sent to it. Default: `Ignore`.
    pub log_oob: Disposition,
    /// What becomes of feedback reports (ARF, RFC 5965) that are sent to it. Default: `Ignore`.
    pub log_arf: Disposition,
    /// Who may send anywhere with a sender of this domain. Default: nobody.
    #[serde(deserialize_with = "nets")]
    pub relay_from: Vec<IpNet>,
    /// Accepted, and without effect: the policy is asked each time, and may remember. Default: 60 s.
    #[serde(deserialize_with = "crate::policy::optional_duration", skip_serializing)]
    pub ttl: Option<std::time::Duration>,
}

/// What becomes of a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub enum Disposition {
    /// It is a message like any other.
    #[default]
    Ignore,
    /// It is logged and goes no further.
    LogThenDrop,
    /// It is logged, and is a message like any other.
    LogThenRelay,
}

impl ListenerDomain {
    /// Whether `address` may send anywhere with a sender of this domain.
    pub fn relays_from(&self, address: IpAddr) -> bool {
        self.relay_from.iter().any(|net| net.contains(&address))
    }

    /// Whether reports to this domain are logged.
    pub fn takes_reports(&self) -> bool {
        self.log_oob != Disposition::Ignore || self.log_arf != Disposition::Ignore
    }
}

impl<'de> Deserialize<'de> for Disposition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Known;
        impl Visitor<'_> for Known {
            type Value = Disposition;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a boolean, `Ignore`, `LogThenDrop` or `LogThenRelay`")
            }

            fn visit_bool<E>(self, relay: bool) -> Result<Disposition, E> {
                Ok(if relay { Disposition::LogThenRelay } else { Disposition::Ignore })
            }

            fn visit_unit<E>(self) -> Result<Disposition, E> {
                Ok(Disposition::Ignore)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Disposition, E> {
                match text {
                    "Ignore" => Ok(Disposition::Ignore),
                    "LogThenDrop" => Ok(Disposition::LogThenDrop),
                    "LogThenRelay" => Ok(Disposition::LogThenRelay),
                    _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(Known)
    }
}

fn nets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let expected = "an address or a network, such as `10.0.0.0/8`";
    let parse = |text: &String| {
        let net = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        net.ok_or_else(|| D::Error::invalid_value(Unexpected::Str(text), &expected))
    };
    texts.iter().map(parse).collect()
}
