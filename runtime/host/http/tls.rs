//! Certificates for listeners.

use std::sync::Arc;

use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

use super::Parameters;
use crate::host::certificate::of_listener;

/// What speaks TLS for a listener; makes a self-signed certificate where none is given.
pub(super) fn acceptor(parameters: &Parameters) -> Result<TlsAcceptor, String> {
    let (certificate, key) = (parameters.tls_certificate.as_deref(), parameters.tls_private_key.as_deref());
    let (chain, key) = of_listener(certificate, key, &parameters.hostname)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|cause| cause.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|cause| format!("the certificate and its key are of no use: {cause}"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
