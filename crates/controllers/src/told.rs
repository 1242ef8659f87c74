//! What is told of a pod that a controller has made, or could not make: the driver knows the name and the refusal.

use crate::access::{self, name, str_at};
use serde_json::{Value, json};
use store::{EventKind, Write};

/// The event on the pod's controller; `refusal` is why the API did not take the pod.
pub fn creation(component: &str, pod: &Value, refusal: Option<&str>) -> Option<Write> {
    let owner = access::controller_of(pod)?;
    let (kind, owner_name) = (str_at(owner, &["kind"]), str_at(owner, &["name"]));
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
