//! Looking whether a policy is good, without running it (interface F.1).

use std::path::Path;
use std::time::Duration;

use super::event::{INIT, PRE_INIT, VALIDATE_CONFIG};
use crate::host::Host;
use crate::modules::kumo::declared_invalid;
use crate::policy::{self, Install, Options, Policy};

/// Checks may ask DNS for many domains.
const LIMIT: Duration = Duration::from_mins(10);

/// A policy that is not good.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// It does not evaluate, or a handler failed.
    #[error(transparent)]
    Policy(#[from] policy::Error),
    /// It says so itself: a handler called `kumo.validation_failed`.
    #[error("Validation failed")]
    Declared,
}

/// Evaluates the policy file and calls `pre_init`, `init` and `validate_config`, with the global `_VALIDATING_CONFIG` set.
/// Listeners, spools and logs are looked at and not opened, tasks not started.
///
/// # Errors
/// When something fails, or the policy declares itself invalid.
pub async fn run(host: &Host, file: &Path) -> Result<(), Invalid> {
    run_with(host, file, &super::installs()).await.map(drop)
}

/// The same for a policy that sees what `installs` put there. The policy is good for further questions.
///
/// # Errors
/// When something fails, or the policy declares itself invalid.
pub async fn run_with(host: &Host, file: &Path, installs: &[Install]) -> Result<Policy, Invalid> {
    let options = Options { validating: true, overall: LIMIT, ..Options::default() };
    let policy = Policy::load_with(host, file, installs, options).await?;
    for event in [PRE_INIT, INIT, VALIDATE_CONFIG] {
        policy.call(&event, ()).await?;
    }
    if declared_invalid(host) { Err(Invalid::Declared) } else { Ok(policy) }
}
