//! What an earlier process left in the spool.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Error, Spools};
use crate::mail::message::{Message, MessageId};

/// How many messages are read ahead of who takes them.
const AHEAD: usize = 1024;

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
        let mut with_content: HashSet<_> = self.earlier(self.data.with(super::engine::Engine::ids).await?).collect();
        let mut ids: Vec<_> = self.earlier(self.meta.with(super::engine::Engine::ids).await?).collect();
        ids.sort_unstable();
        for id in ids {
            let has_content = with_content.remove(&id);
            match self.load(id).await {
                Ok(message) if has_content => {
                    if found.send(message).await.is_err() {
                        return Ok(());
                    }
                }
                // Somebody removed it meanwhile.
                Err(Error::Missing { .. }) => {}
                Ok(_) => self.set_aside(id, "its content is not there").await,
                Err(Error::Unreadable { why, .. }) => self.set_aside(id, &why).await,
                Err(error) => return Err(error),
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
                        "message `{id}` in the spool cannot be used: {why}; it is now in `{}`",
                        file.display()
                    );
                }
                Ok(None) => {}
                Err(error) => tracing::error!("message `{id}` in the spool cannot be used: {why}; and {error}"),
            }
        }
    }
}
