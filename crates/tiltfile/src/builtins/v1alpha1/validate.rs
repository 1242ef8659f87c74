//! What an object must hold.

use serde_json::Value;

/// All that is wrong, as the API says it.
pub(super) fn object(kind: &str, spec: &Value) -> Result<(), String> {
    let mut problems = Vec::new();
    match kind {
        "extension_repo" => repository(spec, &mut problems),
        "ui_button" => button(spec, &mut problems),
        "file_watch" if text(spec, "/watched_paths/0").is_empty() => {
            problems.push(required("spec.watchedPaths", ""));
        }
        _ => {}
    }
    match problems.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        many => Err(format!("[{}]", many.join(", "))),
    }
}

fn text<'s>(spec: &'s Value, pointer: &str) -> &'s str {
    spec.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn required(field: &str, why: &str) -> String {
    let tail = if why.is_empty() { String::new() } else { format!(": {why}") };
    format!("{field}: Required value{tail}")
}

fn invalid(field: &str, value: &str, why: &str) -> String {
    format!("{field}: Invalid value: {value:?}: {why}")
}

fn repository(spec: &Value, problems: &mut Vec<String>) {
    let (url, reference) = (text(spec, "/url"), text(spec, "/ref"));
    let file = url.strip_prefix("file://");
    if !["http://", "https://", "file://"].iter().any(|scheme| url.starts_with(scheme)) {
        problems.push(invalid("spec.url", url, "URLs must start with http(s):// or file://"));
    } else if file.is_some_and(|path| !path.starts_with('/')) {
        problems.push(invalid(
            "spec.url",
            url,
            "file:// URLs must be absolute (e.g., file:///home/user/repo)",
        ));
    } else if file.is_some() && !reference.is_empty() {
        problems.push(invalid("spec.ref", reference, "spec.ref not supported on file:// repos"));
    }
}

fn button(spec: &Value, problems: &mut Vec<String>) {
    if text(spec, "/text").is_empty() {
        problems.push(required("spec.text", "Button text cannot be empty"));
    }
    if text(spec, "/location/component_id").is_empty() {
        problems.push(required("spec.location.componentID", "Parent component ID is required"));
    }
    if text(spec, "/location/component_type").is_empty() {
        problems.push(required("spec.location.componentType", "Parent component type is required"));
    }
    let icon = text(spec, "/icon_svg");
    if !icon.is_empty() && !icon.contains("<svg") {
        problems.push(invalid("spec.iconSVG", icon, "Invalid <svg> element"));
    }
    for (i, input) in spec["inputs"].as_array().into_iter().flatten().enumerate() {
        let kinds = ["text", "bool", "hidden", "choice"];
        let name = text(input, "/name");
        if kinds.iter().filter(|k| input.get(**k).is_some()).count() != 1 {
            problems.push(invalid(&format!("spec.inputs[{i}]"), name, "must specify exactly one input type"));
        }
        if name.is_empty() {
            problems.push(required(&format!("spec.inputs[{i}].name"), ""));
        }
        let choices = input.pointer("/choice/choices").and_then(Value::as_array).map_or(0, Vec::len);
        if input.get("choice").is_some() && choices == 0 {
            problems.push(required(&format!("spec.inputs[{i}].choice.choices"), "Choices cannot be empty"));
        }
    }
}
