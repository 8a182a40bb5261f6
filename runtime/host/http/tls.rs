//! Certificates for listeners.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use super::Parameters;

/// What speaks TLS for a listener; makes a self-signed certificate where none is given.
pub(super) fn acceptor(parameters: &Parameters) -> Result<TlsAcceptor, String> {
    let (chain, key) = match (&parameters.tls_certificate, &parameters.tls_private_key) {
        (Some(certificate), Some(key)) => read(certificate, key)?,
        (None, None) => self_signed(&parameters.hostname)?,
        (Some(_), None) => return Err("`tls_certificate` is given without `tls_private_key`".to_owned()),
        (None, Some(_)) => return Err("`tls_private_key` is given without `tls_certificate`".to_owned()),
    };
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

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn read(certificate: &[u8], key: &[u8]) -> Result<Identity, String> {
    let chain = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|cause| format!("`tls_certificate`: {cause}"))?;
    if chain.is_empty() {
        return Err("`tls_certificate`: there is no certificate in it; expected PEM".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|cause| format!("`tls_private_key`: {cause}"))?;
    Ok((chain, key))
}

fn self_signed(hostname: &str) -> Result<Identity, String> {
    let made = rcgen::generate_simple_self_signed(vec![hostname.to_owned()])
        .map_err(|cause| format!("cannot make a certificate for `{hostname}`: {cause}"))?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    Ok((vec![made.cert.der().clone()], key))
}
