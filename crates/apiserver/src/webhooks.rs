//! Calling webhooks: HTTPS to a URL, or to a Service through the node, as the proxies of pods reach them.

mod endpoint;
mod trust;

use crate::server::Inner;
use api::{ByteStream, WebhookCall, WebhookCaller, WebhookTarget};
use async_trait::async_trait;
use endpoint::Endpoint;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::sync::{Arc, Weak};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The longest answer that is read.
const MOST: usize = 16 << 20;

pub(crate) struct Caller {
    /// The server has the API, which has this.
    inner: Weak<Inner>,
    trust: trust::Known,
}

impl Caller {
    pub(crate) fn new(inner: &Arc<Inner>) -> Self {
        Self { inner: Arc::downgrade(inner), trust: trust::Known::default() }
    }

    /// A connection to the webhook, and the name that its certificate must have.
    async fn reach(&self, target: &WebhookTarget) -> Result<(Box<dyn ByteStream>, String), String> {
        let (namespace, name, port) = match target {
            WebhookTarget::Service { namespace, name, port, .. } => (namespace, name, *port),
            WebhookTarget::Url(url) => {
                let uri: Uri = url.parse().map_err(|error| format!("Unparsable URL: {error}"))?;
                let host = uri.host().unwrap_or_default();
                let host = host.trim_start_matches('[').trim_end_matches(']');
                let stream = dial(host, uri.port_u16().unwrap_or(443)).await?;
                return Ok((stream, host.to_string()));
            }
        };
        let inner = self.inner.upgrade().ok_or("the server is shutting down")?;
        let stream = match endpoint::find(&inner.api.view(), namespace, name, port)? {
            Endpoint::Host(host, port) => dial(&host, port).await?,
            Endpoint::Pod(pod, port) => {
                let node = inner.node.get().ok_or("the node has not started yet")?;
                let reached = node.port_forward(namespace, &pod, port).await;
                reached.map_err(|error| error.message)?
            }
        };
        Ok((stream, format!("{name}.{namespace}.svc")))
    }
}

async fn dial(host: &str, port: u16) -> Result<Box<dyn ByteStream>, String> {
    let stream = TcpStream::connect((host, port)).await.map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::ConnectionRefused => "connect: connection refused".to_string(),
            _ => error.to_string(),
        };
        format!("dial tcp {host}:{port}: {why}")
    })?;
    Ok(Box::new(stream))
}

#[async_trait]
impl WebhookCaller for Caller {
    async fn call(&self, call: WebhookCall) -> Result<(u16, Vec<u8>), String> {
        let tls = self.trust.config(&call.ca_bundle)?;
        let (stream, host) = self.reach(&call.target).await?;
        let name = ServerName::try_from(host.clone()).map_err(|error| error.to_string())?;
        let connected = TlsConnector::from(tls).connect(name, stream).await;
        let stream = connected.map_err(|error| trust::in_words_of_go(&error, &host))?;
        let io = TokioIo::new(stream);
        let (mut sender, driver) =
            hyper::client::conn::http1::handshake(io).await.map_err(|error| error.to_string())?;
        let driver = tokio::spawn(driver);
        let answer = async {
            let answer = sender.send_request(request(&call)?).await.map_err(|error| error.to_string())?;
            let code = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), MOST).collect().await;
            let body = body.map_err(|error| error.to_string())?.to_bytes();
            Ok((code, body.to_vec()))
        };
        let answer = answer.await;
        driver.abort();
        answer
    }
}

fn request(call: &WebhookCall) -> Result<Request<Full<bytes::Bytes>>, String> {
    let uri: Uri =
        call.target.url(call.timeout).parse().map_err(|error| format!("Unparsable URL: {error}"))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = HeaderValue::from_str(authority).map_err(|error| error.to_string())?;
    Request::post(path)
        .header(header::HOST, host)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json, */*")
        .header(header::USER_AGENT, "kube-apiserver-admission")
        .body(Full::new(call.body.clone().into()))
        .map_err(|error| error.to_string())
}
