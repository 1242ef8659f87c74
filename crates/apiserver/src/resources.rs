//! Reading and writing objects of any kind.

use crate::options::{self, Writes};
use crate::output::Output;
use crate::query::Query;
use crate::request::Target;
use crate::respond::{self, Answer};
use crate::server::Inner;
use crate::{admission, deletes, list, reviews, streams, watch, writes};
use access::User;
use api::{
    ApiError, FieldFilter, FieldSelector, Key, Kind, Object, Result, Selector, Warnings, WriteOptions,
};
use axum::body::Body;
use http::request::Parts;
use http::{Method, StatusCode};
use schema::convert::events;
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
    /// What the caller is told besides the answer.
    pub(crate) warnings: Warnings,
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

    pub(crate) fn write_options(&self, writes: Writes) -> Result<WriteOptions> {
        let options = options::of_write(&self.query, &self.parts.headers, writes)?;
        let (origin, warnings) = (admission::origin(self), self.warnings.clone());
        Ok(WriteOptions { api_version: origin.api_version.clone(), origin, warnings, ..options })
    }

    pub(crate) fn get(&self) -> Result<Object> {
        self.inner.api.get(&self.resource(), &self.target.namespace, &self.target.name)
    }

    /// Objects as the version of the request has them.
    pub(crate) async fn shown(&self, objects: Vec<Object>) -> Result<Vec<Object>> {
        self.inner.api.shown(&self.kind, &self.output().api_version, objects).await
    }

    /// The object of the request, answered.
    async fn read(&self) -> Result<Answer> {
        let shown = self.shown(vec![self.get()?]).await?;
        let answer = shown.first().map(|object| self.output().object(object));
        Ok(respond::json(StatusCode::OK, &answer.unwrap_or_default()))
    }

    pub(crate) fn written(&self, code: StatusCode, object: &Object) -> Answer {
        respond::json(code, &self.output().for_write().object(object))
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
        (Method::GET, true) => list::list(&call).await,
        (Method::GET, false) => {
            list::reached(&call)?;
            call.read().await
        }
        (Method::POST, true) => writes::create(call, body).await,
        (Method::PUT, false) => writes::replace(call, body, "").await,
        (Method::PATCH, false) => writes::patch(call, body, "").await,
        (Method::DELETE, false) => deletes::one(call, body).await,
        (Method::DELETE, true) => deletes::all(call, body).await,
        _ => Err(not_allowed()),
    }
}

pub(crate) fn missing() -> ApiError {
    generic(404, "NotFound", "the server could not find the requested resource")
}

pub(crate) fn not_allowed() -> ApiError {
    generic(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
}

/// What is about no object has empty details, as upstream has it.
fn generic(code: u16, reason: &'static str, message: &str) -> ApiError {
    let mut error = ApiError::new(code, reason, message);
    error.details = json!({});
    error
}

async fn subresource(call: Call, body: Body) -> Result<Answer> {
    let known = call.target.subresource.as_str();
    let served = call.kind.subresources.iter().any(|sub| sub == known);
    let resource = call.resource();
    if matches!(known, "exec" | "attach" | "portforward" | "proxy") {
        admission::connect(&call).await?;
    }
    match (resource.as_str(), known, call.parts.method.as_str()) {
        ("pods", "log", "GET") => streams::logs::handle(call).await,
        ("pods", "exec" | "attach", "GET" | "POST") => streams::exec::handle(call).await,
        ("pods", "portforward", "GET" | "POST") => streams::port_forward::handle(call).await,
        ("pods", "eviction", "POST") => deletes::evict(call, body).await,
        ("pods", "binding", "POST") => writes::bind(call, body).await,
        ("pods", "ephemeralcontainers" | "resize", "GET") => call.read().await,
        ("pods", "resize", "PUT") => writes::replace(call, body, writes::RESIZE).await,
        ("pods", "resize", "PATCH") => writes::patch(call, body, writes::RESIZE).await,
        ("pods", "ephemeralcontainers", "PUT") => writes::replace(call, body, writes::EPHEMERAL).await,
        ("pods", "ephemeralcontainers", "PATCH") => writes::patch(call, body, writes::EPHEMERAL).await,
        ("pods" | "services" | "nodes", "proxy", _) => streams::proxy::handle(call, body).await,
        ("serviceaccounts", "token", "POST") => reviews::token(call, body).await,
        ("namespaces", "finalize", "PUT") => writes::finalize(call, body).await,
        (_, "scale", "GET") if served => {
            Ok(respond::json(StatusCode::OK, &call.inner.api.scale(&call.key())?))
        }
        (_, "status", "GET") if served => call.read().await,
        (_, "status" | "scale", "PUT") if served => {
            let sub = if known == "status" { "status" } else { "scale" };
            writes::replace(call, body, sub).await
        }
        (_, "status" | "scale", "PATCH") if served => {
            let sub = if known == "status" { "status" } else { "scale" };
            writes::patch(call, body, sub).await
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

pub(crate) fn success(code: StatusCode) -> Answer {
    let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code.as_u16() });
    respond::json(code, &status)
}
