//! HTTP probes: any answer from 200 to 399 is good. Certificates are not checked, as upstream.

use super::{Target, dial, place};
use crate::shared::Shared;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use pod::{Outcome, Scheme};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

pub(super) struct Request<'a> {
    pub(super) scheme: Scheme,
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) path: &'a str,
    pub(super) headers: &'a [(String, String)],
}

pub(super) async fn probe(
    shared: &Shared,
    target: Target,
    request: &Request<'_>,
    limit: Duration,
) -> Outcome {
    let scheme = if request.scheme == Scheme::Https { "https" } else { "http" };
    let url = format!("{scheme}://{}{}", place(target, request.host, request.port), request.path);
    match tokio::time::timeout(limit, call(shared, target, request)).await {
        Ok(Ok(code)) if (200..400).contains(&code) => Outcome::Success,
        Ok(Ok(code)) => Outcome::Failure { output: format!("HTTP probe failed with statuscode: {code}") },
        Ok(Err(why)) => Outcome::Failure { output: format!("Get \"{url}\": {why}") },
        Err(_) => {
            let why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
            Outcome::Failure { output: format!("Get \"{url}\": {why}") }
        }
    }
}

async fn call(shared: &Shared, target: Target, request: &Request<'_>) -> Result<u16, String> {
    let stream = dial(shared, target, request.host, request.port).await?;
    match request.scheme {
        Scheme::Http => exchange(shared, target, request, stream).await,
        Scheme::Https => {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = rustls::ClientConfig::builder_with_provider(provider.clone())
                .with_safe_default_protocol_versions()
                .map_err(|e| e.to_string())?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Unchecked(provider)))
                .with_no_client_auth();
            let host = if request.host.is_empty() { target.ip.to_string() } else { request.host.to_owned() };
            let name = ServerName::try_from(host).map_err(|e| e.to_string())?;
            let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
            let stream = connector.connect(name, stream).await.map_err(|e| e.to_string())?;
            exchange(shared, target, request, stream).await
        }
    }
}

async fn exchange(
    shared: &Shared,
    target: Target,
    request: &Request<'_>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<u16, String> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Empty<bytes::Bytes>>(TokioIo::new(stream))
            .await
            .map_err(|e| e.to_string())?;
    let driver = tokio::spawn(connection);
    let mut message = http::Request::builder().uri(request.path);
    let named = |name: &str| request.headers.iter().any(|(header, _)| header.eq_ignore_ascii_case(name));
    if !named("host") {
        message = message.header("host", place(target, request.host, request.port));
    }
    if !named("user-agent") {
        let version: Vec<&str> = shared.config.version.trim_start_matches('v').split('.').take(2).collect();
        message = message.header("user-agent", format!("kube-probe/{}", version.join(".")));
    }
    if !named("accept") {
        message = message.header("accept", "*/*");
    }
    for (name, value) in request.headers {
        message = message.header(name, value);
    }
    let message = message.header("connection", "close").body(Empty::new()).map_err(|e| e.to_string())?;
    let answer = sender
        .send_request(message)
        .await
        .map_err(|e| if e.is_incomplete_message() { "EOF".to_owned() } else { e.to_string() });
    let code = match answer {
        Ok(answer) => {
            let code = answer.status().as_u16();
            // The server shall not see a broken connection because of us; long bodies are not waited for.
            let _ = tokio::time::timeout(Duration::from_millis(50), answer.into_body().collect()).await;
            Ok(code)
        }
        Err(why) => Err(why),
    };
    driver.abort();
    code
}

#[derive(Debug)]
struct Unchecked(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
