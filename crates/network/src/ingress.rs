//! An HTTP(S) reverse proxy with the behaviour of the Ingress class `nginx`.
//!
//! Where it differs, because it serves one developer on mapped ports: no redirect to HTTPS and no HSTS (both
//! would lock the browser out of `http://localhost:8080`), no limit on bodies, no read timeout. Connections that
//! all endpoints refuse are tried again for a while, so that a reload in a container is a wait and not an error.

mod forward;
mod headers;
mod route;
mod tls;

use crate::network::Tasks;
use crate::proxy::tcp::accept_failed;
use crate::{Network, Result, Route};
use forward::Forward;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tls::Certificates;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

const HANDSHAKE: Duration = Duration::from_secs(10);

/// The running proxy. It serves nothing but 404 until it has routes.
pub struct Ingress {
    forward: Arc<Forward>,
    certificates: Arc<Certificates>,
    tasks: Tasks,
}

impl Ingress {
    pub async fn start(network: Network, http: Vec<TcpListener>, https: Vec<TcpListener>) -> Result<Ingress> {
        let tasks = Tasks::default();
        let certificates = Arc::new(Certificates::default());
        let acceptor = TlsAcceptor::from(Arc::new(tls::server_config(Arc::clone(&certificates))));
        let forward = Arc::new(Forward::new(network, tasks.clone()));
        for listener in http {
            tasks.spawn(serve(listener, None, Arc::clone(&forward), tasks.clone()));
        }
        for listener in https {
            tasks.spawn(serve(listener, Some(acceptor.clone()), Arc::clone(&forward), tasks.clone()));
        }
        Ok(Ingress { forward, certificates, tasks })
    }

    /// The whole table; requests that come after this follow it.
    pub fn set_routes(&self, routes: Vec<Route>) {
        self.forward.set_routes(routes);
    }

    /// The whole set of (host or `None` for the default, certificate chain PEM, private key PEM). One that cannot
    /// be used is left out, and the log says so.
    pub fn set_certificates(&self, certificates: Vec<(Option<String>, String, String)>) {
        self.certificates.set(certificates);
    }

    pub async fn shutdown(&self) {
        self.tasks.finish().await;
    }
}

async fn serve(listener: TcpListener, acceptor: Option<TlsAcceptor>, forward: Arc<Forward>, tasks: Tasks) {
    loop {
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                accept_failed(&error).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let (acceptor, forward) = (acceptor.clone(), Arc::clone(&forward));
        tasks.spawn(async move {
            let Some(acceptor) = acceptor else { return connection(stream, client, false, forward).await };
            match timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => connection(stream, client, true, forward).await,
                Ok(Err(error)) => tracing::debug!(%client, %error, "TLS handshake failed"),
                Err(_) => tracing::debug!(%client, "TLS handshake took too long"),
            }
        });
    }
}

async fn connection<S>(stream: S, client: SocketAddr, tls: bool, forward: Arc<Forward>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request| {
        let forward = Arc::clone(&forward);
        async move { Ok::<_, Infallible>(forward.handle(request, client.ip(), tls).await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    if let Err(error) = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await {
        tracing::debug!(%client, error = &*error, "connection of a client ended badly");
    }
}
