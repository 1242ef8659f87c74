//! The claims of a StatefulSet's pods: made from the templates, and gone with the set or the pod if the policy says so.

use crate::access::{self, list_at, name, namespace, str_at};
use crate::{Controller, Outcome, Server, volumes};
use serde_json::{Value, json};
use store::{EventKind, Object, Resource, Write};

fn claim_name(template: &Value, pod: &str) -> String {
    format!("{}-{pod}", name(template))
}

fn templates(set: &Value) -> &[Value] {
    list_at(set, &["spec", "volumeClaimTemplates"])
}

/// Makes the claims that are missing, and puts them into the pod's volumes.
pub(super) fn furnish(server: &dyn Server, set: &Value, pod: &mut Value, outcome: &mut Outcome) {
    let pod_name = name(pod).to_string();
    let mut volumes: Vec<Value> = list_at(pod, &["spec", "volumes"]).to_vec();
    for template in templates(set) {
        let claim = claim_name(template, &pod_name);
        volumes.retain(|v| str_at(v, &["name"]) != name(template));
        volumes.push(json!({"name": name(template), "persistentVolumeClaim": {"claimName": claim}}));
    }
    pod["spec"]["volumes"] = json!(volumes);
    make_missing(server, set, pod, outcome);
}

/// A pod that waits for a claim which is not there gets it.
pub(super) fn make_missing(server: &dyn Server, set: &Value, pod: &Value, outcome: &mut Outcome) {
    for template in templates(set) {
        let claim = claim_name(template, name(pod));
        if server.get(volumes::CLAIMS, namespace(set), &claim).is_some() {
            continue;
        }
        outcome.write(create(set, template, &claim));
        let message = format!("create Claim {claim} Pod {} in StatefulSet {} success", name(pod), name(set));
        let regarding = access::reference("apps/v1", "StatefulSet", set);
        let component = super::StatefulSets.name();
        outcome.write(access::event(EventKind::Normal, regarding, component, "SuccessfulCreate", message));
    }
}

/// Whether a claim of this pod is being deleted.
pub(super) fn are_going(server: &dyn Server, set: &Value, pod: &str) -> bool {
    let mut claims = templates(set)
        .iter()
        .filter_map(|t| server.get(volumes::CLAIMS, namespace(set), &claim_name(t, pod)));
    claims.any(|claim| access::is_deleting(&claim))
}

fn create(set: &Value, template: &Value, claim: &str) -> Write {
    let mut object = template.clone();
    object["apiVersion"] = json!("v1");
    object["kind"] = json!("PersistentVolumeClaim");
    object["metadata"]["name"] = json!(claim);
    object["metadata"]["namespace"] = json!(namespace(set));
    if let Some(labels) = access::at(set, &["spec", "selector", "matchLabels"]).as_object() {
        labels.iter().for_each(|(k, v)| object["metadata"]["labels"][k] = v.clone());
    }
    if policy(set, "whenDeleted") == "Delete" {
        object["metadata"]["ownerReferences"] = json!([set_reference(set)]);
    }
    if let Some(fields) = object.as_object_mut() {
        fields.shift_remove("status");
    }
    Write::Create { resource: Resource::new(volumes::CLAIMS), object }
}

fn policy<'a>(set: &'a Value, when: &str) -> &'a str {
    str_at(set, &["spec", "persistentVolumeClaimRetentionPolicy", when])
}

fn set_reference(set: &Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name(set), "uid": access::uid(set)})
}

/// Claims of a pod within the range belong to the set if they are to go with it, and to no pod.
pub(super) fn belong(server: &dyn Server, set: &Value, pod: &str, outcome: &mut Outcome) {
    let goes = policy(set, "whenDeleted") == "Delete";
    for template in templates(set) {
        let Some(claim) = server.get(volumes::CLAIMS, namespace(set), &claim_name(template, pod)) else {
            continue;
        };
        let owners = list_at(&claim, &["metadata", "ownerReferences"]);
        let is_set = |r: &Value| str_at(r, &["uid"]) == access::uid(set);
        let is_pod = |r: &Value| str_at(r, &["kind"]) == "Pod" && str_at(r, &["name"]) == pod;
        let mut wanted: Vec<Value> =
            owners.iter().filter(|r| !is_pod(r) && (goes || !is_set(r))).cloned().collect();
        if goes && !wanted.iter().any(is_set) {
            wanted.push(set_reference(set));
        }
        if wanted != owners {
            outcome.write(own(&claim, wanted));
        }
    }
}

/// Claims of a pod that goes because there are to be fewer: they go with it if the policy says so.
pub(super) fn condemn(server: &dyn Server, set: &Value, pod: &Value, outcome: &mut Outcome) {
    if policy(set, "whenScaled") != "Delete" {
        return;
    }
    let reference = json!({"apiVersion": "v1", "kind": "Pod", "name": name(pod), "uid": access::uid(pod)});
    for template in templates(set) {
        let claim = claim_name(template, name(pod));
        if let Some(claim) = server.get(volumes::CLAIMS, namespace(set), &claim)
            && list_at(&claim, &["metadata", "ownerReferences"]) != [reference.clone()]
        {
            // The set's reference would keep the claim alive.
            outcome.write(own(&claim, vec![reference.clone()]));
        }
    }
}

fn own(claim: &Object, owners: Vec<Value>) -> Write {
    let owners = if owners.is_empty() { Value::Null } else { json!(owners) };
    Write::Merge {
        key: access::key_of(volumes::CLAIMS, claim),
        subresource: "",
        patch: json!({"metadata": {"ownerReferences": owners}}),
    }
}
