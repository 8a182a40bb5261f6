//! Where mail of a domain goes.

use anyhow::bail;

use crate::dns::{Error, Resolver};
use crate::host::Host;

/// The destination that is explained.
#[derive(Debug)]
pub(super) struct Destination {
    /// In lower case.
    pub(super) domain: String,
    pub(super) site: String,
    /// The mail hosts, where DNS was asked.
    pub(super) hosts: Option<Vec<String>>,
}

impl Destination {
    /// The site that was given, else the one that DNS says.
    ///
    /// # Errors
    /// When there is no such domain, it takes no mail, or nobody answers; each says what can be done.
    pub(super) async fn find(host: &Host, domain: &str, site: Option<&str>) -> anyhow::Result<Self> {
        let domain = domain.trim_end_matches('.').to_lowercase();
        if let Some(site) = site {
            return Ok(Self { domain, site: site.to_owned(), hosts: None });
        }
        let mx = match Resolver::of(host).mx(&domain).await {
            Ok(mx) => mx,
            Err(error @ Error::BadName { .. }) => {
                bail!("{error}; give a domain such as yahoo.com");
            }
            Err(error @ Error::NxDomain { .. }) => {
                bail!(
                    "{error}; check how `{domain}` is spelled, give the site as a record names it with --site, or a zone file with --zones"
                );
            }
            Err(error) => {
                bail!(
                    "the mail hosts of `{domain}` are not known: {error}; give the site as a record names it with --site, or a zone file with --zones"
                );
            }
        };
        if mx.is_null() {
            bail!(
                "`{domain}` takes no mail: its MX is null (RFC 7505), so there is no path to explain; mail to it bounces. Give a site with --site to see what rules say of the domain"
            );
        }
        let hosts = mx.hosts.iter().map(|host| host.trim_end_matches('.').to_owned()).collect();
        Ok(Self { domain, site: mx.site_name.clone(), hosts: (!mx.is_domain_literal).then_some(hosts) })
    }
}
