//! The `scale` subresource: one shape for everything that has replicas.

use crate::metadata::text;
use crate::{Api, ApiError, Key, Result, crds};
use schema::Kind;
use serde_json::{Value, json};
use store::View;

/// Where an object keeps what a Scale shows.
pub(crate) struct Paths {
    pub(crate) spec: Vec<String>,
    status: Vec<String>,
    selector: Vec<String>,
}

pub(crate) fn paths(api: &Api, kind: &Kind) -> Result<Paths> {
    let split =
        |path: &str| path.split('.').filter(|p| !p.is_empty()).map(str::to_string).collect::<Vec<_>>();
    let resource = kind.resource();
    let resource = resource.as_str();
    if !kind.subresources.iter().any(|sub| sub == "scale") {
        return Err(ApiError::new(404, "NotFound", "the server could not find the requested resource"));
    }
    if api.is_builtin(resource) {
        return Ok(Paths {
            spec: split("spec.replicas"),
            status: split("status.replicas"),
            selector: split("spec.selector"),
        });
    }
    let (group, plural) = resource.split_once('/').unwrap_or(("", resource));
    let definition = api.get(crds::RESOURCE, "", &format!("{plural}.{group}"))?;
    let mine = kind.versions.first().map(String::as_str).unwrap_or_default();
    let versions = definition["spec"]["versions"].as_array().into_iter().flatten();
    let mut scales: Vec<(bool, &Value)> = versions
        .into_iter()
        .map(|version| (version["name"] != mine, &version["subresources"]["scale"]))
        .filter(|(_, scale)| scale.is_object())
        .collect();
    scales.sort_by_key(|(is_other, _)| *is_other);
    let scale = scales.first().map_or(&Value::Null, |(_, scale)| *scale);
    let path = |field: &str| split(scale[field].as_str().unwrap_or_default());
    Ok(Paths {
        spec: path("specReplicasPath"),
        status: path("statusReplicasPath"),
        selector: path("labelSelectorPath"),
    })
}

fn at<'a>(object: &'a Value, path: &[String]) -> &'a Value {
    path.iter().fold(object, |value, field| &value[field.as_str()])
}

pub(crate) fn read(api: &Api, key: &Key) -> Result<Value> {
    let resource = key.resource.as_str();
    let kind = api.kind(resource)?;
    let paths = paths(api, &kind)?;
    let object = api.view().get(resource, &key.namespace, &key.name);
    object.map(|object| shown(&paths, &object)).ok_or_else(|| not_found(api, key))
}

/// Upstream names the Scale itself, with the group of whoever serves it.
fn not_found(api: &Api, key: &Key) -> ApiError {
    let resource = match key.resource.as_str() {
        "replicationcontrollers" => "autoscaling/replicationcontrollers/scale".to_string(),
        builtin if api.is_builtin(builtin) => format!("{builtin}/scale"),
        custom => custom.to_string(),
    };
    ApiError::not_found(&resource, &key.name)
}

/// The Scale of an object.
pub(crate) fn shown(paths: &Paths, object: &Value) -> Value {
    let meta = ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"];
    let meta: serde_json::Map<String, Value> = meta
        .iter()
        .filter_map(|field| Some((field.to_string(), object["metadata"].get(*field)?.clone())))
        .collect();
    // Without a path the whole object would be taken for one.
    let selector = match paths.selector.as_slice() {
        [] => String::new(),
        path => selector_text(at(object, path)),
    };
    let mut spec = json!({});
    // As in Go, no replicas are none said.
    if let Some(replicas) = at(object, &paths.spec).as_i64().filter(|replicas| *replicas != 0) {
        spec["replicas"] = replicas.into();
    }
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta, "spec": spec,
        "status": {
            "replicas": at(object, &paths.status).as_i64().unwrap_or(0),
            "selector": selector,
        },
    })
}

/// Why a Scale cannot be read, if it cannot.
pub fn reason(scale: &Value) -> Option<String> {
    let what = match &scale["spec"]["replicas"] {
        Value::Null => return None,
        Value::Number(number) if number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => return None,
        Value::String(_) => "string".to_string(),
        Value::Bool(_) => "bool".into(),
        Value::Number(number) => format!("number {number}"),
        Value::Array(_) => "array".into(),
        Value::Object(_) => "object".into(),
    };
    Some(format!("json: cannot unmarshal {what} into Go struct field ScaleSpec.spec.replicas of type int32"))
}

/// The object with the replicas that `scale` asks for.
pub(crate) fn scaled(paths: &Paths, key: &Key, object: &Value, scale: &Value) -> Result<Value> {
    if let Some(why) = reason(scale) {
        let message = format!("Scale in version \"v1\" cannot be handled as a Scale: {why}");
        return Err(ApiError::bad_request(message));
    }
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
    if replicas < 0 {
        let text = format!("Invalid value: {replicas}: must be greater than or equal to 0");
        let cause = ("spec.replicas".into(), "FieldValueInvalid".into(), text);
        return Err(ApiError::invalid("autoscaling/scales", "Scale", text_name(object), &[cause]));
    }
    let version = text(scale, "resourceVersion");
    if !version.is_empty() && version != text(object, "resourceVersion") {
        return Err(ApiError::stale(key));
    }
    let mut next = object.clone();
    let mut slot = &mut next;
    for field in &paths.spec {
        slot = &mut slot[field.as_str()];
    }
    *slot = replicas.into();
    Ok(next)
}

fn text_name(object: &Value) -> &str {
    text(object, "name")
}

/// A LabelSelector (or a plain map of labels, or text) as one line.
fn selector_text(selector: &Value) -> String {
    if let Some(text) = selector.as_str() {
        return text.to_string();
    }
    let labels =
        selector.get("matchLabels").or(selector.get("matchExpressions").is_none().then_some(selector));
    let mut terms: Vec<String> = labels
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default();
        let values: Vec<&str> =
            expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        terms.push(match expression["operator"].as_str().unwrap_or_default() {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_string(),
        });
    }
    terms.join(",")
}
