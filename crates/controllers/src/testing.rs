//! A small world for controller tests: objects in a map, writes carried out as `api` would.

mod cost;
mod show;

use crate::{Controller, Scale, Server, all};
use jiff::Timestamp;
use schema::measured::Measured;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Change, ChangeKind, Key, Object, Term, View, Write};

pub(crate) use show::{line, lines};

#[derive(Default)]
pub(crate) struct World {
    pub(crate) objects: BTreeMap<Key, Object>,
    counter: u64,
}

/// A [`Server`] over a plain list of objects, for one reconcile.
#[derive(Default)]
pub(crate) struct Small(store::Fixture, Arc<Measured>);

impl Small {
    pub(crate) fn put(&mut self, resource: &str, object: Value) -> Key {
        self.0.put(resource, object)
    }

    pub(crate) fn measure(&mut self, measured: Measured) {
        self.1 = Arc::new(measured);
    }
}

/// The scale of a built-in kind whose selector has labels alone.
fn scale_of(view: &dyn View, key: &Key) -> Result<Scale, String> {
    if key.resource.as_str() == "batch/jobs" {
        return Err("the server could not find the requested resource".into());
    }
    let object = view.get(key.resource.as_str(), &key.namespace, &key.name);
    let object = object.ok_or_else(|| format!("{} {:?} not found", key.resource, &*key.name))?;
    let labels = crate::at(&object, &["spec", "selector", "matchLabels"]).as_object();
    let pairs =
        labels.into_iter().flatten().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("")));
    let replicas = crate::int_at(&object, &["spec", "replicas"]).unwrap_or(0);
    Ok(Scale { replicas, selector: pairs.collect::<Vec<_>>().join(",") })
}

fn pods_of(view: &dyn View, namespace: &str, selector: &str) -> Result<Vec<Object>, String> {
    let pairs = selector.split(',').map(|pair| pair.split_once('=').ok_or("no pair"));
    let pairs: Vec<_> = pairs.collect::<Result<_, _>>()?;
    let terms: Vec<Term<'_>> = pairs.iter().map(|(key, value)| Term::Label(key, value)).collect();
    Ok(view.select("pods", namespace, &terms))
}

impl View for Small {
    fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Object> {
        self.0.get(resource, namespace, name)
    }
    fn list(&self, resource: &str, namespace: &str) -> Vec<Object> {
        self.0.list(resource, namespace)
    }
    fn owned_by(&self, uid: &str) -> Vec<(Key, Object)> {
        self.0.owned_by(uid)
    }
}

impl Server for Small {
    fn resource_of(&self, api_version: &str, kind: &str) -> Option<String> {
        KINDS.iter().find(|(v, k, _)| (*v, *k) == (api_version, kind)).map(|(.., r)| (*r).into())
    }
    fn namespaced_resources(&self) -> Vec<String> {
        KINDS.iter().filter(|(.., r)| self.is_namespaced(r)).map(|(.., r)| (*r).into()).collect()
    }
    fn is_namespaced(&self, resource: &str) -> bool {
        !CLUSTER_WIDE.contains(&resource)
    }
    fn ca_certificate(&self) -> &str {
        "CA"
    }
    fn storage_path(&self) -> &str {
        "/storage"
    }
    fn secret_token(&self, namespace: &str, account: &str, uid: &str, secret: &str) -> String {
        format!("{namespace}/{account}/{uid}/{secret}")
    }
    fn scale(&self, key: &Key) -> Result<Scale, String> {
        scale_of(self, key)
    }
    fn pods_of(&self, namespace: &str, selector: &str) -> Result<Vec<Object>, String> {
        pods_of(self, namespace, selector)
    }
    fn measured(&self) -> Arc<Measured> {
        self.1.clone()
    }
}

const KINDS: &[(&str, &str, &str)] = &[
    ("v1", "Pod", "pods"),
    ("v1", "Service", "services"),
    ("v1", "Endpoints", "endpoints"),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    ("v1", "ConfigMap", "configmaps"),
    ("v1", "ServiceAccount", "serviceaccounts"),
    ("apps/v1", "Deployment", "apps/deployments"),
    ("apps/v1", "ReplicaSet", "apps/replicasets"),
    ("apps/v1", "StatefulSet", "apps/statefulsets"),
    ("apps/v1", "DaemonSet", "apps/daemonsets"),
    ("batch/v1", "Job", "batch/jobs"),
    ("batch/v1", "CronJob", "batch/cronjobs"),
    ("discovery.k8s.io/v1", "EndpointSlice", "discovery.k8s.io/endpointslices"),
    ("v1", "Node", "nodes"),
    ("example.com/v1", "Widget", "example.com/widgets"),
    ("example.com/v1", "Gadget", "example.com/gadgets"),
];
const CLUSTER_WIDE: &[&str] = &["nodes", "example.com/gadgets"];

