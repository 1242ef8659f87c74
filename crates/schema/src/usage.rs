//! What objects use up: a pod's requests and limits, and what each object counts for in a ResourceQuota.
//!
//! Admission (`api`) and the controllers ask the same questions, so the answers are here.

use crate::quantity::Quantity;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Amounts by the name of the resource: `cpu`, `pods`, `count/deployments.apps`.
pub type Amounts = BTreeMap<String, Quantity>;

/// A resource list as it stands in an object; what is no quantity is left out.
pub fn amounts(list: &Value) -> Amounts {
    let read =
        |value: &Value| Quantity::parse(&value.as_str().map_or_else(|| value.to_string(), String::from));
    list.as_object().into_iter().flatten().filter_map(|(name, v)| Some((name.clone(), read(v)?))).collect()
}

/// As it is written into an object.
pub fn to_value(amounts: &Amounts) -> Value {
    amounts.iter().map(|(name, amount)| (name.clone(), Value::from(amount.canonical()))).collect()
}

fn add(to: &mut Amounts, from: &Amounts) {
    for (name, amount) in from {
        let sum = to.get(name).map_or(*amount, |old| old.plus(*amount));
        to.insert(name.clone(), sum);
    }
}

fn raise(to: &mut Amounts, from: &Amounts) {
    for (name, amount) in from {
        let most = to.get(name).map_or(*amount, |old| old.or_more(*amount));
        to.insert(name.clone(), most);
    }
}

fn items<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value[field].as_array().into_iter().flatten()
}

/// A pod's effective `requests` or `limits`: its containers with the sidecars, or its largest init container together
/// with the sidecars that started before it, whichever is more; then what is said for the pod as a whole; then the
/// overhead.
pub fn of_pod(pod: &Value, which: &str) -> Amounts {
    of_pod_at_least(pod, which, &Amounts::new())
}

/// Nanos of CPU and of memory that a pod is taken to need when nodes are compared: a container that requests nothing
/// counts for a tenth of a core and 200 MiB.
pub fn estimate(pod: &Value) -> [i128; 2] {
    let least = [("cpu", "100m"), ("memory", "200Mi")];
    let least = least.map(|(name, text)| (name.to_string(), Quantity::parse(text).expect("a quantity")));
    let amounts = of_pod_at_least(pod, "requests", &Amounts::from(least));
    ["cpu", "memory"].map(|name| amounts.get(name).map_or(0, |amount| amount.nanos()))
}

/// `missing` holds for what a container does not say.
fn of_pod_at_least(pod: &Value, which: &str, missing: &Amounts) -> Amounts {
    let spec = &pod["spec"];
    let of = |container: &Value| {
        let mut said = amounts(&container["resources"][which]);
        for (name, amount) in missing {
            said.entry(name.clone()).or_insert(*amount);
        }
        said
    };
    let mut total = Amounts::new();
    items(spec, "containers").for_each(|c| add(&mut total, &of(c)));
    let (mut sidecars, mut largest) = (Amounts::new(), Amounts::new());
    for container in items(spec, "initContainers") {
        if container["restartPolicy"] == "Always" {
            add(&mut sidecars, &of(container));
            raise(&mut largest, &sidecars);
        } else {
            let mut step = sidecars.clone();
            add(&mut step, &of(container));
            raise(&mut largest, &step);
        }
    }
    add(&mut total, &sidecars);
    raise(&mut total, &largest);
    total.extend(amounts(&spec["resources"][which]));
    for (name, amount) in amounts(&spec["overhead"]) {
        if which == "requests" || total.contains_key(&name) {
            add(&mut total, &Amounts::from([(name, amount)]));
        }
    }
    total
}

