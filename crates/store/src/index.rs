//! Secondary indexes: which objects say something, without reading all of their kind.
//!
//! A set of few keys is a short list; only a large one is a tree, whose nodes take kilobytes each: most labels and
//! owners are of one object or two.

use crate::{Key, Object};
use imbl::{HashMap, OrdSet};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// From this size on a set is a tree.
const MANY: usize = 24;

/// Something that objects say and that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term<'a> {
    Label(&'a str, &'a str),
    /// The node that a pod is bound to.
    Node(&'a str),
    /// A claim of its namespace that a pod uses.
    Claim(&'a str),
    /// What an event is about: a uid, or a name where there is none.
    Regards(&'a str),
    /// No controller has it.
    Free,
    /// An address that a Service has in the cluster.
    Address(&'a str),
    /// A port of all nodes that a Service has.
    NodePort(u64),
    /// The volume that a claim names.
    Volume(&'a str),
    /// The claim (its namespace and name) that a volume is for.
    For(&'a str, &'a str),
    /// A claim that is not bound.
    Unbound,
}

impl Term<'_> {
    /// Whether an object of this kind says it.
    pub fn holds(&self, resource: &str, object: &Value) -> bool {
        match *self {
            Term::Label(key, value) => object["metadata"]["labels"][key] == value,
            Term::Node(name) => resource == PODS && object["spec"]["nodeName"] == name,
            Term::Claim(name) => resource == PODS && claims(object).any(|claim| claim == name),
            Term::Regards(what) => resource == EVENTS && regards(object) == Some(what),
            Term::Free => !crate::is_controlled(object),
            Term::Address(address) => resource == SERVICES && addresses(object).any(|a| a == address),
            Term::NodePort(port) => resource == SERVICES && node_ports(object).any(|p| p == port),
            Term::Volume(name) => resource == CLAIMS && object["spec"]["volumeName"] == name,
            Term::For(namespace, name) => resource == VOLUMES && claim_of(object) == Some((namespace, name)),
            Term::Unbound => resource == CLAIMS && object["status"]["phase"] != "Bound",
        }
    }

    /// Whether the kind has an index of it. Labels, claims of pods and what is free are looked for in one namespace, the
    /// others in all.
    fn is_indexed(&self, resource: &str, namespace: &str) -> bool {
        match self {
            Term::Label(key, _) => !namespace.is_empty() && has_index(resource, key),
            Term::Node(_) => resource == PODS,
            Term::Claim(_) => resource == PODS && !namespace.is_empty(),
            Term::Regards(_) => resource == EVENTS,
            Term::Free => crate::ADOPTABLE.contains(&resource) && !namespace.is_empty(),
            Term::Address(_) | Term::NodePort(_) => resource == SERVICES,
            Term::Volume(_) | Term::Unbound => resource == CLAIMS,
            Term::For(..) => resource == VOLUMES,
        }
    }

    fn name(&self, resource: &str, namespace: &str) -> String {
        match self {
            Term::Label(key, value) => format!("{resource}\0{namespace}\0{key}\0{value}"),
            Term::Node(name) => format!("node\0{name}"),
            Term::Claim(name) => format!("claim\0{namespace}\0{name}"),
            Term::Regards(what) => format!("regards\0{what}"),
            Term::Free => format!("free\0{resource}\0{namespace}"),
            Term::Address(address) => format!("address\0{address}"),
            Term::NodePort(port) => format!("port\0{port}"),
            Term::Volume(name) => format!("volume\0{name}"),
            Term::For(namespace, name) => format!("for\0{namespace}\0{name}"),
            Term::Unbound => "unbound".into(),
        }
    }
}

const PODS: &str = "pods";
const SERVICES: &str = "services";
const CLAIMS: &str = "persistentvolumeclaims";
const VOLUMES: &str = "persistentvolumes";
const SETS: &str = "apps/replicasets";
const EVENTS: &str = "events";
const SLICES: &str = "discovery.k8s.io/endpointslices";

/// Every label of a pod is looked for by some selector; of slices only the one that names their Service.
fn has_index(resource: &str, label: &str) -> bool {
    match resource {
        PODS => true,
        SLICES => label == "kubernetes.io/service-name",
        _ => false,
    }
}

/// The claims that a pod's volumes name or stand for.
fn claims(pod: &Value) -> impl Iterator<Item = std::borrow::Cow<'_, str>> {
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    volumes.filter_map(|volume| {
        if volume["ephemeral"].is_object() {
            let (pod, volume) = (pod["metadata"]["name"].as_str()?, volume["name"].as_str()?);
            return Some(format!("{pod}-{volume}").into());
        }
        volume["persistentVolumeClaim"]["claimName"].as_str().map(Into::into)
    })
}

fn regards(event: &Value) -> Option<&str> {
    let field = |name: &str| event["involvedObject"][name].as_str().filter(|text| !text.is_empty());
    field("uid").or_else(|| field("name"))
}

fn addresses(service: &Value) -> impl Iterator<Item = &str> {
    service["spec"]["clusterIPs"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn node_ports(service: &Value) -> impl Iterator<Item = u64> {
    let ports = service["spec"]["ports"].as_array().into_iter().flatten();
    let ports = ports.filter_map(|port| port["nodePort"].as_u64());
    ports.chain(service["spec"]["healthCheckNodePort"].as_u64())
}

fn claim_of(volume: &Value) -> Option<(&str, &str)> {
    let claim = &volume["spec"]["claimRef"];
    Some((claim["namespace"].as_str()?, claim["name"].as_str()?))
}

/// The names of all terms that an object says.
fn terms(key: &Key, object: &Value) -> BTreeSet<String> {
    let (resource, namespace) = (key.resource.as_str(), &*key.namespace);
    let mut found = BTreeSet::new();
    let mut say = |term: Term<'_>| {
        found.insert(term.name(resource, namespace));
    };
    for (label, value) in object["metadata"]["labels"].as_object().into_iter().flatten() {
        if let Some(value) = value.as_str().filter(|_| has_index(resource, label)) {
            say(Term::Label(label, value));
        }
    }
    if crate::ADOPTABLE.contains(&resource) && !crate::is_controlled(object) {
        say(Term::Free);
    }
    match resource {
        PODS => {
            if let Some(node) = object["spec"]["nodeName"].as_str() {
                say(Term::Node(node));
            }
            claims(object).for_each(|claim| say(Term::Claim(&claim)));
        }
        EVENTS => {
            regards(object).into_iter().for_each(|what| say(Term::Regards(what)));
        }
        SERVICES => {
            addresses(object).for_each(|address| say(Term::Address(address)));
            node_ports(object).for_each(|port| say(Term::NodePort(port)));
        }
        CLAIMS => {
            object["spec"]["volumeName"].as_str().into_iter().for_each(|name| say(Term::Volume(name)));
            if Term::Unbound.holds(resource, object) {
                say(Term::Unbound);
            }
        }
        VOLUMES => {
            claim_of(object).into_iter().for_each(|(namespace, name)| say(Term::For(namespace, name)));
        }
        _ => {}
    }
    found
}

/// Most writes change nothing that is indexed; they are seen without making the terms.
fn says_the_same(resource: &str, before: &Value, after: &Value) -> bool {
    let same = |path: &[&str; 2]| before[path[0]][path[1]] == after[path[0]][path[1]];
    match resource {
        PODS => {
            let fields = [
                ["metadata", "labels"],
                ["spec", "nodeName"],
                ["spec", "volumes"],
                ["metadata", "ownerReferences"],
            ];
            fields.iter().all(same)
        }
        SETS => same(&["metadata", "ownerReferences"]),
        EVENTS => before["involvedObject"] == after["involvedObject"],
        SLICES => same(&["metadata", "labels"]),
        SERVICES => {
            let fields = [["spec", "clusterIPs"], ["spec", "ports"], ["spec", "healthCheckNodePort"]];
            fields.iter().all(same)
        }
        CLAIMS => same(&["spec", "volumeName"]) && same(&["status", "phase"]),
        VOLUMES => same(&["spec", "claimRef"]),
        _ => true,
    }
}

/// Keys in order.
#[derive(Debug, Clone)]
enum Keys {
    Few(Arc<[Key]>),
    Many(OrdSet<Key>),
}

impl Keys {
    fn len(&self) -> usize {
        match self {
            Keys::Few(list) => list.len(),
            Keys::Many(set) => set.len(),
        }
    }

    fn with(&self, key: Key) -> Self {
        match self {
            Keys::Few(list) => match list.binary_search(&key) {
                Ok(_) => self.clone(),
                Err(_) if list.len() + 1 >= MANY => {
                    Keys::Many(list.iter().cloned().chain(Some(key)).collect())
                }
                Err(place) => {
                    let (before, after) = list.split_at(place);
                    Keys::Few(before.iter().chain(Some(&key)).chain(after).cloned().collect())
                }
            },
            Keys::Many(set) => Keys::Many(set.update(key)),
        }
    }

    fn without(&self, key: &Key) -> Self {
        match self {
            Keys::Few(list) => Keys::Few(list.iter().filter(|known| *known != key).cloned().collect()),
            Keys::Many(set) if set.len() <= MANY / 2 => {
                Keys::Few(set.iter().filter(|known| *known != key).cloned().collect())
            }
            Keys::Many(set) => Keys::Many(set.without(key)),
        }
    }

    /// Those of one kind in one namespace; an empty namespace means all of them.
    fn in_place(&self, resource: &str, namespace: &str) -> Vec<Key> {
        let here = |key: &&Key| {
            key.resource.as_str() == resource && (namespace.is_empty() || &*key.namespace == namespace)
        };
        match self {
            Keys::Few(list) => list.iter().filter(here).cloned().collect(),
            Keys::Many(set) => {
                let first = Key::new(resource, namespace, "");
                set.range(first..).take_while(here).cloned().collect()
            }
        }
    }

    fn all(&self) -> Vec<Key> {
        match self {
            Keys::Few(list) => list.to_vec(),
            Keys::Many(set) => set.iter().cloned().collect(),
        }
    }
}

/// Sets of keys by name.
#[derive(Debug, Clone, Default)]
struct Sets(HashMap<Arc<str>, Keys>);

impl Sets {
    fn change(&mut self, key: &Key, before: &BTreeSet<String>, after: &BTreeSet<String>) {
        for name in before.difference(after) {
            let left = self.0.get(name.as_str()).map(|keys| keys.without(key));
            match left {
                Some(left) if left.len() > 0 => drop(self.0.insert(name.as_str().into(), left)),
                Some(_) => drop(self.0.remove(name.as_str())),
                None => {}
            }
        }
        for name in after.difference(before) {
            let keys = self.0.get(name.as_str());
            let keys = keys.map_or_else(|| Keys::Few([key.clone()].into()), |keys| keys.with(key.clone()));
            self.0.insert(name.as_str().into(), keys);
        }
    }

    fn get(&self, name: &str) -> Option<&Keys> {
        self.0.get(name)
    }
}

/// All indexes of a snapshot.
#[derive(Debug, Clone, Default)]
pub(crate) struct Indexes {
    owners: Sets,
    terms: Sets,
}

impl Indexes {
    /// Notes one change of an object.
    pub(crate) fn note(&mut self, key: &Key, before: Option<&Value>, after: Option<&Value>) {
        let resource = key.resource.as_str();
        let uids = |object: Option<&Value>| -> BTreeSet<String> {
            object.map(|object| owner_uids(object).map(str::to_string).collect()).unwrap_or_default()
        };
        let (old, new) = (uids(before), uids(after));
        if old != new {
            self.owners.change(key, &old, &new);
        }
        if let (Some(before), Some(after)) = (before, after)
            && says_the_same(resource, before, after)
        {
            return;
        }
        let terms = |object: Option<&Value>| object.map(|object| terms(key, object)).unwrap_or_default();
        self.terms.change(key, &terms(before), &terms(after));
    }

    pub(crate) fn owned_by(&self, uid: &str) -> Vec<Key> {
        self.owners.get(uid).map(Keys::all).unwrap_or_default()
    }

    /// The keys of those that say the rarest of the terms; `None`: no term has an index.
    pub(crate) fn narrowest(&self, resource: &str, namespace: &str, terms: &[Term<'_>]) -> Option<Vec<Key>> {
        let mut best: Option<&Keys> = None;
        let mut any = false;
        for term in terms.iter().filter(|term| term.is_indexed(resource, namespace)) {
            any = true;
            // Nobody says it.
            let Some(keys) = self.terms.get(&term.name(resource, namespace)) else { return Some(Vec::new()) };
            if best.is_none_or(|best| keys.len() < best.len()) {
                best = Some(keys);
            }
        }
        any.then(|| best.map(|keys| keys.in_place(resource, namespace)).unwrap_or_default())
    }
}

pub(crate) fn owner_uids(object: &Value) -> impl Iterator<Item = &str> {
    object["metadata"]["ownerReferences"].as_array().into_iter().flatten().filter_map(|o| o["uid"].as_str())
}

/// Whether an object says all of these.
pub(crate) fn says_all(resource: &str, object: &Object, terms: &[Term<'_>]) -> bool {
    terms.iter().all(|term| term.holds(resource, object))
}
