//! TLS towards peers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, Error, ProtocolVersion, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::subject::subject;
use super::{Endpoint, Trouble};
use crate::host::certificate::Identity;
use crate::host::{Host, Neighbourhood};
use crate::mail::log;
use crate::modules::http::tls::AnyCertificate;

/// How a host speaks TLS to peers: checked against Mozilla's trust anchors and its own, or not at all.
#[derive(Debug, Default)]
struct Clients {
    anchors: Mutex<Vec<CertificateDer<'static>>>,
    checking: Mutex<Option<Arc<ClientConfig>>>,
    trusting: Mutex<Option<Arc<ClientConfig>>>,
}

/// Trusts one certificate more, as an authority or as a server's own, in checked sessions of this host.
///
/// # Errors
/// It cannot be read.
pub fn trust(host: &Host, anchor: CertificateDer<'static>) -> Result<(), Error> {
    RootCertStore::empty().add(anchor.clone())?;
    let clients = host.slot(Clients::default);
    clients.anchors.lock().unwrap_or_else(PoisonError::into_inner).push(anchor);
    *clients.checking.lock().unwrap_or_else(PoisonError::into_inner) = None;
    Ok(())
}

impl Clients {
    /// Made once, but for a path that shows a certificate of its own.
    fn config(&self, checked: bool, identity: Option<&Identity>) -> Result<Arc<ClientConfig>, Error> {
        if identity.is_some() {
            return Ok(Arc::new(self.make(checked, identity)?));
        }
        let place = if checked { &self.checking } else { &self.trusting };
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = &*place {
            return Ok(made.clone());
        }
        let made = Arc::new(self.make(checked, None)?);
        *place = Some(made.clone());
        Ok(made)
    }

    fn make(&self, checked: bool, identity: Option<&Identity>) -> Result<ClientConfig, Error> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let builder = if checked {
            let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            for anchor in &*self.anchors.lock().unwrap_or_else(PoisonError::into_inner) {
                roots.add(anchor.clone())?;
            }
            builder.with_root_certificates(roots)
        } else {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate::new(&provider)))
        };
        match identity {
            None => Ok(builder.with_no_client_auth()),
            Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key()),
        }
    }
}

/// How a handshake is to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner<'a> {
    /// Whether the certificate has to be valid for the peer's name.
    pub(super) checked: bool,
    pub(super) identity: Option<&'a Identity>,
    pub(super) limit: Duration,
}

/// Makes the handshake.
pub(super) async fn connect(
    host: &Host,
    endpoint: &Endpoint,
    stream: TcpStream,
    manner: Manner<'_>,
) -> Result<TlsStream<TcpStream>, String> {
    let Manner { checked, identity, limit } = manner;
    // The peers of a host that is tried out show certificates of their own making.
    let checked = checked && !Neighbourhood::of(host).is_enclosed();
    let config = host.slot(Clients::default).config(checked, identity).map_err(|error| error.to_string())?;
    let name = endpoint.name.trim_end_matches('.');
    let name = match ServerName::try_from(name) {
        Ok(name) => name.to_owned(),
        Err(_) if !checked => ServerName::IpAddress(endpoint.address.ip().into()),
        Err(_) => return Err(format!("`{name}` is no name that a certificate could have")),
    };
    match tokio::time::timeout(limit, TlsConnector::from(config).connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(Trouble::Silent(limit).to_string()),
    }
}

/// What records say of a session's TLS.
pub(super) fn describe(stream: &TlsStream<TcpStream>) -> log::Tls {
    let (_, session) = stream.get_ref();
    let cipher = session.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
    let version = session.protocol_version().map(|version| match version {
        ProtocolVersion::TLSv1_2 => "TLSv1.2".to_owned(),
        ProtocolVersion::TLSv1_3 => "TLSv1.3".to_owned(),
        other => format!("{other:?}"),
    });
    let peer_subject = session.peer_certificates().and_then(<[_]>::first).map(|certificate| subject(certificate));
    log::Tls {
        cipher: cipher.unwrap_or_default(),
        version: version.unwrap_or_default(),
        peer_subject: peer_subject.unwrap_or_default(),
    }
}