/// What a pod that may be resized takes of its node: what it asks for and what it has been given, whichever is more; a wish
/// that can never be granted does not count.
pub fn of_placed_pod(pod: &Value) -> Amounts {
    let pending = items(&pod["status"], "conditions").find(|c| c["type"] == "PodResizePending");
    let infeasible = pending.is_some_and(|c| c["reason"] == "Infeasible");
    let asked = of_pod(pod, "requests");
    let lists = [("containers", "containerStatuses"), ("initContainers", "initContainerStatuses")];
    let allocated = |list: &str, statuses: &str| -> Vec<(usize, Value)> {
        let numbered = items(&pod["spec"], list).enumerate();
        let found = numbered.filter_map(|(index, container)| {
            let status = items(&pod["status"], statuses).find(|s| s["name"] == container["name"])?;
            let allocated = &status["allocatedResources"];
            let other = allocated.is_object() && container["resources"]["requests"] != *allocated;
            other.then(|| (index, allocated.clone()))
        });
        found.collect()
    };
    let others = lists.map(|(list, statuses)| (list, allocated(list, statuses)));
    if others.iter().all(|(_, found)| found.is_empty()) {
        return asked;
    }
    let mut given = json!({ "spec": pod["spec"] });
    for (list, found) in others {
        for (index, allocated) in found {
            given["spec"][list][index]["resources"]["requests"] = allocated;
        }
    }
    let mut taken = of_pod(&given, "requests");
    if !infeasible {
        raise(&mut taken, &asked);
    }
    taken
}

/// Takes what a quota's objects use up to a change of one of them: it leaves as it was and comes as it is.
pub fn recount(
    used: &mut Amounts,
    quota: &Value,
    resource: &str,
    before: Option<&Value>,
    after: Option<&Value>,
) {
    let counts = |object: Option<&Value>| -> Amounts {
        let object = object.filter(|object| in_scope(quota, resource, object));
        object.map(|object| of_object(resource, object)).unwrap_or_default()
    };
    let (before, after) = (counts(before), counts(after));
    if before == after {
        return;
    }
    for (name, amount) in before {
        used.entry(name).and_modify(|sum| *sum = sum.minus(amount));
    }
    add(used, &after);
}

/// What an object counts for in quotas.
pub fn of_object(resource: &str, object: &Value) -> Amounts {
    let mut used = Amounts::new();
    let one = Quantity::whole(1);
    let (group, plural) = resource.split_once('/').unwrap_or(("", resource));
    let counted =
        if group.is_empty() { format!("count/{plural}") } else { format!("count/{plural}.{group}") };
    used.insert(counted, one);
    match resource {
        "pods" => of_counted_pod(object, &mut used),
        "services" => of_service(object, &mut used),
        "persistentvolumeclaims" => of_claim(object, &mut used),
        "configmaps" | "secrets" | "replicationcontrollers" | "resourcequotas" => {
            used.insert(resource.into(), one);
        }
        _ => {}
    }
    used
}

/// A pod at its end uses nothing any more; it is still an object.
fn of_counted_pod(pod: &Value, used: &mut Amounts) {
    if matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) {
        return;
    }
    used.insert("pods".into(), Quantity::whole(1));
    for (name, amount) in of_pod(pod, "requests") {
        if matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-") {
            used.insert(name.clone(), amount);
        }
        used.insert(format!("requests.{name}"), amount);
    }
    for (name, amount) in of_pod(pod, "limits") {
        if matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") {
            used.insert(format!("limits.{name}"), amount);
        }
    }
}

fn of_service(service: &Value, used: &mut Amounts) {
    let kind = service["spec"]["type"].as_str().unwrap_or_default();
    let ports = items(&service["spec"], "ports").count();
    let without = service["spec"]["allocateLoadBalancerNodePorts"] == false;
    let allocated =
        items(&service["spec"], "ports").filter(|p| p["nodePort"].as_i64().unwrap_or(0) > 0).count();
    let node_ports = match kind {
        "NodePort" => ports,
        "LoadBalancer" if without => allocated,
        "LoadBalancer" => ports,
        _ => 0,
    };
    used.insert("services".into(), Quantity::whole(1));
    used.insert("services.nodeports".into(), Quantity::whole(node_ports));
    used.insert("services.loadbalancers".into(), Quantity::whole(usize::from(kind == "LoadBalancer")));
}

fn of_claim(claim: &Value, used: &mut Amounts) {
    let one = Quantity::whole(1);
    used.insert("persistentvolumeclaims".into(), one);
    let storage = amounts(&claim["spec"]["resources"]["requests"]).get("storage").copied();
    if let Some(storage) = storage {
        used.insert("requests.storage".into(), storage);
    }
    if let Some(class) = claim["spec"]["storageClassName"].as_str().filter(|class| !class.is_empty()) {
        let of_class = format!("{class}.storageclass.storage.k8s.io/");
        used.insert(format!("{of_class}persistentvolumeclaims"), one);
        if let Some(storage) = storage {
            used.insert(format!("{of_class}requests.storage"), storage);
        }
    }
}

