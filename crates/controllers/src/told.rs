//! What is told of an object that a controller has made, or could not make: the driver knows the name and the refusal.

use crate::access::{self, name, str_at};
use crate::deployment::DEPLOYMENTS;
use jiff::Timestamp;
use serde_json::{Value, json};
use store::{EventKind, View, Write};

/// The event on the controller of a pod, or of a CronJob's job; `refusal` is why the API did not take it.
pub fn creation(component: &str, pod: &Value, refusal: Option<&str>) -> Option<Write> {
    let owner = access::controller_of(pod)?;
    let (kind, owner_name) = (str_at(owner, &["kind"]), str_at(owner, &["name"]));
    if kind == "CronJob" {
        let (version, why) = (str_at(owner, &["apiVersion"]), refusal?);
        let regarding = json!({
            "apiVersion": version, "kind": kind, "name": owner_name, "uid": str_at(owner, &["uid"]),
            "namespace": access::namespace(pod),
        });
        let message = format!("Error creating job: {why}");
        return Some(access::event(EventKind::Warning, regarding, component, "FailedCreate", message));
    }
    let by_name = kind == "StatefulSet";
    let (event, reason, message) = match refusal {
        None if by_name => {
            let message = format!("create Pod {} in StatefulSet {owner_name} successful", name(pod));
            (EventKind::Normal, "SuccessfulCreate", message)
        }
        None => (EventKind::Normal, "SuccessfulCreate", format!("Created pod: {}", name(pod))),
        Some(why) if by_name => {
            let message = format!("create Pod {} in StatefulSet {owner_name} failed error: {why}", name(pod));
            (EventKind::Warning, "FailedCreate", message)
        }
        Some(why) => (EventKind::Warning, "FailedCreate", format!("Error creating: {why}")),
    };
    let regarding = json!({
        "apiVersion": str_at(owner, &["apiVersion"]), "kind": kind, "name": owner_name,
        "uid": str_at(owner, &["uid"]), "namespace": access::namespace(pod),
    });
    Some(access::event(event, regarding, component, reason, message))
}

/// What else follows from a refusal: the owner's status says so. A set that could not make a pod has a
/// `ReplicaFailure`; a Deployment that could not make its set does not get on.
pub fn refusal(view: &dyn View, object: &Value, why: &str, now: Timestamp) -> Vec<Write> {
    let Some(owner) = access::controller_of(object) else { return Vec::new() };
    let kinds = [
        ("ReplicaSet", "apps/replicasets", "ReplicaFailure", "True", "FailedCreate", why.to_string()),
        (
            "ReplicationController",
            "replicationcontrollers",
            "ReplicaFailure",
            "True",
            "FailedCreate",
            why.to_string(),
        ),
        (
            "Deployment",
            DEPLOYMENTS,
            "Progressing",
            "False",
            "ReplicaSetCreateError",
            format!("Failed to create new replica set \"{}\": {why}", name(object)),
        ),
    ];
    let Some((kind, resource, condition, status, reason, message)) =
        kinds.into_iter().find(|(kind, ..)| *kind == str_at(owner, &["kind"]))
    else {
        return Vec::new();
    };
    let found = view.get(resource, access::namespace(object), str_at(owner, &["name"]));
    let Some(found) = found.filter(|found| access::uid(found) == str_at(owner, &["uid"])) else {
        return Vec::new();
    };
    let mut conditions = access::list_at(&found, &["status", "conditions"]).to_vec();
    let noted = |c: &Value| {
        str_at(c, &["type"]) == condition
            && str_at(c, &["status"]) == status
            && str_at(c, &["reason"]) == reason
    };
    if conditions.iter().any(noted) {
        return Vec::new();
    }
    let time = access::format_time(now);
    let mut new = json!({
        "type": condition, "status": status, "lastTransitionTime": time, "reason": reason, "message": message,
    });
    let mut writes = Vec::new();
    if kind == "Deployment" {
        new["lastUpdateTime"] = json!(time);
        let regarding = access::reference("apps/v1", "Deployment", &found);
        writes.push(access::event(EventKind::Warning, regarding, "deployment-controller", reason, message));
    }
    conditions.retain(|c| str_at(c, &["type"]) != condition);
    conditions.push(new);
    let mut next = access::at(&found, &["status"]).clone();
    next["conditions"] = json!(conditions);
    writes.extend(access::status_write(resource, &found, next));
    writes
}
