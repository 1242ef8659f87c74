//! Drives the pods of this machine: sandboxes, volumes, images, containers, probes, logs, exec, file sync.
//!
//! [`Node`] is the edge: what happens next to a pod is decided by the pure crate `pod`; each pod has one task
//! (`pod_task`) that carries the decisions out and feeds back what came of them. Everything that must survive a
//! restart of the daemon is in the API's objects and with the runtime; the node itself remembers nothing.

mod adoption;
mod beneath;
mod container_spec;
mod dispatch;
mod ends;
mod env;
mod error;
mod fd_stream;
mod fields;
mod hosts;
mod logs;
mod pod_task;
mod probes;
mod pull;
mod quantity;
mod registration;
mod resize;
mod setup;
mod shared;
mod start;
mod streams;
mod sync;
mod usage;
mod volumes;

use adoption::Leftovers;
use api::Api;
use images::Images;
use network::Network;
use runtime::Runtime;
use shared::Shared;
use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncRead;
use tokio_util::io::SyncIoBridge;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use error::{Error, Result};
pub use volumes::memory_dir;

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

/// The running node.
pub struct Node {
    shared: Arc<Shared>,
}

impl Node {
    /// Registers the node, takes over the pods that run, and follows the API from then on.
    pub async fn start(
        config: NodeConfig,
        api: Api,
        runtime: Runtime,
        network: Network,
        images: Images,
    ) -> Result<Arc<Node>> {
        for folder in ["pods", "logs"] {
            let path = config.root.join(folder);
            std::fs::create_dir_all(&path).map_err(|source| Error::File { doing: "make", path, source })?;
        }
        let host_ip = network.gateway();
        let capacity = registration::capacity();
        registration::register(&api, &config, host_ip, capacity)?;
        let shared = Arc::new(Shared {
            config,
            api,
            runtime,
            network,
            images,
            host_ip,
            allocatable: capacity,
            pods: Default::default(),
            pulls: Default::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        let view = shared.api.view();
        let leftovers = Leftovers::find(&shared);
        let alive: HashSet<String> = dispatch::ours(&shared, &view)
            .iter()
            .filter_map(|pod| pod["metadata"]["uid"].as_str().map(str::to_owned))
            .collect();
        leftovers.remove_orphans(&shared, &alive).await;
        dispatch::take_over(&shared, &view, &leftovers).await;
        shared.tasks.spawn(registration::heartbeat(shared.clone()));
        shared.tasks.spawn(usage::run(shared.clone()));
        shared.tasks.spawn(dispatch::run(shared.clone(), view.version()));
        Ok(Arc::new(Node { shared }))
    }

    /// Ends the node's own tasks; containers go on.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        let ended = tokio::time::timeout(Duration::from_secs(5), self.shared.tasks.wait()).await;
        if ended.is_err() {
            tracing::warn!(tasks = self.shared.tasks.len(), "the node's tasks have not ended in time");
        }
    }

    /// Ends a running container; it starts again with its files as they are now.
    pub async fn restart(&self, namespace: &str, pod: &str, container: &str) -> Result<()> {
        let not_running = || Error::NotRunning {
            namespace: namespace.into(),
            pod: pod.into(),
            container: container.into(),
        };
        let id = streams::running(&self.shared, namespace, pod, container).map_err(|_| not_running())?;
        let (uid, container, _) = shared::split_id(&id).ok_or_else(not_running)?;
        let handle = self.shared.pods.lock().get(uid).cloned().ok_or_else(not_running)?;
        handle.local.keep.lock().insert(container.to_owned());
        let event = pod::Event::Restart { container: container.to_owned() };
        handle.inbox.send(shared::Input::Event(event)).await.map_err(|_| not_running())
    }

    /// Layers that containers of this machine stand on: not to be collected.
    pub fn layers_in_use(&self) -> Vec<PathBuf> {
        let runtime = &self.shared.runtime;
        let specs = runtime.containers().into_iter().filter_map(|(id, _)| runtime.spec(&id));
        specs.flat_map(|spec| spec.layers).collect()
    }

    /// Live update: deletes, then writes the files of a tar stream in a running container.
    pub async fn sync(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        archive: impl AsyncRead + Send + Unpin + 'static,
        deletes: Vec<String>,
    ) -> Result<SyncReport> {
        let not_running = || Error::NotRunning {
            namespace: namespace.into(),
            pod: pod.into(),
            container: container.into(),
        };
        let id = streams::running(&self.shared, namespace, pod, container).map_err(|_| not_running())?;
        let root = self.shared.runtime.root(&id).map_err(|_| not_running())?;
        let archive = SyncIoBridge::new(archive);
        let work = tokio::task::spawn_blocking(move || sync::apply(&root, archive, &deletes));
        work.await.map_err(|_| Error::Stopped)?
    }
}
