//! One message through a session (RFC 5321 section 3.3, RFC 2920, RFC 2033).

use std::time::Duration;

use super::error::{internal, show};
use super::parameter::{Needs, unfit};
use super::session::Session;
use super::{After, Delivered, Trouble};
use crate::mail::address::Address;
use crate::mail::reply::Reply;

/// How many RCPT go out before their answers are read. Both sides would wait forever if their buffers were full.
const FLIGHT: usize = 100;

/// Why a session ends in a transaction.
enum End {
    /// The peer said 421.
    Said(Reply),
    /// Something went wrong with a command.
    Trouble(Trouble, String),
}

/// A message on its way, with what is known of each recipient.
struct Transaction<'a> {
    mail: String,
    recipients: &'a [Address],
    data: &'a [u8],
    /// In the order of the recipients.
    fates: Vec<Option<Reply>>,
    /// Those that the peer has taken, by their place.
    taken: Vec<usize>,
    /// Whether the peer has answered anything since it began.
    answered: bool,
}

impl Transaction<'_> {
    /// Sets the fate of all that have none.
    fn settle(&mut self, reply: &Reply) {
        for fate in &mut self.fates {
            fate.get_or_insert_with(|| reply.clone());
        }
    }

    /// The places of the recipients that are to be tried.
    fn open(&self) -> Vec<usize> {
        (0..self.fates.len()).filter(|place| self.fates[*place].is_none()).collect()
    }
}

impl Session {
    /// Takes a message to some recipients in one transaction: pipelined where the peer and the path allow, after RSET where
    /// it is not the first.
    ///
    /// May not be cancelled: the session is of no use then.
    pub async fn deliver(&mut self, sender: &Address, recipients: &[Address], data: &[u8]) -> Delivered {
        let mut work = self.prepare(sender, recipients, data);
        let is_first = self.transactions == 0;
        let mut untried = false;
        if !work.open().is_empty() {
            let end = if self.is_over {
                Err(End::Trouble(Trouble::Closed, work.mail.clone()))
            } else {
                self.is_over = true;
                let end = self.transact(&mut work).await;
                self.is_over = end.is_err();
                end
            };
            if let Err(end) = end {
                untried = !is_first && !work.answered && matches!(end, End::Trouble(..));
                work.settle(&self.explain(end));
            }
        }
        // Every one has a fate by now; a recipient without one would be tried again.
        let missing = || internal(400, "the recipient was not tried");
        let fates = work.fates.into_iter().map(|fate| fate.unwrap_or_else(missing));
        let fates = recipients.iter().cloned().zip(fates).collect();
        Delivered { fates, after: if self.is_over { After::Closed } else { After::Keep }, untried }
    }

    /// What can be told before anything is said.
    fn prepare<'a>(&self, sender: &Address, recipients: &'a [Address], data: &'a [u8]) -> Transaction<'a> {
        let (offered, peer, ignore) = (self.offered, &self.endpoint, self.terms.ignore_8bit);
        let needs = Needs::of(data);
        let unmet = if ignore { None } else { needs.unmet(offered, peer) };
        let all = unfit(sender, offered, ignore, peer).or(unmet);
        let fate = |to: &Address| all.clone().or_else(|| unfit(to, offered, ignore, peer));
        let is_ascii = [sender].into_iter().chain(recipients).all(|address| address.email().is_ascii());
        let mail = format!("MAIL FROM:<{}>{}", sender.email(), needs.parameters(offered, is_ascii));
        let fates = recipients.iter().map(fate).collect();
        Transaction { mail, recipients, data, fates, taken: Vec::new(), answered: false }
    }

    fn explain(&self, end: End) -> Reply {
        match end {
            End::Said(reply) => reply,
            End::Trouble(trouble, command) => {
                let text = format!("failed to send message to {}: {command}: {trouble}", show(&self.endpoint));
                internal(400, &text).answering(command)
            }
        }
    }

    async fn transact(&mut self, work: &mut Transaction<'_>) -> Result<(), End> {
        let pipelined = self.terms.pipelining && self.offered.pipelining;
        let reset = self.is_dirty || (self.terms.rset && self.transactions > 0);
        self.transactions += 1;
        if reset {
            self.wire.push("RSET");
            if !pipelined {
                self.await_reset(work).await?;
            }
        }
        self.is_dirty = true;
        self.wire.push(&work.mail);
        let places = work.open();
        let flights: Vec<_> = places.chunks(if pipelined { FLIGHT } else { 1 }).collect();
        let (mut willing, mut asked) = (true, false);
        for (number, flight) in flights.iter().enumerate() {
            let is_first = number == 0;
            if is_first && !pipelined {
                willing = self.await_mail(work).await?;
            }
            if !willing {
                break;
            }
            for place in *flight {
                self.wire.push(&rcpt(&work.recipients[*place]));
            }
            asked = pipelined && number + 1 == flights.len();
            if asked {
                self.wire.push("DATA");
            }
            if is_first && pipelined {
                if reset {
                    self.await_reset(work).await?;
                }
                willing = self.await_mail(work).await?;
            }
            self.await_recipients(work, flight).await?;
        }
        self.content(work, asked).await
    }