impl View for World {
    fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Object> {
        self.objects.get(&crate::access::key(resource, namespace, name)).cloned()
    }
    fn list(&self, resource: &str, namespace: &str) -> Vec<Object> {
        let fits =
            |k: &Key| &*k.resource.0 == resource && (namespace.is_empty() || &*k.namespace == namespace);
        self.objects.iter().filter(|(k, _)| fits(k)).map(|(_, o)| o.clone()).collect()
    }
    fn owned_by(&self, uid: &str) -> Vec<(Key, Object)> {
        let owned = |o: &Value| {
            crate::list_at(o, &["metadata", "ownerReferences"])
                .iter()
                .any(|r| crate::str_at(r, &["uid"]) == uid)
        };
        self.objects.iter().filter(|(_, o)| owned(o)).map(|(k, o)| (k.clone(), o.clone())).collect()
    }
}

impl Server for World {
    fn resource_of(&self, api_version: &str, kind: &str) -> Option<String> {
        KINDS.iter().find(|(v, k, _)| (*v, *k) == (api_version, kind)).map(|(.., r)| (*r).into())
    }
    fn namespaced_resources(&self) -> Vec<String> {
        KINDS.iter().filter(|(.., r)| self.is_namespaced(r)).map(|(.., r)| (*r).into()).collect()
    }
    fn is_namespaced(&self, resource: &str) -> bool {
        !CLUSTER_WIDE.contains(&resource)
    }
    fn ca_certificate(&self) -> &str {
        "CA"
    }
    fn storage_path(&self) -> &str {
        "/storage"
    }
    fn secret_token(&self, namespace: &str, account: &str, uid: &str, secret: &str) -> String {
        format!("{namespace}/{account}/{uid}/{secret}")
    }
    fn scale(&self, key: &Key) -> Result<Scale, String> {
        scale_of(self, key)
    }
    fn pods_of(&self, namespace: &str, selector: &str) -> Result<Vec<Object>, String> {
        pods_of(self, namespace, selector)
    }
    fn measured(&self) -> Arc<Measured> {
        Arc::default()
    }
}

impl World {
    pub(crate) fn apply(&mut self, write: Write) {
        self.counter += 1;
        match write {
            Write::Create { resource, mut object } => {
                let prefix = crate::str_at(&object, &["metadata", "generateName"]).to_string();
                if !prefix.is_empty() {
                    object["metadata"]["name"] = json!(format!("{prefix}{}", self.counter));
                }
                object["metadata"]["uid"] = json!(format!("uid-{}", self.counter));
                object["metadata"]["generation"] = json!(1);
                object["metadata"]["creationTimestamp"] =
                    json!(format!("2026-01-01T00:00:{:02}Z", self.counter % 60));
                self.objects.insert(crate::key_of(&resource.0, &object), Arc::new(object));
            }
            Write::Update { resource, object } | Write::UpdateStatus { resource, object } => {
                self.objects.insert(crate::key_of(&resource.0, &object), Arc::new(object));
            }
            Write::Merge { key, patch, .. } => {
                let mut object = (*self.objects[&key]).clone();
                merge(&mut object, &patch);
                let free = crate::list_at(&object, &["metadata", "finalizers"]).is_empty();
                if free
                    && crate::access::is_deleting(&object)
                    && patch["metadata"].get("finalizers").is_some()
                {
                    self.objects.remove(&key);
                } else {
                    self.objects.insert(key, Arc::new(object));
                }
            }
            Write::Delete { key, .. } => {
                let held = self
                    .objects
                    .get(&key)
                    .is_some_and(|o| !crate::list_at(o, &["metadata", "finalizers"]).is_empty());
                if held {
                    let mut object = (*self.objects[&key]).clone();
                    object["metadata"]["deletionTimestamp"] = json!("2026-01-01T01:00:00Z");
                    self.objects.insert(key, Arc::new(object));
                } else {
                    self.objects.remove(&key);
                }
            }
            Write::Event { .. } => {}
        }
    }

