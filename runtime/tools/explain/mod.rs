//! `tsa explain`: what holds for mail to a domain from a source, and why.

mod daemon;
mod model;
mod overlay;
mod reply;
mod rules;
mod site;
mod text;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::bail;
use kumo_tsa_core::wire::PathName;

use self::model::Explanation;
use self::site::Destination;
use crate::dns::Resolver;
use crate::host::{Clock, Host, run};
use crate::tools::policy as policies;

/// The source of mail for which the policy chooses none.
const UNSPECIFIED: &str = "unspecified";

const EXAMPLES: &str = "\
Examples:
  # What holds for mail to yahoo.com from the source ip-1, by the default rules and your own
  tsa explain /opt/kumomta/share/policy-extras/shaping.toml shaping.toml yahoo.com --source ip-1

  # By the rules that a policy loads, init.lua or tsa_init.lua, and by what the daemon has decided
  tsa explain --policy tsa_init.lua --url http://127.0.0.1:8008 yahoo.com --source ip-1

  # Why is it suspended: the rules that see this response, and what each would do
  tsa explain shaping.toml yahoo.com --response '421 4.7.0 [TSS04] Messages temporarily deferred'

  # The path as a log record names it; no DNS is asked for it
  tsa explain shaping.toml yahoo.com --site 'ip-1->(mta5|mta6|mta7).am0.yahoodns.net@smtp_client'";

/// What `tsa explain` is asked.
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLES,
    override_usage = "tsa explain [FILES... | --policy FILE] [--url DAEMON] [OPTIONS] DOMAIN"
)]
pub(super) struct Arguments {
    /// Shaping files or URLs, in the order in which they merge, and last the domain that mail goes to. Without files, policy or daemon: the policy /opt/kumomta/etc/policy/tsa_init.lua where there is one, else the default rules
    #[arg(value_name = "FILES... DOMAIN", required = true, num_args = 1..)]
    files_and_domain: Vec<String>,

    /// The policy of a daemon or a mail host, tsa_init.lua or init.lua: the rules are those that it loads; its folder stands in for /opt/kumomta/etc/policy
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// A running daemon, such as http://127.0.0.1:8008: what it has decided is laid over the rules
    #[arg(long, value_name = "DAEMON")]
    url: Option<String>,

    /// The egress source that mail leaves from [default: that of --site, else `unspecified`; what a daemon has decided is then shown for every source]
    #[arg(long, value_name = "NAME")]
    source: Option<String>,

    /// The site, or a whole path as records have it, `SOURCE->SITE@PROTOCOL`, rather than the one that DNS says
    #[arg(long, value_name = "NAME")]
    site: Option<String>,

    /// A response of the provider, code first: show every rule that is tried on it
    #[arg(long, value_name = "TEXT")]
    response: Option<String>,

    /// Answer DNS from this zone file; may be given several times
    #[arg(long, value_name = "FILE", env = "KUMO_ZONES", value_delimiter = ',')]
    zones: Vec<PathBuf>,

    /// Where documented paths lead: /opt/kumomta is DIR/opt/kumomta, and so on
    #[arg(long, value_name = "DIR", env = "KUMO_PREFIX")]
    prefix: Option<PathBuf>,

    /// Show the options that nobody sets as well
    #[arg(long)]
    all: bool,

    /// One JSON object rather than text
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// The files and the domain.
    fn split(&self) -> anyhow::Result<(&[String], &str)> {
        let Some((domain, files)) = self.files_and_domain.split_last() else {
            bail!("which domain? type: tsa explain FILES... DOMAIN");
        };
        let like_file = domain.contains('/') || [".toml", ".json", ".lua"].iter().any(|end| domain.ends_with(end));
        if like_file {
            bail!(
                "`{domain}` looks like a file: the domain that mail goes to comes last, as in `tsa explain {domain} yahoo.com`"
            );
        }
        if domain.contains('@') {
            let at = domain.rsplit('@').next().unwrap_or_default();
            bail!("`{domain}` is an address: give its domain, `{at}`");
        }
        if self.policy.is_some() && !files.is_empty() {
            bail!("the policy says which files it loads: give either --policy or files, not both");
        }
        if let Some(policy) = files.iter().find(|file| Path::new(file).extension().is_some_and(|end| end == "lua")) {
            bail!("`{policy}` is a policy, not a shaping file: type `--policy {policy}`");
        }
        Ok((files, domain))
    }
}

/// Explains a path.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let explanation = run::block_on(explain(arguments))?;
    let text = if arguments.json {
        serde_json::to_string_pretty(&explanation)? + "\n"
    } else {
        text::render(&explanation, arguments.all)
    };
    // Who reads may have seen enough, as `head` does.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}

async fn explain(arguments: &Arguments) -> anyhow::Result<Explanation> {
    let (files, domain) = arguments.split()?;
    let paths = policies::paths(arguments.prefix.as_deref(), arguments.policy.as_deref())?;
    let host = Host::new(Clock::system(), paths);
    if !arguments.zones.is_empty() {
        Resolver::use_zones(&host, &arguments.zones)?;
    }
    let told = match &arguments.url {
        Some(url) => Some(daemon::ask(&host, url).await?),
        None => None,
    };
    let named = arguments.site.as_deref().map(|site| PathName::parse(site, arguments.source.as_deref()));
    let given = arguments.source.as_deref().or(named.and_then(|path| path.source));
    let source = given.unwrap_or(UNSPECIFIED);
    let destination = match Destination::find(&host, domain, named.map(|path| path.site)).await {
        Ok(destination) => destination,
        Err(error) => {
            // What is wrong with the files is nearer to whoever asks than what DNS does not know.
            rules::try_files(&host, files).await?;
            return Err(error);
        }
    };
    let path = rules::Asked { to: &destination, source };
    let rules = rules::load(&host, arguments.policy.as_deref(), files, told.as_ref(), path).await?;
    let mut explanation = Explanation::of(&rules, &destination, source);
    if let Some(told) = &told {
        explanation.lay_over(told, host.clock().now(), given.is_none());
        if given.is_some() {
            explanation.hint(told.effects());
        }
    }
    if let Some(response) = &arguments.response {
        explanation.response = Some(reply::Reply::of(&rules, &destination, source, response)?);
    }
    Ok(explanation)
}
