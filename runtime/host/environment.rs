//! Variables that a host has of its own.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::Host;

/// What `os.getenv` of a policy gives before it looks at the process: so hosts side by side in one process can be told
/// different things.
#[derive(Debug, Default)]
pub struct Environment(RwLock<HashMap<String, String>>);

impl Environment {
    /// The host's.
    pub fn of(host: &Host) -> Arc<Self> {
        host.slot(Self::default)
    }

    /// Sets a variable for this host alone.
    pub fn set(&self, name: &str, value: impl Into<String>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), value.into());
    }

    /// What this host alone has under a name.
    pub fn get(&self, name: &str) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}
