//! Which certificates of webhooks are trusted, and why one is not.

use parking_lot::Mutex;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::collections::HashMap;
use std::sync::Arc;

/// So many bundles are kept ready.
const MOST: usize = 256;

/// The settings for each bundle of authorities that was used.
#[derive(Default)]
pub(super) struct Known(Mutex<HashMap<Vec<u8>, Arc<ClientConfig>>>);

impl Known {
    /// `bundle` is PEM; empty: what the machine trusts.
    pub(super) fn config(&self, bundle: &[u8]) -> Result<Arc<ClientConfig>, String> {
        let mut known = self.0.lock();
        if let Some(config) = known.get(bundle) {
            return Ok(config.clone());
        }
        let config = Arc::new(config(bundle)?);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(bundle.to_vec(), config.clone());
        Ok(config)
    }
}

fn config(bundle: &[u8]) -> Result<ClientConfig, String> {
    let trusted = if bundle.is_empty() {
        rustls_native_certs::load_native_certs().certs
    } else {
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bundle).collect();
        let all = all.unwrap_or_default();
        if all.is_empty() {
            return Err("unable to load root certificates: unable to parse bytes as PEM block".into());
        }
        all
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted.iter().cloned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| format!("unable to load root certificates: {error}"))?;
    let verifier = Arc::new(Verifier { verifier, trusted });
    let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Go trusts a certificate that is itself among the authorities, also one that signs others; webhooks that make their
/// own certificate depend on it.
#[derive(Debug)]
struct Verifier {
    verifier: Arc<WebPkiServerVerifier>,
    trusted: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            Err(Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            )) => verified,
            Err(_) if self.trusted.iter().any(|known| known.as_ref() == end_entity.as_ref()) => {
                let parsed = ParsedCertificate::try_from(end_entity)?;
                rustls::client::verify_server_name(&parsed, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// What a client in Go says of a failed handshake.
pub(super) fn in_words_of_go(error: &std::io::Error, host: &str) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let problem = match inner {
        Some(Error::InvalidCertificate(problem)) => problem,
        Some(Error::InvalidMessage(_)) => return "http: server gave HTTP response to HTTPS client".into(),
        Some(other) => return format!("tls: {other}"),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => return "EOF".into(),
        None => return error.to_string(),
    };
    let why = match problem {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "certificate signed by unknown authority".to_string()
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => "certificate has expired or is not yet valid".into(),
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            format!("certificate is not valid for any names, but wanted to match {host}")
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<&str> = presented
                .iter()
                .map(|name| name.trim_start_matches("DnsName(\"").trim_end_matches("\")"))
                .collect();
            format!("certificate is valid for {}, not {host}", names.join(", "))
        }
        CertificateError::NotValidForName => format!("certificate is not valid for {host}"),
        other => format!("{other}"),
    };
    format!("tls: failed to verify certificate: x509: {why}")
}
