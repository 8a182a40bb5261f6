//! DNS: who answers, MX resolution and site names.
//!
//! A host has one [`Resolver`], found with [`Resolver::of`], and may have more by name. Where answers come from is a
//! [`Source`]: the machine's configuration, name servers that the policy names, or zones held in memory
//! (`--zones`, `kumo.dns.configure_test_resolver`). All waiting and caching follow tokio's clock.

mod address;
mod backend;
mod config;
mod error;
mod mx;
mod resolver;
mod zone;

pub use address::{Strategy, parse_name, ptr_host, reverse_ip};
pub use backend::Source;
pub use config::{Config, Detailed, Options, Seconds, Server};
pub use error::Error;
pub use mx::Mx;
pub use resolver::{Current, Resolver, Settings};
pub use zone::Zones;
