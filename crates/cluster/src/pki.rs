//! The cluster's certificates: one CA, the API server's, the administrator's and the ingress's.
//!
//! Made once, at creation; the CA's key is not kept. Who presents the administrator's certificate is
//! `system:admin` in the group `system:masters`, as k3s has it.

use crate::files::{private_dir, write_private};
use crate::settings::API_VIP;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    #[error("cannot use {path}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("{path} is not a certificate or key in PEM form")]
    Pem { path: PathBuf, source: rustls_pki_types::pem::Error },
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
    #[error("cannot set up the check of client certificates")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// The files of a cluster's PKI folder, read.
#[derive(Debug, Clone)]
pub struct Pki {
    dir: PathBuf,
    pub ca_pem: String,
    pub admin_cert_pem: String,
    pub admin_key_pem: String,
    pub ingress_cert_pem: String,
    pub ingress_key_pem: String,
}

impl Pki {
    /// Reads the folder; makes everything first if it is not there.
    pub fn open(dir: &Path, node_name: &str) -> Result<Self, PkiError> {
        if !dir.join("admin.key").exists() {
            create(dir, node_name)?;
        }
        Ok(Self {
            dir: dir.to_path_buf(),
            ca_pem: read(&dir.join("ca.crt"))?,
            admin_cert_pem: read(&dir.join("admin.crt"))?,
            admin_key_pem: read(&dir.join("admin.key"))?,
            ingress_cert_pem: read(&dir.join("ingress.crt"))?,
            ingress_key_pem: read(&dir.join("ingress.key"))?,
        })
    }

    /// TLS for the API server: client certificates of our CA are checked, but not demanded (tokens exist too).
    pub fn server_config(&self) -> Result<Arc<rustls::ServerConfig>, PkiError> {
        let (certs, key) = self.pair("server")?;
        let mut roots = RootCertStore::empty();
        roots.add(self.ca_der()?)?;
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).allow_unauthenticated().build()?;
        let mut config = rustls::ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(certs, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn ca_der(&self) -> Result<CertificateDer<'static>, PkiError> {
        self.der("ca.crt")
    }

    fn der(&self, file: &str) -> Result<CertificateDer<'static>, PkiError> {
        let path = self.dir.join(file);
        CertificateDer::from_pem_file(&path).map_err(|source| PkiError::Pem { path, source })
    }

    fn pair(&self, name: &str) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), PkiError> {
        let path = self.dir.join(format!("{name}.key"));
        let key = PrivateKeyDer::from_pem_file(&path).map_err(|source| PkiError::Pem { path, source })?;
        Ok((vec![self.der(&format!("{name}.crt"))?], key))
    }
}

fn read(path: &Path) -> Result<String, PkiError> {
    std::fs::read_to_string(path).map_err(|source| PkiError::File { path: path.into(), source })
}

fn params(
    common_name: &str,
    organisation: Option<&str>,
    names: Vec<String>,
) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    if let Some(organisation) = organisation {
        params.distinguished_name.push(DnType::OrganizationName, organisation);
    }
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.not_after = rcgen::date_time_ymd(2048, 1, 1);
    Ok(params)
}

fn create(dir: &Path, node_name: &str) -> Result<(), PkiError> {
    private_dir(dir).map_err(|source| PkiError::File { path: dir.into(), source })?;
    let ca_key = KeyPair::generate()?;
    let mut ca = params("coracle-ca", None, Vec::new())?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let ca_pem = ca.self_signed(&ca_key)?.pem();
    let issuer = Issuer::new(ca, ca_key);
    let write = |file: &str, text: String| {
        let path = dir.join(file);
        write_private(&path, text.as_bytes()).map_err(|source| PkiError::File { path, source })
    };
    let issue = |file: &str, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose| {
        params.extended_key_usages = vec![usage];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        let key = KeyPair::generate()?;
        let cert = params.signed_by(&key, &issuer)?;
        write(&format!("{file}.crt"), cert.pem())?;
        write(&format!("{file}.key"), key.serialize_pem())
    };
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "0.0.0.0", "kubernetes", "kubernetes.default"]
        .into_iter()
        .chain(["kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "host.k3d.internal"])
        .map(String::from)
        .collect();
    names.extend([API_VIP.to_string(), node_name.to_string()]);
    write("ca.crt", ca_pem)?;
    issue("server", params("kube-apiserver", None, names)?, ExtendedKeyUsagePurpose::ServerAuth)?;
    let local = vec!["localhost".to_string(), "*.localhost".to_string()];
    issue("ingress", params("coracle ingress", None, local)?, ExtendedKeyUsagePurpose::ServerAuth)?;
    // Last, because its presence says that the folder is whole.
    let admin = params("system:admin", Some("system:masters"), Vec::new())?;
    issue("admin", admin, ExtendedKeyUsagePurpose::ClientAuth)
}
