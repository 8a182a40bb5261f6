//! Hosts side by side in one process whose policies name fixed addresses.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use super::Host;

/// Where the addresses lead that a policy listens on and asks over HTTP, while a test runs it.
///
/// As a host is made, they lead where they say. Once it is [enclosed](Self::enclose), its listeners take any free port of
/// this machine, whatever the policy says, and it reaches those alone to whom it was [introduced](Self::introduce): so
/// many tests run at a time, and none talks to a service that happens to run on the machine.
#[derive(Debug, Default)]
pub struct Neighbourhood(RwLock<Option<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// Host and port as a URL has them, the host empty for any, and where that leads.
    others: Vec<(String, u16, SocketAddr)>,
    /// What the policy asked to listen on, and what it got.
    own: Vec<(String, SocketAddr)>,
}

/// An address that nothing in this neighbourhood has.
#[derive(Debug, thiserror::Error)]
#[error("nothing in this test listens on `{host}:{port}`, and it reaches nothing else{known}")]
pub struct Stranger {
    host: String,
    port: u16,
    known: String,
}

impl Neighbourhood {
    /// The host's.
    pub fn of(host: &Host) -> Arc<Self> {
        host.slot(Self::default)
    }

    /// From now on listeners take free ports, and only neighbours are reached.
    pub fn enclose(&self) {
        self.write(|known| *known = Some(Known::default()));
    }

    /// Whether the host is tried out. Then the machine that this happens on is no matter either: its disk, and what its files
    /// come to.
    pub fn is_enclosed(&self) -> bool {
        self.read(Option::is_some)
    }

    /// `host:port` leads to `address`; an empty `host` stands for any.
    pub fn introduce(&self, host: &str, port: u16, address: SocketAddr) {
        self.write(|known| {
            known.get_or_insert_default().others.push((host.to_ascii_lowercase(), port, address));
        });
    }

    /// What to bind where a policy asks for `listen`.
    pub fn listen(&self, listen: &str) -> String {
        if self.is_enclosed() { "127.0.0.1:0".to_owned() } else { listen.to_owned() }
    }

    /// A listener that was asked for is there; its own host reaches it too.
    pub fn listened(&self, listen: &str, bound: SocketAddr) {
        self.write(|known| {
            if let Some(known) = known {
                known.own.push((listen.to_owned(), bound));
                known.others.extend(port_of(listen).map(|port| (String::new(), port, bound)));
            }
        });
    }

    /// The port that a policy asked for, where it got `bound`.
    pub fn asked_for(&self, bound: SocketAddr) -> Option<u16> {
        self.read(|known| {
            known.as_ref()?.own.iter().find(|(_, got)| *got == bound).and_then(|(asked, _)| port_of(asked))
        })
    }

    /// Where `host:port` leads; `None` for where it says.
    ///
    /// # Errors
    /// When the host is enclosed, and nobody of that address was introduced.
    pub fn lead(&self, host: &str, port: u16) -> Result<Option<SocketAddr>, Stranger> {
        self.read(|known| {
            let Some(known) = known else { return Ok(None) };
            let host = host.to_ascii_lowercase();
            let at = |name: &str| known.others.iter().find(|(of, on, _)| of == name && *on == port);
            // What was bound may be asked for as it is.
            let really = known.others.iter().find(|(_, _, to)| to.port() == port && to.ip().to_string() == host);
            match at(&host).or_else(|| at("")).or(really) {
                Some((_, _, address)) => Ok(Some(*address)),
                None => Err(Stranger { known: known.describe(), host, port }),
            }
        })
    }

    fn read<T>(&self, look: impl FnOnce(&Option<Known>) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, change: impl FnOnce(&mut Option<Known>)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Known {
    fn describe(&self) -> String {
        let names = self.others.iter().map(|(host, port, _)| match host.as_str() {
            "" => format!("port {port}"),
            host => format!("`{host}:{port}`"),
        });
        match names.collect::<Vec<_>>() {
            names if names.is_empty() => String::new(),
            names => format!("; there are {}", names.join(", ")),
        }
    }
}

fn port_of(listen: &str) -> Option<u16> {
    listen.rsplit_once(':').and_then(|(_, port)| port.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_enclosed_is_led() {
        let open = Neighbourhood::default();
        assert!(!open.is_enclosed());
        assert_eq!(open.listen("0.0.0.0:8008"), "0.0.0.0:8008");
        assert_eq!(open.lead("example.com", 80).unwrap(), None);
        let closed = Neighbourhood::default();
        closed.enclose();
        let (one, two) = (SocketAddr::from(([127, 0, 0, 1], 4001)), SocketAddr::from(([127, 0, 0, 1], 4002)));
        assert_eq!(closed.listen("0.0.0.0:8008"), "127.0.0.1:0");
        closed.introduce("", 8008, one);
        closed.introduce("TSA2.example", 8008, two);
        assert_eq!(closed.lead("127.0.0.1", 8008).unwrap(), Some(one));
        assert_eq!(closed.lead("tsa2.example", 8008).unwrap(), Some(two));
        assert_eq!(closed.lead("127.0.0.1", 4002).unwrap(), Some(two));
        let stranger = closed.lead("example.com", 443).unwrap_err().to_string();
        assert!(stranger.contains("`example.com:443`") && stranger.contains("port 8008"), "{stranger}");
        closed.listened("[::]:8000", one);
        assert_eq!(closed.asked_for(one), Some(8000));
        assert_eq!(closed.lead("localhost", 8000).unwrap(), Some(one));
    }
}
