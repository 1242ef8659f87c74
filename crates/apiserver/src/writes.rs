//! Creating, replacing and patching objects.

use crate::body::{self, Media};
use crate::options::Writes;
use crate::resources::{Call, not_allowed, success};
use crate::respond::{self, Answer};
use crate::{admission, authorize};
use api::{ApiError, PatchKind, Result, Warnings, WriteOptions};
use axum::body::Body;
use http::StatusCode;
use schema::convert::events;
use serde_json::{Value, json};

/// The subresource that `kubectl debug` writes.
pub(crate) const EPHEMERAL: &str = "ephemeralcontainers";

/// Resources of containers while they run.
pub(crate) const RESIZE: &str = "resize";

/// The body of a write, with the URL's namespace in it.
async fn object_of(call: &Call, body: Body, options: &mut WriteOptions) -> Result<Value> {
    let mut object = body::read(&call.parts.headers, body, &call.kind.kind, &mut options.oversights).await?;
    if object.is_null() {
        object = json!({});
    }
    if call.kind.group == events::GROUP {
        object = events::to_core(&object);
    }
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    if call.kind.namespaced {
        let given = object["metadata"]["namespace"].as_str().unwrap_or_default();
        if !given.is_empty() && given != call.target.namespace {
            return Err(ApiError::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        object["metadata"]["namespace"] = call.target.namespace.clone().into();
    }
    if !call.target.name.is_empty() {
        no_other_name(call, &object)?;
        object["metadata"]["name"] = call.target.name.clone().into();
    }
    Ok(object)
}

/// An object may leave its name to the URL, but not have another one.
fn no_other_name(call: &Call, object: &Value) -> Result<()> {
    match object["metadata"]["name"].as_str() {
        Some(given) if !given.is_empty() && given != call.target.name => Err(ApiError::bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({})",
            call.target.name
        ))),
        _ => Ok(()),
    }
}

pub(crate) async fn create(call: Call, body: Body) -> Result<Answer> {
    if call.kind.namespaced && call.target.namespace.is_empty() {
        return Err(not_allowed());
    }
    let mut options = call.write_options(Writes::Create)?;
    let object = object_of(&call, body, &mut options).await?;
    let _grants = authorize::grants(&call).await;
    authorize::may_grant(&call, &object)?;
    let made = admission::create(&call, object, &options).await?;
    Ok(call.written(StatusCode::CREATED, &made))
}

pub(crate) async fn replace(call: Call, body: Body, subresource: &str) -> Result<Answer> {
    let mut options = call.write_options(Writes::Update)?;
    let api = &call.inner.api;
    if subresource == "scale" {
        let mut problems = Vec::new();
        let scale = body::read(&call.parts.headers, body, "Scale", &mut problems).await?;
        let kind = scale["kind"].as_str().unwrap_or("Scale");
        if kind != "Scale" {
            let version = scale["apiVersion"].as_str().unwrap_or("v1").rsplit('/').next().unwrap_or_default();
            let text = format!("{kind} in version {version:?} cannot be handled as a Scale");
            return Err(ApiError::bad_request(text));
        }
        no_other_name(&call, &scale)?;
        if let Some(why) = api::scale_problem(&scale) {
            let text = format!("Scale in version \"v1\" cannot be handled as a Scale: {why}");
            return Err(ApiError::bad_request(text));
        }
        let change = json!({
            "metadata": { "resourceVersion": scale["metadata"]["resourceVersion"] },
            "spec": { "replicas": scale["spec"].get("replicas").cloned().unwrap_or(json!(0)) },
        });
        let made = admission::patch(&call, PatchKind::Merge, "scale", &change, &options).await?;
        return Ok(respond::json(StatusCode::OK, &made));
    }
    let mut object = object_of(&call, body, &mut options).await?;
    let _grants = authorize::grants(&call).await;
    authorize::may_grant(&call, &object)?;
    if subresource.is_empty() && api.makes_by_update(&call.kind) && call.get().is_err() {
        authorize::may_create(&call)?;
        nothing_to_replace(&call, &mut object)?;
        let made = admission::create(&call, object, &options).await?;
        return Ok(call.written(StatusCode::CREATED, &made));
    }
    names_its_version(&call, &object, subresource)?;
    let made = match subresource {
        EPHEMERAL => {
            let change = json!({
                "metadata": { "resourceVersion": object["metadata"]["resourceVersion"] },
                "spec": { "ephemeralContainers": object["spec"]["ephemeralContainers"] },
            });
            admission::patch(&call, PatchKind::Merge, EPHEMERAL, &change, &options).await?
        }
        RESIZE => {
            let change = json!({
                "metadata": { "resourceVersion": object["metadata"]["resourceVersion"] },
                "spec": {
                    "containers": object["spec"]["containers"], "initContainers": object["spec"]["initContainers"],
                },
            });
            admission::patch(&call, PatchKind::Merge, RESIZE, &change, &options).await?
        }
        _ => admission::update(&call, subresource, object, &options).await?,
    };
    Ok(call.written(StatusCode::OK, &made))
}

