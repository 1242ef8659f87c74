//! AdmissionReviews: what a webhook is told, and how its answer is read.

use super::Attributes;
use super::hooks::Hook;
use super::matching::Concern;
use crate::ApiError;
use base64::Engine as _;
use serde_json::{Map, Value, json};

const GROUP: &str = "admission.k8s.io";

/// The versions of AdmissionReview.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V1Beta1,
}

impl Version {
    /// The first that both sides know.
    pub(crate) fn of(hook: &Hook) -> Option<Self> {
        hook.versions.iter().find_map(|version| match version.as_str() {
            "v1" => Some(Self::V1),
            "v1beta1" => Some(Self::V1Beta1),
            _ => None,
        })
    }

    fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "admission.k8s.io/v1",
            Self::V1Beta1 => "admission.k8s.io/v1beta1",
        }
    }
}

/// The request without its objects.
pub(crate) fn request(attributes: &Attributes<'_>, invocation: &Concern) -> Value {
    let kind = |(group, version, kind): &(String, String, String)| json!({ "group": group, "version": version, "kind": kind });
    let resource = |(group, version, resource): &(String, String, String)| json!({ "group": group, "version": version, "resource": resource });
    let mut request = Map::new();
    let mut put = |name: &str, value: Value| {
        if value != "" {
            request.insert(name.into(), value);
        }
    };
    put("kind", kind(&invocation.kind));
    put("resource", resource(&invocation.resource));
    put("subResource", attributes.subresource.into());
    put("requestKind", kind(&attributes.object_type()));
    put("requestResource", resource(&attributes.resource()));
    put("requestSubResource", attributes.subresource.into());
    put("name", attributes.name.into());
    put("namespace", attributes.namespace.into());
    put("operation", attributes.operation.name().into());
    put("userInfo", attributes.origin.user().to_value());
    put("dryRun", attributes.dry_run.into());
    put("options", attributes.options());
    request.into()
}

/// The whole AdmissionReview, with the object and what it was, in the version that the webhook asks for.
pub(crate) fn write(
    version: Version,
    uid: &str,
    attributes: &Attributes<'_>,
    invocation: &Concern,
    (object, old): (Value, Value),
) -> Value {
    let mut about = request(attributes, invocation);
    let fields = about.as_object_mut().expect("made as an object");
    fields.shift_insert(0, "uid".into(), uid.into());
    let before_dry_run = fields.len() - 2;
    fields.shift_insert(before_dry_run, "oldObject".into(), old);
    fields.shift_insert(before_dry_run, "object".into(), object);
    json!({ "kind": "AdmissionReview", "apiVersion": version.api_version(), "request": about })
}

/// What a webhook has decided.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) allowed: bool,
    /// A Status, or null.
    pub(crate) result: Value,
    /// A JSON patch as text; empty for none.
    pub(crate) patch: Vec<u8>,
    pub(crate) patch_type: String,
    pub(crate) warnings: Vec<String>,
}

/// The answer to a review, or what is wrong with it.
pub(crate) fn read(
    version: Version,
    uid: &str,
    mutating: bool,
    review: &Value,
) -> std::result::Result<Verdict, String> {
    let response = &review["response"];
    if !response.is_object() {
        return Err("webhook response was absent".into());
    }
    if version == Version::V1 {
        let given = response["uid"].as_str().unwrap_or_default();
        if given != uid {
            return Err(format!("expected response.uid={uid:?}, got {given:?}"));
        }
        let (api_version, kind) = (review["apiVersion"].as_str(), review["kind"].as_str());
        let (api_version, kind) = (api_version.unwrap_or_default(), kind.unwrap_or_default());
        if (api_version, kind) != (version.api_version(), "AdmissionReview") {
            let (group, version) = crate::split_api_version(api_version);
            return Err(format!(
                "expected webhook response of {GROUP}/v1, Kind=AdmissionReview, got {group}/{version}, Kind={kind}"
            ));
        }
    }
    let patch = match &response["patch"] {
        Value::Null => Vec::new(),
        Value::String(text) => {
            let decoded = base64::engine::general_purpose::STANDARD.decode(text);
            decoded.map_err(|error| format!("response.patch is not base64: {error}"))?
        }
        _ => return Err("response.patch is not base64".into()),
    };
    let patch_type = response["patchType"].as_str();
    if version == Version::V1 {
        check_patch(mutating, !patch.is_empty(), patch_type)?;
    }
    // Before v1 nobody looked at the type: there is only one.
    let patch_type = match version {
        Version::V1 => patch_type.unwrap_or_default(),
        Version::V1Beta1 => "JSONPatch",
    };
    let warnings = response["warnings"].as_array().into_iter().flatten();
    Ok(Verdict {
        allowed: response["allowed"] == true,
        result: response["status"].clone(),
        patch: if mutating { patch } else { Vec::new() },
        patch_type: patch_type.to_string(),
        warnings: warnings.filter_map(Value::as_str).map(str::to_string).collect(),
    })
}

fn check_patch(mutating: bool, given: bool, patch_type: Option<&str>) -> std::result::Result<(), String> {
    let problem = match (mutating, given, patch_type) {
        (true, true, None) => "webhook returned response.patch but not response.patchType",
        (true, false, Some(_)) => "webhook returned response.patchType but not response.patch",
        (true, true, Some("")) => "webhook returned invalid response.patchType of \"\"",
        (false, true, _) => "validating webhook may not return response.patch",
        (false, false, Some(_)) => "validating webhook may not return response.patchType",
        _ => return Ok(()),
    };
    Err(problem.into())
}

/// A refusal as its caller sees it.
pub(crate) fn refusal(hook: &str, result: &Value) -> ApiError {
    let denied = format!("admission webhook {hook:?} denied the request");
    let text = |field: &str| result[field].as_str().filter(|text| !text.is_empty());
    let message = match (text("message"), text("reason")) {
        (Some(message), _) => format!("{denied}: {message}"),
        (None, Some(reason)) => format!("{denied}: {reason}"),
        (None, None) => format!("{denied} without explanation"),
    };
    let code = result["code"].as_u64().and_then(|code| u16::try_from(code).ok());
    let mut error = ApiError::new(code.filter(|code| *code >= 400).unwrap_or(400), "", message);
    error.details = result["details"].clone();
    error.given_reason = text("reason").map(|reason| Box::new(reason.to_string()));
    error
}

/// What a client of Kubernetes makes of an answer that is no success.
pub(crate) fn of_status(code: u16, body: &[u8]) -> String {
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    if parsed["kind"] == "Status"
        && let Some(message) = parsed["message"].as_str()
    {
        return message.to_string();
    }
    let text = String::from_utf8_lossy(&body[..body.len().min(2048)]);
    match code {
        400 => "the server rejected our request for an unknown reason".into(),
        401 => "the server has asked for the client to provide credentials".into(),
        403 => text.trim().to_string(),
        404 => "the server could not find the requested resource".into(),
        405 => "the server does not allow this method on the requested resource".into(),
        409 => "the server reported a conflict".into(),
        422 => "the server rejected our request due to an error in our request".into(),
        429 => "the server has received too many requests and has asked us to try again later".into(),
        503 => "the server is currently unable to handle the request".into(),
        504 => "the server was unable to return a response in the time allotted, but may still be processing the \
                request"
            .into(),
        500.. => {
            format!("an error on the server ({:?}) has prevented the request from succeeding", text.trim())
        }
        _ => format!("the server responded with the status code {code} but did not return more information"),
    }
}

#[cfg(test)]
mod tests;
