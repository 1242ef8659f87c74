//! What several controllers ask of pods and make of pod templates.

use crate::access::{at, int_at, is_deleting, list_at, namespace, owner_reference, str_at, time_at};
use crate::{Server, access};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;
use store::{Key, Object, Propagation, Resource, Term, Write};

pub(crate) const PODS: &str = "pods";

/// Not being deleted and not at its end: what counts against a replica number.
pub(crate) fn is_active(pod: &Value) -> bool {
    !is_deleting(pod) && !matches!(str_at(pod, &["status", "phase"]), "Succeeded" | "Failed")
}

pub(crate) fn ready_condition(pod: &Value) -> Option<&Value> {
    list_at(pod, &["status", "conditions"]).iter().find(|c| str_at(c, &["type"]) == "Ready")
}

pub(crate) fn is_ready(pod: &Value) -> bool {
    ready_condition(pod).is_some_and(|c| str_at(c, &["status"]) == "True")
}

/// Whether the pod has been ready for `min_ready_seconds`; otherwise how long until then.
pub(crate) fn availability(
    pod: &Value,
    min_ready_seconds: i64,
    now: Timestamp,
) -> Result<(), Option<Duration>> {
    if !is_ready(pod) {
        return Err(None);
    }
    if min_ready_seconds == 0 {
        return Ok(());
    }
    let since = ready_condition(pod).and_then(|c| time_at(c, &["lastTransitionTime"])).ok_or(None)?;
    let left = since.as_second() + min_ready_seconds - now.as_second();
    if left <= 0 { Ok(()) } else { Err(Some(Duration::from_secs(left.unsigned_abs()))) }
}

/// The pods that this object controls.
pub(crate) fn controlled_pods(server: &dyn Server, owner_uid: &str) -> Vec<Object> {
    server
        .owned_by(owner_uid)
        .into_iter()
        .filter(|(key, pod)| {
            &*key.resource.0 == PODS
                && access::controller_of(pod).is_some_and(|r| str_at(r, &["uid"]) == owner_uid)
        })
        .map(|(_, pod)| pod)
        .collect()
}

/// Pods in the owner's namespace that its selector wants and that nobody controls: they are adopted.
pub(crate) fn orphans(server: &dyn Server, owner: &Value) -> Vec<Object> {
    let selector = at(owner, &["spec", "selector"]);
    let select = if str_at(owner, &["kind"]) == "ReplicationController" {
        access::map_selected
    } else {
        access::selected
    };
    let mut free = select(server, PODS, namespace(owner), selector, &[Term::Free]);
    free.retain(|pod| is_active(pod));
    free
}

/// The pods that this object is to control: orphans that it selects come (if `fits`), those whose labels it selects no
/// more are let go. An object that is being deleted does neither.
pub(crate) fn claim(
    server: &dyn Server,
    (api_version, kind): (&str, &str),
    owner: &Value,
    fits: impl Fn(&Value) -> bool,
    outcome: &mut crate::Outcome,
) -> Vec<Object> {
    let mut ours = controlled_pods(server, access::uid(owner));
    if is_deleting(owner) {
        return ours;
    }
    ours.retain(|pod| {
        let wanted = selects(owner, at(pod, &["metadata", "labels"])) && fits(pod);
        if !wanted && is_active(pod) {
            outcome.write(disown(PODS, access::uid(owner), pod));
        }
        wanted
    });
    for orphan in orphans(server, owner).into_iter().filter(|pod| fits(pod)) {
        outcome.write(own(PODS, api_version, kind, owner, &orphan));
        ours.push(orphan);
    }
    ours
}

/// Whether the owner's selector wants these labels; a ReplicationController's is a plain map.
fn selects(owner: &Value, labels: &Value) -> bool {
    let selector = at(owner, &["spec", "selector"]);
    if str_at(owner, &["kind"]) == "ReplicationController" {
        return access::map_selects(selector, labels);
    }
    access::labels_match(selector, labels)
}

/// The patch that makes `owner` an object's controller.
pub(crate) fn own(resource: &str, api_version: &str, kind: &str, owner: &Value, object: &Value) -> Write {
    let mut owners = list_at(object, &["metadata", "ownerReferences"]).to_vec();
    owners.push(owner_reference(api_version, kind, owner));
    set_owners(resource, object, owners)
}