/// An object that is made by a PUT is none that the caller has read.
fn nothing_to_replace(call: &Call, object: &mut Value) -> Result<()> {
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    if !uid.is_empty() {
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: ");
        return Err(ApiError::conflict(&call.key(), &why));
    }
    if let Some(meta) = object["metadata"].as_object_mut() {
        meta.shift_remove("resourceVersion");
    }
    Ok(())
}

/// Of some kinds nothing is replaced that the caller has not read.
fn names_its_version(call: &Call, object: &Value, subresource: &str) -> Result<()> {
    let version = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    let needed =
        matches!(subresource, "" | "status") && call.inner.api.replaces_only_what_was_read(&call.kind);
    if !needed || !version.is_empty() || call.get().is_err() {
        return Ok(());
    }
    let message = "Invalid value: 0: must be specified for an update";
    let cause = ("metadata.resourceVersion".into(), "FieldValueInvalid".into(), message.into());
    Err(ApiError::invalid(&call.kind.resource(), &call.kind.plural, &call.target.name, &[cause]))
}

pub(crate) async fn patch(call: Call, body: Body, subresource: &str) -> Result<Answer> {
    let media = body::media(&call.parts.headers)?;
    let kind = match media {
        Media::JsonPatch => PatchKind::Json,
        Media::MergePatch => PatchKind::Merge,
        Media::StrategicPatch => PatchKind::Strategic,
        Media::Apply => PatchKind::Apply { force: call.query.flag("force") },
        Media::Json | Media::Yaml | Media::Protobuf => {
            return Err(body::unknown_format(
                "application/json-patch+json, application/merge-patch+json, \
                 application/strategic-merge-patch+json, application/apply-patch+yaml",
            ));
        }
    };
    let mut options = call.write_options(match kind {
        PatchKind::Apply { .. } => Writes::Apply,
        _ => Writes::Patch,
    })?;
    let mut patch = body::read_patch(body, media, &mut options).await?;
    if call.kind.group == events::GROUP && patch.is_object() {
        patch = events::to_core(&patch);
    }
    let _grants = authorize::grants(&call).await;
    let existed = call.get().is_ok();
    if !existed && matches!(kind, PatchKind::Apply { .. }) {
        authorize::may_create(&call)?;
    }
    if call.kind.group == "rbac.authorization.k8s.io" {
        let trial = WriteOptions { dry_run: true, warnings: Warnings::default(), ..options.clone() };
        let result = call.inner.api.patch(&call.key(), kind, subresource, &patch, &trial)?;
        authorize::may_grant(&call, &result)?;
    }
    let made = admission::patch(&call, kind, subresource, &patch, &options).await?;
    let code = if existed { StatusCode::OK } else { StatusCode::CREATED };
    if subresource == "scale" {
        return Ok(respond::json(code, &made));
    }
    Ok(call.written(code, &made))
}

pub(crate) fn named_as_the_url(call: &Call, body: &Value, what: &str) -> Result<()> {
    if body["metadata"]["name"] == call.target.name.as_str() {
        return Ok(());
    }
    Err(ApiError::bad_request(format!("name in URL does not match name in {what} object")))
}

pub(crate) async fn bind(call: Call, body: Body) -> Result<Answer> {
    let options = call.write_options(Writes::Create)?;
    let mut problems = Vec::new();
    let binding = body::read(&call.parts.headers, body, "Binding", &mut problems).await?;
    named_as_the_url(&call, &binding, "Binding")?;
    let change = json!({ "target": binding["target"] });
    admission::patch(&call, PatchKind::Merge, "binding", &change, &options).await?;
    Ok(success(StatusCode::CREATED))
}

pub(crate) async fn finalize(call: Call, body: Body) -> Result<Answer> {
    let options = call.write_options(Writes::Update)?;
    let mut problems = Vec::new();
    let namespace = body::read(&call.parts.headers, body, &call.kind.kind, &mut problems).await?;
    let finalizers = namespace["spec"]["finalizers"].as_array().cloned().unwrap_or_default();
    let change = json!({ "spec": { "finalizers": finalizers } });
    let made = admission::patch(&call, PatchKind::Merge, "finalize", &change, &options).await?;
    Ok(call.written(StatusCode::OK, &made))
}
