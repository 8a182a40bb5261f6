//! How `kumod` is started (interface F.1).

use std::path::PathBuf;

use clap::Parser;

use crate::host::logging::{Diagnostics, Format};
use crate::host::run::Threads;

/// What is logged by a service.
const SERVICE_LOG: &str = "warn,kumo_tsa=info,lua=info";
/// What is logged while a policy is validated or a script runs.
const QUIET_LOG: &str = "error";

/// Takes mail in, queues it, delivers it along shaped egress paths, and logs what becomes of it, as its policy says.
#[derive(Parser, Clone, PartialEq, Eq, Debug)]
#[command(name = "kumod", version)]
pub struct Arguments {
    /// The policy file to run.
    #[arg(long, default_value = "/opt/kumomta/etc/policy/init.lua")]
    pub policy: PathBuf,
    /// Look whether the policy is good, and exit.
    #[arg(long, conflicts_with = "script")]
    pub validate: bool,
    /// Call the policy file's event `main`, and exit.
    #[arg(long)]
    pub script: bool,
    /// What `main` is given.
    #[arg(last = true, requires = "script")]
    pub args: Vec<String>,
    /// The same, as older scripts give it.
    #[arg(long, requires = "script", value_name = "ARG", hide = true)]
    pub script_args: Vec<String>,
    /// The user to run as; has to be said by root, and cannot be another one otherwise.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Log into files in this folder, a new one each hour, instead of stderr.
    #[arg(long, value_name = "DIR")]
    pub diag_log_dir: Option<PathBuf>,
    /// The form of a log line.
    #[arg(long, value_enum, default_value_t)]
    pub diag_format: Format,
    /// Have `/opt/kumomta`, `/var/spool/kumomta` and `/var/log/kumomta` in this folder.
    #[arg(long, env = "KUMO_PREFIX", value_name = "DIR")]
    pub prefix: Option<PathBuf>,
    /// Answer DNS from this zone file, and from nothing else; may be given several times.
    #[arg(long, env = "KUMO_ZONES", value_name = "FILE", value_delimiter = ',')]
    pub zones: Vec<PathBuf>,
    /// What is logged, such as `info,kumo_tsa::dns=debug`. Default: warnings and what kumod and its policy tell; errors alone
    /// for `--validate` and `--script`.
    #[arg(long, env = "KUMOD_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// Threads that run tasks. Default: one for each processor.
    #[arg(long, env = "KUMOD_MAIN_THREADS", value_name = "N", hide_short_help = true)]
    pub main_threads: Option<usize>,
    /// Threads that wait for disks, at most. Default: 512.
    #[arg(long, env = "KUMOD_MAX_BLOCKING_THREADS", value_name = "N", hide_short_help = true)]
    pub max_blocking_threads: Option<usize>,
}

/// What to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Run until told to stop.
    Service,
    /// Look whether the policy is good.
    Validate,
    /// Call `main` with these.
    Script(Vec<String>),
}

impl Arguments {
    /// What to do.
    pub fn mode(&self) -> Mode {
        if self.script {
            Mode::Script(self.script_args.iter().chain(&self.args).cloned().collect())
        } else if self.validate {
            Mode::Validate
        } else {
            Mode::Service
        }
    }

    /// How to log.
    pub fn diagnostics(&self) -> Diagnostics {
        let default = if self.mode() == Mode::Service { SERVICE_LOG } else { QUIET_LOG };
        let filter = self.log.clone().unwrap_or_else(|| default.to_owned());
        Diagnostics { format: self.diag_format, folder: self.diag_log_dir.clone(), filter }
    }

    /// How many threads to have.
    pub fn threads(&self) -> Threads {
        Threads { workers: self.main_threads, blocking: self.max_blocking_threads }
    }
}
