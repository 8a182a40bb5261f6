//! What is accepted and has no effect yet.

/// An option that is accepted and has no effect yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unenforced {
    /// Of what: `egress path`, `egress source`, `queue`.
    pub of: &'static str,
    /// Its name.
    pub option: &'static str,
    /// What happens instead.
    pub instead: &'static str,
}

const fn path(option: &'static str, instead: &'static str) -> Unenforced {
    Unenforced { of: "egress path", option, instead }
}

const fn queue(option: &'static str, instead: &'static str) -> Unenforced {
    Unenforced { of: "queue", option, instead }
}

const fn source(option: &'static str) -> Unenforced {
    Unenforced { of: "egress source", option, instead: "connections are opened directly" }
}

const LIST: &[Unenforced] = &[
    path("enable_mta_sts", "MTA-STS policies are not looked up"),
    path("enable_dane", "TLSA records are not looked up"),
    path("tls_prefer_openssl", "rustls does the encryption"),
    path("openssl_cipher_list", "rustls does the encryption"),
    path("openssl_cipher_suites", "rustls does the encryption"),
    path("openssl_options", "rustls does the encryption"),
    path("rustls_cipher_suites", "all suites of rustls are offered"),
    path("readyq_pool_name", "all paths share the host's threads"),
    queue("shrink_policy", "content that waits for more than 5 s is in the spool alone"),
    queue("timerwheel_tick_interval", "timers are exact"),
    source("ha_proxy_server"),
    source("socks5_proxy_server"),
    source("suspend_when_unplumbed"),
    source("suspend_when_proxy_unhealthy"),
];

/// All of them.
pub const fn unenforced() -> &'static [Unenforced] {
    LIST
}

/// Says in the log which these are; for the start of a host.
pub fn say_unenforced() {
    for of in ["egress path", "egress source", "queue"] {
        let names: Vec<_> = LIST.iter().filter(|one| one.of == of).map(|one| format!("`{}`", one.option)).collect();
        tracing::info!(
            "options of {} {of} that are accepted and have no effect yet: {}",
            if of == "queue" { "a" } else { "an" },
            names.join(", ")
        );
    }
}
