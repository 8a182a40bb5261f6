//! STARTTLS (RFC 3207), AUTH PLAIN (RFC 4954, RFC 4616) and XCLIENT.

use std::net::IpAddr;

use data_encoding::BASE64;
use serde_json::json;

use super::answer::Answer;
use super::session::Session;
use super::stream::{End, Line};
use crate::mail::lua::reception::{self, Verdict};

impl Session {
    pub(super) async fn start_tls(&mut self, command: &str) -> Result<(), End> {
        if self.wire.tls().is_some() {
            return self.say(Answer::new(503, "5.5.0 TLS is in use already"), Some(command)).await;
        }
        let acceptor = match self.server.acceptors.get(&self.server.policy, &self.settings).await {
            Ok(acceptor) => acceptor,
            Err(why) => {
                tracing::error!("no TLS for {}: {why}", self.peer);
                return self.say(Answer::new(454, "4.7.0 TLS is not available"), Some(command)).await;
            }
        };
        let patience = self.settings.client_timeout;
        self.say(Answer::new(220, "2.0.0 ready"), Some(command)).await?;
        self.wire.flush(patience).await?;
        self.wire.start_tls(&acceptor, patience).await?;
        // All that the client has said so far could have been said by anybody.
        self.greeted = None;
        self.transaction = None;
        self.last_recipient = None;
        if let Some(tls) = self.logged_tls() {
            self.connection.set("tls_cipher", tls.cipher.into());
            self.connection.set("tls_protocol_version", tls.version.into());
            if !tls.peer_subject.is_empty() {
                self.connection.set("tls_peer_subject_name", tls.peer_subject.into());
            }
        }
        Ok(())
    }

    pub(super) async fn auth(&mut self, mechanism: &str, initial: Option<&str>) -> Result<(), End> {
        let command = format!("AUTH {mechanism}");
        let answer = if self.wire.tls().is_none() {
            Answer::new(538, "5.7.11 TLS is required before AUTH")
        } else if self.greeted.is_none() {
            Answer::new(503, "5.5.0 EHLO must be issued first")
        } else if self.authenticated || self.transaction.is_some() {
            Answer::new(503, "5.5.0 AUTH is not possible now")
        } else if !mechanism.eq_ignore_ascii_case("PLAIN") {
            Answer::new(504, "5.5.4 the only mechanism is PLAIN")
        } else {
            match initial {
                Some("=") => self.check_plain("").await,
                Some(initial) => self.check_plain(initial).await,
                None => {
                    self.say(Answer::new(334, ""), None).await?;
                    match self.wire.line(self.settings.client_timeout, true).await? {
                        Line::TooLong => Answer::new(500, "5.5.6 the response is too long"),
                        Line::Command(line) if line == b"*" => Answer::new(501, "5.7.0 cancelled"),
                        Line::Command(line) => self.check_plain(&String::from_utf8_lossy(&line)).await,
                    }
                }
            }
        };
        self.say(answer, Some(&command)).await
    }

    #[allow(clippy::similar_names, reason = "they are called so (RFC 4616)")]
    async fn check_plain(&mut self, response: &str) -> Answer {
        let Some((authz, authc, password)) = decode_plain(response) else {
            return Answer::new(501, "5.5.2 that is no response of the mechanism PLAIN");
        };
        let asked = reception::auth_plain(&self.server.policy, (&authz, &authc, &password), &self.connection).await;
        match asked {
            Err(error) => self.refusal(&error),
            Ok(Verdict::Bad) => Answer::new(535, "5.7.8 the credentials are not valid"),
            Ok(Verdict::Good(info)) => {
                self.authenticated = true;
                let info = info.unwrap_or_else(|| {
                    let identity = json!({"identity": authz, "context": "SmtpAuthPlainAuthorization"});
                    json!({"peer_address": self.peer.ip().to_string(), "identities": [identity], "groups": []})
                });
                self.connection.set_auth_info(info);
                self.connection.set("authz_id", authz.into());
                self.connection.set("authn_id", authc.into());
                Answer::new(235, "2.7.0 authenticated")
            }
        }
    }

