//! What a sink remembers.

use std::net::SocketAddr;

use tokio::time::Instant;

/// A session, from its opening to its end. Times are tokio's.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) peer: SocketAddr,
    pub(crate) opened: Instant,
    /// `None` while it is open.
    pub(crate) closed: Option<Instant>,
    /// Whether TLS was on at the end.
    pub(crate) encrypted: bool,
    /// The certificate that the client has shown, DER.
    pub(crate) certificate: Option<Vec<u8>>,
    /// What the client last called itself.
    pub(crate) hello: String,
    /// What AUTH PLAIN said: the bytes, decoded.
    pub(crate) credentials: Option<Vec<u8>>,
    /// All commands.
    pub(crate) heard: Vec<Heard>,
    /// All transactions, from the first answer to MAIL on.
    pub(crate) mails: Vec<Mail>,
}

/// A command.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) at: Instant,
    pub(crate) line: String,
    /// Whether more had come along with it: the client did not wait for the answer.
    pub(crate) pipelined: bool,
}

/// A transaction whose MAIL was taken.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    /// When MAIL came.
    pub(crate) began: Instant,
    /// Without the angle brackets.
    pub(crate) sender: String,
    /// What followed the sender.
    pub(crate) parameters: String,
    /// Those taken.
    pub(crate) recipients: Vec<String>,
    /// Those refused.
    pub(crate) refused: Vec<String>,
    /// What was sent between DATA and the final dot, without the stuffed dots.
    pub(crate) data: Vec<u8>,
    /// The code that was answered to it, and when.
    pub(crate) outcome: Option<(u16, Instant)>,
}

impl Session {
    pub(super) fn new(peer: SocketAddr) -> Self {
        Self {
            peer,
            opened: Instant::now(),
            closed: None,
            encrypted: false,
            certificate: None,
            hello: String::new(),
            credentials: None,
            heard: Vec::new(),
            mails: Vec::new(),
        }
    }

    /// The commands alone.
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.heard.iter().map(|heard| heard.line.as_str()).collect()
    }
}

impl Mail {
    pub(super) fn new(line: &str) -> Self {
        let (sender, parameters) = path(line);
        Self {
            began: Instant::now(),
            sender,
            parameters,
            recipients: Vec::new(),
            refused: Vec::new(),
            data: Vec::new(),
            outcome: None,
        }
    }

    /// Whether the sink has taken it.
    pub(crate) fn is_accepted(&self) -> bool {
        matches!(self.outcome, Some((200..300, _)))
    }

    /// The content as text; what is not UTF-8 is replaced.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.data).into_owned()
    }

    /// What follows the first blank line.
    pub(crate) fn body(&self) -> &[u8] {
        let start = self.data.windows(4).position(|four| four == b"\r\n\r\n").map_or(self.data.len(), |at| at + 4);
        &self.data[start..]
    }
}

/// What stands in the angle brackets of MAIL or RCPT, and what follows.
pub(super) fn path(line: &str) -> (String, String) {
    let rest = line.split_once('<').map_or("", |(_, rest)| rest);
    let (address, parameters) = rest.split_once('>').unwrap_or((rest, ""));
    (address.to_owned(), parameters.trim().to_owned())
}
