//! Reading and writing objects of any kind.

use crate::body::{self, Media};
use crate::output::Output;
use crate::query::Query;
use crate::request::Target;
use crate::respond::{self, Answer};
use crate::server::Inner;
use crate::{admission, authorize, discovery, events, list, reviews, streams, watch};
use access::User;
use api::{
    ApiError, DeleteOptions, FieldFilter, FieldSelector, FieldValidation, Key, Kind, Object, PatchKind,
    Propagation, Result, Selector, View, Warnings, WriteOptions,
};
use axum::body::Body;
use http::request::Parts;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

/// A request for objects of a kind that is served.
pub(crate) struct Call {
    pub(crate) inner: Arc<Inner>,
    pub(crate) user: User,
    pub(crate) kind: Arc<Kind>,
    pub(crate) target: Target,
    pub(crate) query: Query,
    pub(crate) parts: Parts,
}

impl Call {
    /// Where the objects are stored: events have two groups and one place.
    pub(crate) fn resource(&self) -> String {
        if self.kind.group == events::GROUP { self.kind.plural.clone() } else { self.kind.resource() }
    }

    pub(crate) fn key(&self) -> Key {
        Key::new(&self.resource(), &self.target.namespace, &self.target.name)
    }

    pub(crate) fn output(&self) -> Output {
        Output::new(&self.inner.api, &self.kind, &self.target.version, &self.parts.headers, &self.query)
    }

    pub(crate) fn write_options(&self) -> Result<WriteOptions> {
        let options = self.query.write_options(&self.parts.headers)?;
        let origin = admission::origin(self, &options.warnings);
        Ok(WriteOptions { api_version: origin.api_version.clone(), origin, ..options })
    }

    pub(crate) fn get(&self) -> Result<Object> {
        self.inner.api.get(&self.resource(), &self.target.namespace, &self.target.name)
    }

    fn written(&self, code: StatusCode, object: &Object, options: &WriteOptions) -> Answer {
        let answer = respond::json(code, &self.output().for_write().object(object));
        respond::with_warnings(answer, &options.warnings)
    }
}

pub(crate) async fn handle(call: Call, body: Body) -> Result<Answer> {
    let (given, needed) = (!call.target.namespace.is_empty(), call.kind.namespaced);
    if given && !needed || needed && !given && !call.target.name.is_empty() {
        return Err(missing());
    }
    if !call.target.subresource.is_empty() {
        return subresource(call, body).await;
    }
    let method = call.parts.method.clone();
    match (method, call.target.name.is_empty()) {
        (Method::GET, true) if call.target.watch || call.query.flag("watch") => watch::start(&call),
        (Method::GET, false) if call.target.watch || call.query.flag("watch") => watch::start(&call),
        (Method::GET, true) => list::list(&call),
        (Method::GET, false) => {
            let object = call.get()?;
            Ok(respond::json(StatusCode::OK, &call.output().object(&object)))
        }
        (Method::POST, true) => create(call, body).await,
        (Method::PUT, false) => replace(call, body, "").await,
        (Method::PATCH, false) => patch(call, body, "").await,
        (Method::DELETE, false) => delete(call, body).await,
        (Method::DELETE, true) => delete_collection(call, body).await,
        _ => Err(not_allowed()),
    }
}

pub(crate) fn missing() -> ApiError {
    generic(404, "NotFound", "the server could not find the requested resource")
}

