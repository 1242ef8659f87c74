//! What all parts of the node have in common.

use crate::NodeConfig;
use crate::volumes::{Tokens, Volumes};
use api::Api;
use images::Images;
use network::Network;
use parking_lot::Mutex;
use runtime::Runtime;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) struct Shared {
    pub(crate) config: NodeConfig,
    pub(crate) api: Api,
    pub(crate) runtime: Runtime,
    pub(crate) network: Network,
    pub(crate) images: Images,
    pub(crate) host_ip: Ipv4Addr,
    /// CPU in thousandths, memory in bytes.
    pub(crate) allocatable: (u64, u64),
    /// By uid.
    pub(crate) pods: Mutex<HashMap<String, PodHandle>>,
    /// One pull at a time per image.
    pub(crate) pulls: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// A pod's task, seen from outside.
#[derive(Clone)]
pub(crate) struct PodHandle {
    pub(crate) inbox: mpsc::Sender<Input>,
    pub(crate) local: Arc<Local>,
}

#[derive(Debug)]
pub(crate) enum Input {
    Event(pod::Event),
    /// A ConfigMap, Secret, claim or account that the pod names.
    ObjectsChanged,
}

/// What there is of a pod on this machine.
pub(crate) struct Local {
    pub(crate) uid: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) host_network: bool,
    /// `<root>/pods/<uid>`
    pub(crate) dir: PathBuf,
    /// `<root>/logs/<namespace>_<name>_<uid>`
    pub(crate) logs: PathBuf,
    pub(crate) references: Vec<(&'static str, String)>,
    pub(crate) ip: Mutex<Option<Ipv4Addr>>,
    pub(crate) volumes: Mutex<Option<Volumes>>,
    pub(crate) tokens: Tokens,
    /// Running instance of each container.
    pub(crate) running: Mutex<HashMap<String, String>>,
    /// Containers whose files outlive their restart.
    pub(crate) keep: Mutex<HashSet<String>>,
    /// Held while sandbox or volumes are made or removed; true once they are gone for good.
    pub(crate) setup: tokio::sync::Mutex<bool>,
}

impl Local {
    pub(crate) fn new(config: &NodeConfig, pod: &Value) -> Self {
        let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default().to_owned();
        let (uid, namespace, name) = (text("uid"), text("namespace"), text("name"));
        Self {
            dir: config.root.join("pods").join(&uid),
            logs: config.root.join("logs").join(format!("{namespace}_{name}_{uid}")),
            references: crate::volumes::references(pod),
            host_network: pod["spec"]["hostNetwork"] == true,
            uid,
            namespace,
            name,
            ip: Mutex::default(),
            volumes: Mutex::default(),
            tokens: Tokens::default(),
            running: Mutex::default(),
            keep: Mutex::default(),
            setup: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) fn log(&self, container: &str, attempt: u32) -> PathBuf {
        self.logs.join(container).join(format!("{attempt}.log"))
    }

    pub(crate) fn termination_log(&self, container: &str, attempt: u32) -> PathBuf {
        self.dir.join("containers").join(container).join(attempt.to_string())
    }

    pub(crate) fn key(&self) -> store::Key {
        store::Key::new("pods", &self.namespace, &self.name)
    }
}

/// `<uid>_<container>_<attempt>`; neither uids nor container names have a `_`.
pub(crate) fn split_id(id: &str) -> Option<(&str, &str, u32)> {
    let (rest, attempt) = id.rsplit_once('_')?;
    let (uid, container) = rest.split_once('_')?;
    is_uid(uid).then_some((uid, container, attempt.parse().ok()?))
}

/// Sandboxes and containers of others (the router, builds) are not ours to touch.
pub(crate) fn is_uid(text: &str) -> bool {
    let dashes = [8, 13, 18, 23];
    text.len() == 36
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if dashes.contains(&at) { byte == b'-' } else { byte.is_ascii_hexdigit() })
}
