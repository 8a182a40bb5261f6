//! The signal to stop.

use tokio::sync::watch;

/// Tells all parts of a host to finish what is in hand and stop.
#[derive(Debug)]
pub struct Shutdown(watch::Sender<bool>);

impl Default for Shutdown {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Shutdown {
    /// Asks the host to stop; asking again changes nothing.
    pub fn request(&self) {
        self.0.send_replace(true);
    }

    /// Whether the host has been asked to stop.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Something to await the request with that does not keep the host alive; it turns `true`, or closes with the host.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }

    /// Returns when the host is asked to stop.
    pub async fn requested(&self) {
        let mut asked = self.0.subscribe();
        // An error means that the sender is gone, and the host with it.
        let _ = asked.wait_for(|asked| *asked).await;
    }
}
