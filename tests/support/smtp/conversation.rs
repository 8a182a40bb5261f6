//! One session of a sink.

use std::collections::HashMap;
use std::io;

use data_encoding::BASE64;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::record::{Heard, Mail, path};
use super::{Answer, Shared, Step, Turn};

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Answers until one side closes.
pub(super) async fn hold(stream: TcpStream, session: usize, shared: &Shared) -> io::Result<()> {
    let mut talk = Conversation {
        stream: BufReader::with_capacity(64 * 1024, Box::new(stream)),
        out: Vec::new(),
        session,
        shared,
        counts: HashMap::new(),
        encrypted: false,
        is_lmtp: false,
        mail: None,
    };
    let outcome = talk.run().await;
    // What was said last still has to go out.
    talk.flush().await?;
    outcome
}

struct Conversation<'a> {
    stream: BufReader<Box<dyn Stream>>,
    /// What is to be written before more is waited for.
    out: Vec<u8>,
    session: usize,
    shared: &'a Shared,
    counts: HashMap<Step, usize>,
    encrypted: bool,
    is_lmtp: bool,
    mail: Option<Mail>,
}

/// What was answered.
enum Said {
    /// A code; the session goes on.
    Code(u16),
    /// The session is over.
    Over(u16),
}

impl Said {
    fn code(&self) -> u16 {
        match self {
            Self::Code(code) | Self::Over(code) => *code,
        }
    }
}

