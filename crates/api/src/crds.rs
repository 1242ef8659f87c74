//! CustomResourceDefinitions: what the server answers to them, and the kinds that they define.

pub(crate) mod naming;
pub(crate) mod places;

use crate::metadata::{default_to, field_map, text, timestamp};
use schema::Kind;
use serde_json::{Value, json};
use store::{Snapshot, View};

pub(crate) const RESOURCE: &str = "apiextensions.k8s.io/customresourcedefinitions";

/// Fills in what upstream's own controllers would: names, and the conditions that say that it is served.
pub(crate) fn admit(view: &Snapshot, definition: &mut Value, now: jiff::Timestamp) {
    let spec = &mut definition["spec"];
    let kind = spec["names"]["kind"].as_str().unwrap_or_default().to_string();
    if spec["names"].is_object() {
        default_to(&mut spec["names"], "singular", kind.to_lowercase());
        default_to(&mut spec["names"], "listKind", format!("{kind}List"));
    }
    if spec.is_object() {
        default_to(spec, "conversion", json!({ "strategy": "None" }));
    }
    remember_stored(definition);
    naming::grant(view, definition, now);
    approval(definition, now);
}

/// `status.storedVersions` grows by each version that becomes the stored one; only people take versions out.
fn remember_stored(definition: &mut Value) {
    let versions = definition["spec"]["versions"].as_array().into_iter().flatten();
    let stored: Vec<Value> =
        versions.filter(|v| v["storage"] == true).filter_map(|v| v.get("name").cloned()).collect();
    let status = field_map(definition, "status");
    let mut known = status.get("storedVersions").and_then(Value::as_array).cloned().unwrap_or_default();
    known.extend(stored.into_iter().filter(|version| !known.contains(version)).collect::<Vec<_>>());
    status.insert("storedVersions".into(), known.into());
}

/// Groups of Kubernetes' own: whether its maintainers have had a look.
fn approval(definition: &mut Value, now: jiff::Timestamp) {
    let group = definition["spec"]["group"].as_str().unwrap_or_default();
    if !(group.ends_with(".k8s.io") || group.ends_with(".kubernetes.io")) {
        return;
    }
    let given = &definition["metadata"]["annotations"]["api-approved.kubernetes.io"];
    let given = given.as_str().unwrap_or_default().to_string();
    // Other annotations are refused by the validation.
    let (state, reason, message) = if given.starts_with("unapproved") {
        ("False", "UnapprovedAnnotation", format!("not approved: {given:?}"))
    } else {
        ("True", "ApprovedAnnotation", format!("approved in {given}"))
    };
    condition(definition, "KubernetesAPIApprovalPolicyConformant", state, reason, &message, now);
}

fn condition(
    definition: &mut Value,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: jiff::Timestamp,
) {
    let conditions = field_map(definition, "status").entry("conditions").or_insert_with(|| json!([]));
    let Some(list) = conditions.as_array_mut() else { return };
    let Some(known) = list.iter_mut().find(|known| known["type"] == kind) else {
        list.push(json!({
            "lastTransitionTime": timestamp(now), "message": message, "reason": reason,
            "status": status, "type": kind,
        }));
        return;
    };
    if known["status"] != status {
        known["lastTransitionTime"] = timestamp(now).into();
        known["status"] = status.into();
    }
    known["reason"] = reason.into();
    known["message"] = message.into();
}

/// The kinds that the stored definitions describe.
pub(crate) fn kinds(view: &Snapshot) -> Vec<Kind> {
    view.list(RESOURCE, "").iter().filter(|definition| is_established(definition)).map(|d| kind(d)).collect()
}

fn is_established(definition: &Value) -> bool {
    let conditions = definition["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|c| c["type"] == "Established" && c["status"] == "True")
        && !text(definition, "name").is_empty()
}

fn kind(definition: &Value) -> Kind {
    let spec = &definition["spec"];
    let names = &definition["status"]["acceptedNames"];
    let word = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let words = |value: &Value| value.as_array().into_iter().flatten().map(word).collect::<Vec<_>>();
    let mut versions: Vec<&Value> =
        spec["versions"].as_array().into_iter().flatten().filter(|v| v["served"] == true).collect();
    versions.sort_by_key(|version| {
        (version["storage"] != true, rank(version["name"].as_str().unwrap_or_default()))
    });
    let mut subresources = Vec::new();
    for name in ["status", "scale"] {
        if versions.iter().any(|version| version["subresources"][name].is_object()) {
            subresources.push(name.to_string());
        }
    }
    Kind {
        group: word(&spec["group"]),
        versions: versions.iter().map(|version| word(&version["name"])).collect(),
        kind: word(&names["kind"]),
        plural: word(&names["plural"]),
        singular: word(&names["singular"]),
        short_names: words(&names["shortNames"]),
        categories: words(&names["categories"]),
        namespaced: spec["scope"] == "Namespaced",
        subresources,
    }
}

/// Kubernetes' order of versions: `v2`, `v1`, `v1beta2`, `v1beta1`, `v1alpha1`, others by name.
fn rank(version: &str) -> (u8, std::cmp::Reverse<u32>, std::cmp::Reverse<u32>, String) {
    use std::cmp::Reverse;
    let parse = || -> Option<(u8, u32, u32)> {
        let rest = version.strip_prefix('v')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let major = rest[..digits].parse().ok()?;
        match &rest[digits..] {
            "" => Some((0, major, 0)),
            tail => {
                let (level, minor) = tail
                    .strip_prefix("beta")
                    .map(|m| (1, m))
                    .or(tail.strip_prefix("alpha").map(|m| (2, m)))?;
                Some((level, major, minor.parse().ok()?))
            }
        }
    };
    match parse() {
        Some((level, major, minor)) => (level, Reverse(major), Reverse(minor), String::new()),
        None => (3, Reverse(0), Reverse(0), version.to_string()),
    }
}
