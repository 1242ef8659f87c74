//! What a cluster is made to be: fixed at creation, read by the daemon at each start.

use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use std::path::Path;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// As in `k3d cluster create NAME`; the context is `k3d-NAME`.
    pub name: String,
    /// Port of the API server on the loopback address. 0 until the first start has chosen one.
    pub api_port: u16,
    pub ports: Vec<PortMapping>,
    pub registry: Option<Registry>,
}

/// A port of the host that leads into the cluster: to a LoadBalancer Service of that port if there is one, else,
/// for 80 and 443, to the ingress; or to a node port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortMapping {
    pub host_port: u16,
    pub cluster_port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registry {
    /// The host part of image names: `codex-registry.localhost`.
    pub name: String,
    pub port: u16,
}

impl Registry {
    /// The prefix of image names: `codex-registry.localhost:5111`.
    pub fn address(&self) -> String {
        format!("{}:{}", self.name, self.port)
    }
}

pub const POD_CIDR: &str = "10.42.0.0/16";
pub const SERVICE_CIDR: &str = "10.43.0.0/16";
pub const API_VIP: Ipv4Addr = Ipv4Addr::new(10, 43, 0, 1);
pub const DNS_VIP: Ipv4Addr = Ipv4Addr::new(10, 43, 0, 10);
pub const DOMAIN: &str = "cluster.local";
/// The Kubernetes version whose API the server speaks.
pub const KUBERNETES_VERSION: &str = "v1.37.0+coracle";

impl Settings {
    /// A cluster with no ports and no registry.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_string(), api_port: 0, ports: Vec::new(), registry: None }
    }

    pub fn context(&self) -> String {
        format!("k3d-{}", self.name)
    }

    /// The name of the only node, as k3d names the first server.
    pub fn node_name(&self) -> String {
        format!("k3d-{}-server-0", self.name)
    }

    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read(path).map_err(|source| SettingsError::Read { path: path.into(), source })?;
        serde_json::from_slice(&text).map_err(|source| SettingsError::Parse { path: path.into(), source })
    }

    /// Written whole or not at all.
    pub fn save(&self, path: &Path) -> Result<(), SettingsError> {
        let text = serde_json::to_vec_pretty(self)
            .map_err(|source| SettingsError::Parse { path: path.into(), source })?;
        crate::files::write_private(path, &text)
            .map_err(|source| SettingsError::Write { path: path.into(), source })
    }

    /// What of `wanted` an existing cluster does not have, in words; empty if it fits.
    pub fn differences(&self, wanted: &Settings) -> Vec<String> {
        let mut out = Vec::new();
        for port in wanted.ports.iter().filter(|p| !self.ports.contains(p)) {
            out.push(format!("port {} -> {}", port.host_port, port.cluster_port));
        }
        if wanted.registry.is_some() && wanted.registry != self.registry {
            out.extend(wanted.registry.iter().map(|r| format!("registry {}", r.address())));
        }
        out
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("cannot read the cluster's settings {path}")]
    Read { path: std::path::PathBuf, source: std::io::Error },
    #[error("the cluster's settings {path} are damaged")]
    Parse { path: std::path::PathBuf, source: serde_json::Error },
    #[error("cannot write the cluster's settings {path}")]
    Write { path: std::path::PathBuf, source: std::io::Error },
}
