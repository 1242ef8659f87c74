//! Whether the caller may do what it asks for.

use crate::auth::{self, Caller};
use crate::query::Query;
use crate::request::Target;
use crate::resources::Call;
use crate::server::Inner;
use access::escalation::{self, Refusal, Write};
use access::{Attributes, Rules, User};
use api::{ApiError, Result, qualified};
use http::Method;
use http::request::Parts;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;
use store::{Mark, Snapshot};

/// The rules as they were read last, and what they were read from.
#[derive(Default)]
pub(crate) struct Known(Mutex<Option<(Vec<Mark>, Arc<Rules>)>>);

/// The rules of now. They are read anew only when a role or a binding has been written.
pub(crate) fn rules(inner: &Inner) -> Arc<Rules> {
    let view = inner.api.view();
    let marks: Vec<Mark> = access::RESOURCES.iter().map(|resource| view.mark(resource)).collect();
    let mut known = inner.rules.0.lock();
    if let Some((read_from, rules)) = known.as_ref()
        && *read_from == marks
    {
        return rules.clone();
    }
    let rules = Arc::new(Rules::read(&view));
    *known = Some((marks, rules.clone()));
    rules
}

/// The caller, as somebody else if it asks for that and may.
pub(crate) fn caller(inner: &Inner, parts: &Parts) -> Result<User> {
    match auth::identify(inner, parts) {
        Caller::Inside(user) => Ok(user),
        Caller::Known(user) | Caller::Anonymous(user) => crate::impersonate::become_other(inner, parts, user),
        Caller::Unknown => Err(ApiError::new(401, "Unauthorized", "Unauthorized")),
    }
}

/// Refuses what the caller may not do. `target` is given for resources.
pub(crate) fn request(
    inner: &Inner,
    user: &User,
    parts: &Parts,
    target: Option<&Target>,
    query: &Query,
) -> Result<()> {
    if user.is_in(access::MASTERS) {
        return Ok(());
    }
    let Some(target) = target.filter(|target| !target.plural.is_empty()) else {
        let path = parts.uri.path();
        // These answer before the roles are there, too.
        if matches!(path, "/livez" | "/readyz" | "/healthz" | "/version" | "/version/") {
            return Ok(());
        }
        let verb = parts.method.as_str().to_lowercase();
        let asked = Attributes { verb: &verb, namespace: "", group: "", resource: "", name: "", path };
        return decide(inner, user, &asked);
    };
    let resource = with_subresource(&target.plural, &target.subresource);
    // A namespace is in itself: a role in it may speak of it.
    let namespace = match (target.group.as_str(), target.plural.as_str()) {
        ("", "namespaces") => &target.name,
        _ => &target.namespace,
    };
    let verb = verb(&parts.method, target, query);
    // Only what reads or deletes many things can be about one by its selector.
    let selected = match verb {
        "list" | "watch" | "deletecollection" => single_name(query.text("fieldSelector")),
        _ => "",
    };
    let name = if target.name.is_empty() { selected } else { target.name.as_str() };
    let group = target.group.as_str();
    let asked = Attributes { verb, namespace, group, resource: &resource, name, path: "" };
    decide(inner, user, &asked)?;
    // A WebSocket begins with GET, and yet it is no reading.
    if verb == "get" && matches!(resource.as_str(), "pods/exec" | "pods/attach" | "pods/portforward") {
        decide(inner, user, &Attributes { verb: "create", ..asked })?;
    }
    Ok(())
}

/// For writes of another verb that make a new object.
pub(crate) fn may_create(call: &Call) -> Result<()> {
    let Target { namespace, group, plural, name, .. } = &call.target;
    if call.user.is_in(access::MASTERS) {
        return Ok(());
    }
    decide(
        &call.inner,
        &call.user,
        &Attributes { verb: "create", namespace, group, resource: plural, name, path: "" },
    )
}

