//! How shaping files are to be loaded and merged (interface D.1).

use std::time::Duration;

use super::Level;

/// The options of `kumo.shaping.load`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadOptions {
    /// A domain that rolls up also fits a provider. Default: ignored.
    pub provider_overlap: Level,
    /// The mail hosts of a domain that rolls up cannot be resolved. Default: ignored, which still leaves the warning that the
    /// block acts for its own domain alone (semantics S4).
    pub dns_fail: Level,
    /// A domain that rolls up has a null MX. Default: as for `dns_fail`.
    pub null_mx: Level,
    /// Several blocks roll up into one site. Default: ignored.
    pub aliased_site: Level,
    /// A URL cannot be fetched. Default: ignored.
    pub remote_load: Level,
    /// A file cannot be read. Default: an error (semantics S7).
    pub local_load: Level,
    /// URLs are not fetched at all. Default: they are.
    pub skip_remote: bool,
    /// How long fetching a URL may take. Default: 5 seconds.
    pub http_timeout: Duration,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            provider_overlap: Level::Ignore,
            dns_fail: Level::Ignore,
            null_mx: Level::Ignore,
            aliased_site: Level::Ignore,
            remote_load: Level::Ignore,
            local_load: Level::Error,
            skip_remote: false,
            http_timeout: Duration::from_secs(5),
        }
    }
}

/// What DNS says about the mail hosts of a domain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Mx {
    /// It has some.
    Site {
        /// The name that they make up, see [`super::site_name`].
        name: String,
        /// The hosts themselves.
        hosts: Vec<String>,
    },
    /// It says that it takes no mail (RFC 7505).
    Null,
    /// Nothing was learned.
    Unresolved {
        /// The error, for people.
        why: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s7_a_file_that_cannot_be_read_is_an_error_unless_said() {
        let options = LoadOptions::default();
        assert_eq!(options.local_load, Level::Error);
        let graded =
            [options.provider_overlap, options.dns_fail, options.null_mx, options.aliased_site, options.remote_load];
        assert_eq!(graded, [Level::Ignore; 5]);
        assert_eq!((options.skip_remote, options.http_timeout), (false, Duration::from_secs(5)));
    }
}
