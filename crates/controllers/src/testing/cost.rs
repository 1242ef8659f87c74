//! What a change costs must not depend on how many other objects there are: every object that is read is counted.

use super::{CLUSTER_WIDE, KINDS, now};
use crate::{Controller, Scale, Server, all, key_of};
use schema::measured::Measured;
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use store::{Change, Key, Mark, Object, Since, Snapshot, Store, Term, View};

/// A snapshot that counts what is read of it.
struct Counting {
    snapshot: Snapshot,
    read: Cell<usize>,
}

impl Counting {
    fn counted<T>(&self, found: Vec<T>) -> Vec<T> {
        self.read.set(self.read.get() + found.len());
        found
    }
}

impl View for Counting {
    fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Object> {
        self.read.set(self.read.get() + 1);
        self.snapshot.get(resource, namespace, name)
    }
    fn list(&self, resource: &str, namespace: &str) -> Vec<Object> {
        self.counted(self.snapshot.list(resource, namespace))
    }
    fn owned_by(&self, uid: &str) -> Vec<(Key, Object)> {
        self.counted(self.snapshot.owned_by(uid))
    }
    fn select(&self, resource: &str, namespace: &str, terms: &[Term<'_>]) -> Vec<Object> {
        self.counted(self.snapshot.select(resource, namespace, terms))
    }
    fn since(&self, resource: &str, mark: &Mark) -> Since {
        let since = self.snapshot.since(resource, mark);
        Since { changes: self.counted(since.changes), ..since }
    }
    fn since_in(&self, resource: &str, namespace: &str, mark: &Mark) -> Since {
        let since = self.snapshot.since_in(resource, namespace, mark);
        Since { changes: self.counted(since.changes), ..since }
    }
}

impl Server for Counting {
    fn resource_of(&self, api_version: &str, kind: &str) -> Option<String> {
        KINDS.iter().find(|(v, k, _)| (*v, *k) == (api_version, kind)).map(|(.., r)| (*r).into())
    }
    fn is_namespaced(&self, resource: &str) -> bool {
        !CLUSTER_WIDE.contains(&resource)
    }
    fn namespaced_resources(&self) -> Vec<String> {
        KINDS.iter().filter(|(.., r)| self.is_namespaced(r)).map(|(.., r)| (*r).into()).collect()
    }
    fn ca_certificate(&self) -> &str {
        "CA"
    }
    fn storage_path(&self) -> &str {
        "/storage"
    }
    fn secret_token(&self, _: &str, _: &str, _: &str, _: &str) -> String {
        String::new()
    }
    fn scale(&self, key: &Key) -> Result<Scale, String> {
        super::scale_of(self, key)
    }
    fn pods_of(&self, namespace: &str, selector: &str) -> Result<Vec<Object>, String> {
        super::pods_of(self, namespace, selector)
    }
    fn measured(&self) -> Arc<Measured> {
        Arc::default()
    }
}

/// One of each kind that has pods, the pod of each, and so many other pods in the same namespace.
struct Crowd {
    store: Store,
    controllers: Vec<Box<dyn Controller>>,
}

impl Crowd {
    fn new(others: usize) -> Self {
        let mut crowd = Self { store: Store::default(), controllers: all() };
        crowd.put("namespaces", json!({"metadata": {"name": "default"}}));
        crowd.put("nodes", json!({
            "metadata": {"name": "node"}, "status": {"allocatable": {"cpu": "9000", "memory": "9000Gi", "pods": "20000"}},
        }));
        for number in 0..others {
            crowd.other(number);
        }
        for (resource, object) in watched() {
            crowd.put(resource, object);
        }
        for number in 0..others {
            crowd.claim(number);
        }
        crowd
    }

    /// A claim and its volume.
    fn claim(&mut self, number: usize) {
        let (claim, volume) = (format!("claim-{number}"), format!("volume-{number}"));
        self.put("persistentvolumes", json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume},
            "spec": {"claimRef": {"namespace": "default", "name": claim, "uid": claim}}, "status": {"phase": "Bound"},
        }));
        self.put(
            "persistentvolumeclaims",
            json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": claim},
                "spec": {"volumeName": volume}, "status": {"phase": "Bound"},
            }),
        );
    }

    /// Half of them are nobody's.
    fn other(&mut self, number: usize) {
        let name = format!("other-{number}");
        let mut pod = pod(&name, &format!("other{}", number / 10), None);
        if number.is_multiple_of(2) {
            let set = format!("set-{}", number / 10);
            pod = self::pod(&name, &format!("other{}", number / 10), Some(("ReplicaSet", &set)));
        }
        self.put("pods", pod);
    }

    fn put(&mut self, resource: &str, mut object: Value) -> Change {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_string();
        object["metadata"]["uid"] = json!(name);
        object["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        if !["namespaces", "nodes", "persistentvolumes"].contains(&resource) {
            object["metadata"]["namespace"] = json!("default");
        }
        let change = self.store.stage(key_of(resource, &object), object);
        self.store.commit(&change);
        change
    }

    /// Every controller reconciles what a change concerns; by its name and kind, the objects read.
    fn spread(&self, change: &Change) -> BTreeMap<String, usize> {
        let mut costs = BTreeMap::new();
        for controller in &self.controllers {
            let server = Counting { snapshot: self.store.snapshot(), read: Cell::new(0) };
            let keys = controller.concerns(&server, change);
            let mut cost = |label: String| *costs.entry(label).or_default() += server.read.take();
            cost(format!("{} is told", controller.name()));
            for key in keys {
                controller.reconcile(&server, &key, now());
                cost(format!("{} reconciles {}", controller.name(), key.resource));
            }
        }
        costs
    }

    /// The same for changes of each of the watched objects, the second time: memos are up to date then.
    fn measure(&mut self) -> BTreeMap<String, usize> {
        let mut total: BTreeMap<String, usize> = BTreeMap::new();
        for round in 0..2 {
            total.clear();
            for (resource, mut object) in watched() {
                object["metadata"]["annotations"] = json!({"round": round.to_string()});
                if resource == "autoscaling/horizontalpodautoscalers" {
                    object["spec"]["minReplicas"] = json!(round);
                }
                if resource == "pods" {
                    object["status"]["message"] = json!(round.to_string());
                }
                let change = self.put(resource, object);
                for (label, read) in self.spread(&change) {
                    *total.entry(label).or_default() += read;
                }
            }
        }
        total
    }
}

