//! TLS for outgoing connections: configured per host, with the provider named, so that nothing is set process-wide.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::host::Host;

/// The two ways to connect, made once for a host.
struct Tls {
    verifying: Arc<ClientConfig>,
    trusting: Arc<ClientConfig>,
}

/// The host's TLS configuration, with Mozilla's trust anchors; with `any_certificate`, one that takes every certificate.
pub(in super::super) fn config(host: &Host, any_certificate: bool) -> Result<Arc<ClientConfig>, Error> {
    let tls = host.slot(Tls::make);
    match tls.as_ref() {
        Ok(tls) if any_certificate => Ok(tls.trusting.clone()),
        Ok(tls) => Ok(tls.verifying.clone()),
        Err(error) => Err(error.clone()),
    }
}

impl Tls {
    fn make() -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let verifying = builder(&provider)?.with_root_certificates(roots).with_no_client_auth();
        let any = AnyCertificate::new(&provider);
        let trusting =
            builder(&provider)?.dangerous().with_custom_certificate_verifier(Arc::new(any)).with_no_client_auth();
        Ok(Self { verifying: Arc::new(verifying), trusting: Arc::new(trusting) })
    }
}

fn builder(
    provider: &Arc<CryptoProvider>,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, Error> {
    ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()
}

/// Takes any certificate, and checks only that the server holds its key.
#[derive(Debug)]
pub struct AnyCertificate(WebPkiSupportedAlgorithms);

impl AnyCertificate {
    /// With what the provider can check.
    pub fn new(provider: &CryptoProvider) -> Self {
        Self(provider.signature_verification_algorithms)
    }
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
