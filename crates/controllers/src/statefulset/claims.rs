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
    let of_claim = |template: &Value| {
        let claim = claim_name(template, &pod_name);
        json!({"name": name(template), "persistentVolumeClaim": {"claimName": claim}})
    };
    let mut volumes: Vec<Value> = templates(set).iter().map(of_claim).collect();
    let claimed = |volume: &&Value| templates(set).iter().all(|t| name(t) != str_at(volume, &["name"]));
    volumes.extend(list_at(pod, &["spec", "volumes"]).iter().filter(claimed).cloned());
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

/// Whether a claim of this pod is being deleted, or is about to be: it still belongs to the last pod of the name.
pub(super) fn are_going(server: &dyn Server, set: &Value, pod: &str) -> bool {
    let mut claims = templates(set)
        .iter()
        .filter_map(|t| server.get(volumes::CLAIMS, namespace(set), &claim_name(t, pod)));
    let scaled = policy(set, "whenScaled") == "Delete";
    let of_last = |r: &Value| str_at(r, &["kind"]) == "Pod" && str_at(r, &["name"]) == pod;
    claims.any(|claim| {
        let owners = list_at(&claim, &["metadata", "ownerReferences"]);
        access::is_deleting(&claim) || scaled && owners.iter().any(of_last)
    })
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
    access::owner_reference("apps/v1", "StatefulSet", set)
}

/// Whom a claim of a pod should belong to: to the set, if it is to go with it, or to a pod that there is no more need of.
pub(super) fn belong(server: &dyn Server, set: &Value, pod: &Value, needed: bool, outcome: &mut Outcome) {
    for template in templates(set) {
        let Some(claim) = server.get(volumes::CLAIMS, namespace(set), &claim_name(template, name(pod)))
        else {
            continue;
        };
        let mut told = false;
        let wanted = owners(set, pod, needed, &claim, &mut told);
        if told {
            let message = format!(
                "PersistentVolumeClaim {} has a conflicting OwnerReference that acts as a managing controller, the retention policy is ignored for this claim",
                name(&claim)
            );
            let regarding = access::reference("apps/v1", "StatefulSet", set);
            let component = super::StatefulSets.name();
            outcome.write(access::event(
                EventKind::Warning,
                regarding,
                component,
                "ConflictingController",
                message,
            ));
        }
        if let Some(wanted) =
            wanted.filter(|wanted| wanted != list_at(&claim, &["metadata", "ownerReferences"]))
        {
            outcome.write(own(&claim, wanted));
        }
    }
}

/// None: the claim is not touched. `told`: somebody else controls it.
fn owners(set: &Value, pod: &Value, needed: bool, claim: &Value, told: &mut bool) -> Option<Vec<Value>> {
    let references = list_at(claim, &["metadata", "ownerReferences"]);
    let is = |r: &Value, kind: &str, object: &Value| {
        str_at(r, &["kind"]) == kind && str_at(r, &["name"]) == name(object)
    };
    let ours = |r: &&Value| is(r, "StatefulSet", set) || is(r, "Pod", pod);
    let same = |r: &Value, object: &Value| str_at(r, &["uid"]) == access::uid(object);
    // What an earlier set or pod of the name has left is the garbage collector's.
    if references.iter().filter(ours).any(|r| !same(r, set) && !same(r, pod)) {
        return None;
    }
    let mut wanted: Vec<Value> = references.iter().filter(|r| !ours(r)).cloned().collect();
    let (deleted, scaled) = (policy(set, "whenDeleted") == "Delete", policy(set, "whenScaled") == "Delete");
    let foreign = wanted.iter().any(|r| access::at(r, &["controller"]) == &json!(true));
    if foreign && (deleted || scaled) {
        *told = true;
        return Some(wanted);
    }
    match (deleted, scaled) {
        (_, true) if !needed => wanted.push(access::owner_reference("v1", "Pod", pod)),
        (true, _) => wanted.push(set_reference(set)),
        _ => {}
    }
    Some(wanted)
}

fn own(claim: &Object, owners: Vec<Value>) -> Write {
    let owners = if owners.is_empty() { Value::Null } else { json!(owners) };
    Write::Merge {
        key: access::key_of(volumes::CLAIMS, claim),
        subresource: "",
        patch: json!({"metadata": {"ownerReferences": owners}}),
    }
}