fn pod(name: &str, app: &str, owner: Option<(&str, &str)>) -> Value {
    let version = |kind: &str| if kind == "Job" { "batch/v1" } else { "apps/v1" };
    let owners: Vec<Value> = owner
        .iter()
        .map(|(kind, owner)| json!({"apiVersion": version(kind), "kind": kind, "name": owner, "uid": owner, "controller": true}))
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": app}, "ownerReferences": owners},
        "spec": {
            "nodeName": "node",
            "containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "10m", "memory": "1Mi"}}}],
        },
        "status": {"phase": "Running", "podIP": "10.42.0.9", "conditions": [
            {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
    })
}

fn watched() -> Vec<(&'static str, Value)> {
    let spec = |app: &str| {
        json!({
            "replicas": 1, "selector": {"matchLabels": {"app": app}},
            "template": {"metadata": {"labels": {"app": app}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
        })
    };
    let object = |version: &str, kind: &str, name: &str, spec: Value| json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "generation": 1}, "spec": spec});
    let mut set = object("apps/v1", "ReplicaSet", "web-1", spec("web"));
    set["metadata"]["labels"] = json!({"app": "web"});
    let owner = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "web", "controller": true});
    set["metadata"]["ownerReferences"] = json!([owner]);
    let mut waiting = pod("waiting", "waiting", None);
    waiting["spec"]["nodeName"] = json!(null);
    vec![
        ("apps/deployments", object("apps/v1", "Deployment", "web", spec("web"))),
        ("apps/replicasets", set),
        ("apps/statefulsets", object("apps/v1", "StatefulSet", "db", spec("db"))),
        ("apps/daemonsets", object("apps/v1", "DaemonSet", "agent", spec("agent"))),
        (
            "batch/jobs",
            object(
                "batch/v1",
                "Job",
                "job",
                json!({"completions": 1, "parallelism": 1, "selector": {"matchLabels": {"app": "job"}}, "template": spec("job")["template"]}),
            ),
        ),
        (
            "services",
            object("v1", "Service", "web", json!({"selector": {"app": "web"}, "ports": [{"port": 80}]})),
        ),
        (
            "policy/poddisruptionbudgets",
            object(
                "policy/v1",
                "PodDisruptionBudget",
                "web",
                json!({"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}),
            ),
        ),
        (
            "resourcequotas",
            object("v1", "ResourceQuota", "quota", json!({"hard": {"pods": "9000", "requests.cpu": "9000"}})),
        ),
        ("persistentvolumeclaims", object("v1", "PersistentVolumeClaim", "data", json!({"volumeName": "v"}))),
        (
            "persistentvolumes",
            object(
                "v1",
                "PersistentVolume",
                "v",
                json!({"claimRef": {"namespace": "default", "name": "data", "uid": "data"}}),
            ),
        ),
        (
            "autoscaling/horizontalpodautoscalers",
            object(
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
                "web",
                json!({"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}),
            ),
        ),
        ("pods", pod("web-1-a", "web", Some(("ReplicaSet", "web-1")))),
        ("pods", pod("db-0", "db", Some(("StatefulSet", "db")))),
        ("pods", pod("agent-a", "agent", Some(("DaemonSet", "agent")))),
        ("pods", pod("job-a", "job", Some(("Job", "job")))),
        ("pods", waiting),
    ]
}

#[test]
fn unrelated_pods_cost_nothing() {
    let read = |others: usize| {
        let mut lines = String::new();
        for (label, read) in Crowd::new(others).measure() {
            writeln!(lines, "{label}: {read} objects").expect("a String takes everything");
        }
        lines
    };
    let few = read(10);
    assert!(few.contains("endpointslice-controller reconciles services: 8 objects"), "{few}");
    assert_eq!(few, read(1000));
}
