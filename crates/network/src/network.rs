//! The handle that the node and the cluster hold.

use crate::{Endpoint, NetworkConfig, Result, Service};
use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;

/// The running network of a cluster. Clones are the same network.
#[derive(Clone)]
pub struct Network {
    shared: Arc<Shared>,
}

struct Shared {
    config: NetworkConfig,
}

impl Network {
    pub async fn start(config: NetworkConfig) -> Result<Network> {
        Ok(Network { shared: Arc::new(Shared { config }) })
    }
    pub async fn attach(&self, _pod_id: &str, _netns: &Path) -> Result<Ipv4Addr> {
        Err(crate::Error::Stopped)
    }
    pub async fn detach(&self, _pod_id: &str) -> Result<()> {
        Err(crate::Error::Stopped)
    }
    pub fn address(&self, _pod_id: &str) -> Option<Ipv4Addr> {
        None
    }
    pub fn retain(&self, _alive: &HashSet<String>) {}
    pub fn set_services(&self, _services: Vec<Service>) {}
    pub async fn dial(&self, _to: SocketAddr) -> io::Result<TcpStream> {
        Err(io::ErrorKind::Unsupported.into())
    }
    pub async fn dial_endpoint(&self, _endpoint: Endpoint) -> io::Result<TcpStream> {
        Err(io::ErrorKind::Unsupported.into())
    }
    pub async fn dial_in(&self, _netns: &Path, _to: SocketAddr) -> io::Result<TcpStream> {
        Err(io::ErrorKind::Unsupported.into())
    }
    pub fn gateway(&self) -> Ipv4Addr {
        self.shared.config.pod_cidr.hosts().next().unwrap_or(self.shared.config.pod_cidr.addr())
    }
    pub async fn shutdown(&self) {}
}
