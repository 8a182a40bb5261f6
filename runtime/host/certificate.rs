//! Certificates with their keys, as TLS listeners show them.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A chain of certificates and the key of its first.
pub type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Reads certificates in PEM; `field` is what the policy calls them.
///
/// # Errors
/// When it is not PEM, or has no certificate in it.
pub fn parse_chain(pem: &[u8], field: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(format!("field `{field}`: there is no certificate in it; expected PEM")),
        Err(cause) => Err(format!("field `{field}`: {cause}")),
    }
}

/// Reads a chain of certificates and the key of the first, both PEM.
///
/// # Errors
/// When one of them is not PEM, or there is nothing in it.
pub fn parse_pair(certificate: &[u8], key: &[u8]) -> Result<Identity, String> {
    let chain = parse_chain(certificate, "tls_certificate")?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|cause| format!("field `tls_private_key`: {cause}"))?;
    Ok((chain, key))
}

/// A certificate and a key, or neither.
///
/// # Errors
/// When a policy gave one without the other.
pub fn both<T>(certificate: Option<T>, key: Option<T>) -> Result<Option<(T, T)>, String> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
        (None, None) => Ok(None),
        (Some(_), None) => Err("`tls_certificate` is given without `tls_private_key`".to_owned()),
        (None, Some(_)) => Err("`tls_private_key` is given without `tls_certificate`".to_owned()),
    }
}

/// What a listener shows: the certificate that the policy gave, else a self-signed one for `hostname`.
///
/// # Errors
/// When what was given is of no use.
pub fn of_listener(certificate: Option<&[u8]>, key: Option<&[u8]>, hostname: &str) -> Result<Identity, String> {
    match both(certificate, key)? {
        Some((certificate, key)) => parse_pair(certificate, key),
        None => self_signed(hostname),
    }
}

fn self_signed(hostname: &str) -> Result<Identity, String> {
    let made = rcgen::generate_simple_self_signed(vec![hostname.to_owned()])
        .map_err(|cause| format!("cannot make a certificate for `{hostname}`: {cause}"))?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    Ok((vec![made.cert.der().clone()], key))
}
