//! An HTTP(S) reverse proxy with the behaviour of the Ingress class `nginx`.

use crate::{Network, Result, Route};
use tokio::net::TcpListener;

pub struct Ingress {
    _network: Network,
}

impl Ingress {
    pub async fn start(
        network: Network,
        _http: Vec<TcpListener>,
        _https: Vec<TcpListener>,
    ) -> Result<Ingress> {
        Ok(Ingress { _network: network })
    }
    pub fn set_routes(&self, _routes: Vec<Route>) {}
    /// (host or None for the default, certificate chain PEM, private key PEM)
    pub fn set_certificates(&self, _certificates: Vec<(Option<String>, String, String)>) {}
    pub async fn shutdown(&self) {}
}
