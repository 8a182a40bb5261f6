//! One session of a provider.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{Answer, Moment, Shared, Step, Taken};

const STARTTLS: &str = "STARTTLS";
const EXTENSIONS: [&str; 6] = ["PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "SIZE 104857600", STARTTLS];

/// What a client is spoken to over, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

struct Conversation<'s> {
    stream: BufReader<Box<dyn Stream>>,
    /// What takes the session over to TLS, as long as that has not been done.
    tls: Option<TlsAcceptor>,
    /// Whether the last EHLO offered that.
    offered: bool,
    /// Whether the last answer was a good one, even if the session ended with it.
    granted: bool,
    shared: &'s Shared,
    /// What is known so far.
    step: Step,
}

/// Whether the session goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum On {
    /// And what was asked for is granted.
    Granted,
    /// And what was asked for is not.
    Refused,
    No,
}

/// Speaks with a client until one of both ends it.
pub(super) async fn hold(stream: TcpStream, tls: TlsAcceptor, shared: &Shared, step: Step) -> io::Result<()> {
    let stream = BufReader::new(Box::new(stream) as Box<dyn Stream>);
    let mut conversation = Conversation { stream, tls: Some(tls), offered: false, granted: false, shared, step };
    let banner = format!("220 {} ESMTP", conversation.step.mx);
    if conversation.answer(Moment::Connect, "", &banner).await? != On::Granted {
        return Ok(());
    }
    while let Some(line) = conversation.line().await? {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        if conversation.command(&text).await? == On::No {
            break;
        }
    }
    Ok(())
}

impl Conversation<'_> {
    async fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).await?;
        Ok((!line.is_empty()).then_some(line))
    }

    async fn command(&mut self, line: &str) -> io::Result<On> {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" | "HELO" | "LHLO" => self.hello(line, verb == "HELO").await,
            STARTTLS if self.offered => self.start_tls(line).await,
            "MAIL" => self.mail(line).await,
            "RCPT" => self.rcpt(line).await,
            "DATA" => self.data().await,
            "RSET" => {
                self.reset();
                self.say("250 2.0.0 OK").await
            }
            "NOOP" => self.say("250 2.0.0 OK").await,
            "QUIT" => {
                self.say("221 2.0.0 bye").await?;
                Ok(On::No)
            }
            _ => self.say("502 5.5.1 unknown command").await,
        }
    }

    async fn hello(&mut self, line: &str, old: bool) -> io::Result<On> {
        let name = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
        self.step.ehlo = Some(name.clone());
        let heard = name.clone();
        self.shared.note(self.step.session, |session| session.ehlo = Some(heard));
        let first = format!("{} greets {name}", self.step.mx);
        let is_there = |extension: &&str| !old && (*extension != STARTTLS || self.tls.is_some());
        let all: Vec<_> = std::iter::once(first.as_str()).chain(EXTENSIONS.into_iter().filter(is_there)).collect();
        let usual = lines(250, &all);
        self.answer(Moment::Ehlo, line, &usual).await
    }

    /// Goes over to TLS (RFC 3207), after which the client says EHLO again.
    async fn start_tls(&mut self, line: &str) -> io::Result<On> {
        let on = self.answer(Moment::StartTls, line, "220 2.0.0 go ahead").await?;
        if on == On::Granted
            && let Some(tls) = self.tls.take()
        {
            let gone = BufReader::new(Box::new(tokio::io::empty()) as Box<dyn Stream>);
            let plain = std::mem::replace(&mut self.stream, gone).into_inner();
            self.stream = BufReader::new(Box::new(tls.accept(plain).await?));
            self.step.tls = true;
            self.offered = false;
            self.reset();
        }
        Ok(on)
    }

    async fn mail(&mut self, line: &str) -> io::Result<On> {
        self.reset();
        self.step.from = Some(path(line));
        let on = self.answer(Moment::Mail, line, "250 2.1.0 OK").await?;
        if on == On::Refused {
            self.reset();
        }
        Ok(on)
    }

    async fn rcpt(&mut self, line: &str) -> io::Result<On> {
        if self.step.from.is_none() {
            return self.say("503 5.5.1 MAIL first").await;
        }
        self.step.to.push(path(line));
        let on = self.answer(Moment::Rcpt, line, "250 2.1.5 OK").await?;
        if on == On::Refused {
            self.step.to.pop();
        }
        Ok(on)
    }

    async fn data(&mut self) -> io::Result<On> {
        if self.step.to.is_empty() {
            return self.say("554 5.5.1 no valid recipients").await;
        }
        match self.answer(Moment::Data, "DATA", "354 go ahead").await? {
            On::Granted => {}
            other => return Ok(other),
        }
        let Some(content) = self.content().await? else { return Ok(On::No) };
        let on = self.answer(Moment::Body, &content, "250 2.0.0 OK").await?;
        if self.granted {
            self.step.carried += 1;
            self.shared.note(self.step.session, |session| session.messages += 1);
            let step = Step { at: self.shared.now(), ..self.step.clone() };
            self.shared.heard().messages.push(Taken { step, content });
        }
        self.reset();
        Ok(on)
    }

    /// A message without its dots; `None` when the client goes away.
    async fn content(&mut self) -> io::Result<Option<String>> {
        let mut all = Vec::new();
        loop {
            let Some(line) = self.line().await? else { return Ok(None) };
            if line == b".\r\n" {
                return Ok(Some(String::from_utf8_lossy(&all).into_owned()));
            }
            all.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
    }

    fn reset(&mut self) {
        self.step.from = None;
        self.step.to.clear();
    }

    /// Asks the script, and says what it wants, or what is usual.
    async fn answer(&mut self, moment: Moment, line: &str, usual: &str) -> io::Result<On> {
        let step = Step { moment, line: line.to_owned(), at: self.shared.now(), ..self.step.clone() };
        let Answer { say, silent, close, after } = self.shared.ask(step).await;
        if !after.is_zero() {
            tokio::time::sleep(after).await;
        }
        if silent && !close {
            // Until the client has had enough.
            while self.line().await?.is_some() {}
            return Ok(On::No);
        }
        let text = say.as_deref().unwrap_or(usual);
        if moment == Moment::Ehlo {
            self.offered = self.tls.is_some() && text.lines().any(|line| line.get(4..) == Some(STARTTLS));
        }
        if !silent {
            self.say(text).await?;
        }
        self.granted = !silent && text.starts_with(['2', '3']);
        Ok(match text.as_bytes().first() {
            _ if close || text.starts_with("421") => On::No,
            Some(b'2' | b'3') => On::Granted,
            // Who is not welcome may still ask.
            _ => On::Refused,
        })
    }

    async fn say(&mut self, text: &str) -> io::Result<On> {
        let mut wire = text.trim_end().replace("\r\n", "\n").replace('\n', "\r\n");
        wire.push_str("\r\n");
        self.stream.write_all(wire.as_bytes()).await?;
        self.stream.flush().await?;
        Ok(On::Granted)
    }
}

/// A reply of several lines.
fn lines(code: u16, texts: &[&str]) -> String {
    let last = texts.len().saturating_sub(1);
    let one = |(at, text): (usize, &&str)| format!("{code}{}{text}", if at == last { ' ' } else { '-' });
    texts.iter().enumerate().map(one).collect::<Vec<_>>().join("\n")
}

/// The address of `MAIL FROM:<a@b> SIZE=1`.
fn path(line: &str) -> String {
    let inside = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    let bare = || line.split_once(':').map(|(_, rest)| rest.trim());
    inside.map(|(path, _)| path).or_else(bare).unwrap_or_default().to_owned()
}
