//! The cluster's network: router namespace, pod addresses, Services, DNS, ingress.
//!
//! Everything lives in one private network namespace, the router: the pods' bridge, the Service addresses
//! (AnyIP on `lo`), the DNS server and the redirect for traffic to the outside. Nothing is added to the host's
//! interfaces, routes or firewall. The namespace is held by a sandbox process and outlives the daemon.

mod address;
mod dns;
mod egress;
mod error;
mod ingress;
mod namespace;
mod netlink;
mod network;
mod proxy;
mod router;

pub use error::{Error, Result};
pub use ingress::Ingress;
pub use network::Network;

use ipnet::Ipv4Net;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// `/proc/<pid>/ns/net` of the router's sandbox.
    pub router: PathBuf,
    pub pod_cidr: Ipv4Net,
    pub service_cidr: Ipv4Net,
    /// Address of the cluster DNS inside `service_cidr`.
    pub dns: Ipv4Addr,
    /// `cluster.local`
    pub domain: String,
    /// Where allocations are remembered, so that a restarted daemon keeps them.
    pub state: PathBuf,
}

/// A Service as the proxy and the DNS need it. The whole table is handed over at each change.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    pub namespace: String,
    pub name: String,
    /// `None` for headless and ExternalName Services.
    pub cluster_ip: Option<Ipv4Addr>,
    pub external_name: Option<String>,
    pub ports: Vec<ServicePort>,
    /// Names and addresses for headless DNS records: (hostname or None, address).
    pub hosts: Vec<(Option<String>, Ipv4Addr)>,
    pub session_affinity: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ServicePort {
    pub name: String,
    pub protocol: Protocol,
    pub port: u16,
    pub node_port: Option<u16>,
    /// Ready endpoints only.
    pub endpoints: Vec<Endpoint>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    Tcp,
    Udp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Inside the router namespace.
    Pod(SocketAddr),
    /// On the host (the API server).
    Host(SocketAddr),
}

/// One rule of an Ingress, resolved to its Service's endpoints.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// `None`: any host. `*.example.com`: wildcard of one label.
    pub host: Option<String>,
    pub path: String,
    pub exact: bool,
    /// For messages: `namespace/ingress`.
    pub ingress: String,
    /// `namespace/service:port`
    pub backend: String,
    pub endpoints: Vec<Endpoint>,
}
