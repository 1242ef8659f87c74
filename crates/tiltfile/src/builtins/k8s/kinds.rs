//! `k8s_kind`, `k8s_image_json_path`: where objects that make no pods name images.

use super::pod_readiness;
use crate::call::{Args, Call, Failure, Result, fail};
use crate::env::{KindDef, LocatorDef};
use crate::plan::{ImageObject, ObjectSelector};
use crate::values::sequence;
use starlark::values::Value;

pub(crate) fn k8s_kind<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    if call.positional.len() > 1 {
        fail!("k8s_kind: got {} arguments, want at most 1", call.positional.len());
    }
    let args = call.args()?;
    let paths = args.strings("image_json_path")?;
    let selector = ObjectSelector {
        kind: args.text("kind")?,
        api_version: args.text("api_version")?,
        ..ObjectSelector::default()
    };
    check_patterns(&selector)?;
    let object = args.some("image_object").map(|v| image_object(&args, v)).transpose()?;
    if !paths.is_empty() && object.is_some() {
        fail!("Cannot specify both image_json_path and image_object");
    }
    let pod_readiness = pod_readiness(&args)?;
    let position = call.position();
    let mut reg = call.env().reg_mut();
    for path in paths {
        check_json_path(&path)?;
        reg.locators.push(LocatorDef {
            selector: selector.clone(),
            path,
            object: None,
            position: position.clone(),
        });
    }
    if let Some((path, object)) = object {
        reg.locators.push(LocatorDef { selector: selector.clone(), path, object: Some(object), position });
    }
    reg.kinds.push(KindDef { selector, pod_readiness });
    drop(reg);
    call.none()
}

fn image_object(args: &Args<'_>, v: Value<'_>) -> Result<(String, ImageObject)> {
    let map = crate::call::string_map(v).map_err(|e| args.wrong("image_object", e))?;
    let field = |name: &str| match map.iter().find(|(k, _)| k == name) {
        Some((_, value)) if !value.is_empty() => Ok(value.clone()),
        _ => fail!("Expected key {name:?} in image_object"),
    };
    let path = field("json_path")?;
    check_json_path(&path)?;
    Ok((path, ImageObject { repo_field: field("repo_field")?, tag_field: field("tag_field")? }))
}

/// The selector's patterns are regular expressions.
fn check_patterns(selector: &ObjectSelector) -> Result<()> {
    let fields = [
        ("kind", &selector.kind),
        ("apiVersion", &selector.api_version),
        ("name", &selector.name),
        ("namespace", &selector.namespace),
    ];
    for (field, pattern) in fields {
        if let Err(e) = regex::Regex::new(pattern) {
            let why = match &e {
                regex::Error::Syntax(text) if text.contains("repetition operator missing expression") => {
                    let operator: String = pattern.chars().take_while(|c| "*+?".contains(*c)).collect();
                    format!("missing argument to repetition operator: `{operator}`")
                }
                other => other.to_string(),
            };
            fail!("error parsing {field} regexp: error parsing regexp: {why}");
        }
    }
    Ok(())
}

fn check_json_path(path: &str) -> Result<()> {
    crate::jsonpath::parse(path)
        .map(|_| ())
        .map_err(|e| Failure::new(format!("error parsing json path {path:?}: {e}")))
}

pub(crate) fn k8s_image_json_path<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let value = args.get("paths").expect("it is required");
    let items = sequence(value).unwrap_or_else(|| vec![value]);
    if let Some(bad) = items.iter().find(|i| i.unpack_str().is_none()) {
        return Err(args.wrong("paths", format_args!("Expected string, got: {}", bad.to_repr())));
    }
    let paths = crate::call::strings_of(&items, "list").map_err(Failure::new)?;
    if paths.is_empty() {
        fail!("paths cannot be empty");
    }
    let selector = ObjectSelector {
        api_version: args.text("api_version")?,
        kind: args.text("kind")?,
        name: args.text("name")?,
        namespace: args.text("namespace")?,
    };
    if selector.kind.is_empty() && selector.name.is_empty() && selector.namespace.is_empty() {
        fail!("at least one of kind, name, or namespace must be specified");
    }
    check_patterns(&selector)?;
    let position = call.position();
    for path in paths {
        let definition =
            LocatorDef { selector: selector.clone(), path, object: None, position: position.clone() };
        call.env().reg_mut().locators.push(definition);
    }
    call.none()
}