/// Whether a quota's `hard` names anything that objects of this resource count for.
pub fn concerns(hard: &Amounts, resource: &str) -> bool {
    let (group, plural) = resource.split_once('/').unwrap_or(("", resource));
    let counted =
        if group.is_empty() { format!("count/{plural}") } else { format!("count/{plural}.{group}") };
    hard.keys().any(|name| {
        *name == counted
            || match resource {
                "pods" => is_of_pods(name),
                "services" => name == "services" || name.starts_with("services."),
                "persistentvolumeclaims" => {
                    name == "persistentvolumeclaims"
                        || name == "requests.storage"
                        || name.contains(".storageclass.storage.k8s.io/")
                }
                "configmaps" | "secrets" | "replicationcontrollers" | "resourcequotas" => name == resource,
                _ => false,
            }
    })
}

fn is_of_pods(name: &str) -> bool {
    matches!(name, "pods" | "cpu" | "memory" | "ephemeral-storage")
        || name.starts_with("limits.")
        || name.starts_with("hugepages-")
        || (name.starts_with("requests.") && name != "requests.storage")
}

/// Whether a quota's scopes take in this object. Quotas with scopes are for pods only.
pub fn in_scope(quota: &Value, resource: &str, object: &Value) -> bool {
    let spec = &quota["spec"];
    let plain = items(spec, "scopes").all(|scope| {
        resource == "pods" && pod_in_scope(scope.as_str().unwrap_or_default(), "Exists", &Value::Null, object)
    });
    plain
        && items(&spec["scopeSelector"], "matchExpressions").all(|e| {
            let (scope, operator) = (e["scopeName"].as_str(), e["operator"].as_str());
            resource == "pods"
                && pod_in_scope(scope.unwrap_or_default(), operator.unwrap_or("Exists"), &e["values"], object)
        })
}

fn pod_in_scope(scope: &str, operator: &str, values: &Value, pod: &Value) -> bool {
    let spec = &pod["spec"];
    match scope {
        "Terminating" => spec["activeDeadlineSeconds"].is_i64(),
        "NotTerminating" => !spec["activeDeadlineSeconds"].is_i64(),
        "BestEffort" => is_best_effort(pod),
        "NotBestEffort" => !is_best_effort(pod),
        "CrossNamespacePodAffinity" => crosses_namespaces(spec),
        "PriorityClass" => {
            let class = spec["priorityClassName"].as_str().unwrap_or_default();
            let among = values.as_array().into_iter().flatten().any(|v| v == class);
            match operator {
                "In" => among,
                "NotIn" => !among,
                "DoesNotExist" => class.is_empty(),
                _ => !class.is_empty(),
            }
        }
        _ => false,
    }
}

fn is_best_effort(pod: &Value) -> bool {
    ["requests", "limits"].iter().all(|which| {
        let amounts = of_pod(pod, which);
        ["cpu", "memory"].iter().all(|name| amounts.get(*name).is_none_or(|amount| amount.nanos() == 0))
    })
}