fn not_allowed() -> ApiError {
    generic(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
}

/// What is about no object has empty details, as upstream has it.
fn generic(code: u16, reason: &'static str, message: &str) -> ApiError {
    let mut error = ApiError::new(code, reason, message);
    error.details = json!({});
    error
}

/// The subresource that `kubectl debug` writes.
const EPHEMERAL: &str = "ephemeralcontainers";

async fn subresource(call: Call, body: Body) -> Result<Answer> {
    let known = call.target.subresource.as_str();
    let served = call.kind.subresources.iter().any(|sub| sub == known);
    let resource = call.resource();
    match (resource.as_str(), known, call.parts.method.as_str()) {
        ("pods", "log", "GET") => streams::logs::handle(call).await,
        ("pods", "exec" | "attach", "GET" | "POST") => streams::exec::handle(call).await,
        ("pods", "portforward", "GET" | "POST") => streams::port_forward::handle(call).await,
        ("pods", "eviction", "POST") => evict(call, body).await,
        ("pods", "binding", "POST") => bind(call, body).await,
        ("pods", "ephemeralcontainers", "GET") => {
            let object = call.get()?;
            Ok(respond::json(StatusCode::OK, &call.output().object(&object)))
        }
        ("pods", "ephemeralcontainers", "PUT") => replace(call, body, EPHEMERAL).await,
        ("pods", "ephemeralcontainers", "PATCH") => patch(call, body, EPHEMERAL).await,
        ("pods" | "services" | "nodes", "proxy", _) => streams::proxy::handle(call, body).await,
        ("serviceaccounts", "token", "POST") => reviews::token(call, body).await,
        ("namespaces", "finalize", "PUT") => finalize(call, body).await,
        (_, "scale", "GET") if served => {
            Ok(respond::json(StatusCode::OK, &call.inner.api.scale(&call.key())?))
        }
        (_, "status", "GET") if served => {
            let object = call.get()?;
            Ok(respond::json(StatusCode::OK, &call.output().object(&object)))
        }
        (_, "status" | "scale", "PUT") if served => {
            let sub = if known == "status" { "status" } else { "scale" };
            replace(call, body, sub).await
        }
        (_, "status" | "scale", "PATCH") if served => {
            let sub = if known == "status" { "status" } else { "scale" };
            patch(call, body, sub).await
        }
        _ => Err(missing()),
    }
}

/// The selectors of a request.
pub(crate) struct Filter {
    labels: Selector,
    fields: FieldFilter,
    name: String,
}

impl Filter {
    pub(crate) fn new(call: &Call) -> Result<Self> {
        let labels = Selector::parse(call.query.text("labelSelector"))?;
        let selector = FieldSelector::parse(call.query.text("fieldSelector"))?;
        let fields = call.inner.api.field_filter(&call.kind, &call.target.version, &selector)?;
        let name = &call.target.name;
        if !name.is_empty() && !selector.is_empty() && selector.exact("metadata.name") != Some(name) {
            return Err(ApiError::bad_request("fieldSelector metadata.name doesn't match requested name"));
        }
        Ok(Self { labels, fields, name: name.clone() })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        (self.name.is_empty() || object["metadata"]["name"] == self.name.as_str())
            && self.labels.matches(&object["metadata"]["labels"])
            && self.fields.matches(object)
    }
}

/// The body of a write, with the URL's namespace in it.
async fn object_of(call: &Call, body: Body, options: &WriteOptions) -> Result<Value> {
    let mut problems = Vec::new();
    let mut object = body::read(&call.parts.headers, body, &call.kind.kind, &mut problems).await?;
    strictly(options, problems, &call.kind)?;
    if !object.is_object() {
        return Err(ApiError::bad_request("the body of the request must be an object"));
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
            return Err(ApiError::bad_request(format!(
                "the namespace of the provided object does not match the namespace sent on the request: {given}, {}",
                call.target.namespace
            )));
        }
        object["metadata"]["namespace"] = call.target.namespace.clone().into();
    }
    if !call.target.name.is_empty() {
        let given = object["metadata"]["name"].as_str().unwrap_or_default().to_string();
        if given.is_empty() {
            object["metadata"]["name"] = call.target.name.clone().into();
        } else if given != call.target.name {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({given}) does not match the name on the URL ({})",
                call.target.name
            )));
        }
    }
    Ok(object)
}

/// What a lenient reader overlooks, by the caller's wish: nothing, a warning, an error.
fn strictly(options: &WriteOptions, problems: Vec<String>, kind: &Kind) -> Result<()> {
    match options.field_validation {
        FieldValidation::Ignore => Ok(()),
        FieldValidation::Warn => {
            problems.into_iter().for_each(|problem| options.warnings.push(problem));
            Ok(())
        }
        FieldValidation::Strict if problems.is_empty() => Ok(()),
        FieldValidation::Strict => Err(ApiError::bad_request(format!(
            "{} in version \"{}\" cannot be handled as a {}: strict decoding error: {}",
            kind.kind,
            kind.versions.first().map_or("v1", String::as_str),
            kind.kind,
            problems.join(", ")
        ))),
    }
}

