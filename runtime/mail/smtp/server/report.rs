//! Reports among what comes in: feedback and returned mail, for domains that want them logged (`log_arf`, `log_oob` of
//! `kumo.make_listener_domain`).

use kumo_tsa_core::wire::Kind;

use super::domain::Disposition;
use super::envelope::{Recipient, Transaction};
use super::session::Session;
use crate::mail::log::{Attempt, Entry};
use crate::mail::rejection::Closing;
use crate::mail::report::Report;
use crate::mail::{Address, Message, Rejection, Reply};

/// What a message that came in reports, to those who want to know.
#[derive(Debug)]
pub(super) struct Told {
    report: Option<Report>,
    /// Whose reports are logged.
    logged: Vec<Address>,
    /// To whom the message goes on.
    relayed: Vec<Address>,
}

impl Told {
    pub(super) fn new(transaction: &Transaction, content: &[u8]) -> Self {
        let wants = |to: &Recipient| to.feedback != Disposition::Ignore || to.returned != Disposition::Ignore;
        let report = if transaction.recipients.iter().any(wants) { Report::parse(content) } else { None };
        let (mut logged, mut relayed) = (Vec::new(), Vec::new());
        for recipient in &transaction.recipients {
            let disposition = match report {
                Some(Report::Feedback(_)) => recipient.feedback,
                Some(Report::Undelivered(_)) => recipient.returned,
                None => Disposition::Ignore,
            };
            if disposition != Disposition::Ignore {
                logged.push(recipient.address.clone());
            }
            if recipient.relayed && disposition != Disposition::LogThenDrop {
                relayed.push(recipient.address.clone());
            }
        }
        Self { report: report.filter(|_| !logged.is_empty()), logged, relayed }
    }

    /// Whom the message is for: those to whom it goes on, or those who are told what it reports.
    ///
    /// # Errors
    /// When it is for nobody: it is no report, and others take nothing of this client.
    pub(super) fn recipients(&self, transaction: &Transaction) -> Result<Vec<Address>, Rejection> {
        let found = if self.relayed.is_empty() { &self.logged } else { &self.relayed };
        if found.is_empty() && !transaction.recipients.is_empty() {
            let message = "5.7.1 relaying not permitted: only reports are taken for these recipients".to_owned();
            return Err(Rejection { code: 550, message, closing: Closing::If421 });
        }
        Ok(found.clone())
    }

    /// Whether the message goes no further.
    pub(super) const fn is_all(&self) -> bool {
        self.relayed.is_empty()
    }

    /// Whether a record of it takes the place of the one of its reception.
    pub(super) const fn is_feedback(&self) -> bool {
        matches!(self.report, Some(Report::Feedback(_)))
    }
}

impl Session {
    /// Writes a record for a feedback report, or one for each recipient that mail came back from.
    pub(super) async fn log_reports(&self, told: &Told, message: &Message) {
        let attempt = || Attempt {
            peer: Some(self.logged_peer()),
            tls: self.logged_tls(),
            session: Some(self.id),
            ..Attempt::default()
        };
        let entry = |kind, recipients, reply| Entry {
            kind,
            message,
            recipients: Some(recipients),
            reply,
            attempt: attempt(),
            queue: Some(""),
        };
        let logger = &self.server.logger;
        match &told.report {
            Some(Report::Feedback(report)) => {
                let reply = Reply { code: 200, enhanced_code: None, content: String::new(), command: None };
                let entry = entry(Kind::Feedback, told.logged.as_slice(), reply);
                logger.log_report(entry, Some(report.clone())).await;
            }
            Some(Report::Undelivered(undelivered)) => {
                for one in undelivered {
                    let recipient = std::slice::from_ref(&one.recipient);
                    logger.log(entry(Kind::Oob, recipient, one.reply.clone())).await;
                }
            }
            None => {}
        }
    }
}
