//! After a start: what runs is taken over, what belongs to nobody is removed.

use crate::ends::terminated;
use crate::shared::{Local, Shared, is_uid, split_id};
use crate::volumes::memory_dir;
use jiff::Timestamp;
use pod::{Action, Found, FoundState, PodState};
use runtime::ContainerState;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::Object;

/// What the runtime had at the start, by pod uid.
#[derive(Default)]
pub(crate) struct Leftovers {
    containers: HashMap<String, Vec<(String, ContainerState)>>,
    sandboxes: HashMap<String, i32>,
}

impl Leftovers {
    pub(crate) fn find(shared: &Shared) -> Self {
        let mut out = Self::default();
        for (id, state) in shared.runtime.containers() {
            if let Some((uid, ..)) = split_id(&id) {
                out.containers.entry(uid.to_owned()).or_default().push((id, state));
            }
        }
        for sandbox in shared.runtime.sandboxes() {
            if is_uid(&sandbox.id) {
                out.sandboxes.insert(sandbox.id, sandbox.pid);
            }
        }
        out
    }

    /// Removes all that is of no pod in `alive`.
    pub(crate) async fn remove_orphans(&self, shared: &Shared, alive: &HashSet<String>) {
        for (uid, containers) in &self.containers {
            for (id, _) in containers.iter().filter(|_| !alive.contains(uid)) {
                crate::setup::remove_container(shared, id).await;
            }
        }
        for uid in self.sandboxes.keys().filter(|uid| !alive.contains(*uid)) {
            warn(shared.network.detach(uid).await.map_err(|e| e.to_string()), uid);
            warn(shared.runtime.remove_sandbox(uid).await.map_err(|e| e.to_string()), uid);
        }
        shared.network.retain(alive);
        let root = shared.config.root.clone();
        let memory = memory_dir(&shared.config.name);
        let alive = alive.clone();
        let removed = tokio::task::spawn_blocking(move || {
            for dir in [root.join("pods"), root.join("logs"), memory] {
                remove_strangers(&dir, &alive);
            }
        });
        if let Err(error) = removed.await {
            tracing::warn!(%error, "cannot clean up after old pods");
        }
    }
}

fn warn(result: Result<(), String>, id: &str) {
    if let Err(error) = result {
        tracing::warn!(error, id, "cannot remove what an old pod left");
    }
}

/// Folders are named by a uid, or end in one.
fn remove_strangers(dir: &Path, alive: &HashSet<String>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let uid = name.rsplit('_').next().unwrap_or_default();
        if !alive.contains(uid) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// The state of a pod that this node has had before, or has new.
pub(crate) async fn adopt(
    shared: &Arc<Shared>,
    pod: &Object,
    leftovers: &Leftovers,
    now: Timestamp,
) -> (PodState, Vec<Action>) {
    let local = Local::new(&shared.config, pod);
    let containers = leftovers.containers.get(&local.uid).map_or(&[][..], Vec::as_slice);
    let mut sandbox = None;
    if let Some(pid) = leftovers.sandboxes.get(&local.uid) {
        let ip = if local.host_network {
            Ok(shared.host_ip)
        } else {
            let netns = PathBuf::from(format!("/proc/{pid}/ns/net"));
            shared.network.attach(&local.uid, &netns).await
        };
        match ip {
            Ok(ip) => sandbox = Some(Some(ip)),
            Err(error) => tracing::warn!(%error, pod = local.name, "cannot take over the pod's address"),
        }
    }
    let mut found = Vec::new();
    for (id, state) in containers {
        let Some((_, container, attempt)) = split_id(id) else { continue };
        let state = match state {
            ContainerState::Created => FoundState::Created,
            ContainerState::Running { started_at, .. } => {
                FoundState::Running { started_at: started_at.parse().unwrap_or(now) }
            }
            ContainerState::Exited(exit) => {
                FoundState::Exited(terminated(&local, pod, container, id, attempt, exit))
            }
        };
        found.push(Found { container: container.into(), id: id.clone(), attempt, state });
    }
    if sandbox.is_none() {
        // Their namespaces are gone: nobody can reach them, and new ones get a new address.
        for (id, _) in containers {
            crate::setup::remove_container(shared, id).await;
        }
        found.retain(|found| matches!(found.state, FoundState::Exited(_)));
    }
    pod::adopt(pod.clone(), shared.host_ip, sandbox, &found, now)
}