async fn create(call: Call, body: Body) -> Result<Answer> {
    if call.kind.namespaced && call.target.namespace.is_empty() {
        return Err(not_allowed());
    }
    let options = call.write_options()?;
    let object = object_of(&call, body, &options).await?;
    let _grants = authorize::grants(&call).await;
    authorize::may_grant(&call, &object)?;
    let made = call.inner.api.create(&call.resource(), object, &options)?;
    Ok(call.written(StatusCode::CREATED, &made, &options))
}

async fn replace(call: Call, body: Body, subresource: &str) -> Result<Answer> {
    let options = call.write_options()?;
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
        if scale["metadata"]["name"].as_str().is_some_and(|name| !name.is_empty() && name != call.target.name)
        {
            let name = scale["metadata"]["name"].as_str().unwrap_or_default();
            return Err(ApiError::bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                call.target.name
            )));
        }
        let change = json!({
            "metadata": { "resourceVersion": scale["metadata"]["resourceVersion"] },
            "spec": { "replicas": scale["spec"].get("replicas").cloned().unwrap_or(json!(0)) },
        });
        let made = api.patch(&call.key(), PatchKind::Merge, "scale", &change, &options)?;
        return Ok(respond::with_warnings(respond::json(StatusCode::OK, &made), &options.warnings));
    }
    let object = object_of(&call, body, &options).await?;
    let _grants = authorize::grants(&call).await;
    authorize::may_grant(&call, &object)?;
    let made = match subresource {
        EPHEMERAL => {
            let change = json!({
                "metadata": { "resourceVersion": object["metadata"]["resourceVersion"] },
                "spec": { "ephemeralContainers": object["spec"]["ephemeralContainers"] },
            });
            api.patch(&call.key(), PatchKind::Merge, EPHEMERAL, &change, &options)?
        }
        "status" => api.update_status(&call.resource(), object, &options)?,
        _ => api.update(&call.resource(), object, &options)?,
    };
    Ok(call.written(StatusCode::OK, &made, &options))
}

