//! Reading request bodies: JSON, YAML, protobuf.

mod duplicates;
mod scan;

use crate::link;
use api::{ApiError, FieldValidation, Result, WriteOptions};
use axum::body::Body;
use http::{HeaderMap, header};
use serde_json::{Value, json};

/// As upstream limits requests.
const LIMIT: usize = 3 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    Json,
    Yaml,
    Protobuf,
    JsonPatch,
    MergePatch,
    StrategicPatch,
    /// Server-side apply; its body is YAML, of which JSON is a part.
    Apply,
}

pub(crate) fn media(headers: &HeaderMap) -> Result<Media> {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match text.split(';').next().unwrap_or_default().trim() {
        "" | "application/json" | "*/*" => Ok(Media::Json),
        "application/yaml" => Ok(Media::Yaml),
        "application/vnd.kubernetes.protobuf" => Ok(Media::Protobuf),
        "application/json-patch+json" => Ok(Media::JsonPatch),
        "application/merge-patch+json" => Ok(Media::MergePatch),
        "application/strategic-merge-patch+json" => Ok(Media::StrategicPatch),
        "application/apply-patch+yaml" | "application/apply-patch" | "application/apply-patch+json" => {
            Ok(Media::Apply)
        }
        _ => Err(unknown_format("application/json, application/yaml, application/vnd.kubernetes.protobuf")),
    }
}

/// 415, with what is accepted.
pub(crate) fn unknown_format(accepted: &str) -> ApiError {
    let message = format!(
        "the body of the request was in an unknown format - accepted media types include: {accepted}"
    );
    let mut error = ApiError::new(415, "UnsupportedMediaType", message);
    error.details = json!({});
    error
}

/// The body as a value; an empty one is null. `kind` is what it should be; `problems` gets what strict decoding would
/// refuse.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    kind: &str,
    problems: &mut Vec<String>,
) -> Result<Value> {
    let bytes = whole(body).await?;
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    match media(headers)? {
        Media::Protobuf => link::decode_protobuf(&bytes),
        Media::Yaml => {
            let value =
                yaml(&bytes, problems).map_err(|why| unrecognized(kind, &format!("yaml: {why}"), &bytes))?;
            typed(value, kind, &bytes)
        }
        _ => {
            problems.extend(duplicates::of(&bytes));
            let bad = |why: String| unrecognized(kind, &format!("json parse error: {why}"), &bytes);
            typed(json_value(&bytes).map_err(bad)?, kind, &bytes)
        }
    }
}

/// A patch of one of the four kinds. What strict decoding would refuse in it goes to the options.
pub(crate) async fn read_patch(body: Body, media: Media, options: &mut WriteOptions) -> Result<Value> {
    let bytes = whole(body).await?;
    let attentive = options.field_validation != FieldValidation::Ignore;
    if media == Media::Apply {
        let undecodable = |why| {
            ApiError::bad_request(format!("error decoding YAML: error converting YAML to JSON: yaml: {why}"))
        };
        let mut problems = Vec::new();
        let value = yaml(&bytes, &mut problems).map_err(undecodable)?;
        return match options.field_validation {
            FieldValidation::Strict if !problems.is_empty() => {
                Err(ApiError::bad_request(format!("error strict decoding YAML: {}", problems.join(", "))))
            }
            FieldValidation::Warn => {
                problems.into_iter().for_each(|problem| options.warnings.push(problem));
                Ok(value)
            }
            _ => Ok(value),
        };
    }
    let value = json_value(&bytes);
    let (fits, wanted): (fn(&Value) -> bool, _) = match media {
        Media::JsonPatch if attentive => (Value::is_array, "[]handlers.jsonPatchOp"),
        Media::JsonPatch => (Value::is_array, "jsonpatch.Patch"),
        _ => (Value::is_object, "map[string]interface {}"),
    };
    let value = value.and_then(|value| match value {
        // Go takes null for anything.
        Value::Null if media == Media::JsonPatch => Ok(json!([])),
        Value::Null => Ok(json!({})),
        fit if fits(&fit) => Ok(fit),
        other => Err(format!("json: cannot unmarshal {} into Go value of type {wanted}", scan::name(&other))),
    });
    let value = value.map_err(|why| match media {
        Media::StrategicPatch => ApiError::bad_request(why),
        _ if attentive => ApiError::bad_request(format!("error decoding patch: {why}")),
        Media::MergePatch => ApiError::bad_request("Invalid JSON Patch"),
        _ => ApiError::bad_request(why),
    })?;
    options.oversights = duplicates::of(&bytes);
    if media == Media::JsonPatch {
        options.oversights.extend(unknown_in_operations(&value));
        options.oversights.iter_mut().for_each(|problem| problem.insert_str(0, "json patch "));
    }
    Ok(value)
}

fn unknown_in_operations(operations: &Value) -> Vec<String> {
    let operations = operations.as_array().into_iter().flatten().enumerate();
    let fields = operations.flat_map(|(index, operation)| {
        operation.as_object().into_iter().flat_map(|fields| fields.keys()).map(move |field| (index, field))
    });
    fields
        .filter(|(_, field)| !matches!(field.as_str(), "op" | "path" | "from" | "value"))
        .map(|(index, field)| format!("unknown field \"[{index}].{field}\""))
        .collect()
}

async fn whole(body: Body) -> Result<bytes::Bytes> {
    axum::body::to_bytes(body, LIMIT).await.map_err(|error| {
        tracing::debug!(%error, "cannot read a request's body");
        ApiError::new(413, "RequestEntityTooLarge", format!("Request entity too large: limit is {LIMIT}"))
    })
}

/// The value, or what is wrong in the words of Go.
fn json_value(bytes: &[u8]) -> std::result::Result<Value, String> {
    serde_json::from_slice(bytes).map_err(|error| scan::problem(bytes).unwrap_or_else(|| error.to_string()))
}

/// An object or nothing: upstream looks for its version and kind first.
fn typed(value: Value, kind: &str, bytes: &[u8]) -> Result<Value> {
    const META: &str = "struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; \
                        Kind string \"json:\\\"kind,omitempty\\\"\" }";
    if value.is_object() || value.is_null() {
        return Ok(value);
    }
    let found = scan::name(&value);
    let why = format!("json parse error: json: cannot unmarshal {found} into Go value of type {META}");
    Err(unrecognized(kind, &why, bytes))
}

/// In upstream's words: what is wrong, and how the body begins.
fn unrecognized(kind: &str, why: &str, bytes: &[u8]) -> ApiError {
    const SHOWN: usize = 30;
    let (head, more) = if bytes.len() > SHOWN { (&bytes[..SHOWN], " ...") } else { (bytes, "") };
    let head = match head.first() {
        Some(b'{') => String::from_utf8_lossy(head).into_owned(),
        _ => head.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    ApiError::bad_request(format!(
        "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; {why} ({head}{more})"
    ))
}

fn yaml(bytes: &[u8], problems: &mut Vec<String>) -> std::result::Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let bad = |error: yaml::Error| format!("line {error}");
    let mut documents = match yaml::parse_documents(text) {
        Ok(documents) => documents,
        Err(error) => {
            let lenient =
                yaml::Options { duplicates: yaml::Duplicates::LastWins, ..yaml::Options::default() };
            let documents = yaml::parse_documents_with(text, &lenient).map_err(bad)?;
            problems.push(error.to_string());
            documents
        }
    };
    match documents.len() {
        0 => Ok(Value::Null),
        1 => Ok(documents.remove(0)),
        _ => Err("the body of the request holds more than one document".into()),
    }
}
