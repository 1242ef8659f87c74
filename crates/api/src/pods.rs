//! What the API server itself adds to a pod: service account, its token, tolerations, priority; its QoS class.

use crate::luck::Luck;
use crate::metadata::{default_to, text};
use crate::{ApiError, Result};
use serde_json::{Value, json};
use store::{Snapshot, View};

const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

pub(crate) fn admit(view: &Snapshot, pod: &mut Value, luck: &Luck) -> Result<()> {
    service_account(view, pod, luck)?;
    tolerations(pod);
    priority(view, pod)
}

fn service_account(view: &Snapshot, pod: &mut Value, luck: &Luck) -> Result<()> {
    let namespace = text(pod, "namespace").to_string();
    let spec = &mut pod["spec"];
    let named = spec["serviceAccountName"].as_str().or(spec["serviceAccount"].as_str());
    let account = named.filter(|name| !name.is_empty()).unwrap_or("default").to_string();
    spec["serviceAccountName"] = account.clone().into();
    spec["serviceAccount"] = account.clone().into();
    let found = view.get("serviceaccounts", &namespace, &account);
    // The `default` one is made by a controller right after its namespace: upstream refuses a pod that is quicker,
    // we know that it will come.
    if found.is_none() && account != "default" {
        let why = format!(
            "error looking up service account {namespace}/{account}: serviceaccount \"{account}\" not found"
        );
        return Err(ApiError::forbidden("pods", text(pod, "name"), &why));
    }
    let found = found.unwrap_or_default();
    let spec = &mut pod["spec"];
    if spec["imagePullSecrets"].as_array().is_none_or(Vec::is_empty)
        && let Some(secrets) = found["imagePullSecrets"].as_array().filter(|secrets| !secrets.is_empty())
    {
        spec["imagePullSecrets"] = secrets.clone().into();
    }
    let own = spec["automountServiceAccountToken"].as_bool();
    if own.or(found["automountServiceAccountToken"].as_bool()).unwrap_or(true) {
        mount_token(spec, luck);
    }
    Ok(())
}

fn mount_token(spec: &mut Value, luck: &Luck) {
    let existing = spec["volumes"].as_array().into_iter().flatten().find_map(|volume| {
        volume["name"].as_str().filter(|name| name.starts_with("kube-api-access-")).map(str::to_string)
    });
    let name = existing.clone().unwrap_or_else(|| format!("kube-api-access-{}", luck.suffix()));
    let mut used = false;
    for list in ["initContainers", "containers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let mounts = &mut container["volumeMounts"];
            let mut known = mounts.as_array().into_iter().flatten();
            if known.any(|mount| mount["mountPath"] == TOKEN_PATH) {
                continue;
            }
            used = true;
            let mount = json!({ "name": name, "readOnly": true, "mountPath": TOKEN_PATH });
            match mounts.as_array_mut() {
                Some(mounts) => mounts.push(mount),
                None => *mounts = json!([mount]),
            }
        }
    }
    if !used || existing.is_some() {
        return;
    }
    let volume = json!({ "name": name, "projected": { "defaultMode": 420, "sources": [
        { "serviceAccountToken": { "expirationSeconds": 3607, "path": "token" } },
        { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
        { "downwardAPI": { "items": [
            { "path": "namespace", "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" } },
        ] } },
    ] } });
    match spec["volumes"].as_array_mut() {
        Some(volumes) => volumes.push(volume),
        None => spec["volumes"] = json!([volume]),
    }
}

