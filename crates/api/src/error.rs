//! Failed calls, in upstream's own words and codes.

use serde_json::{Value, json};
use store::Key;

/// A failed call, as the `Status` object that clients see.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// HTTP status code.
    pub code: u16,
    /// `NotFound`, `AlreadyExists`, `Conflict`, `Invalid`, …; empty where upstream gives none.
    pub reason: &'static str,
    pub message: String,
    /// `Status.details`, or null.
    pub details: Value,
    /// A reason that is none of ours, such as a webhook's.
    pub given_reason: Option<Box<String>>,
}

pub type Result<T> = std::result::Result<T, ApiError>;

/// `deployments.apps`: a resource as messages name it.
pub fn qualified(resource: &str) -> String {
    match resource.split_once('/') {
        Some((group, plural)) => format!("{plural}.{group}"),
        None => resource.to_string(),
    }
}

fn details(resource: &str, name: &str) -> Value {
    let (group, plural) = resource.split_once('/').unwrap_or(("", resource));
    let mut details = json!({ "name": name, "kind": plural });
    if !group.is_empty() {
        details["group"] = group.into();
    }
    details
}

impl ApiError {
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null, given_reason: None }
    }

    pub fn not_found(resource: &str, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", qualified(resource));
        Self { code: 404, reason: "NotFound", message, details: details(resource, name), given_reason: None }
    }

    pub fn already_exists(resource: &str, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", qualified(resource));
        Self {
            code: 409,
            reason: "AlreadyExists",
            message,
            details: details(resource, name),
            given_reason: None,
        }
    }

    /// The object has changed since the caller read it.
    pub fn stale(key: &Key) -> Self {
        Self::conflict(
            key,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    pub fn conflict(key: &Key, why: &str) -> Self {
        let resource = key.resource.as_str();
        let message =
            format!("Operation cannot be fulfilled on {} \"{}\": {why}", qualified(resource), key.name);
        Self {
            code: 409,
            reason: "Conflict",
            message,
            details: details(resource, &key.name),
            given_reason: None,
        }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub fn forbidden(resource: &str, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", qualified(resource));
        Self { code: 403, reason: "Forbidden", message, details: details(resource, name), given_reason: None }
    }

    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "ServiceUnavailable", message)
    }

    /// A version that is not reached yet; client-go tells it from other timeouts by the cause.
    pub fn version_too_large(wanted: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {wanted}, current: {current}");
        let cause = json!({ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" });
        let details = json!({ "causes": [cause], "retryAfterSeconds": 1 });
        Self { code: 504, reason: "Timeout", message, details, given_reason: None }
    }

    /// As [`ApiError::conflict`], where upstream names the object by its kind.
    pub fn kind_conflict(key: &Key, kind: &str, why: &str) -> Self {
        let (group, _) = key.resource.as_str().split_once('/').unwrap_or(("", ""));
        let of = if group.is_empty() { kind.to_string() } else { format!("{group}/{kind}") };
        Self::conflict(&Key::new(&of, &key.namespace, &key.name), why)
    }

    pub fn too_large(what: impl std::fmt::Display) -> Self {
        Self::new(413, "RequestEntityTooLarge", format!("Request entity too large: {what}"))
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", format!("Internal error occurred: {}", message.into()))
    }

    /// An object that fails validation: `causes` are (field, reason, text), the text as upstream prints it after the
    /// field's path.
    pub fn invalid(resource: &str, kind: &str, name: &str, causes: &[(String, String, String)]) -> Self {
        let (group, _) = resource.split_once('/').unwrap_or(("", resource));
        let qualified = if group.is_empty() { kind.to_string() } else { format!("{kind}.{group}") };
        let texts: Vec<String> = causes.iter().map(|(field, _, text)| format!("{field}: {text}")).collect();
        let message = match texts.as_slice() {
            [one] => format!("{qualified} \"{name}\" is invalid: {one}"),
            many => format!("{qualified} \"{name}\" is invalid: [{}]", many.join(", ")),
        };
        let causes: Vec<Value> = causes
            .iter()
            .map(|(field, reason, text)| json!({ "reason": reason, "message": text, "field": field }))
            .collect();
        let mut details = json!({});
        if !name.is_empty() {
            details["name"] = name.into();
        }
        if !kind.is_empty() {
            details["kind"] = kind.into();
        }
        details["causes"] = causes.into();
        if !group.is_empty() {
            details["group"] = group.into();
        }
        Self { code: 422, reason: "Invalid", message, details, given_reason: None }
    }

    /// The `Status` object.
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if let Some(fields) = status.as_object_mut() {
            if let Some(reason) = &self.given_reason {
                fields.insert("reason".into(), reason.as_str().into());
            } else if self.reason.is_empty() {
                fields.shift_remove("reason");
            }
            if !self.details.is_null() {
                fields.shift_insert(fields.len() - 1, "details".into(), self.details.clone());
            }
        }
        status
    }
}
