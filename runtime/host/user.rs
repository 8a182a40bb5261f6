//! Which user a process runs as, and how many files it may have open (interface F.1).

use std::ffi::CString;

use caps::{CapSet, Capability, CapsHashSet};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Uid, User, initgroups, setgid, setuid};

/// A process that cannot be the user that it should be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Started as root, and nobody said whom to run as.
    #[error("started as root: `--user NAME` has to say which user to run as")]
    Unsaid,
    /// There is no such user.
    #[error("there is no user `{name}`")]
    Unknown {
        /// The name.
        name: String,
    },
    /// Not started as root, and as somebody else.
    #[error("cannot run as `{name}`: started as `{current}`, and only root can be somebody else")]
    Other {
        /// Who it should be.
        name: String,
        /// Who it is.
        current: String,
    },
    /// The system refused.
    #[error("cannot become user `{name}`: {step} failed: {why}")]
    Failed {
        /// Who it should be.
        name: String,
        /// What was tried.
        step: &'static str,
        /// What the system says.
        why: String,
    },
}

/// Becomes `name`, with the right to bind ports below 1024 kept where root had it. For the start of a process, while it has
/// one thread.
///
/// # Errors
/// Without a name as root; with a name that is not its own otherwise; when the system refuses.
pub fn become_user(name: Option<&str>) -> Result<(), Error> {
    let current = Uid::effective();
    let Some(name) = name else {
        return if current.is_root() { Err(Error::Unsaid) } else { Ok(()) };
    };
    let failed =
        |step, why: &dyn std::fmt::Display| Error::Failed { name: name.to_owned(), step, why: why.to_string() };
    let user = User::from_name(name)
        .map_err(|why| failed("looking the user up", &why))?
        .ok_or_else(|| Error::Unknown { name: name.to_owned() })?;
    if user.uid == current {
        return Ok(());
    }
    if !current.is_root() {
        let known = User::from_uid(current).ok().flatten();
        let current = known.map_or_else(|| current.to_string(), |user| user.name);
        return Err(Error::Other { name: name.to_owned(), current });
    }
    let bind = Capability::CAP_NET_BIND_SERVICE;
    let keeps = caps::has_cap(None, CapSet::Permitted, bind).unwrap_or(false);
    let login = CString::new(name).map_err(|why| failed("reading the name", &why))?;
    caps::securebits::set_keepcaps(keeps).map_err(|why| failed("keeping capabilities", &why))?;
    initgroups(&login, user.gid).map_err(|why| failed("taking the user's groups", &why))?;
    setgid(user.gid).map_err(|why| failed("taking the user's group", &why))?;
    setuid(user.uid).map_err(|why| failed("changing the user", &why))?;
    if keeps {
        let kept = CapsHashSet::from([bind]);
        for set in [CapSet::Effective, CapSet::Permitted] {
            caps::set(None, set, &kept).map_err(|why| failed("dropping capabilities", &why))?;
        }
        caps::securebits::set_keepcaps(false).map_err(|why| failed("keeping capabilities", &why))?;
    }
    Ok(())
}

/// Allows as many open files as the system allows at most; one is needed for each connection. Tells how many.
pub fn raise_file_limit() -> std::io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(hard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_that_is_not_there_is_named() {
        let error = become_user(Some("no-such-user-here")).unwrap_err();
        assert_eq!(error.to_string(), "there is no user `no-such-user-here`");
    }

    #[test]
    fn who_it_is_already_it_can_be() {
        let me = User::from_uid(Uid::effective()).unwrap().unwrap();
        become_user(Some(&me.name)).unwrap();
        assert_eq!(become_user(None).is_err(), me.uid.is_root());
    }
}