fn with_subresource(plural: &str, subresource: &str) -> String {
    if subresource.is_empty() { plural.to_string() } else { format!("{plural}/{subresource}") }
}

/// As upstream reads a request: what a list is of that can be only one object.
fn single_name(field_selector: &str) -> &str {
    let name = field_selector.strip_prefix("metadata.name=").unwrap_or_default();
    let name = name.strip_prefix('=').unwrap_or(name);
    if name.contains([',', '=', '!']) { "" } else { name }
}

pub(crate) fn verb(method: &Method, target: &Target, query: &Query) -> &'static str {
    let watches = target.watch || query.flag("watch");
    match (method.as_str(), target.name.is_empty()) {
        ("GET" | "HEAD", true) if watches => "watch",
        ("GET" | "HEAD", false) if watches && target.subresource.is_empty() => "watch",
        ("GET" | "HEAD", true) => "list",
        ("GET" | "HEAD", false) => "get",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", true) => "deletecollection",
        ("DELETE", false) => "delete",
        _ => "",
    }
}

pub(crate) fn decide(inner: &Inner, user: &User, asked: &Attributes<'_>) -> Result<()> {
    let decision = rules(inner).decide(user, asked);
    if decision.is_allowed() { Ok(()) } else { Err(refusal(user, asked, decision.reason())) }
}

/// In upstream's words.
fn refusal(user: &User, asked: &Attributes<'_>, reason: &str) -> ApiError {
    let Attributes { verb, namespace, group, resource, name, path } = *asked;
    let mut why = match (resource, namespace) {
        ("", _) => format!("User {:?} cannot {verb} path {path:?}", user.name),
        (_, "") => format!(
            "User {:?} cannot {verb} resource {resource:?} in API group {group:?} at the cluster scope",
            user.name
        ),
        _ => format!(
            "User {:?} cannot {verb} resource {resource:?} in API group {group:?} in the namespace {namespace:?}",
            user.name
        ),
    };
    if !reason.is_empty() {
        why = format!("{why}: {reason}");
    }
    if resource.is_empty() {
        let mut error = ApiError::new(403, "Forbidden", format!("forbidden: {why}"));
        error.details = json!({});
        return error;
    }
    let plural = resource.split('/').next().unwrap_or_default();
    let known = if group.is_empty() { plural.to_string() } else { format!("{group}/{plural}") };
    if !name.is_empty() {
        return ApiError::forbidden(&known, name, &why);
    }
    let mut error = ApiError::new(403, "Forbidden", format!("{} is forbidden: {why}", qualified(&known)));
    error.details = json!({ "kind": plural });
    if !group.is_empty() {
        error.details["group"] = group.into();
    }
    error
}

const GROUP: &str = "rbac.authorization.k8s.io";

/// Held from the question whether a role or a binding may be written until it is: two writes that are harmless each must
/// not meet in one that is not. Nothing for other kinds.
pub(crate) async fn grants(call: &Call) -> Option<tokio::sync::MutexGuard<'_, ()>> {
    if call.kind.group != GROUP {
        return None;
    }
    Some(call.inner.grants.lock().await)
}

/// Roles and bindings give only what their writer has.
pub(crate) fn may_grant(call: &Call, object: &Value) -> Result<()> {
    if call.kind.group != GROUP || call.user.is_in(access::MASTERS) {
        return Ok(());
    }
    let view: Snapshot = call.inner.api.view();
    let rules = rules(&call.inner);
    let old = if call.target.name.is_empty() { None } else { call.get().ok() };
    let write = Write {
        plural: &call.kind.plural,
        namespace: &call.target.namespace,
        name: &call.target.name,
        old: old.as_deref(),
        new: object,
    };
    escalation::check(&rules, &view, &call.user, &write).map_err(|refusal| match refusal {
        Refusal::Forbidden(why) => {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            ApiError::forbidden(&call.kind.resource(), name, &why)
        }
        Refusal::NoRole(resource, name) => ApiError::not_found(&resource, &name),
    })
}
