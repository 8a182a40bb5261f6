//! The hosts of a folder side by side in one process: a daemon, a mail host, a pretend mailbox provider; whichever of
//! the three policies are there.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use super::documented::POLICY_FOLDER;
use crate::dns::{Resolver, Source, Zones};
use crate::host::{Clock, Environment, Host, Paths};
use crate::mail::automation::Automation;
use crate::mail::service::MailHost;
use crate::mail::smtp::client::Detour;
use crate::tsa::Daemon;

const DAEMON: &str = "tsa_init.lua";
const MAIL: &str = "init.lua";
const PROVIDER: &str = "provider.lua";
/// Where the pretend providers are found, as long as nobody gives zone files.
const ZONE: &str = include_str!("provider.zone");

/// What the quickstart's policies ask for to know where to listen, and where the daemon does.
const DAEMON_LISTENS: &str = "KUMO_TSA_LISTEN";
const OTHERS_LISTEN: [&str; 3] = ["KUMO_SMTP_LISTEN", "KUMO_HTTP_LISTEN", "KUMO_PROVIDER_LISTEN"];

/// A folder of policies, and where their hosts keep what they keep.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) dir: PathBuf,
    /// Where other documented paths lead.
    pub(super) prefix: PathBuf,
    /// Zone files that answer DNS.
    pub(super) zones: Vec<PathBuf>,
    pub(super) clock: Clock,
    /// Whether policies that let themselves be told are to listen on any free port, and hosts are to be quiet.
    pub(super) private: bool,
    /// Whether the mail host does what daemons tell it.
    pub(super) automation: bool,
}

/// Running hosts.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) daemon: Option<Daemon>,
    pub(super) mail: Option<MailHost>,
    pub(super) provider: Option<MailHost>,
}

impl Stage {
    fn has_daemon(&self) -> bool {
        self.dir.join(DAEMON).is_file()
    }

    fn has_mail(&self) -> bool {
        self.dir.join(MAIL).is_file()
    }

    fn has_provider(&self) -> bool {
        self.dir.join(PROVIDER).is_file()
    }

    /// Whether mail can be sent through all of them.
    pub(super) fn can_demonstrate(&self) -> bool {
        self.has_daemon() && self.has_mail() && self.has_provider()
    }

    /// The policies that are there, for people to read.
    pub(super) fn policies(&self) -> Vec<String> {
        let there = [(self.has_daemon(), DAEMON), (self.has_mail(), MAIL), (self.has_provider(), PROVIDER)];
        there.iter().filter(|(is, _)| *is).map(|(_, name)| self.dir.join(name).display().to_string()).collect()
    }

    /// Starts the hosts: first who is talked to, then who talks.
    pub(super) async fn start(&self) -> anyhow::Result<Scene> {
        let mut scene = Scene { daemon: None, mail: None, provider: None };
        match self.start_all(&mut scene).await {
            Ok(()) => Ok(scene),
            Err(error) => {
                scene.stop().await;
                Err(error)
            }
        }
    }

    async fn start_all(&self, scene: &mut Scene) -> anyhow::Result<()> {
        if self.has_provider() {
            let host = self.host("provider")?;
            scene.provider = Some(MailHost::start(&host, &policy(PROVIDER)).await?);
        }
        if self.has_daemon() {
            let host = self.host("")?;
            scene.daemon = Some(Daemon::start(&host, &policy(DAEMON)).await?);
        }
        if self.has_mail() {
            let host = self.host("")?;
            self.connect(&host, scene)?;
            scene.mail = Some(MailHost::start(&host, &policy(MAIL)).await?);
        }
        Ok(())
    }

    fn host(&self, part: &str) -> anyhow::Result<Host> {
        let dir = std::path::absolute(&self.dir)?;
        let paths = Paths::with_prefix(self.prefix.join(part)).moving(POLICY_FOLDER, dir);
        let host = Host::new(self.clock.clone(), paths);
        if self.private {
            host.announce_to(Arc::new(|_| {}));
            let own = Environment::of(&host);
            OTHERS_LISTEN.iter().chain([&DAEMON_LISTENS]).for_each(|name| own.set(name, "127.0.0.1:0"));
        }
        if !self.zones.is_empty() {
            Resolver::use_zones(&host, &self.zones)?;
        } else if self.has_provider() {
            let mut zones = Zones::default();
            zones.parse("provider.zone", ZONE, false)?;
            Resolver::replace(&host, Source::Zones(zones))?;
        }
        Ok(host)
    }

    /// Lets the mail host find the others.
    fn connect(&self, host: &Host, scene: &Scene) -> anyhow::Result<()> {
        if let Some(address) = scene.daemon_address() {
            Environment::of(host).set(DAEMON_LISTENS, address.to_string());
        }
        if let Some(provider) = &scene.provider {
            let address = provider.smtp_addresses().first().copied();
            let address = address.context("provider.lua started no listener (kumo.start_esmtp_listener)")?;
            Detour::of(host).lead_to(reachable(address));
        }
        if !self.automation {
            Automation::of(host).disregard();
        }
        Ok(())
    }
}

impl Scene {
    /// Where a client of this machine reaches the daemon.
    pub(super) fn daemon_address(&self) -> Option<SocketAddr> {
        self.daemon.as_ref()?.addresses().first().copied().map(reachable)
    }

    /// Where a client of this machine brings mail.
    pub(super) fn smtp_address(&self) -> Option<SocketAddr> {
        self.mail.as_ref()?.smtp_addresses().first().copied().map(reachable)
    }

    /// Stops the hosts: first who talks.
    pub(super) async fn stop(self) {
        if let Some(mail) = self.mail {
            mail.stop().await;
        }
        if let Some(daemon) = self.daemon {
            daemon.stop().await;
        }
        if let Some(provider) = self.provider {
            provider.stop().await;
        }
    }
}

fn policy(name: &str) -> PathBuf {
    Path::new(POLICY_FOLDER).join(name)
}

/// Where a client of this machine reaches a listener on all addresses.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    address
}
