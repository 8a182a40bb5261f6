//! Where the mail of a scheduled queue goes: site, ready queue names (interface C.5).

use std::sync::Arc;
use std::time::Duration;

use kumo_tsa_core::wire::QueueName;

use super::world::{World, site_of_list};
use crate::dns::Mx;
use crate::mail::config::{MxEntry, Protocol, QueueConfig, Source};

/// Where mail goes, whatever the source.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The site: what stands between `->` and `@` in the name of a ready queue.
    pub site: String,
    /// The domain that the path's configuration is asked for with.
    pub domain: String,
    /// The protocol as the name of a ready queue has it.
    pub protocol: String,
    /// How to get there.
    pub means: Means,
}

/// How to get there.
#[derive(Clone, Debug)]
pub enum Means {
    /// SMTP, to the exchangers of the domain.
    Mx(Arc<Mx>),
    /// SMTP, to these hosts.
    List(Vec<MxEntry>),
    /// A Lua object.
    Lua(LuaPath),
}

/// `custom_lua`, with what its constructor is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LuaPath {
    /// The event that makes the object.
    pub constructor: String,
    /// How many messages it takes at a time; more than 1 calls `send_batch`.
    pub batch_size: usize,
    /// How many to wait for.
    pub min_batch_size: usize,
    /// How long to wait for them.
    pub max_batch_latency: Duration,
    /// The domain of the first queue that used the path.
    pub domain: String,
    /// Its tenant.
    pub tenant: Option<String>,
    /// Its campaign.
    pub campaign: Option<String>,
}

/// A destination from a source: a path.
#[derive(Clone, Debug)]
pub struct Route {
    /// The name of the ready queue.
    pub path: Arc<str>,
    /// Where to.
    pub to: Destination,
    /// Where from.
    pub source: Arc<Source>,
    /// The pool that the source was chosen from.
    pub pool: String,
}

/// Why there is no destination.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoRoute {
    /// The domain takes no mail (RFC 7505).
    NullMx,
    /// It cannot be told at the moment.
    Unresolved(String),
    /// The protocol has no ready queues here.
    Unsupported(String),
}

impl Destination {
    /// Finds where the mail of a queue goes.
    ///
    /// # Errors
    /// When DNS does not tell, or tells that no mail is taken.
    pub async fn find(world: &dyn World, name: &QueueName<'_>, config: &QueueConfig) -> Result<Self, NoRoute> {
        let domain = name.routing_domain.unwrap_or(name.domain).to_owned();
        let protocol = config.protocol.label();
        let (site, means) = match &config.protocol {
            Protocol::Smtp { mx_list, .. } if !mx_list.is_empty() => {
                (site_of_list(mx_list), Means::List(mx_list.clone()))
            }
            Protocol::Smtp { .. } => {
                let mx = world.mx(&domain).await.map_err(NoRoute::Unresolved)?;
                if mx.is_null() {
                    return Err(NoRoute::NullMx);
                }
                (mx.site_name.clone(), Means::Mx(mx))
            }
            Protocol::CustomLua { constructor, batch_size, min_batch_size, max_batch_latency } => {
                let lua = LuaPath {
                    constructor: constructor.clone(),
                    batch_size: *batch_size,
                    min_batch_size: *min_batch_size,
                    max_batch_latency: *max_batch_latency,
                    domain: name.domain.to_owned(),
                    tenant: name.tenant.map(ToOwned::to_owned),
                    campaign: name.campaign.map(ToOwned::to_owned),
                };
                (domain.clone(), Means::Lua(lua))
            }
            _ => return Err(NoRoute::Unsupported(protocol)),
        };
        Ok(Self { site, domain, protocol, means })
    }

    /// The name of the ready queue from `source` to here.
    pub fn path(&self, source: &str) -> Arc<str> {
        format!("{source}->{}@{}", self.site, self.protocol).into()
    }
}

impl Route {
    /// The Lua object's settings, if that is what mail goes to.
    pub fn lua(&self) -> Option<&LuaPath> {
        match &self.to.means {
            Means::Lua(lua) => Some(lua),
            _ => None,
        }
    }

    /// The protocol of a Delivery record.
    pub fn delivery_protocol(&self) -> &'static str {
        match self.to.means {
            Means::Lua(_) => "Lua",
            _ => "ESMTP",
        }
    }
}
