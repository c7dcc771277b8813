//! Certificates and TLS modes of the SMTP sink, good and hostile.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// How the sink speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsMode {
    /// Plain at first, offers STARTTLS, offers AUTH only inside TLS.
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// A man in the middle who hides STARTTLS and asks for the password in the clear.
    Stripped,
    /// A man in the middle who appends a reply of his own to the plain `220` of STARTTLS, hoping that the client takes it
    /// for the answer to its next EHLO. His offers AUTH LOGIN only, the true one AUTH PLAIN only: a client that says
    /// `AUTH LOGIN` was fooled (RFC 3207 section 6).
    Injecting,
}

/// Which certificate the sink shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Valid for `localhost` and 127.0.0.1.
    Localhost,
    /// From the same CA, but for another name.
    OtherName,
    /// For `localhost`, but out of date.
    Expired,
    /// For `localhost`, and vouched for by nobody else.
    SelfSigned,
}

/// A certificate and how it is shown; a collector of spans has one too.
pub(crate) struct Tls {
    pub(super) mode: TlsMode,
    pub(crate) ca_pem: String,
    pub(crate) acceptor: TlsAcceptor,
}

impl Tls {
    pub(crate) fn new(mode: TlsMode, identity: Identity) -> Self {
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_key = KeyPair::generate().expect("a CA key");
        let ca_pem = ca
            .self_signed(&ca_key)
            .expect("a self-signed CA certificate")
            .pem();
        let issuer = Issuer::new(ca, ca_key);

        let names = match identity {
            Identity::OtherName => vec!["mail.example.net".into()],
            _ => vec!["localhost".into(), "127.0.0.1".into()],
        };
        let mut server = CertificateParams::new(names).expect("names for a certificate");
        if identity == Identity::Expired {
            server.not_before = date_time_ymd(2001, 1, 1);
            server.not_after = date_time_ymd(2002, 1, 1);
        }
        let key = KeyPair::generate().expect("a server key");
        let certificate = match identity {
            Identity::SelfSigned => server.self_signed(&key),
            _ => server.signed_by(&key, &issuer),
        };
        let certificate = certificate.expect("a certificate");

        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("TLS versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a key that fits its certificate");
        Self {
            mode,
            ca_pem,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        }
    }
}