    /// Lets every controller reconcile everything until nothing is written any more.
    fn settle(&mut self) {
        let controllers = all();
        for _ in 0..100 {
            let mut writes = Vec::new();
            for controller in &controllers {
                writes = self.one_round(controller.as_ref());
                if !writes.is_empty() {
                    break;
                }
            }
            if writes.is_empty() {
                return;
            }
            writes.into_iter().for_each(|w| self.apply(w));
        }
        panic!("the controllers do not come to rest");
    }

    fn one_round(&self, controller: &dyn Controller) -> Vec<Write> {
        for (key, object) in &self.objects {
            let change = Change {
                version: 1,
                kind: ChangeKind::Added,
                key: key.clone(),
                object: object.clone(),
                previous: None,
                text: Default::default(),
            };
            for key in controller.concerns(self, &change) {
                let writes: Vec<Write> = controller
                    .reconcile(self, &key, now())
                    .writes
                    .into_iter()
                    .filter(|w| !matches!(w, Write::Event { .. }))
                    .collect();
                if !writes.is_empty() {
                    return writes;
                }
            }
        }
        Vec::new()
    }

    pub(crate) fn add(&mut self, resource: &str, object: Value) {
        self.apply(Write::Create { resource: store::Resource::new(resource), object });
    }

    /// What the node agent would do: every pod runs and is ready.
    fn run_pods(&mut self) {
        for (key, object) in self.objects.clone() {
            if &*key.resource.0 == "pods" {
                let mut pod = (*object).clone();
                pod["spec"]["nodeName"] = json!("node");
                pod["status"] = json!({"phase": "Running", "podIP": format!("10.42.0.{}", self.objects.len()), "conditions": [
                    {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
                self.objects.insert(key, Arc::new(pod));
            }
        }
    }

    /// The container image of each pod, sorted.
    fn images(&self) -> Vec<String> {
        let mut images: Vec<String> = self
            .list("pods", "")
            .iter()
            .map(|p| {
                crate::str_at(p, &["spec", "containers"]).to_string()
                    + p["spec"]["containers"][0]["image"].as_str().unwrap_or("")
            })
            .collect();
        images.sort();
        images
    }
}

fn merge(target: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in fields {
        if value.is_null() {
            target.as_object_mut().expect("made an object above").remove(name);
        } else {
            merge(&mut target[name], value);
        }
    }
}

fn now() -> Timestamp {
    "2026-01-01T01:00:00Z".parse().expect("a valid time")
}

fn deployment(image: &str, replicas: i64) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}},
        },
    })
}

