//! EndpointSlices and Endpoints of Services that have a selector.

mod slices;
#[cfg(test)]
mod tests;

pub(crate) use slices::{Group, Owner, write_slices};

use crate::access::{self, at, is_deleting, list_at, map_selects, name, namespace, str_at};
use crate::nodes::NODES;
use crate::{Controller, Outcome, Server, pods};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use store::{Change, ChangeKind, Key, Object, Resource, Write};

pub(crate) const SERVICES: &str = "services";
pub(crate) const SLICES: &str = "discovery.k8s.io/endpointslices";
pub(crate) const ENDPOINTS: &str = "endpoints";
const MANAGER: &str = "endpointslice-controller.k8s.io";
/// Addresses of one Endpoints object, and the annotation that tells of others.
const MOST_ADDRESSES: usize = 1000;
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
pub(crate) const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// On Endpoints that belong to a Service with a selector.
const ENDPOINTS_MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const HEADLESS: &str = "service.kubernetes.io/headless";

pub(crate) struct Endpoints;

impl Controller for Endpoints {
    fn name(&self) -> &'static str {
        "endpointslice-controller"
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        match &*change.key.resource.0 {
            SERVICES => vec![change.key.clone()],
            pods::PODS => {
                let selects = |service: &Object, pod: &Value| {
                    map_selects(at(service, &["spec", "selector"]), at(pod, &["metadata", "labels"]))
                };
                server
                    .list(SERVICES, &change.key.namespace)
                    .iter()
                    .filter(|s| {
                        selects(s, &change.object)
                            || change.previous.as_ref().is_some_and(|old| selects(s, old))
                    })
                    .map(|s| access::key_of(SERVICES, s))
                    .collect()
            }
            // A node that is in another zone now.
            NODES if change.previous.as_ref().map_or("", |old| zone_of(old)) != zone_of(&change.object) => {
                server.list(SERVICES, "").iter().map(|s| access::key_of(SERVICES, s)).collect()
            }
            // Somebody removed what we wrote: put it back.
            SLICES | ENDPOINTS if change.kind == ChangeKind::Deleted => {
                let labels = at(&change.object, &["metadata", "labels"]);
                let service = match str_at(labels, &["kubernetes.io/service-name"]) {
                    "" => &*change.key.name,
                    named => named,
                };
                vec![access::key(SERVICES, &change.key.namespace, service)]
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, _now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(service) = server.get(SERVICES, &key.namespace, &key.name) else {
            // Upstream removes the Endpoints of a Service by name; slices go by their ownerReference.
            if let Some(left) = server.get(ENDPOINTS, &key.namespace, &key.name)
                && are_managed(&left)
            {
                outcome.write(Write::Delete {
                    key: access::key_of(ENDPOINTS, &left),
                    uid: Some(access::uid(&left).into()),
                    grace_seconds: None,
                    propagation: store::Propagation::Background,
                });
            }
            return outcome;
        };
        let selector = at(&service, &["spec", "selector"]);
        let external = str_at(&service, &["spec", "type"]) == "ExternalName";
        if is_deleting(&service) || external || selector.as_object().is_none_or(Map::is_empty) {
            return outcome;
        }
        let mut chosen = access::map_selected(server, pods::PODS, namespace(&service), selector, &[]);
        chosen.retain(|pod| {
            !str_at(pod, &["status", "podIP"]).is_empty()
                && !matches!(str_at(pod, &["status", "phase"]), "Succeeded" | "Failed")
        });
        write_slice(server, &service, &chosen, &mut outcome);
        write_endpoints(server, &service, &chosen, &mut outcome);
        outcome
    }
}

/// The port number on this pod: `targetPort` may name one of its container ports.
fn target_port(port: &Value, pod: &Value) -> Option<i64> {
    let target = at(port, &["targetPort"]);
    match target {
        Value::Number(number) => number.as_i64(),
        Value::String(wanted) => {
            let protocol = |p: &Value| match str_at(p, &["protocol"]) {
                "" => "TCP".to_string(),
                p => p.to_string(),
            };
            list_at(pod, &["spec", "containers"])
                .iter()
                .chain(pods::sidecars(pod))
                .flat_map(|c| list_at(c, &["ports"]))
                .find(|p| str_at(p, &["name"]) == wanted && protocol(p) == protocol(port))
                .and_then(|p| access::int_at(p, &["containerPort"]))
        }
        _ => access::int_at(port, &["port"]),
    }
}

/// The Service's ports as this pod has them.
fn ports_of(service: &Value, pod: &Value) -> Vec<Value> {
    list_at(service, &["spec", "ports"])
        .iter()
        .filter_map(|port| {
            let number = target_port(port, pod)?;
            let mut out =
                json!({"name": str_at(port, &["name"]), "port": number, "protocol": protocol(port)});
            if let Some(app) = port.get("appProtocol") {
                out["appProtocol"] = app.clone();
            }
            Some(out)
        })
        .collect()
}

fn protocol(port: &Value) -> &str {
    match str_at(port, &["protocol"]) {
        "" => "TCP",
        named => named,
    }
}

/// A pod that goes is not ready any more, unless the Service wants to know of whatever there is.
fn counts_as_ready(service: &Value, pod: &Value) -> bool {
    at(service, &["spec", "publishNotReadyAddresses"]) == &json!(true)
        || pods::is_ready(pod) && !is_deleting(pod)
}

fn pod_reference(pod: &Value) -> Value {
    json!({"kind": "Pod", "namespace": namespace(pod), "name": name(pod), "uid": access::uid(pod)})
}

/// The name that a pod has below a headless Service.
fn hostname<'a>(service: &Value, pod: &'a Value) -> Option<&'a str> {
    let hostname = str_at(pod, &["spec", "hostname"]);
    (!hostname.is_empty() && str_at(pod, &["spec", "subdomain"]) == name(service)).then_some(hostname)
}

