//! Certificates by the name that the client asks for (SNI).

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("the certificate is not PEM")]
    Certificate(#[source] pem::Error),
    #[error("the private key is not PEM")]
    Key(#[source] pem::Error),
    #[error("the certificate and the key cannot be used")]
    Pair(#[source] rustls::Error),
}

/// Keys are hosts in lower case, wildcards as they are written, `""` for the default.
#[derive(Debug, Default)]
pub(super) struct Certificates {
    by_host: RwLock<HashMap<String, Arc<CertifiedKey>>>,
}

impl Certificates {
    pub(super) fn set(&self, all: Vec<(Option<String>, String, String)>) {
        let mut next = HashMap::new();
        for (host, chain, key) in all {
            let host = host.unwrap_or_default().to_ascii_lowercase();
            match certified(&chain, &key) {
                // Of two for a host the first counts, as with rules.
                Ok(pair) => {
                    next.entry(host).or_insert_with(|| Arc::new(pair));
                }
                Err(error) => {
                    tracing::warn!(
                        host,
                        error = &error as &dyn std::error::Error,
                        "a certificate of an Ingress is not used"
                    );
                }
            }
        }
        *self.by_host.write() = next;
    }

    fn find(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let name = name.to_ascii_lowercase();
        let wildcard = name.split_once('.').map(|(_, rest)| format!("*.{rest}")).unwrap_or_default();
        let by_host = self.by_host.read();
        [name.as_str(), wildcard.as_str(), ""].iter().find_map(|key| by_host.get(*key)).cloned()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name().unwrap_or_default())
    }
}

fn certified(chain: &str, key: &str) -> Result<CertifiedKey, Unusable> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(Unusable::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(Unusable::Key)?;
    CertifiedKey::from_der(chain, key, &default_provider()).map_err(Unusable::Pair)
}

pub(super) fn server_config(certificates: Arc<Certificates>) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for the default versions");
    let mut config = builder.with_no_client_auth().with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}