    /// DATA, unless it was `asked` already, and what follows it.
    async fn content(&mut self, work: &mut Transaction<'_>, asked: bool) -> Result<(), End> {
        let anybody = !work.taken.is_empty();
        if !asked {
            if !anybody {
                return Ok(());
            }
            self.wire.push("DATA");
        }
        let reply = self.answer(work, "DATA", self.terms.data_timeout).await?;
        match reply.code {
            354 if anybody => {}
            354 => return self.retract(work).await,
            // Nobody is left who could be told.
            _ if !anybody => return Ok(()),
            400.. => {
                work.settle(&reply);
                return Ok(());
            }
            _ => return Err(End::Trouble(Trouble::Unexpected(reply), "DATA".to_owned())),
        }
        self.wire.send_body(work.data, self.terms.data_timeout).await;
        let limit = self.terms.data_dot_timeout;
        if self.terms.lmtp {
            for place in work.taken.clone() {
                let reply = self.verdict(work, limit).await?;
                work.fates[place] = Some(reply);
            }
        } else {
            let reply = self.verdict(work, limit).await?;
            work.settle(&reply);
        }
        self.is_dirty = false;
        Ok(())
    }

    /// The answer to a message.
    async fn verdict(&mut self, work: &mut Transaction<'_>, limit: Duration) -> Result<Reply, End> {
        let reply = self.answer(work, ".", limit).await?;
        if (300..400).contains(&reply.code) {
            return Err(End::Trouble(Trouble::Unexpected(reply), ".".to_owned()));
        }
        Ok(reply)
    }

    /// The peer waits for a message, and has refused all recipients: it gets an empty one (RFC 2920 section 3.1).
    async fn retract(&mut self, work: &mut Transaction<'_>) -> Result<(), End> {
        self.wire.send_body(b"", self.terms.data_timeout).await;
        if !self.terms.lmtp {
            self.answer(work, ".", self.terms.data_dot_timeout).await?;
        }
        Ok(())
    }

    async fn await_reset(&mut self, work: &mut Transaction<'_>) -> Result<(), End> {
        let reply = self.answer(work, "RSET", self.terms.rset_timeout).await?;
        if reply.is_positive() {
            return Ok(());
        }
        // The message has not been looked at.
        work.answered = false;
        Err(End::Trouble(Trouble::Unexpected(reply), "RSET".to_owned()))
    }

    /// Whether the peer takes the sender; else all recipients share its answer.
    async fn await_mail(&mut self, work: &mut Transaction<'_>) -> Result<bool, End> {
        let command = work.mail.clone();
        let reply = self.answer(work, &command, self.terms.mail_from_timeout).await?;
        match reply.code {
            200..300 => return Ok(true),
            400.. => work.settle(&reply),
            _ => return Err(End::Trouble(Trouble::Unexpected(reply), command)),
        }
        Ok(false)
    }

    async fn await_recipients(&mut self, work: &mut Transaction<'_>, places: &[usize]) -> Result<(), End> {
        for place in places {
            let command = rcpt(&work.recipients[*place]);
            let reply = self.answer(work, &command, self.terms.rcpt_to_timeout).await?;
            let fate = &mut work.fates[*place];
            match reply.code {
                // The sender was refused, and the answers to what was sent along mean nothing.
                _ if fate.is_some() => {}
                200..300 => work.taken.push(*place),
                400.. => *fate = Some(reply),
                _ => return Err(End::Trouble(Trouble::Unexpected(reply), command)),
            }
        }
        Ok(())
    }

    /// Sends what is to be sent and reads the answer to `command`.
    async fn answer(&mut self, work: &mut Transaction<'_>, command: &str, limit: Duration) -> Result<Reply, End> {
        self.wire.flush(limit).await;
        match self.wire.reply(limit).await {
            Ok(reply) => {
                work.answered = true;
                let reply = reply.answering(command);
                if reply.code == 421 { Err(End::Said(reply)) } else { Ok(reply) }
            }
            Err(trouble) => Err(End::Trouble(trouble, command.to_owned())),
        }
    }
}

fn rcpt(to: &Address) -> String {
    format!("RCPT TO:<{}>", to.email())
}
