//! The server: its settings, its router and the loop that accepts connections.

use crate::auth::{PeerCertificate, Remote, TokenRequest, WhoseToken};
use crate::authorize;
use crate::counted::Counted;
use crate::dispatch;
use crate::list::Pages;
use crate::openapi::OpenApi;
use crate::respond;
use crate::webhooks::Caller;
use api::{Api, NodeHandle};
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{self, Next};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How long a TLS handshake may take, and running requests after the shutdown.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the daemon decides about a server.
#[derive(Clone, Default)]
pub struct Options {
    /// Bearer tokens, on top of client certificates (CN = user, O = groups), which are always understood.
    pub whose_token: Option<WhoseToken>,
    /// ServiceAccount tokens; without it such requests are refused.
    pub token_request: Option<TokenRequest>,
    /// The keys of ServiceAccount tokens (RFC 7517), and who issues them.
    pub token_keys: Option<(String, Value)>,
    /// `gitVersion` as `/version` tells it; empty: the version that the schema is of.
    pub version: String,
}

/// The HTTP side of an [`Api`]. Clones are the same server.
#[derive(Clone)]
pub struct Server {
    pub(crate) inner: Arc<Inner>,
    extra: axum::Router,
}

pub(crate) struct Inner {
    pub(crate) api: Api,
    pub(crate) options: Options,
    pub(crate) node: OnceLock<NodeHandle>,
    pub(crate) openapi: OpenApi,
    pub(crate) counted: Counted,
    pub(crate) pages: Pages,
    pub(crate) rules: authorize::Known,
    /// See [`authorize::grants`].
    pub(crate) grants: tokio::sync::Mutex<()>,
    /// Ends watches and other streams that have no end of their own.
    pub(crate) closing: CancellationToken,
}

impl Server {
    pub fn new(api: Api, options: Options) -> Self {
        let inner = Inner {
            api,
            options,
            node: OnceLock::new(),
            openapi: OpenApi::default(),
            counted: Counted::default(),
            pages: Pages::default(),
            rules: authorize::Known::default(),
            grants: tokio::sync::Mutex::default(),
            closing: CancellationToken::new(),
        };
        let inner = Arc::new(inner);
        inner.api.set_webhook_caller(Arc::new(Caller::new(&inner)));
        Self { inner, extra: axum::Router::new() }
    }

    /// Exec, logs and port-forward work from now on. Only the first node counts.
    pub fn set_node(&self, node: NodeHandle) {
        if self.inner.node.set(node).is_err() {
            tracing::warn!("the server has a node already");
        }
    }

    /// The daemon's own routes, served below `/coracle/` to those who may use that path.
    pub fn with_extra(mut self, extra: axum::Router) -> Self {
        self.extra = self.extra.merge(extra);
        self
    }

    /// As [`Server::router`], for callers who are told apart as those are who come over the network.
    pub fn router_for_strangers(&self) -> axum::Router {
        self.router().layer(axum::Extension(Remote { peer: None }))
    }

    /// For in-process use: callers are taken to be `system:masters`.
    pub fn router(&self) -> axum::Router {
        let known = self.inner.clone();
        let guard = middleware::from_fn(move |request: Request, next: Next| {
            let inner = known.clone();
            async move {
                let (parts, body) = request.into_parts();
                match dispatch::extra_caller(&inner, &parts) {
                    Ok(user) => {
                        let mut request = Request::from_parts(parts, body);
                        request.extensions_mut().insert(user);
                        next.run(request).await
                    }
                    Err(error) => respond::failure(&error),
                }
            }
        });
        let inner = self.inner.clone();
        axum::Router::new()
            .nest("/coracle", self.extra.clone().layer(guard))
            .fallback(move |request: axum::http::Request<Body>| dispatch::handle(inner.clone(), request))
    }
}

/// Serves until `shutdown`, then lets running requests end (watches are ended).
pub async fn serve(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    server: Server,
    shutdown: CancellationToken,
) {
    let acceptor = TlsAcceptor::from(with_alpn(tls));
    let router = server.router();
    let running = GracefulShutdown::new();
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = tasks.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let watcher = running.watcher();
                    tasks.spawn(connection(stream, acceptor.clone(), router.clone(), watcher));
                }
                Err(error) => {
                    // Out of descriptors, say: it passes when connections close.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
    server.inner.closing.cancel();
    if tokio::time::timeout(PATIENCE, running.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time and are cut off");
    }
    tasks.shutdown().await;
}

/// Upgrades need HTTP/1.1, everything else is better with HTTP/2.
fn with_alpn(tls: Arc<rustls::ServerConfig>) -> Arc<rustls::ServerConfig> {
    if !tls.alpn_protocols.is_empty() {
        return tls;
    }
    let mut tls = (*tls).clone();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(tls)
}

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    router: axum::Router,
    watcher: hyper_util::server::graceful::Watcher,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let stream = match tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => return tracing::debug!("TLS handshake took too long"),
    };
    let peer = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let remote = Remote { peer: peer.map(|certificate| Arc::new(PeerCertificate(certificate.to_vec()))) };
    let router = router.layer(axum::Extension(remote));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(1000);
    let served =
        builder.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = watcher.watch(served.into_owned()).await {
        tracing::debug!(error = %error, "a connection ended badly");
    }
}