impl Conversation<'_> {
    async fn run(&mut self) -> io::Result<()> {
        let mut said = self.answer(Step::Banner, "", "220 sink.example ESMTP".to_owned()).await?;
        while let Said::Code(_) = said {
            let Some(line) = self.line().await? else { return Ok(()) };
            let heard = Heard { at: Instant::now(), pipelined: !self.stream.buffer().is_empty(), line: line.clone() };
            self.shared.note(self.session, |session| session.heard.push(heard));
            said = self.command(&line).await?;
        }
        Ok(())
    }

    async fn command(&mut self, line: &str) -> io::Result<Said> {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => self.hello(Step::Ehlo, line).await,
            "LHLO" => self.hello(Step::Lhlo, line).await,
            "HELO" => self.hello(Step::Helo, line).await,
            "STARTTLS" => self.start_tls(line).await,
            "AUTH" => self.auth(line).await,
            "MAIL" => self.mail(line).await,
            "RCPT" => self.rcpt(line).await,
            "DATA" => self.data(line).await,
            "RSET" => {
                self.end_mail();
                self.answer(Step::Rset, line, "250 2.0.0 ok".to_owned()).await
            }
            "NOOP" => self.answer(Step::Noop, line, "250 2.0.0 ok".to_owned()).await,
            "QUIT" => {
                let said = self.answer(Step::Quit, line, "221 2.0.0 bye".to_owned()).await?;
                Ok(Said::Over(said.code()))
            }
            _ => self.answer(Step::Other, line, "500 5.5.2 what?".to_owned()).await,
        }
    }

    async fn hello(&mut self, step: Step, line: &str) -> io::Result<Said> {
        self.is_lmtp = step == Step::Lhlo;
        let name = line.split_once(' ').map_or("", |(_, name)| name).to_owned();
        self.shared.note(self.session, |session| session.hello = name);
        let mut lines = vec!["sink.example".to_owned()];
        if step != Step::Helo {
            let offered = self.shared.manner.extensions.iter().filter(|e| !(self.encrypted && *e == "STARTTLS"));
            lines.extend(offered.cloned());
        }
        let last = lines.len() - 1;
        let dash = |at| if at == last { ' ' } else { '-' };
        let lines: Vec<_> = lines.iter().enumerate().map(|(at, text)| format!("250{}{text}", dash(at))).collect();
        self.answer(step, line, lines.join("\n")).await
    }

    async fn start_tls(&mut self, line: &str) -> io::Result<Said> {
        let offered = self.shared.manner.extensions.iter().any(|e| e == "STARTTLS");
        let usual = if offered && !self.encrypted { "220 2.0.0 go ahead" } else { "502 5.5.1 not here" };
        let said = self.answer(Step::StartTls, line, usual.to_owned()).await?;
        if !matches!(said, Said::Code(220)) {
            return Ok(said);
        }
        self.flush().await?;
        let answer = (self.shared.script)(&self.turn(Step::Handshake, ""));
        self.count(Step::Handshake);
        if answer != Answer::Usual {
            // Not before the client has begun: it would be taken for something said ahead of it.
            self.stream.fill_buf().await?;
            let said = self.give(answer, String::new()).await?;
            return Ok(Said::Over(said.code()));
        }
        let hollow: Box<dyn Stream> = Box::new(tokio::io::empty());
        let plain = std::mem::replace(&mut self.stream, BufReader::new(hollow)).into_inner();
        let tls = self.shared.tls.accept(plain).await?;
        let shown = tls.get_ref().1.peer_certificates().and_then(<[_]>::first).map(|shown| shown.to_vec());
        self.stream = BufReader::with_capacity(64 * 1024, Box::new(tls));
        self.encrypted = true;
        self.shared.note(self.session, |session| {
            session.encrypted = true;
            session.certificate = shown;
        });
        Ok(said)
    }

    async fn auth(&mut self, line: &str) -> io::Result<Said> {
        let initial = line.split(' ').nth(2).map(ToOwned::to_owned);
        let response = if let Some(initial) = initial {
            initial
        } else {
            self.out.extend_from_slice(b"334 \r\n");
            self.line().await?.unwrap_or_default()
        };
        let decoded = BASE64.decode(response.as_bytes()).ok();
        self.shared.note(self.session, |session| session.credentials = decoded);
        self.answer(Step::Auth, line, "235 2.7.0 welcome".to_owned()).await
    }

    async fn mail(&mut self, line: &str) -> io::Result<Said> {
        let usual = if self.mail.is_some() { "503 5.5.1 one at a time" } else { "250 2.1.0 ok" };
        let mail = Mail::new(line);
        let said = self.answer(Step::Mail, line, usual.to_owned()).await?;
        if self.mail.is_none() && said.code() / 100 == 2 {
            self.mail = Some(mail);
            self.save_mail(true);
        }
        Ok(said)
    }

    async fn rcpt(&mut self, line: &str) -> io::Result<Said> {
        let usual = if self.mail.is_some() { "250 2.1.5 ok" } else { "503 5.5.1 MAIL first" };
        let said = self.answer(Step::Rcpt, line, usual.to_owned()).await?;
        if let Some(mail) = &mut self.mail {
            let (address, _) = path(line);
            if said.code() / 100 == 2 { &mut mail.recipients } else { &mut mail.refused }.push(address);
            self.save_mail(false);
        }
        Ok(said)
    }

    async fn data(&mut self, line: &str) -> io::Result<Said> {
        let ready = self.mail.as_ref().is_some_and(|mail| !mail.recipients.is_empty());
        let usual = if ready { "354 go on" } else { "503 5.5.1 RCPT first" };
        let said = self.answer(Step::Data, line, usual.to_owned()).await?;
        if !matches!(said, Said::Code(354)) {
            return Ok(said);
        }
        let data = self.content().await?;
        let recipients = self.mail.as_ref().map(|mail| mail.recipients.clone()).unwrap_or_default();
        if let Some(mail) = &mut self.mail {
            mail.data = data;
        }
        let number = self.counts.get(&Step::Body).copied().unwrap_or_default();
        let usual = format!("250 2.0.0 OK ids={}-{number}", self.session);
        let mut said = Said::Code(0);
        if self.is_lmtp {
            for recipient in recipients {
                said = self.answer(Step::Body, &recipient, usual.clone()).await?;
            }
        } else {
            said = self.answer(Step::Body, "", usual).await?;
        }
        if let Some(mail) = &mut self.mail {
            mail.outcome = Some((said.code(), Instant::now()));
        }
        self.end_mail();
        Ok(said)
    }

    /// The message up to the final dot, without the stuffed ones.
    async fn content(&mut self) -> io::Result<Vec<u8>> {
        self.flush().await?;
        let mut data = Vec::new();
        loop {
            let start = data.len();
            if self.stream.read_until(b'\n', &mut data).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if &data[start..] == b".\r\n" {
                data.truncate(start);
                return Ok(data);
            }
            if data[start] == b'.' {
                data.remove(start);
            }
            if !self.shared.manner.keeps_data {
                // The end of a line is what the next dot has to follow.
                data.clear();
            }
        }
    }

    fn turn<'a>(&'a self, step: Step, line: &'a str) -> Turn<'a> {
        let nth = self.counts.get(&step).copied().unwrap_or_default();
        Turn { step, line, session: self.session, nth, encrypted: self.encrypted, mail: self.mail.as_ref() }
    }

    fn count(&mut self, step: Step) {
        *self.counts.entry(step).or_default() += 1;
    }

    async fn answer(&mut self, step: Step, line: &str, usual: String) -> io::Result<Said> {
        let answer = (self.shared.script)(&self.turn(step, line));
        self.count(step);
        self.give(answer, usual).await
    }

    async fn give(&mut self, mut answer: Answer, usual: String) -> io::Result<Said> {
        while let Answer::After(delay, next) = answer {
            self.flush().await?;
            tokio::time::sleep(delay).await;
            answer = *next;
        }
        let text = match answer {
            Answer::Usual => usual,
            Answer::Say(text) => text,
            Answer::SayAndClose(text) => return Ok(Said::Over(self.put(&text))),
            Answer::Raw(bytes) => {
                self.out.extend_from_slice(&bytes);
                return Ok(Said::Code(code(&bytes)));
            }
            Answer::Close => return Ok(Said::Over(0)),
            Answer::Silence | Answer::After(..) => {
                self.flush().await?;
                tokio::io::copy(&mut self.stream, &mut tokio::io::sink()).await?;
                return Ok(Said::Over(0));
            }
        };
        let code = self.put(&text);
        Ok(if code == 421 { Said::Over(code) } else { Said::Code(code) })
    }

    fn put(&mut self, text: &str) -> u16 {
        for line in text.split('\n') {
            self.out.extend_from_slice(line.as_bytes());
            self.out.extend_from_slice(b"\r\n");
        }
        code(text.as_bytes())
    }

    async fn flush(&mut self) -> io::Result<()> {
        let out = std::mem::take(&mut self.out);
        self.stream.write_all(&out).await?;
        self.stream.flush().await
    }

    /// The next command; `None` at the end.
    async fn line(&mut self) -> io::Result<Option<String>> {
        if self.stream.buffer().is_empty() {
            self.flush().await?;
        }
        let mut line = Vec::new();
        let limit = 1 << 20;
        if (&mut self.stream).take(limit).read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        Ok(Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// Shows the transaction as it stands.
    fn save_mail(&self, is_new: bool) {
        if let Some(mail) = &self.mail {
            self.shared.note(self.session, |session| {
                if !is_new {
                    session.mails.pop();
                }
                session.mails.push(mail.clone());
            });
        }
    }

    fn end_mail(&mut self) {
        self.save_mail(false);
        self.mail = None;
    }
}

/// The code of the last line.
fn code(text: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(text);
    let last = text.trim_end().rsplit('\n').next().unwrap_or_default();
    last.get(..3).and_then(|digits| digits.parse().ok()).unwrap_or_default()
}