fn crosses_namespaces(spec: &Value) -> bool {
    ["podAffinity", "podAntiAffinity"].iter().any(|kind| {
        let affinity = &spec["affinity"][kind];
        let required = items(affinity, "requiredDuringSchedulingIgnoredDuringExecution");
        let preferred = items(affinity, "preferredDuringSchedulingIgnoredDuringExecution");
        required
            .chain(preferred.map(|p| &p["podAffinityTerm"]))
            .any(|term| items(term, "namespaces").next().is_some() || term["namespaceSelector"].is_object())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(amount: &str) -> Value {
        json!({ "resources": { "requests": { "cpu": amount } } })
    }

    #[test]
    fn what_a_resized_pod_takes() {
        let pod = |asked: &str, reason: &str| {
            let mut container = cpu(asked);
            container["name"] = json!("c");
            json!({
                "spec": { "containers": [container] },
                "status": {
                    "containerStatuses": [{ "name": "c", "allocatedResources": { "cpu": "1" } }],
                    "conditions": [{ "type": "PodResizePending", "reason": reason }],
                },
            })
        };
        for (asked, reason, taken) in
            [("1", "", "1"), ("2", "Deferred", "2"), ("500m", "", "1"), ("90", "Infeasible", "1")]
        {
            let found = of_placed_pod(&pod(asked, reason));
            assert_eq!(found["cpu"].canonical(), taken, "{asked} {reason}");
        }
    }

    #[test]
    fn what_a_pod_requests() {
        let sidecar = json!({ "restartPolicy": "Always", "resources": { "requests": { "cpu": "200m" } } });
        let cases = [
            (json!({ "containers": [cpu("1"), cpu("500m")] }), "1500m"),
            (json!({ "containers": [cpu("1")], "initContainers": [cpu("2")] }), "2"),
            (json!({ "containers": [cpu("1")], "initContainers": [sidecar, cpu("500m")] }), "1200m"),
            (json!({ "containers": [cpu("1")], "initContainers": [sidecar, cpu("2")] }), "2200m"),
            (json!({ "containers": [cpu("1")], "initContainers": [cpu("2"), sidecar] }), "2"),
            (json!({ "containers": [cpu("1")], "overhead": { "cpu": "100m" } }), "1100m"),
            (json!({ "containers": [cpu("1")], "resources": { "requests": { "cpu": "3" } } }), "3"),
        ];
        for (spec, want) in cases {
            let amounts = of_pod(&json!({ "spec": spec }), "requests");
            assert_eq!(amounts["cpu"].canonical(), want, "{spec}");
        }
    }

    #[test]
    fn what_objects_count_for() {
        let service = |spec: Value| json!({ "spec": spec });
        let two = json!([{ "port": 1 }, { "port": 2, "nodePort": 30001 }]);
        let claim = json!({ "spec": { "storageClassName": "fast", "resources": { "requests": { "storage": "2Gi" } } } });
        let pod = json!({ "spec": { "containers": [{ "resources": {
            "requests": { "cpu": "1", "example.com/gpu": "1" }, "limits": { "memory": "1Gi" } } }] } });
        let done = json!({ "spec": pod["spec"], "status": { "phase": "Failed" } });
        let cases = [
            (
                "pods",
                pod.clone(),
                "count/pods=1 cpu=1 limits.memory=1Gi pods=1 requests.cpu=1 requests.example.com/gpu=1",
            ),
            ("pods", done, "count/pods=1"),
            (
                "services",
                service(json!({ "type": "LoadBalancer", "ports": two })),
                "count/services=1 services=1 services.loadbalancers=1 services.nodeports=2",
            ),
            (
                "services",
                service(
                    json!({ "type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": two }),
                ),
                "count/services=1 services=1 services.loadbalancers=1 services.nodeports=1",
            ),
            ("secrets", json!({}), "count/secrets=1 secrets=1"),
            ("apps/deployments", json!({}), "count/deployments.apps=1"),
            (
                "persistentvolumeclaims",
                claim,
                "count/persistentvolumeclaims=1 fast.storageclass.storage.k8s.io/persistentvolumeclaims=1 \
                 fast.storageclass.storage.k8s.io/requests.storage=2Gi persistentvolumeclaims=1 requests.storage=2Gi",
            ),
        ];
        for (resource, object, want) in cases {
            let used = of_object(resource, &object);
            let text: Vec<String> = used.iter().map(|(n, q)| format!("{n}={}", q.canonical())).collect();
            assert_eq!(text.join(" "), want);
            assert!(concerns(&used, resource));
        }
    }

    #[test]
    fn scopes() {
        let plain = json!({ "spec": { "containers": [{}] } });
        let asking = json!({ "spec": { "containers": [cpu("1")], "activeDeadlineSeconds": 5, "priorityClassName": "high" } });
        let class = |operator: &str, values: Value| {
            json!({ "spec": { "scopeSelector": { "matchExpressions": [
                { "scopeName": "PriorityClass", "operator": operator, "values": values } ] } } })
        };
        let scope = |name: &str| json!({ "spec": { "scopes": [name] } });
        let cases = [
            (json!({ "spec": {} }), true, true),
            (scope("Terminating"), false, true),
            (scope("NotTerminating"), true, false),
            (scope("BestEffort"), true, false),
            (scope("NotBestEffort"), false, true),
            (class("In", json!(["high"])), false, true),
            (class("NotIn", json!(["high"])), true, false),
            (class("Exists", Value::Null), false, true),
            (class("DoesNotExist", Value::Null), true, false),
        ];
        for (quota, of_plain, of_asking) in cases {
            let found = (in_scope(&quota, "pods", &plain), in_scope(&quota, "pods", &asking));
            assert_eq!(found, (of_plain, of_asking), "{quota}");
        }
        assert!(!in_scope(&scope("NotBestEffort"), "services", &plain));
    }
}
