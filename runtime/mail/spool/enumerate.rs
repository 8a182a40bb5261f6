//! What an earlier process left in the spool.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::engine::Engine;
use super::{Error, Spools};
use crate::mail::message::{Message, MessageId};

/// How many messages are read ahead of who takes them.
const AHEAD: usize = 1024;
/// How many are read from disk in one go.
const READ_AT_ONCE: usize = 512;

impl Spools {
    /// The messages that were in the spool when it was opened, the oldest first; their content stays there. The channel
    /// closes when all have been told.
    ///
    /// Content without the rest belongs to a message that was never acknowledged, and is removed. What cannot be read, or
    /// has lost its content, is logged and put into the folder `aside` of its spool.
    pub fn enumerate(self: &Arc<Self>) -> mpsc::Receiver<Message> {
        let (found, messages) = mpsc::channel(AHEAD);
        let spools = self.clone();
        tokio::spawn(async move {
            if let Err(error) = spools.tell(&found).await {
                tracing::error!("cannot enumerate the spool: {:#}", anyhow::Error::from(error));
            }
        });
        messages
    }

    async fn tell(self: &Arc<Self>, found: &mpsc::Sender<Message>) -> Result<(), Error> {
        let mut with_content: HashSet<_> = self.earlier(self.data.with(Engine::ids).await?).collect();
        let mut ids: Vec<_> = self.earlier(self.meta.with(Engine::ids).await?).collect();
        ids.sort_unstable();
        for some in ids.chunks(READ_AT_ONCE) {
            let some = some.to_vec();
            let read = move |engine: &Engine| some.into_iter().map(|id| Ok((id, engine.get(id)?))).collect();
            let texts: Vec<(MessageId, Option<Bytes>)> = self.meta.with(read).await?;
            for (id, text) in texts {
                // Otherwise somebody removed it meanwhile.
                let Some(text) = text else { continue };
                let has_content = with_content.remove(&id);
                match self.parse(id, &text) {
                    Ok(message) if has_content => {
                        if found.send(message).await.is_err() {
                            return Ok(());
                        }
                    }
                    Ok(_) => self.set_aside(id, "its content is not there").await,
                    Err(error) => self.set_aside(id, &error.to_string()).await,
                }
            }
        }
        for id in with_content {
            tracing::debug!("message `{id}` was never acknowledged: its content is removed");
            self.data.delete(id).await?;
        }
        Ok(())
    }

    /// Those that are older than the spool has been open.
    fn earlier(&self, ids: Vec<MessageId>) -> impl Iterator<Item = MessageId> {
        let opened = self.opened;
        ids.into_iter().filter(move |id| *id < opened)
    }

    async fn set_aside(&self, id: MessageId, why: &str) {
        for spool in [&self.meta, &self.data] {
            match spool.set_aside(id).await {
                Ok(Some(file)) => {
                    tracing::error!(
                        "message `{id}` in the spool cannot be used: {why}; what it held is now in `{}`",
                        file.display()
                    );
                }
                Ok(None) => {}
                Err(error) => tracing::error!("message `{id}` in the spool cannot be used: {why}; and {error}"),
            }
        }
    }
}
