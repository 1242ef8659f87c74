//! Applying and deleting objects: server-side apply, and replacement where a field cannot be changed.

use crate::cluster::Cluster;
use crate::error::chain;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PropagationPolicy};
use serde_json::Value;
use std::time::Duration;

/// Who owns the fields that we apply.
pub const FIELD_MANAGER: &str = "coracle";
/// A kind may have been defined a moment ago, by the CustomResourceDefinition before it.
const KIND_RETRIES: u32 = 20;
const KIND_PAUSE: Duration = Duration::from_millis(250);
const DELETE_WAIT: Duration = Duration::from_secs(60);

fn label(object: &Value) -> String {
    let name = object["metadata"]["name"].as_str().unwrap_or("?");
    format!("{}/{name}", object["kind"].as_str().unwrap_or("?").to_lowercase())
}

/// Applies in order; stops at the first failure, which names the object.
pub async fn apply(cluster: &Cluster, objects: &[Value]) -> Result<(), String> {
    for object in objects {
        apply_one(cluster, object).await.map_err(|error| format!("{}: {}", label(object), chain(&error)))?;
    }
    Ok(())
}

async fn apply_one(cluster: &Cluster, object: &Value) -> Result<(), kube::Error> {
    let api = find_api(cluster, object).await?;
    let name = object["metadata"]["name"].as_str().unwrap_or("");
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match api.patch(name, &params, &Patch::Apply(object)).await {
        Err(kube::Error::Api(status)) if status.code == 422 && is_immutable(&status.message) => {
            // As Tilt does: a Job or a selector cannot be changed in place.
            remove(&api, name).await?;
            api.patch(name, &params, &Patch::Apply(object)).await.map(drop)
        }
        other => other.map(drop),
    }
}

fn is_immutable(message: &str) -> bool {
    message.contains("field is immutable")
        || message.contains("may not change once set")
        || message.contains("Forbidden: updates to")
}

async fn find_api(cluster: &Cluster, object: &Value) -> Result<Api<DynamicObject>, kube::Error> {
    let mut tries = 0;
    loop {
        match cluster.api_for(object).await {
            Err(error) if tries < KIND_RETRIES && is_unknown_kind(&error) => {
                tries += 1;
                tokio::time::sleep(KIND_PAUSE).await;
            }
            other => return other,
        }
    }
}

fn is_unknown_kind(error: &kube::Error) -> bool {
    match error {
        kube::Error::Discovery(_) => true,
        kube::Error::Api(status) => status.code == 404,
        _ => false,
    }
}

/// Whether it was there.
async fn remove(api: &Api<DynamicObject>, name: &str) -> Result<bool, kube::Error> {
    let params =
        DeleteParams { propagation_policy: Some(PropagationPolicy::Foreground), ..DeleteParams::default() };
    match api.delete(name, &params).await {
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(false),
        other => drop(other?),
    }
    let gone = kube::runtime::wait::await_condition(api.clone(), name, |object: Option<&DynamicObject>| {
        object.is_none()
    });
    // If it is still there after that long, the apply that follows says so.
    let _ = tokio::time::timeout(DELETE_WAIT, gone).await;
    Ok(true)
}

/// Deletes in order, all of them whatever happens. An object (or a kind) that is gone already is fine.
/// With `wait`, comes back when they are really gone. Gives how many there were.
pub async fn delete(cluster: &Cluster, objects: &[Value], wait: bool) -> Result<usize, String> {
    let mut problems = Vec::new();
    let mut deleted = 0;
    for object in objects {
        let name = object["metadata"]["name"].as_str().unwrap_or("");
        let api = match cluster.api_for(object).await {
            Ok(api) => api,
            Err(error) if is_unknown_kind(&error) => continue,
            Err(error) => {
                problems.push(format!("{}: {}", label(object), chain(&error)));
                continue;
            }
        };
        let result = if wait {
            remove(&api, name).await
        } else {
            match api.delete(name, &DeleteParams::background()).await {
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
                other => other.map(|_| true),
            }
        };
        match result {
            Ok(was_there) => deleted += usize::from(was_there),
            Err(error) => problems.push(format!("{}: {}", label(object), chain(&error))),
        }
    }
    if problems.is_empty() { Ok(deleted) } else { Err(problems.join("\n")) }
}