fn tolerations(pod: &mut Value) {
    let spec = &mut pod["spec"];
    default_to(spec, "tolerations", json!([]));
    let Some(list) = spec["tolerations"].as_array_mut() else { return };
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let covers = |toleration: &Value| {
            let key_matches =
                toleration["key"] == key || toleration["key"].as_str().unwrap_or_default().is_empty();
            let effect = toleration["effect"].as_str().unwrap_or_default();
            key_matches && matches!(effect, "" | "NoExecute")
        };
        if !list.iter().any(covers) {
            list.push(
                json!({ "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 }),
            );
        }
    }
}

fn priority(view: &Snapshot, pod: &mut Value) -> Result<()> {
    let class = pod["spec"]["priorityClassName"].as_str().unwrap_or_default().to_string();
    let (value, policy) = match class.as_str() {
        "" => match default_priority_class(view) {
            Some(class) => {
                pod["spec"]["priorityClassName"] = text(&class, "name").into();
                let policy = class["preemptionPolicy"].as_str().unwrap_or("PreemptLowerPriority");
                (class["value"].as_i64().unwrap_or_default(), policy.to_string())
            }
            None => (0, "PreemptLowerPriority".to_string()),
        },
        "system-cluster-critical" => (2_000_000_000, "PreemptLowerPriority".to_string()),
        "system-node-critical" => (2_000_001_000, "PreemptLowerPriority".to_string()),
        name => {
            let Some(class) = view.get("scheduling.k8s.io/priorityclasses", "", name) else {
                let why = format!("no PriorityClass with name {name} was found");
                return Err(ApiError::forbidden("pods", text(pod, "name"), &why));
            };
            let policy = class["preemptionPolicy"].as_str().unwrap_or("PreemptLowerPriority");
            (class["value"].as_i64().unwrap_or_default(), policy.to_string())
        }
    };
    if pod["spec"]["priority"].as_i64().is_some_and(|given| given != value) {
        let given = &pod["spec"]["priority"];
        let why = format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller \
             computed {value} from the given PriorityClass name"
        );
        return Err(ApiError::forbidden("pods", text(pod, "name"), &why));
    }
    pod["spec"]["priority"] = value.into();
    default_to(&mut pod["spec"], "preemptionPolicy", policy);
    Ok(())
}

/// The class that is marked as the default; of several, the one of the lowest value, as upstream has it.
fn default_priority_class(view: &Snapshot) -> Option<store::Object> {
    let classes = view.list("scheduling.k8s.io/priorityclasses", "").into_iter();
    classes.filter(|c| c["globalDefault"] == true).min_by_key(|c| c["value"].as_i64().unwrap_or_default())
}

pub(crate) fn qos_class(pod: &Value) -> &'static str {
    let mut any = false;
    let mut guaranteed = true;
    let lists = ["initContainers", "containers"].into_iter();
    for container in lists.flat_map(|list| pod["spec"][list].as_array().into_iter().flatten()) {
        let resources = &container["resources"];
        for name in ["cpu", "memory"] {
            let limit = resources["limits"].get(name);
            let request = resources["requests"].get(name);
            any |= limit.is_some() || request.is_some();
            guaranteed &= limit.is_some() && request.is_none_or(|request| Some(request) == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// What `pods/binding` does: the node is set once, and the pod counts as scheduled.
pub(crate) fn bind(pod: &mut Value, node: &str, now: &str) -> Result<()> {
    let name = text(pod, "name").to_string();
    if crate::metadata::is_deleting(pod) {
        let key = store::Key::new("pods", text(pod, "namespace"), &name);
        let why = format!("pod {name} is being deleted, cannot be assigned to a host");
        return Err(ApiError::conflict(&key, &why));
    }
    if let Some(bound) = pod["spec"]["nodeName"].as_str().filter(|bound| !bound.is_empty()) {
        let key = store::Key::new("pods", text(pod, "namespace"), &name);
        return Err(ApiError::conflict(&key, &format!("pod {name} is already assigned to node \"{bound}\"")));
    }
    pod["spec"]["nodeName"] = node.into();
    let condition =
        json!({ "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now });
    let status = crate::metadata::field_map(pod, "status");
    let conditions = status.entry("conditions").or_insert_with(|| json!([]));
    if let Some(conditions) = conditions.as_array_mut() {
        conditions.retain(|condition| condition["type"] != "PodScheduled");
        conditions.push(condition);
    }
    Ok(())
}