/// One slice for each set of port numbers (a named targetPort may differ between pods), the first usually alone.
fn write_slice(server: &dyn Server, service: &Value, chosen: &[Object], outcome: &mut Outcome) {
    let mut groups: Vec<(Vec<Value>, Vec<Value>)> = Vec::new();
    let mut zones = Zones { server, known: BTreeMap::new() };
    for pod in chosen {
        let ports = ports_of(service, pod);
        let ready = counts_as_ready(service, pod);
        let mut endpoint = json!({
            "addresses": [str_at(pod, &["status", "podIP"])],
            "conditions": {
                "ready": ready, "serving": pods::is_ready(pod), "terminating": is_deleting(pod),
            },
            "nodeName": str_at(pod, &["spec", "nodeName"]),
            "targetRef": pod_reference(pod),
        });
        if let Some(hostname) = hostname(service, pod) {
            endpoint["hostname"] = json!(hostname);
        }
        if let Some(zone) = zones.of(str_at(pod, &["spec", "nodeName"])) {
            endpoint["zone"] = json!(zone);
        }
        match groups.iter_mut().find(|(p, _)| *p == ports) {
            Some((_, endpoints)) => endpoints.push(endpoint),
            None => groups.push((ports, vec![endpoint])),
        }
    }
    if groups.is_empty() {
        groups.push((Vec::new(), Vec::new()));
    }
    let mut labels = at(service, &["metadata", "labels"]).as_object().cloned().unwrap_or_default();
    labels.insert("kubernetes.io/service-name".into(), json!(name(service)));
    labels.insert(MANAGED_BY.into(), json!(MANAGER));
    if str_at(service, &["spec", "clusterIP"]) == "None" {
        labels.insert(HEADLESS.into(), json!(""));
    }
    let reference = access::owner_reference("v1", "Service", service);
    let group = |(ports, endpoints)| Group { family: "IPv4", ports, endpoints };
    let groups: Vec<Group> = groups.into_iter().map(group).collect();
    let key = access::key_of(SERVICES, service);
    let owner = Owner { labels, annotations: Map::new(), reference };
    write_slices(server, &key, MANAGER, Some(owner), &groups, outcome);
}

/// The zones of nodes, each looked up once.
struct Zones<'a> {
    server: &'a dyn Server,
    known: BTreeMap<String, Option<String>>,
}

impl Zones<'_> {
    fn of(&mut self, node: &str) -> Option<String> {
        if !self.known.contains_key(node) {
            let zone = self.server.get(NODES, "", node).map(|node| zone_of(&node).to_string());
            self.known.insert(node.to_string(), zone.filter(|zone| !zone.is_empty()));
        }
        self.known.get(node).cloned().flatten()
    }
}

fn zone_of(node: &Value) -> &str {
    str_at(node, &["metadata", "labels", "topology.kubernetes.io/zone"])
}

/// The Service's own, and what says whose they are.
fn endpoints_labels(service: &Value) -> Map<String, Value> {
    let mut labels = at(service, &["metadata", "labels"]).as_object().cloned().unwrap_or_default();
    labels.shift_remove(HEADLESS);
    if str_at(service, &["spec", "clusterIP"]) == "None" {
        labels.insert(HEADLESS.into(), json!(""));
    }
    labels.insert(ENDPOINTS_MANAGED_BY.into(), json!("endpoint-controller"));
    labels
}

