//! Certificates for STARTTLS (RFC 3207).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::parameter::Settings;
use crate::host::certificate::{of_listener, parse_chain};
use crate::mail::config::KeySource;
use crate::policy::{self, Policy};

/// After this long a certificate is read again: it may have been renewed.
const READ_AGAIN: Duration = Duration::from_mins(5);

async fn load(source: Option<&KeySource>, policy: &Policy, field: &str) -> Result<Option<Vec<u8>>, String> {
    let Some(source) = source else { return Ok(None) };
    source.load(policy).await.map(Some).map_err(|error| format!("field `{field}`: {}", policy::explain(&error)))
}

/// The name, and where the certificate, its key and the clients' authorities are.
type Key = (String, [String; 3]);

/// What speaks TLS, by where its certificate is.
#[derive(Default)]
pub(super) struct Acceptors(Mutex<HashMap<Key, (Instant, TlsAcceptor)>>);

impl Acceptors {
    /// The one for a connection with these settings.
    ///
    /// # Errors
    /// Says which option is of no use, and why.
    pub(super) async fn get(&self, policy: &Policy, settings: &Settings) -> Result<TlsAcceptor, String> {
        let sources = [&settings.tls_certificate, &settings.tls_private_key, &settings.tls_required_client_ca];
        let key = (settings.hostname.clone(), sources.map(|source| format!("{source:?}")));
        let now = policy.host().clock().instant();
        if let Some((made, acceptor)) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key)
            && (settings.tls_certificate.is_none() || now.duration_since(*made) < READ_AGAIN)
        {
            return Ok(acceptor.clone());
        }
        let acceptor = make(policy, settings).await?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, (now, acceptor.clone()));
        Ok(acceptor)
    }
}

async fn make(policy: &Policy, settings: &Settings) -> Result<TlsAcceptor, String> {
    let certificate = load(settings.tls_certificate.as_ref(), policy, "tls_certificate").await?;
    let key = load(settings.tls_private_key.as_ref(), policy, "tls_private_key").await?;
    let (chain, key) = of_listener(certificate.as_deref(), key.as_deref(), &settings.hostname)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|cause| cause.to_string())?;
    let authority = load(settings.tls_required_client_ca.as_ref(), policy, "tls_required_client_ca").await?;
    let builder = match authority {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in parse_chain(&pem, "tls_required_client_ca")? {
                roots.add(certificate).map_err(|cause| format!("field `tls_required_client_ca`: {cause}"))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|cause| format!("field `tls_required_client_ca`: {cause}"))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let config = builder
        .with_single_cert(chain, key)
        .map_err(|cause| format!("the certificate and its key are of no use: {cause}"))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
