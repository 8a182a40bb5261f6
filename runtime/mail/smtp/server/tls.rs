//! Certificates for STARTTLS (RFC 3207).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::parameter::Settings;
use crate::mail::config::KeySource;
use crate::policy::{self, Policy};

/// After this long a certificate is read again: it may have been renewed.
const READ_AGAIN: Duration = Duration::from_mins(5);

async fn load(source: &KeySource, policy: &Policy, field: &str) -> Result<Vec<u8>, String> {
    source.load(policy).await.map_err(|error| format!("field `{field}`: {}", policy::explain(&error)))
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

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

async fn make(policy: &Policy, settings: &Settings) -> Result<TlsAcceptor, String> {
    let (chain, key) = match (&settings.tls_certificate, &settings.tls_private_key) {
        (Some(certificate), Some(key)) => {
            let certificate = load(certificate, policy, "tls_certificate").await?;
            parse_identity(&certificate, &load(key, policy, "tls_private_key").await?)?
        }
        (None, None) => self_signed(&settings.hostname)?,
        (Some(_), None) => return Err("`tls_certificate` is given without `tls_private_key`".to_owned()),
        (None, Some(_)) => return Err("`tls_private_key` is given without `tls_certificate`".to_owned()),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|cause| cause.to_string())?;
    let builder = match &settings.tls_required_client_ca {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let pem = load(authority, policy, "tls_required_client_ca").await?;
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

fn parse_chain(pem: &[u8], field: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(format!("field `{field}`: there is no certificate in it; expected PEM")),
        Err(cause) => Err(format!("field `{field}`: {cause}")),
    }
}

fn parse_identity(certificate: &[u8], key: &[u8]) -> Result<Identity, String> {
    let chain = parse_chain(certificate, "tls_certificate")?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|cause| format!("field `tls_private_key`: {cause}"))?;
    Ok((chain, key))
}

fn self_signed(hostname: &str) -> Result<Identity, String> {
    let made = rcgen::generate_simple_self_signed(vec![hostname.to_owned()])
        .map_err(|cause| format!("cannot make a certificate for `{hostname}`: {cause}"))?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    Ok((vec![made.cert.der().clone()], key))
}