/// The patch after which the object of this uid owns that one no more.
pub(crate) fn disown(resource: &str, owner_uid: &str, object: &Value) -> Write {
    let mut owners = list_at(object, &["metadata", "ownerReferences"]).to_vec();
    owners.retain(|r| str_at(r, &["uid"]) != owner_uid);
    set_owners(resource, object, owners)
}

fn set_owners(resource: &str, object: &Value, owners: Vec<Value>) -> Write {
    let owners = if owners.is_empty() { Value::Null } else { json!(owners) };
    let version = at(object, &["metadata", "resourceVersion"]);
    Write::Merge {
        key: access::key_of(resource, object),
        subresource: "",
        patch: json!({"metadata": {"uid": access::uid(object), "resourceVersion": version, "ownerReferences": owners}}),
    }
}

/// A pod from `owner`'s template. Exactly one of `name` and `generateName` is set by the caller afterwards.
pub(crate) fn from_template(api_version: &str, kind: &str, owner: &Value, template: &Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "namespace": namespace(owner),
            "ownerReferences": [owner_reference(api_version, kind, owner)],
        },
        "spec": at(template, &["spec"]).clone(),
    });
    for field in ["labels", "annotations", "finalizers"] {
        let value = at(template, &["metadata", field]);
        if !value.is_null() {
            pod["metadata"][field] = value.clone();
        }
    }
    pod
}

pub(crate) fn create(pod: Value) -> Write {
    Write::Create { resource: Resource::new(PODS), object: pod }
}

pub(crate) fn delete(pod: &Value) -> Write {
    Write::Delete {
        key: access::key_of(PODS, pod),
        uid: Some(access::uid(pod).to_string()),
        grace_seconds: None,
        propagation: Propagation::Background,
    }
}

/// Init containers that run as long as the pod does.
pub(crate) fn sidecars(pod: &Value) -> impl Iterator<Item = &Value> {
    let init = list_at(pod, &["spec", "initContainers"]).iter();
    init.filter(|container| str_at(container, &["restartPolicy"]) == "Always")
}

/// The condition of a pod that goes although nothing is wrong with it.
pub(crate) const DISRUPTED: &str = "DisruptionTarget";

/// Conditions of pods do not say when they were last written.
pub(crate) fn set_condition(
    conditions: &mut Vec<Value>,
    kind: &str,
    status: &str,
    (reason, message): (&str, &str),
    now: Timestamp,
) {
    access::set_condition(conditions, kind, status, reason, message, now);
    for condition in conditions.iter_mut().filter_map(Value::as_object_mut) {
        condition.shift_remove("lastUpdateTime");
    }
}

/// A pod is told why, and goes.
pub(crate) fn disrupt(
    pod: &Object,
    reason: &str,
    message: &str,
    now: Timestamp,
    outcome: &mut crate::Outcome,
) {
    let mut conditions = list_at(pod, &["status", "conditions"]).to_vec();
    set_condition(&mut conditions, DISRUPTED, "True", (reason, message), now);
    let mut next = (**pod).clone();
    next["status"]["conditions"] = json!(conditions);
    // The node may write the same status meanwhile; what matters is that the pod goes.
    if let Some(meta) = next["metadata"].as_object_mut() {
        meta.shift_remove("resourceVersion");
    }
    outcome.write(Write::UpdateStatus { resource: Resource::new(PODS), object: next });
    outcome.write(delete(pod));
}

/// The keys of the objects of `resource` to which a pod belongs: by its controller, or, for an orphan, by selector.
pub(crate) fn owners_of(server: &dyn Server, pod: &Value, kind: &str, resource: &str) -> Vec<Key> {
    if access::controller_of(pod).is_some() {
        return access::owner_key(pod, kind, resource).into_iter().collect();
    }
    let labels = at(pod, &["metadata", "labels"]);
    server
        .list(resource, namespace(pod))
        .iter()
        .filter(|owner| selects(owner, labels))
        .map(|owner| access::key_of(resource, owner))
        .collect()
}

pub(crate) fn min_ready_seconds(owner: &Value) -> i64 {
    int_at(owner, &["spec", "minReadySeconds"]).unwrap_or(0)
}
