//! Policies as tools look at them: evaluated and asked, not run.

mod lua;

use std::path::Path;

use anyhow::Context as _;

pub(super) use self::lua::Seen;
use crate::host::Paths;
use crate::policy::Install;
use crate::tools::documented::POLICY_FOLDER;
use crate::{mail, tsa};

/// Whether a policy is a daemon's: by what it requires or handles, what is said in comments aside.
pub(super) fn is_of_a_daemon(text: &str) -> bool {
    let names =
        |code: &str, name: &str| ['\'', '"'].iter().any(|quote| code.contains(&format!("{quote}{name}{quote}")));
    let code = text.lines().map(|line| line.split("--").next().unwrap_or(""));
    code.into_iter().any(|code| ["tsa", "tsa_init", "tsa_load_shaping_data"].iter().any(|name| names(code, name)))
}

/// What the policy sees: that of a mail host, or that of a daemon. What it does is kept in [`Seen`].
pub(super) fn installs(daemon: bool) -> Vec<Install> {
    let mut installs = if daemon { tsa::installs() } else { mail::installs() };
    installs.push(lua::install);
    installs
}

/// Where documented paths lead. Without a prefix the folder of a policy stands in for that of policies.
pub(super) fn paths(prefix: Option<&Path>, policy: Option<&Path>) -> anyhow::Result<Paths> {
    if let Some(prefix) = prefix {
        return Ok(Paths::with_prefix(prefix));
    }
    let paths = Paths::documented();
    let Some(policy) = policy else { return Ok(paths) };
    let policy = std::path::absolute(policy).context("finding the policy")?;
    let folder = policy.parent().unwrap_or(&policy);
    Ok(if folder.starts_with(POLICY_FOLDER) { paths } else { paths.moving(POLICY_FOLDER, folder) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemons_policy_is_told_by_what_it_names() {
        assert!(is_of_a_daemon("kumo.on('tsa_init', function() end)"));
        assert!(is_of_a_daemon("kumo.on(\"tsa_load_shaping_data\", load)"));
        assert!(is_of_a_daemon("local tsa = require 'tsa'"));
        assert!(!is_of_a_daemon("kumo.on('init', function() end) -- not 'tsa_init'"));
    }

    #[test]
    fn the_folder_of_a_policy_stands_in_without_a_prefix() {
        let shaping = Path::new("/opt/kumomta/etc/policy/shaping.toml");
        let leads = |prefix: Option<&str>, policy: Option<&str>| {
            let paths = paths(prefix.map(Path::new), policy.map(Path::new)).unwrap();
            paths.resolve(shaping).display().to_string()
        };
        assert_eq!(leads(None, Some("/home/me/init.lua")), "/home/me/shaping.toml");
        assert_eq!(leads(None, Some("/opt/kumomta/etc/policy/init.lua")), shaping.display().to_string());
        assert_eq!(leads(Some("/p"), Some("/home/me/init.lua")), "/p/opt/kumomta/etc/policy/shaping.toml");
        assert_eq!(leads(None, None), shaping.display().to_string());
    }
}
