//! The spool: where messages are from the moment they are accepted until their fate is logged.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;

use super::message::MessageId;
use crate::host::Host;

/// The spool cannot do what is asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// It does not hold the message.
    #[error("message `{id}` is not in the spool")]
    Missing {
        /// The message.
        id: MessageId,
    },
    /// It takes no writes, or cannot be read, at the moment.
    #[error("the spool `{name}` in `{folder}` failed: {why}")]
    Failed {
        /// `data` or `meta`.
        name: String,
        /// Where it is.
        folder: String,
        /// What the system says.
        why: String,
    },
    /// The policy defined none.
    #[error("no spools have been defined: call `kumo.define_spool` for `data` and for `meta`")]
    Undefined,
}

/// The spools `data` and `meta` of a host.
#[derive(Debug)]
pub struct Spools {}

impl Spools {
    /// The content of a message.
    #[allow(clippy::unused_async, reason = "the signature that is to stay")]
    pub async fn load_data(&self, id: MessageId) -> Result<Bytes, Error> {
        Err(Error::Missing { id })
    }

    /// Those of the host, once they have been opened.
    pub fn of(host: &Host) -> Option<Arc<Self>> {
        host.slot(ArcSwapOption::<Self>::empty).load_full()
    }
}
