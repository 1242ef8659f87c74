//! Following the API: each pod of this node has a task, and hears of what concerns it.

use crate::adoption::{self, Leftovers};
use crate::pod_task;
use crate::shared::{Input, Shared};
use pod::Event;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use store::{Change, ChangeKind, Object, Term, View};

/// Each pod that is bound to this node gets its task, with what the runtime has of it.
pub(crate) async fn take_over(shared: &Arc<Shared>, view: &api::Snapshot, leftovers: &Leftovers) {
    for pod in ours(shared, view) {
        begin(shared, pod, Some(leftovers)).await;
    }
}

/// Follows all changes from a version on.
pub(crate) async fn run(shared: Arc<Shared>, version: u64) {
    let mut changes = shared.api.changes(version);
    loop {
        let change = tokio::select! {
            change = changes.next() => change,
            () = shared.stop.cancelled() => return,
        };
        match change {
            Ok(change) => take(&shared, change).await,
            Err(_expired) => {
                let view = shared.api.view();
                changes = shared.api.changes(view.version());
                compare(&shared, &view).await;
            }
        }
    }
}

pub(crate) fn ours(shared: &Shared, view: &dyn View) -> Vec<Object> {
    view.select("pods", "", &[Term::Node(&shared.config.name)])
}

async fn begin(shared: &Arc<Shared>, pod: Object, leftovers: Option<&Leftovers>) {
    let now = jiff::Timestamp::now();
    let (state, actions) = match leftovers {
        Some(leftovers) => adoption::adopt(shared, &pod, leftovers, now).await,
        None => (pod::PodState::new(pod.clone(), shared.host_ip, now), Vec::new()),
    };
    pod_task::spawn(shared, pod, state, actions);
}

async fn take(shared: &Arc<Shared>, change: Change) {
    match change.key.resource.as_str() {
        "pods" => pod_changed(shared, change).await,
        "persistentvolumes" => {
            if change.kind == ChangeKind::Deleted {
                forget_volume(shared, &change.object);
            }
            // Which claim it is for does not matter: pods that wait for one look again.
            objects_changed(shared, "persistentvolumes", "", "").await;
        }
        resource @ ("configmaps" | "secrets" | "persistentvolumeclaims" | "serviceaccounts") => {
            objects_changed(shared, resource, &change.key.namespace, &change.key.name).await;
        }
        _ => {}
    }
}

async fn pod_changed(shared: &Arc<Shared>, change: Change) {
    if change.object["spec"]["nodeName"] != shared.config.name.as_str() {
        return;
    }
    let uid = change.object["metadata"]["uid"].as_str().unwrap_or_default();
    let known = shared.pods.lock().get(uid).cloned();
    match (known, change.kind) {
        (Some(handle), ChangeKind::Deleted) => tell(&handle, Input::Event(Event::Gone)).await,
        (Some(handle), _) => tell(&handle, Input::Event(Event::Spec(change.object))).await,
        (None, ChangeKind::Deleted) => {}
        (None, _) => {
            // An old change of a pod that has been ended meanwhile is no new pod.
            let current = shared.api.view().get("pods", &change.key.namespace, &change.key.name);
            if let Some(current) = current.filter(|current| current["metadata"]["uid"] == uid) {
                begin(shared, current, None).await;
            }
        }
    }
}

async fn tell(handle: &crate::shared::PodHandle, input: Input) {
    // A task that has just ended needs no telling.
    let _ = handle.inbox.send(input).await;
}

async fn objects_changed(shared: &Arc<Shared>, resource: &str, namespace: &str, name: &str) {
    let concerned: Vec<_> = {
        let pods = shared.pods.lock();
        let names = |handle: &crate::shared::PodHandle| {
            let mut references = handle.local.references.iter();
            if resource == "persistentvolumes" {
                return references.any(|(kind, _)| *kind == "persistentvolumeclaims");
            }
            handle.local.namespace == namespace
                && references.any(|(kind, known)| *kind == resource && known == name)
        };
        pods.values().filter(|handle| names(handle)).cloned().collect()
    };
    for handle in concerned {
        tell(&handle, Input::ObjectsChanged).await;
    }
}

/// After too many changes at once: states are compared instead.
async fn compare(shared: &Arc<Shared>, view: &api::Snapshot) {
    let mut alive = HashSet::new();
    for pod in ours(shared, view) {
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let known = shared.pods.lock().get(&uid).cloned();
        match known {
            Some(handle) => {
                tell(&handle, Input::Event(Event::Spec(pod))).await;
                tell(&handle, Input::ObjectsChanged).await;
            }
            None => begin(shared, pod, None).await,
        }
        alive.insert(uid);
    }
    let gone: Vec<_> =
        shared.pods.lock().iter().filter(|(uid, _)| !alive.contains(*uid)).map(|(_, h)| h.clone()).collect();
    for handle in gone {
        tell(&handle, Input::Event(Event::Gone)).await;
    }
}

/// A volume that we made for a claim goes with its object.
fn forget_volume(shared: &Arc<Shared>, volume: &Object) {
    let made_here =
        volume["metadata"]["annotations"]["pv.kubernetes.io/provisioned-by"] == "rancher.io/local-path";
    let deletes = volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete";
    let Some(path) = volume["spec"]["hostPath"]["path"].as_str() else { return };
    let path = Path::new(path).to_owned();
    let below = path.parent() == Some(shared.config.storage.as_path());
    if !made_here || !deletes || !below {
        return;
    }
    shared.tasks.spawn_blocking(move || {
        if let Err(error) = std::fs::remove_dir_all(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %path.display(), "cannot remove a volume's folder");
        }
    });
}