async fn patch(call: Call, body: Body, subresource: &str) -> Result<Answer> {
    let options = call.write_options()?;
    let kind = match body::media(&call.parts.headers)? {
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
    if matches!(kind, PatchKind::Apply { .. }) && call.query.text("fieldManager").is_empty() {
        return Err(ApiError::bad_request(
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
        ));
    }
    let mut problems = Vec::new();
    let mut patch = body::read(&call.parts.headers, body, &call.kind.kind, &mut problems).await?;
    strictly(&options, problems, &call.kind)?;
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
    let made = call.inner.api.patch(&call.key(), kind, subresource, &patch, &options)?;
    let code = if existed { StatusCode::OK } else { StatusCode::CREATED };
    if subresource == "scale" {
        return Ok(respond::with_warnings(respond::json(code, &made), &options.warnings));
    }
    Ok(call.written(code, &made, &options))
}

async fn delete_options(call: &Call, body: Body) -> Result<DeleteOptions> {
    let mut problems = Vec::new();
    let given = body::read(&call.parts.headers, body, "DeleteOptions", &mut problems).await?;
    let preconditions = &given["preconditions"];
    let text = |value: &Value| value.as_str().map(str::to_string);
    let propagation = given["propagationPolicy"].as_str().unwrap_or(call.query.text("propagationPolicy"));
    let orphan = given["orphanDependents"].as_bool().or(call.query.optional_flag("orphanDependents"));
    let propagation = match (propagation, orphan) {
        ("Foreground", _) => Some(Propagation::Foreground),
        ("Orphan", _) | ("", Some(true)) => Some(Propagation::Orphan),
        ("Background", _) | ("", Some(false)) => Some(Propagation::Background),
        ("", None) => None,
        (other, _) => {
            return Err(ApiError::bad_request(format!(
                "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: \"{other}\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\""
            )));
        }
    };
    Ok(DeleteOptions {
        uid: text(&preconditions["uid"]),
        resource_version: text(&preconditions["resourceVersion"]),
        grace_seconds: given["gracePeriodSeconds"].as_i64().or(call.query.number("gracePeriodSeconds")?),
        propagation,
        dry_run: call.query.dry_run()? || given["dryRun"].as_array().is_some_and(|all| !all.is_empty()),
        origin: admission::of_deletion(call, &Warnings::default(), &given),
    })
}

async fn delete(call: Call, body: Body) -> Result<Answer> {
    let options = delete_options(&call, body).await?;
    let last = call.inner.api.delete(&call.key(), &options)?;
    Ok(respond::with_warnings(deleted(&call, &last), &options.origin.warnings))
}

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

/// The object if it still waits for something, else that it is gone.
fn deleted(call: &Call, last: &Object) -> Answer {
    let uid = &last["metadata"]["uid"];
    let waits = call.get().is_ok_and(|now| &now["metadata"]["uid"] == uid);
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

async fn delete_collection(call: Call, body: Body) -> Result<Answer> {
    let everywhere = call.kind.namespaced && call.target.namespace.is_empty();
    if everywhere || !discovery::verbs(&call.kind).contains(&"deletecollection") {
        return Err(not_allowed());
    }
    let options = delete_options(&call, body).await?;
    let filter = Filter::new(&call)?;
    let view = call.inner.api.view();
    let mut gone = Vec::new();
    for object in view.list(&call.resource(), &call.target.namespace).iter().filter(|o| filter.matches(o)) {
        let (namespace, name) = list::place(object);
        match call.inner.api.delete(&Key::new(&call.resource(), &namespace, &name), &options) {
            Ok(last) => gone.push(last),
            // Somebody was quicker.
            Err(error) if error.code == 404 => {}
            Err(error) => return Err(error),
        }
    }
    let metadata = json!({ "resourceVersion": call.inner.api.version().to_string() });
    Ok(respond::bytes(StatusCode::OK, call.output().for_write().list(&gone, metadata)))
}

fn success(code: StatusCode) -> Answer {
    let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code.as_u16() });
    respond::json(code, &status)
}

fn named_as_the_url(call: &Call, body: &Value, what: &str) -> Result<()> {
    if body["metadata"]["name"] == call.target.name.as_str() {
        return Ok(());
    }
    Err(ApiError::bad_request(format!("name in URL does not match name in {what} object")))
}

async fn evict(call: Call, body: Body) -> Result<Answer> {
    let mut problems = Vec::new();
    let eviction = body::read(&call.parts.headers, body, "Eviction", &mut problems).await?;
    named_as_the_url(&call, &eviction, "Eviction")?;
    let options = &eviction["deleteOptions"];
    let options = DeleteOptions {
        uid: options["preconditions"]["uid"].as_str().map(str::to_string),
        grace_seconds: options["gracePeriodSeconds"].as_i64(),
        dry_run: call.query.dry_run()?,
        origin: admission::of_deletion(&call, &Warnings::default(), options),
        ..DeleteOptions::default()
    };
    call.inner.api.evict(&call.target.namespace, &call.target.name, &options)?;
    Ok(success(StatusCode::CREATED))
}

async fn bind(call: Call, body: Body) -> Result<Answer> {
    let options = call.write_options()?;
    let mut problems = Vec::new();
    let binding = body::read(&call.parts.headers, body, "Binding", &mut problems).await?;
    named_as_the_url(&call, &binding, "Binding")?;
    let change = json!({ "target": binding["target"] });
    call.inner.api.patch(&call.key(), PatchKind::Merge, "binding", &change, &options)?;
    Ok(success(StatusCode::CREATED))
}

async fn finalize(call: Call, body: Body) -> Result<Answer> {
    let options = call.write_options()?;
    let mut problems = Vec::new();
    let namespace = body::read(&call.parts.headers, body, &call.kind.kind, &mut problems).await?;
    let finalizers = namespace["spec"]["finalizers"].as_array().cloned().unwrap_or_default();
    let change = json!({ "spec": { "finalizers": finalizers } });
    let made = call.inner.api.patch(&call.key(), PatchKind::Merge, "finalize", &change, &options)?;
    Ok(call.written(StatusCode::OK, &made, &options))
}