#[test]
fn a_deployment_rolls_from_one_image_to_the_next() {
    let mut world = World::default();
    world.add("apps/deployments", deployment("a:1", 2));
    world.settle();
    assert_eq!(world.images(), ["a:1", "a:1"]);
    world.run_pods();
    world.settle();
    let key = crate::access::key("apps/deployments", "default", "web");
    assert_eq!(world.objects[&key]["status"]["availableReplicas"], 2);
    world.apply(Write::Merge { key: key.clone(), subresource: "", patch: json!({"metadata": {"generation": 2}, "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "a:2"}]}}}}) });
    world.settle();
    assert_eq!(
        world.images(),
        ["a:1", "a:1", "a:2"],
        "surge of one, nobody stopped before the new pod is ready"
    );
    for _ in 0..3 {
        world.run_pods();
        world.settle();
    }
    assert_eq!(world.images(), ["a:2", "a:2"]);
    let conditions = &world.objects[&key]["status"]["conditions"];
    assert_eq!(conditions[1]["reason"], "NewReplicaSetAvailable");
    assert_eq!(world.objects[&key]["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "2");
}

#[test]
fn recreate_starts_the_new_pods_when_the_last_old_one_is_gone() {
    let mut world = World::default();
    let mut object = deployment("a:1", 1);
    object["spec"]["strategy"] = json!({"type": "Recreate"});
    world.add("apps/deployments", object);
    world.settle();
    world.run_pods();
    world.settle();
    let (old_key, old) = world
        .objects
        .iter()
        .find(|(k, _)| &*k.resource.0 == "pods")
        .map(|(k, o)| (k.clone(), o.clone()))
        .expect("a pod");
    let key = crate::access::key("apps/deployments", "default", "web");
    let patch = json!({"metadata": {"generation": 2}, "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "a:2"}]}}}});
    world.apply(Write::Merge { key: key.clone(), subresource: "", patch });
    // The old pod takes its time to end.
    let mut ending = (*old).clone();
    ending["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:30:00Z");
    world.objects.insert(old_key.clone(), Arc::new(ending));
    world.settle();
    assert_eq!(world.images(), ["a:1"], "two generations never run together");
    let gone = world.objects.remove(&old_key).expect("it was there");
    let change = Change {
        version: 9,
        kind: ChangeKind::Deleted,
        key: old_key,
        object: gone,
        previous: None,
        text: Default::default(),
    };
    let woken: Vec<Key> = all().iter().flat_map(|c| c.concerns(&world, &change)).collect();
    assert!(woken.contains(&key), "the deployment looks again: {woken:?}");
    world.settle();
    assert_eq!(world.images(), ["a:2"]);
}

#[test]
fn deleting_a_deployment_takes_its_sets_and_pods_along() {
    let mut world = World::default();
    world.add("apps/deployments", deployment("a:1", 3));
    world.settle();
    world.objects.remove(&crate::access::key("apps/deployments", "default", "web"));
    world.settle();
    assert!(world.objects.is_empty(), "{:?}", world.objects.keys());
}

#[test]
fn endpoints_follow_ready_pods() {
    let mut world = World::default();
    world.add("apps/deployments", deployment("a:1", 1));
    world.add(
        "services",
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8000}]},
        }),
    );
    world.settle();
    world.run_pods();
    world.settle();
    let slices = world.list("discovery.k8s.io/endpointslices", "default");
    assert_eq!(slices.len(), 1);
    assert_eq!(slices[0]["ports"][0]["port"], 8000);
    assert_eq!(slices[0]["endpoints"][0]["conditions"]["ready"], true);
    let labels = |world: &World| world.list("endpoints", "default")[0]["metadata"]["labels"].clone();
    assert_eq!(labels(&world), json!({"endpoints.kubernetes.io/managed-by": "endpoint-controller"}));
    // The Service's labels are those of its Endpoints, now and later.
    let mut service = (*world.list("services", "default")[0]).clone();
    service["metadata"]["labels"] = json!({"tier": "front"});
    world.add("services", service);
    world.settle();
    assert_eq!(labels(&world)["tier"], "front");
}

#[test]
fn a_claim_waits_for_its_first_pod_and_is_bound_then() {
    let mut world = World::default();
    world.add("storage.k8s.io/storageclasses", json!({
        "metadata": {"name": "local-path", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "rancher.io/local-path", "volumeBindingMode": "WaitForFirstConsumer", "reclaimPolicy": "Delete",
    }));
    world.add(
        "persistentvolumeclaims",
        json!({
            "metadata": {"name": "data", "namespace": "default"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }),
    );
    world.settle();
    let key = crate::access::key("persistentvolumeclaims", "default", "data");
    assert_eq!(world.objects[&key]["status"]["phase"], "Pending");
    world.add("pods", json!({
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {"nodeName": "node", "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]},
    }));
    world.settle();
    assert_eq!(world.objects[&key]["status"]["phase"], "Bound");
    let volume = &world.list("persistentvolumes", "")[0];
    assert_eq!(volume["status"]["phase"], "Bound");
    assert_eq!(
        volume["spec"]["hostPath"]["path"],
        format!("/storage/pvc-{}_default_data", crate::access::uid(&world.objects[&key]))
    );
}

#[test]
fn label_selectors() {
    let labels = json!({"app": "web", "tier": "front"});
    let cases = [
        (json!({}), true),
        (json!(null), false),
        (json!({"matchLabels": {"app": "web"}}), true),
        (json!({"matchLabels": {"app": "db"}}), false),
        (json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["back", "front"]}]}), true),
        (json!({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}), true),
        (json!({"matchExpressions": [{"key": "zone", "operator": "Exists"}]}), false),
    ];
    for (selector, want) in cases {
        assert_eq!(crate::labels_match(&selector, &labels), want, "{selector}");
    }
}
