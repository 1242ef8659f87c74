//! What can go wrong in the cluster's network.

use ipnet::Ipv4Net;
use std::io;
use std::path::PathBuf;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot enter the network namespace {}", .path.display())]
    Enter { path: PathBuf, source: io::Error },
    #[error("cannot start a thread in the network namespace {}", .path.display())]
    Thread { path: PathBuf, source: io::Error },
    #[error("cannot {what}")]
    Netlink { what: &'static str, source: io::Error },
    #[error("cannot listen on {address} inside the cluster")]
    Listen { address: std::net::SocketAddr, source: io::Error },
    #[error("no free pod address is left in {cidr}: all {used} are in use")]
    PoolExhausted { cidr: Ipv4Net, used: usize },
    #[error("the pod network {cidr} is too small: it needs room for a gateway and a pod")]
    PoolTooSmall { cidr: Ipv4Net },
    #[error("cannot keep the pod addresses in {}", .path.display())]
    State { path: PathBuf, source: io::Error },
    #[error("{}:{line} is not an address and a pod id", .path.display())]
    BadState { path: PathBuf, line: usize },
    #[error("the cluster's network has been shut down")]
    Stopped,
}
