//! What `kumo.memoize` remembers, for all contexts of a host (interface B.7).

mod cache;
mod kept;
mod key;
mod snapshot;

pub use cache::{Cache, Caches, Params};
pub(super) use kept::Keepers;
pub use kept::{Kept, register};
pub use key::key;
pub use snapshot::Snapshot;
