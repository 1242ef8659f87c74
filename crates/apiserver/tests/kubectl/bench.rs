//! A server on a loopback port with a certificate of its own, a kubeconfig for it, and a node that runs commands on
//! this machine instead of in containers: enough to try every wire form with a real kubectl.

use api::{
    Api, ApiConfig, ApiError, ByteStream, ExecExit, ExecRequest, ExecStreams, LogRequest, NodeStreams, Result,
};
use apiserver::{Options, Server};
use async_trait::async_trait;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub struct Bench {
    pub api: Api,
    pub address: std::net::SocketAddr,
    pub kubeconfig: String,
    /// For clients in this process: what they trust and who they are.
    pub client: Arc<rustls::ClientConfig>,
    /// Trusts the server and says not who it is.
    pub stranger: Arc<rustls::ClientConfig>,
    pub shutdown: CancellationToken,
    pub served: tokio::task::JoinHandle<()>,
}

pub async fn start(dir: &Path) -> Bench {
    let provider = rustls::crypto::ring::default_provider();
    // Another bench of this process may have been quicker.
    let _ = provider.install_default();
    let config = ApiConfig {
        dir: dir.into(),
        service_cidr: "10.43.0.0/16".into(),
        cluster_domain: "cluster.local".into(),
    };
    let api = Api::open(config).expect("open the API");
    let Tls { server: tls, client, stranger, authority, certificate, key } = tls();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = Server::new(api.clone(), Options::default());
    server.set_node(Arc::new(EchoNode));
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(apiserver::serve(listener, tls, server, shutdown.clone()));
    let kubeconfig = kubeconfig(address, &authority, &certificate, &key);
    Bench { api, address, kubeconfig, client, stranger, shutdown, served }
}

struct Tls {
    server: Arc<rustls::ServerConfig>,
    client: Arc<rustls::ClientConfig>,
    stranger: Arc<rustls::ClientConfig>,
    /// PEM.
    authority: String,
    certificate: String,
    key: String,
}

fn tls() -> Tls {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    let authority_key = KeyPair::generate().expect("key");
    let mut params = CertificateParams::new(Vec::new()).expect("params");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).expect("certificate");
    let issuer = Issuer::new(params, authority_key);

    let key = KeyPair::generate().expect("key");
    let params = CertificateParams::new(vec!["127.0.0.1".into(), "localhost".into()]).expect("params");
    let server = params.signed_by(&key, &issuer).expect("certificate");

    let client_key = KeyPair::generate().expect("key");
    let mut params = CertificateParams::new(Vec::new()).expect("params");
    params.distinguished_name.push(DnType::CommonName, "dev");
    params.distinguished_name.push(DnType::OrganizationName, "system:masters");
    params.extended_key_usages.push(rcgen::ExtendedKeyUsagePurpose::ClientAuth);
    let client = params.signed_by(&client_key, &issuer).expect("certificate");

    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.der().clone()).expect("a root");
    let roots = Arc::new(roots);
    let client_pkcs8 = rustls::pki_types::PrivateKeyDer::Pkcs8(client_key.serialize_der().into());
    let client_config = rustls::ClientConfig::builder()
        .with_root_certificates(roots.clone())
        .with_client_auth_cert(vec![client.der().clone()], client_pkcs8)
        .expect("a configuration");
    let stranger =
        rustls::ClientConfig::builder().with_root_certificates(roots.clone()).with_no_client_auth();
    let verifier = rustls::server::WebPkiClientVerifier::builder(roots);
    let verifier = verifier.allow_unauthenticated().build().expect("a verifier");
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = rustls::ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![server.der().clone()], key)
        .expect("a configuration");
    Tls {
        server: Arc::new(config),
        client: Arc::new(client_config),
        stranger: Arc::new(stranger),
        authority: authority.pem(),
        certificate: client.pem(),
        key: client_key.serialize_pem(),
    }
}

fn kubeconfig(address: std::net::SocketAddr, authority: &str, certificate: &str, key: &str) -> String {
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "bench",
        "clusters": [{ "name": "bench", "cluster": {
            "server": format!("https://{address}"), "certificate-authority-data": encode(authority) } }],
        "users": [{ "name": "dev", "user": {
            "client-certificate-data": encode(certificate), "client-key-data": encode(key) } }],
        "contexts": [{ "name": "bench", "context": { "cluster": "bench", "user": "dev" } }],
    })
    .to_string()
}

/// Runs commands here; port 7 of every pod echoes, others refuse.
pub struct EchoNode;

#[async_trait]
impl NodeStreams for EchoNode {
    async fn exec(&self, request: ExecRequest) -> Result<ExecStreams> {
        let piped = |wanted: bool| if wanted { Stdio::piped() } else { Stdio::null() };
        let mut child = tokio::process::Command::new(&request.command[0])
            .args(&request.command[1..])
            .stdin(piped(request.stdin))
            .stdout(piped(request.stdout))
            .stderr(piped(request.stderr))
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| ApiError::internal(error.to_string()))?;
        let (ended, exit) = oneshot::channel();
        let streams = ExecStreams {
            stdin: child.stdin.take().map(|stream| Box::pin(stream) as _),
            stdout: child.stdout.take().map(|stream| Box::pin(stream) as _),
            stderr: child.stderr.take().map(|stream| Box::pin(stream) as _),
            resize: None,
            exit,
        };
        tokio::spawn(async move {
            let code = child.wait().await.ok().and_then(|status| status.code()).unwrap_or(137);
            let _ = ended.send(ExecExit::Code(code));
        });
        Ok(streams)
    }

    async fn attach(&self, request: ExecRequest) -> Result<ExecStreams> {
        let command = vec!["echo".into(), "attached".into()];
        self.exec(ExecRequest { command, ..request }).await
    }

    async fn logs(&self, request: LogRequest) -> Result<mpsc::Receiver<bytes::Bytes>> {
        let (lines, log) = mpsc::channel(4);
        tokio::spawn(async move {
            for n in 1..=request.tail_lines.unwrap_or(3) {
                let _ = lines.send(format!("line {n} of {}\n", request.container).into()).await;
            }
        });
        Ok(log)
    }

    async fn port_forward(&self, _: &str, pod: &str, port: u16) -> Result<Box<dyn ByteStream>> {
        if port != 7 {
            return Err(ApiError::internal(format!(
                "connection refused: nothing listens on {port} of {pod}"
            )));
        }
        let (near, mut far) = tokio::io::duplex(1 << 16);
        tokio::spawn(async move {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(length @ 1..) = far.read(&mut buffer).await {
                if far.write_all(&buffer[..length]).await.is_err() {
                    return;
                }
            }
        });
        Ok(Box::new(near))
    }
}
