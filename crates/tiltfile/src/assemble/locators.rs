//! Images at places that the Tiltfile names, in objects that make no pods.

use crate::call::{Failure, Result};
use crate::env::{LocatorDef, Registry};
use crate::plan::ImageObject;
use crate::text::{ImageRef, go_value};
use crate::{jsonpath, manifest};
use serde_json::Value;

type Text<T> = std::result::Result<T, String>;

/// Images at the places that `k8s_kind` and `k8s_image_json_path` name.
pub(super) fn located_images(reg: &Registry, object: &Value) -> Result<Vec<ImageRef>> {
    let mut all = Vec::new();
    for locator in reg.locators.iter().filter(|l| l.selector.matches(object)) {
        match locate(locator, object) {
            Ok(found) => all.extend(found),
            Err(e) => {
                let (kind, name) = (manifest::text(object, "kind"), manifest::Id::of(object).name);
                let hint = e
                    .strip_suffix(" is not found")
                    .and_then(|e| e.rsplit_once(' '))
                    .map(|(_, field)| format!("a filter passes over what has no {field}: [?(@.{field})]"));
                let failure = Failure::new(format!("finding image in {kind}/{name}: {e}"));
                return Err(Failure { position: Some(Box::new(locator.position.clone())), hint, ..failure });
            }
        }
    }
    Ok(all)
}

fn locate(locator: &LocatorDef, object: &Value) -> Text<Vec<ImageRef>> {
    let matching = |e: String| format!("Matching (json_path={:?}): {e}", locator.path);
    let path = jsonpath::parse(&locator.path).map_err(matching)?;
    // Tilt knows the fields of Kubernetes' own kinds: those that are not set are empty, and not missing
    let found = path.find(object, manifest::is_of_kubernetes(object)).map_err(matching)?;
    let image = |found: &jsonpath::Found<'_>| match &locator.object {
        Some(fields) => image_of_object(locator, fields, found.value()),
        None => image_of_text(locator, found.value()),
    };
    found.iter().map(image).collect()
}

fn image_of_text(locator: &LocatorDef, value: &Value) -> Text<ImageRef> {
    let Some(text) = value.as_str() else {
        return Err(format!(
            "May only match strings (json_path={:?})\nGot Type: {}\nGot Value: {}",
            locator.path,
            go_value::type_of(value),
            go_value::as_text(value)
        ));
    };
    ImageRef::parse(text)
        .map_err(|e| format!("error parsing image '{text}' at json path '{}': {e}", locator.path))
}

fn image_of_object(locator: &LocatorDef, fields: &ImageObject, value: &Value) -> Text<ImageRef> {
    if !value.is_object() {
        // this is all that Tilt tells of it
        return Err(format!(
            "May only match maps (json_path={:?})\nGot Type: interface {{}}\nGot Value: <interface {{}} Value>",
            locator.path
        ));
    }
    let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let (repo, tag) = (field(&fields.repo_field), field(&fields.tag_field));
    ImageRef::parse(&if tag.is_empty() { repo.to_owned() } else { format!("{repo}:{tag}") })
}
