//! Deleting objects, one or all, and evicting pods.

use crate::resources::{Call, Filter, not_allowed, success};
use crate::respond::{self, Answer};
use crate::writes::named_as_the_url;
use crate::{admission, body, discovery, list, options};
use api::{DeleteOptions, Key, Object, Result, View};
use axum::body::Body;
use http::StatusCode;
use serde_json::{Value, json};

/// Kinds of which a delete answers with the object, as upstream's clients are told by its OpenAPI.
const SHOWS_WHAT_WENT: [&str; 12] = [
    "namespaces",
    "persistentvolumeclaims",
    "persistentvolumes",
    "pods",
    "podtemplates",
    "resourcequotas",
    "serviceaccounts",
    "services",
    "storage.k8s.io/csidrivers",
    "storage.k8s.io/csinodes",
    "storage.k8s.io/storageclasses",
    "storage.k8s.io/volumeattachments",
];

async fn given_options(call: &Call, body: Body) -> Result<DeleteOptions> {
    let given = body::read(&call.parts.headers, body, "DeleteOptions", &mut Vec::new()).await?;
    let options = options::of_delete(&call.query, &given)?;
    let origin = admission::of_deletion(call, &given);
    Ok(DeleteOptions { origin, ..options })
}

pub(crate) async fn one(call: Call, body: Body) -> Result<Answer> {
    let options = given_options(&call, body).await?;
    let last = admission::delete(&call.inner.api, &call.key(), &options).await?;
    // It is gone, whatever becomes of its picture.
    let shown = call.shown(vec![last.clone()]).await.unwrap_or_default();
    let last = shown.into_iter().next().unwrap_or(last);
    warn_of_orphans(&call, &options);
    Ok(gone(&call, &last, options.dry_run))
}

/// Who deletes a Job and does not say so leaves its pods, as upstream.
fn warn_of_orphans(call: &Call, options: &DeleteOptions) {
    if call.resource() == "batch/jobs" && options.propagation.is_none() {
        call.warnings.push(
            "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove \
             them or set propagationPolicy=Orphan to suppress this warning",
        );
    }
}

/// The object if it still waits for something, else that it is gone.
fn gone(call: &Call, last: &Object, dry_run: bool) -> Answer {
    let uid = &last["metadata"]["uid"];
    let waits = match dry_run {
        true => last["metadata"]["deletionTimestamp"].is_string(),
        false => call.get().is_ok_and(|now| &now["metadata"]["uid"] == uid),
    };
    if waits || SHOWS_WHAT_WENT.contains(&call.resource().as_str()) {
        return respond::json(StatusCode::OK, &call.output().for_write().object(last));
    }
    let mut details = json!({ "name": call.target.name, "kind": call.kind.plural, "uid": uid });
    if !call.kind.group.is_empty() {
        details["group"] = call.kind.group.clone().into();
    }
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
    });
    respond::json(StatusCode::OK, &status)
}

pub(crate) async fn all(call: Call, body: Body) -> Result<Answer> {
    let everywhere = call.kind.namespaced && call.target.namespace.is_empty();
    if everywhere || !discovery::verbs(&call.kind).contains(&"deletecollection") {
        return Err(not_allowed());
    }
    options::check_list(&call.query, false)?;
    let options = given_options(&call, body).await?;
    let filter = Filter::new(&call)?;
    let view = call.inner.api.view();
    let mut gone = Vec::new();
    for object in view.list(&call.resource(), &call.target.namespace).iter().filter(|o| filter.matches(o)) {
        let (namespace, name) = list::place(object);
        let key = Key::new(&call.resource(), &namespace, &name);
        match admission::delete(&call.inner.api, &key, &options).await {
            Ok(last) => gone.push(last),
            // Somebody was quicker.
            Err(error) if error.code == 404 => {}
            Err(error) => return Err(error),
        }
    }
    let metadata = json!({ "resourceVersion": call.inner.api.version().to_string() });
    let shown = call.shown(gone.clone()).await.unwrap_or(gone);
    let answer = respond::bytes(StatusCode::OK, call.output().for_write().list(&shown, metadata));
    warn_of_orphans(&call, &options);
    Ok(answer)
}

pub(crate) async fn evict(call: Call, body: Body) -> Result<Answer> {
    let eviction = body::read(&call.parts.headers, body, "Eviction", &mut Vec::new()).await?;
    named_as_the_url(&call, &eviction, "Eviction")?;
    // The options of an eviction are those of its body, but for the dry run.
    let given = eviction.get("deleteOptions").filter(|given| given.is_object());
    let mut options = options::of_delete(&call.query, given.unwrap_or(&json!({})))?;
    options.dry_run |= call.query.dry_run();
    options.origin = admission::of_deletion(&call, given.unwrap_or(&Value::Null));
    admission::evict(&call, &options).await?;
    Ok(success(StatusCode::CREATED))
}
