//! Conversion webhooks: ConversionReviews, in upstream's words.

use super::Origin;
use crate::admission::WebhookTarget;
use crate::{Api, ApiError, Result, link, metadata, structural};
use base64::Engine as _;
use serde_json::{Value, json};
use std::time::Duration;

const GROUP: &str = "apiextensions.k8s.io";
/// As upstream's client for webhooks without a timeout of their own.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What the webhook of a definition has made of an object. If it has not been asked yet, the write stops here.
pub(super) fn asked(definition: &Value, object: &Value, api_version: &str, origin: &Origin) -> Result<Value> {
    let Some(talk) = origin.talk() else {
        return Err(failed(object, "nobody asks it here"));
    };
    talk.lock().converted(definition, object, api_version)
}

/// `example.com/v1, Kind=Widget`.
fn told(object: &Value) -> String {
    let word = |field: &str| object[field].as_str().unwrap_or_default();
    format!("{}, Kind={}", word("apiVersion"), word("kind"))
}

fn failed(object: &Value, why: &str) -> ApiError {
    plain(format!("conversion webhook for {} failed: {why}", told(object)))
}

/// Upstream gives no reason for it.
fn plain(message: String) -> ApiError {
    ApiError::new(500, "", message)
}

impl Api {
    /// Asks the webhook of a definition about objects, none of which is in the wanted version.
    pub(crate) async fn converted(
        &self,
        definition: &Value,
        objects: &[&Value],
        api_version: &str,
    ) -> Result<Vec<Value>> {
        let Some(first) = objects.first() else { return Ok(Vec::new()) };
        let webhook = &definition["spec"]["conversion"]["webhook"];
        let known = webhook["conversionReviewVersions"].as_array().into_iter().flatten();
        let mut known = known.filter_map(Value::as_str);
        let Some(review_version) = known.find(|version| matches!(*version, "v1" | "v1beta1")) else {
            return Err(plain("no supported conversion review versions".into()));
        };
        let review_version = format!("{GROUP}/{review_version}");
        let uid = uuid::Uuid::new_v4().to_string();
        let review = json!({
            "kind": "ConversionReview", "apiVersion": review_version,
            "request": { "uid": uid, "desiredAPIVersion": api_version, "objects": objects },
        });
        let target = WebhookTarget::read(&webhook["clientConfig"]);
        let bundle = webhook["clientConfig"]["caBundle"].as_str().unwrap_or_default();
        let bundle = base64::engine::general_purpose::STANDARD.decode(bundle).unwrap_or_default();
        let answer = self.post(&target, &bundle, TIMEOUT, &review).await;
        let answer = answer.map_err(|why| failed(first, &why))?;
        let converted = read(&review_version, &uid, answer).map_err(|why| failed(first, &why))?;
        if converted.len() != objects.len() {
            let (got, expected) = (converted.len(), objects.len());
            return Err(plain(format!(
                "conversion webhook for {} returned {got} objects, expected {expected}",
                told(first)
            )));
        }
        let (_, version) = crate::split_api_version(api_version);
        let schema = structural::schema_of(definition, version);
        let check = |(object, converted): (&&Value, Value)| {
            let mut converted = checked(object, converted, api_version)?;
            structural::prune(schema, &mut converted);
            Ok(converted)
        };
        objects.iter().zip(converted).map(check).collect()
    }
}

/// The objects of an answer, or what is wrong with it.
fn read(review_version: &str, uid: &str, mut answer: Value) -> std::result::Result<Vec<Value>, String> {
    let is_first = review_version.ends_with("/v1");
    let (given, kind) = (answer["apiVersion"].as_str(), answer["kind"].as_str());
    let (given, kind) = (given.unwrap_or_default(), kind.unwrap_or_default());
    if is_first && (given, kind) != (review_version, "ConversionReview") {
        let (group, version) = crate::split_api_version(given);
        return Err(format!(
            "expected webhook response of {review_version}, Kind=ConversionReview, got {group}/{version}, Kind={kind}"
        ));
    }
    let response = &mut answer["response"];
    if !response.is_object() {
        return Err("no response provided".into());
    }
    let given = response["uid"].as_str().unwrap_or_default();
    if is_first && given != uid {
        return Err(format!("expected response.uid={uid:?}, got {given:?}"));
    }
    let status = response["result"]["status"].as_str().unwrap_or_default();
    if status != "Success" {
        let message = response["result"]["message"].as_str().filter(|message| !message.is_empty());
        let none = || format!("response.result.status was '{status}', not 'Success'");
        return Err(message.map_or_else(none, str::to_string));
    }
    match response["convertedObjects"].take() {
        Value::Array(objects) => Ok(objects),
        _ => Ok(Vec::new()),
    }
}

/// A converted object is the same one, with what the webhook may not touch as it was.
fn checked(object: &Value, mut converted: Value, api_version: &str) -> Result<Value> {
    let invalid = |why: String| {
        plain(format!("conversion webhook for {} returned invalid object: {why}", told(object)))
    };
    let word = |object: &Value, field: &str| object[field].as_str().unwrap_or_default().to_string();
    let got = word(&converted, "apiVersion");
    if got != api_version {
        return Err(plain(format!(
            "conversion webhook for {} returned invalid object at index 0: invalid groupVersion (expected \
             {api_version}, received {got})",
            told(object)
        )));
    }
    if word(&converted, "kind") != word(object, "kind") {
        return Err(plain(format!(
            "conversion webhook for {} returned invalid object at index 0: invalid kind (expected {}, received {})",
            told(object),
            word(object, "kind"),
            word(&converted, "kind")
        )));
    }
    for (field, name) in [("name", "name"), ("namespace", "namespace"), ("uid", "UID")] {
        let (was, is) = (metadata::text(object, field), metadata::text(&converted, field));
        if was != is {
            return Err(invalid(format!("must have the same {name}: {was} != {is}")));
        }
    }
    let restored = metadata_of(object, &converted).map_err(|why| {
        plain(format!("conversion webhook for {} returned invalid metadata: {why}", told(object)))
    })?;
    converted["metadata"] = restored;
    Ok(converted)
}

/// The metadata as they were, with the labels and annotations of the converted object.
fn metadata_of(object: &Value, converted: &Value) -> std::result::Result<Value, String> {
    let given = match converted.get("metadata") {
        None => return Err("missing metadata in converted object".into()),
        Some(given) if given.is_object() => given,
        Some(_) => return Err("invalid metadata in converted object".into()),
    };
    let mut restored = object["metadata"].clone();
    let Some(fields) = restored.as_object_mut() else { return Ok(given.clone()) };
    for field in ["labels", "annotations"] {
        let Some(words) = given.get(field).filter(|words| !words.is_null()) else {
            fields.shift_remove(field);
            continue;
        };
        let entries = words.as_object();
        let entries = entries.ok_or_else(|| format!("invalid metadata.{field} in converted object"))?;
        for (name, value) in entries {
            let Some(value) = value.as_str() else {
                return Err(format!("metadata.{field}[{name}] must be a string in converted object"));
            };
            let mut problems = link::label_key_problems(name);
            if field == "labels" {
                problems.extend(link::label_value_problems(value));
            }
            if let Some(problem) = problems.first() {
                return Err(format!("metadata.{field}: Invalid value: {name:?}: {problem}"));
            }
        }
        fields.insert(field.into(), words.clone());
    }
    Ok(restored)
}