    pub(super) async fn xclient(&mut self, attributes: &[(&str, String)], command: &str) -> Result<(), End> {
        if !self.settings.allow_xclient {
            return self.say(Answer::new(550, "5.7.0 XCLIENT is not permitted"), Some(command)).await;
        }
        if self.transaction.is_some() {
            return self
                .say(Answer::new(503, "5.5.0 XCLIENT is not possible within a transaction"), Some(command))
                .await;
        }
        if let Err(name) = self.become_other(attributes) {
            let text = format!("5.5.4 XCLIENT: attribute {name} is unknown or its value invalid");
            return self.say(Answer::new(501, text), Some(command)).await;
        }
        let answer = match self.adjust().await {
            Err(rejection) => rejection.into(),
            // As if the other had connected now.
            Ok(()) => Answer::new(220, format!("{} {}", self.settings.hostname, self.settings.banner)),
        };
        self.say(answer, Some(command)).await
    }

    /// Takes the attributes over, or none when one of them, which is named, cannot be.
    fn become_other(&mut self, attributes: &[(&str, String)]) -> Result<(), String> {
        let (mut peer, mut local) = (self.peer, self.local);
        let (mut helo, mut login) = (None, None);
        for (name, value) in attributes {
            let upper = name.to_ascii_uppercase();
            if ["[UNAVAILABLE]", "[TEMPUNAVAIL]"].iter().any(|absent| value.eq_ignore_ascii_case(absent)) {
                continue;
            }
            let known = match upper.as_str() {
                "ADDR" => parse_address(value).map(|ip| peer.set_ip(ip)).is_some(),
                "PORT" => value.parse().map(|port| peer.set_port(port)).is_ok(),
                "DESTADDR" => parse_address(value).map(|ip| local.set_ip(ip)).is_some(),
                "DESTPORT" => value.parse().map(|port| local.set_port(port)).is_ok(),
                "HELO" => {
                    helo = Some(value);
                    !value.contains(|c: char| c.is_control() || c.is_whitespace())
                }
                "LOGIN" => {
                    login = Some(value);
                    true
                }
                // Both are asked for elsewhere: the name in DNS, the protocol by what the client says next.
                "NAME" | "PROTO" => true,
                _ => false,
            };
            if !known {
                return Err(upper);
            }
        }
        self.connection.keep_original();
        self.connection.set("received_from", peer.to_string().into());
        self.connection.set("received_via", local.to_string().into());
        (self.peer, self.local) = (peer, local);
        self.greeted = None;
        if let Some(helo) = helo {
            self.note_greeting(helo);
        }
        if let Some(login) = login {
            self.authenticated = true;
            self.connection.set("authz_id", login.as_str().into());
            self.connection.set("authn_id", login.as_str().into());
        }
        Ok(())
    }
}

fn parse_address(text: &str) -> Option<IpAddr> {
    match text.split_at_checked(5) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("IPV6:") => rest.parse().ok(),
        _ => text.parse().ok(),
    }
}

/// Authorization identity, authentication identity, password; the first is the second where it is not given.
#[allow(clippy::similar_names, reason = "they are called so (RFC 4616)")]
fn decode_plain(response: &str) -> Option<(String, String, String)> {
    let decoded = BASE64.decode(response.trim_ascii().as_bytes()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let mut parts = text.split('\0');
    let (authz, authc, password) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || authc.is_empty() {
        return None;
    }
    let authz = if authz.is_empty() { authc } else { authz };
    Some((authz.to_owned(), authc.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_responses_are_read() {
        let decode = |text: &[u8]| decode_plain(&BASE64.encode(text));
        let expect = |a: &str, b: &str, c: &str| Some((a.to_owned(), b.to_owned(), c.to_owned()));
        assert_eq!(decode(b"\0user\0pass"), expect("user", "user", "pass"));
        assert_eq!(decode(b"other\0user\0"), expect("other", "user", ""));
        for bad in [b"".as_slice(), b"user\0pass", b"\0\0pass", b"\0u\0p\0x", b"\0\xff\0p"] {
            assert_eq!(decode(bad), None, "{}", bad.escape_ascii());
        }
        assert_eq!(decode_plain("not base64!"), None);
    }

    #[test]
    fn addresses_of_both_families_are_read() {
        assert_eq!(parse_address("10.0.0.1"), Some([10, 0, 0, 1].into()));
        assert_eq!(parse_address("IPv6:::1"), "::1".parse().ok());
        assert_eq!(parse_address("\u{fc}\u{fc}\u{fc}"), None);
    }
}