/// Endpoints that the controller here has written, under the label of today or of earlier.
pub(crate) fn are_managed(endpoints: &Value) -> bool {
    [ENDPOINTS_MANAGED_BY, MANAGED_BY]
        .iter()
        .any(|label| at(endpoints, &["metadata", "labels", label]).is_string())
}

/// Ports, addresses that are ready, and others.
type Subset = (Vec<Value>, Vec<Value>, Vec<Value>);

/// Endpoints name [`MOST_ADDRESSES`] at most: of each subset its share, those that are ready first.
fn truncate(subsets: &mut [Subset]) -> bool {
    let ready: usize = subsets.iter().map(|(_, ready, _)| ready.len()).sum();
    let waiting: usize = subsets.iter().map(|(.., waiting)| waiting.len()).sum();
    if ready + waiting <= MOST_ADDRESSES {
        return false;
    }
    let only_ready = ready > MOST_ADDRESSES;
    let (most, all) = if only_ready { (MOST_ADDRESSES, ready) } else { (MOST_ADDRESSES - ready, waiting) };
    let mut left = most;
    for (_, ready, waiting) in subsets {
        if only_ready {
            waiting.clear();
        }
        let list = if only_ready { ready } else { waiting };
        let share = (list.len() * most).div_ceil(all).min(left);
        list.truncate(share);
        left -= share;
    }
    true
}

fn note_capacity(endpoints: &mut Value, truncated: bool) {
    if truncated {
        endpoints["metadata"]["annotations"][OVER_CAPACITY] = json!("truncated");
    } else if let Some(annotations) =
        endpoints["metadata"].get_mut("annotations").and_then(Value::as_object_mut)
    {
        annotations.shift_remove(OVER_CAPACITY);
    }
}

fn write_endpoints(server: &dyn Server, service: &Value, chosen: &[Object], outcome: &mut Outcome) {
    let mut subsets: Vec<Subset> = Vec::new();
    for pod in chosen {
        let ports = ports_of(service, pod);
        // A headless Service may have no ports; a pod that has none of a Service's is none of its endpoints.
        if ports.is_empty() && !list_at(service, &["spec", "ports"]).is_empty() {
            continue;
        }
        let mut address = json!({
            "ip": str_at(pod, &["status", "podIP"]), "nodeName": str_at(pod, &["spec", "nodeName"]),
            "targetRef": pod_reference(pod),
        });
        if let Some(hostname) = hostname(service, pod) {
            address["hostname"] = json!(hostname);
        }
        let index = subsets.iter().position(|(p, ..)| *p == ports).unwrap_or_else(|| {
            subsets.push((ports, Vec::new(), Vec::new()));
            subsets.len() - 1
        });
        if counts_as_ready(service, pod) {
            subsets[index].1.push(address);
        } else if !is_deleting(pod) {
            subsets[index].2.push(address);
        }
    }
    let truncated = truncate(&mut subsets);
    let subsets: Vec<Value> = subsets
        .into_iter()
        .filter(|(_, ready, waiting)| !ready.is_empty() || !waiting.is_empty())
        .map(|(ports, ready, waiting)| {
            let mut subset = json!({"ports": ports});
            if !ready.is_empty() {
                subset["addresses"] = json!(ready);
            }
            if !waiting.is_empty() {
                subset["notReadyAddresses"] = json!(waiting);
            }
            subset
        })
        .collect();
    let labels = endpoints_labels(service);
    match server.get(ENDPOINTS, namespace(service), name(service)) {
        Some(old)
            if list_at(&old, &["subsets"]) == subsets.as_slice()
                && at(&old, &["metadata", "labels"]).as_object() == Some(&labels)
                && at(&old, &["metadata", "annotations", OVER_CAPACITY]).is_null() != truncated => {}
        Some(old) => {
            let mut next = (*old).clone();
            next["subsets"] = json!(subsets);
            next["metadata"]["labels"] = json!(labels);
            note_capacity(&mut next, truncated);
            outcome.write(Write::Update { resource: Resource::new(ENDPOINTS), object: next });
        }
        None => {
            let mut object = json!({
                "apiVersion": "v1", "kind": "Endpoints",
                "metadata": {"name": name(service), "namespace": namespace(service), "labels": labels},
                "subsets": subsets,
            });
            note_capacity(&mut object, truncated);
            outcome.write(Write::Create { resource: Resource::new(ENDPOINTS), object });
        }
    }
}
