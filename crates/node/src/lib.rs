//! Drives the pods of this machine: sandboxes, volumes, images, containers, probes, logs, exec, file sync.
//!
//! [`Node`] is the edge: what happens next to a pod is decided by the pure crate `pod`; each pod has one task
//! (`pod_task`) that carries the decisions out and feeds back what came of them. Everything that must survive a
//! restart of the daemon is in the API's objects and with the runtime; the node itself remembers nothing.

use api::{Api, ExecRequest, ExecStreams, LogRequest, NodeStreams};
use images::Images;
use network::Network;
use runtime::Runtime;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::AsyncRead;

/// (namespace, service account, audience, seconds, pod, pod uid) → (token, Unix time of its expiry)
pub type TokenSource = dyn Fn(&str, &str, &str, i64, &str, &str) -> (String, i64) + Send + Sync;

/// What a node is told at its start.
#[derive(Clone)]
pub struct NodeConfig {
    /// Name of the Node object.
    pub name: String,
    /// Volumes, logs, hosts files: everything of the pods but their containers.
    pub root: PathBuf,
    /// `cluster.local`
    pub cluster_domain: String,
    /// Address of the cluster DNS.
    pub dns: Ipv4Addr,
    pub service_account_token: Arc<TokenSource>,
    /// The API's certificate authority, for pods where `kube-root-ca.crt` is not there yet.
    pub ca_pem: String,
    /// Address of the Service `kubernetes`.
    pub api_host: Ipv4Addr,
    /// Folders of local-path volumes.
    pub storage: PathBuf,
    /// Kubernetes version that the node reports.
    pub version: String,
}

/// What one [`Node::sync`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SyncReport {
    pub written: usize,
    pub deleted: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no running container {container} in pod {namespace}/{pod}")]
    NotRunning { namespace: String, pod: String, container: String },
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The running node.
pub struct Node {}

impl Node {
    pub async fn start(
        _config: NodeConfig,
        _api: Api,
        _runtime: Runtime,
        _network: Network,
        _images: Images,
    ) -> Result<Arc<Node>> {
        Ok(Arc::new(Node {}))
    }

    /// Ends the node's own tasks; containers go on.
    pub async fn shutdown(&self) {}

    /// Live update: deletes, then writes the files of a tar stream in a running container.
    pub async fn sync(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        _archive: impl AsyncRead + Send + Unpin + 'static,
        _deletes: Vec<String>,
    ) -> Result<SyncReport> {
        Err(Error::NotRunning { namespace: namespace.into(), pod: pod.into(), container: container.into() })
    }
}

#[async_trait::async_trait]
impl NodeStreams for Node {
    async fn exec(&self, request: ExecRequest) -> api::Result<ExecStreams> {
        Err(api::ApiError::not_found("pods", &request.pod))
    }
    async fn attach(&self, request: ExecRequest) -> api::Result<ExecStreams> {
        Err(api::ApiError::not_found("pods", &request.pod))
    }
    async fn logs(&self, request: LogRequest) -> api::Result<tokio::sync::mpsc::Receiver<bytes::Bytes>> {
        Err(api::ApiError::not_found("pods", &request.pod))
    }
    async fn port_forward(&self, _: &str, pod: &str, _: u16) -> api::Result<Box<dyn api::ByteStream>> {
        Err(api::ApiError::not_found("pods", pod))
    }
}
