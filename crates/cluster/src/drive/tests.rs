//! Controllers whose writes webhooks are asked about.

use super::{Facts, run};
use crate::tokens::Tokens;
use api::{Api, ApiConfig, Object, View, WebhookCall, WebhookCaller, WriteOptions};
use async_trait::async_trait;
use base64::Engine as _;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Labels pods when it is let; says who asked.
struct Slow {
    lets: Semaphore,
    askers: parking_lot::Mutex<Vec<String>>,
}

#[async_trait]
impl WebhookCaller for Slow {
    async fn call(&self, call: WebhookCall) -> Result<(u16, Vec<u8>), String> {
        let review: Value = serde_json::from_slice(&call.body).expect("JSON");
        let request = &review["request"];
        let asker = request["userInfo"]["username"].as_str().unwrap_or_default();
        self.askers.lock().push(asker.to_string());
        self.lets.acquire().await.expect("open").forget();
        let patch = json!([{ "op": "add", "path": "/metadata/labels/injected", "value": "yes" }]);
        let patch = base64::engine::general_purpose::STANDARD.encode(patch.to_string());
        let answer = json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {
            "uid": request["uid"], "allowed": true, "patch": patch, "patchType": "JSONPatch" } });
        Ok((200, answer.to_string().into_bytes()))
    }
}

async fn until(api: &Api, mut is: impl FnMut(&Api) -> bool) {
    let mut changes = api.changes(api.version());
    while !is(api) {
        let next = tokio::time::timeout(std::time::Duration::from_secs(20), changes.next()).await;
        next.expect("something changes").expect("not behind");
    }
}

fn pods(api: &Api) -> Vec<Object> {
    api.list("pods", "default")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_hold_up_only_what_they_are_asked_about() {
    let dir = tempfile::tempdir().expect("tempdir");
    let config = ApiConfig {
        dir: dir.path().join("api"),
        service_cidr: "10.43.0.0/16".into(),
        cluster_domain: "cluster.local".into(),
    };
    let api = Api::open(config).expect("open");
    let slow = Arc::new(Slow { lets: Semaphore::new(0), askers: parking_lot::Mutex::default() });
    api.set_webhook_caller(slow.clone());
    let make = |resource: &str, object: Value| {
        api.create(resource, object, &WriteOptions::default()).expect("made");
    };
    make(
        "admissionregistration.k8s.io/mutatingwebhookconfigurations",
        json!({ "metadata": { "name": "slow" }, "webhooks": [{
            "name": "slow.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "clientConfig": { "url": "https://slow/" },
            "rules": [{ "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"] }],
        }] }),
    );
    make(
        "apps/replicasets",
        json!({ "metadata": { "name": "web", "namespace": "default" }, "spec": {
            "replicas": 2, "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "c", "image": "i" }] } },
        } }),
    );
    let tokens = Arc::new(Tokens::open(&dir.path().join("key")).expect("a key"));
    let facts = Facts { ca_certificate: String::new(), storage_path: String::new(), tokens };
    let stop = CancellationToken::new();
    let driver = tokio::spawn(run(api.clone(), facts, stop.clone()));
    // Others go on while the webhook takes its time.
    make("namespaces", json!({ "metadata": { "name": "other" } }));
    until(&api, |api| api.view().get("serviceaccounts", "other", "default").is_some()).await;
    assert_eq!(pods(&api).len(), 0);
    slow.lets.add_permits(2);
    until(&api, |api| pods(api).len() == 2).await;
    assert!(pods(&api).iter().all(|pod| pod["metadata"]["labels"]["injected"] == "yes"));
    until(&api, |api| {
        let set = api.view().get("apps/replicasets", "default", "web").expect("there");
        set["status"]["replicas"] == 2
    })
    .await;
    let askers = slow.askers.lock().clone();
    assert_eq!(askers, ["system:serviceaccount:kube-system:replicaset-controller"; 2]);
    stop.cancel();
    driver.await.expect("ends");
}
