//! What set-up scripts of projects do by hand: namespaces, and secrets with generated values for development.
//!
//! Only on the embedded cluster, only what the manifests refer to and nothing defines, never over something that is
//! there; each creation is told. `--no-bootstrap` turns it off.

use crate::cluster::Cluster;
use crate::error::chain;
use crate::output::Output;
use devloop::{Line, Mark};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tiltfile::Plan;

pub(crate) async fn run(cluster: &Cluster, plan: &Plan, output: &Arc<dyn Output>) {
    let objects: Vec<&Value> =
        plan.resources.iter().filter_map(|r| r.k8s()).flat_map(|k| &k.objects).collect();
    let say = |mark, text| output.line(&Line { resource: String::new(), mark, text });
    for namespace in missing_namespaces(cluster, &objects) {
        match ensure_namespace(cluster, &namespace).await {
            Ok(true) => say(Mark::Done, format!("namespace {namespace} created (the manifests use it)")),
            Ok(false) => {}
            Err(error) => {
                say(Mark::Failed, format!("cannot create the namespace {namespace}: {}", chain(&error)))
            }
        }
    }
    for (key, keys) in needed_secrets(cluster, &objects) {
        let label = format!("{}/{}", key.0, key.1);
        match ensure_secret(cluster, &key, &keys).await {
            Ok(true) => {
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                say(
                    Mark::Done,
                    format!(
                        "secret {label} created with a generated {} (the manifests need it and nothing defines it)",
                        keys.join(", ")
                    ),
                );
            }
            Ok(false) => {}
            Err(error) => say(Mark::Failed, format!("cannot create the secret {label}: {}", chain(&error))),
        }
    }
}

fn defined(objects: &[&Value], kind: &str, namespace: Option<&str>, name: &str, cluster: &Cluster) -> bool {
    objects.iter().any(|o| {
        o["kind"] == kind
            && o["metadata"]["name"] == name
            && namespace.is_none_or(|ns| cluster.namespace_of(o) == ns)
    })
}

fn missing_namespaces(cluster: &Cluster, objects: &[&Value]) -> BTreeSet<String> {
    objects
        .iter()
        .filter_map(|o| o["metadata"]["namespace"].as_str().filter(|n| !n.is_empty()).map(String::from))
        .filter(|name| !defined(objects, "Namespace", None, name, cluster))
        .collect()
}

async fn ensure_namespace(cluster: &Cluster, name: &str) -> Result<bool, kube::Error> {
    let api: Api<Namespace> = Api::all(cluster.client());
    let object =
        serde_json::from_value(json!({"metadata": {"name": name}})).map_err(kube::Error::SerdeError)?;
    created(api.create(&PostParams::default(), &object).await)
}

fn created<T>(result: Result<T, kube::Error>) -> Result<bool, kube::Error> {
    match result {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

type SecretKey = (String, String);

/// Secrets whose keys the pod templates name one by one. Of a whole secret (`envFrom`, a volume) the keys are not
/// known, so nothing can be generated.
fn needed_secrets(cluster: &Cluster, objects: &[&Value]) -> BTreeMap<SecretKey, BTreeSet<String>> {
    let mut out: BTreeMap<SecretKey, BTreeSet<String>> = BTreeMap::new();
    for object in objects {
        let namespace = cluster.namespace_of(object);
        let spec = match object["kind"].as_str() {
            Some("Pod") => &object["spec"],
            Some("CronJob") => &object["spec"]["jobTemplate"]["spec"]["template"]["spec"],
            _ => &object["spec"]["template"]["spec"],
        };
        let containers =
            ["containers", "initContainers"].iter().filter_map(|f| spec[*f].as_array()).flatten();
        for variable in containers.filter_map(|c| c["env"].as_array()).flatten() {
            let reference = &variable["valueFrom"]["secretKeyRef"];
            let (Some(name), Some(key)) = (reference["name"].as_str(), reference["key"].as_str()) else {
                continue;
            };
            if reference["optional"] != true && !defined(objects, "Secret", Some(&namespace), name, cluster) {
                out.entry((namespace.clone(), name.to_string())).or_default().insert(key.to_string());
            }
        }
    }
    out
}

async fn ensure_secret(
    cluster: &Cluster,
    key: &SecretKey,
    keys: &BTreeSet<String>,
) -> Result<bool, kube::Error> {
    // The plan may be about to create the namespace; applying it over this one changes nothing.
    ensure_namespace(cluster, &key.0).await?;
    let api: Api<Secret> = Api::namespaced(cluster.client(), &key.0);
    if api.get_metadata_opt(&key.1).await?.is_some() {
        return Ok(false);
    }
    let data: BTreeMap<&String, String> = keys.iter().map(|k| (k, random_hex())).collect();
    let object = json!({
        "metadata": {"name": key.1, "labels": {"coracle.dev/generated": "true"}},
        "type": "Opaque", "stringData": data,
    });
    let object = serde_json::from_value(object).map_err(kube::Error::SerdeError)?;
    created(api.create(&PostParams::default(), &object).await)
}

/// 32 random bytes, as `secrets.token_hex(32)` gives.
fn random_hex() -> String {
    let bytes: [u8; 32] = rand::random();
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
