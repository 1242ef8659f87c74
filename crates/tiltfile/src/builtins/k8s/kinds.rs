//! `k8s_kind`, `k8s_image_json_path`: where objects that make no pods name images.

use super::patterns::partial_pattern;
use super::pod_readiness;
use crate::call::{Args, Call, Failure, Result, fail, go_quote, go_repr, type_name};
use crate::env::{KindDef, LocatorDef};
use crate::plan::{ImageObject, ObjectSelector, PodReadiness};
use starlark::values::Value;
use starlark::values::dict::DictRef;

pub(crate) fn k8s_kind<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    if call.positional.len() > 1 {
        fail!("k8s_kind: got {} arguments, want at most 1", call.positional.len());
    }
    let args = call.args()?;
    let paths = json_paths(&args, "image_json_path")?;
    let selector = ObjectSelector {
        kind: args.text("kind")?,
        api_version: args.text("api_version")?,
        ..ObjectSelector::default()
    };
    let object = args.get("image_object").map(|v| image_object(&args, v)).transpose()?;
    let pod_readiness = pod_readiness(&args)?;
    check_patterns(&selector)?;
    if !paths.is_empty() && object.is_some() {
        fail!("Cannot specify both image_json_path and image_object");
    }
    let mut located: Vec<(String, Option<ImageObject>)> =
        paths.into_iter().map(|path| (path, None)).collect();
    located.extend(object.map(|(path, object)| (path, Some(object))));
    let locators = (!located.is_empty()).then_some(located);
    define(call, selector, locators, pod_readiness)?;
    call.none()
}

/// What a later call says of the same objects takes the place of what an earlier one said.
fn define<'v>(
    call: &Call<'v, '_, '_, '_>,
    selector: ObjectSelector,
    located: Option<Vec<(String, Option<ImageObject>)>>,
    pod_readiness: Option<PodReadiness>,
) -> Result<()> {
    for (path, _) in located.iter().flatten() {
        check_json_path(path)?;
    }
    let position = call.position();
    let mut reg = call.env().reg_mut();
    if let Some(located) = located {
        reg.locators.retain(|locator| locator.selector != selector);
        reg.locators.extend(located.into_iter().map(|(path, object)| LocatorDef {
            selector: selector.clone(),
            path,
            object,
            position: position.clone(),
        }));
    }
    match reg.kinds.iter_mut().find(|kind| kind.selector == selector) {
        Some(known) => known.pod_readiness = pod_readiness.or(known.pod_readiness),
        None => reg.kinds.push(KindDef { selector, pod_readiness }),
    }
    Ok(())
}

fn json_paths(args: &Args<'_>, name: &str) -> Result<Vec<String>> {
    let items = args.get(name).map(|v| args.one_or_many(v)).unwrap_or_default();
    let path = |item: Value<'_>| match item.unpack_str() {
        Some(path) => Ok(path.to_owned()),
        None => Err(args.wrong(name, format_args!("Expected string, got: {}", go_repr(item)))),
    };
    items.into_iter().map(path).collect()
}

const IMAGE_OBJECT: [&str; 3] = ["json_path", "repo_field", "tag_field"];

fn image_object(args: &Args<'_>, v: Value<'_>) -> Result<(String, ImageObject)> {
    const FORM: &str = "Expected dict of the form {'json_path': str, 'repo_field': str, 'tag_field': str}";
    let wrong = |e: String| args.wrong("image_object", format_args!("{FORM}{e}"));
    let Some(dict) = DictRef::from_value(v) else { return Err(wrong(format!(". Actual: {}", go_repr(v)))) };
    let mut fields = [const { String::new() }; 3];
    for (key, value) in dict.iter() {
        let place = key.unpack_str().and_then(|key| IMAGE_OBJECT.iter().position(|known| *known == key));
        let Some(place) = place else { return Err(wrong(format!(": Unexpected key: {}", go_repr(key)))) };
        let Some(text) = value.unpack_str() else {
            let (key, kind) = (go_quote(&go_repr(key)), type_name(value));
            return Err(wrong(format!(": Expected string at key {key}. Got: {kind}")));
        };
        text.clone_into(&mut fields[place]);
    }
    if dict.iter().count() != IMAGE_OBJECT.len() {
        let keys: Vec<String> = dict.iter().map(|(key, _)| go_repr(key)).collect();
        return Err(wrong(format!(": Missing keys. Actual keys: [{}]", keys.join(" "))));
    }
    let [path, repo_field, tag_field] = fields;
    Ok((path, ImageObject { repo_field, tag_field }))
}

/// The selector's patterns are regular expressions.
fn check_patterns(selector: &ObjectSelector) -> Result<()> {
    let fields = [
        ("apiVersion", &selector.api_version),
        ("kind", &selector.kind),
        ("name", &selector.name),
        ("namespace", &selector.namespace),
    ];
    for (field, pattern) in fields {
        partial_pattern(field, pattern)?;
    }
    Ok(())
}

fn check_json_path(path: &str) -> Result<()> {
    let hint = || format!("in the path {path:?}");
    crate::jsonpath::parse(path).map(|_| ()).map_err(|e| Failure::new(e).with_hint(hint()))
}

pub(crate) fn k8s_image_json_path<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let paths = json_paths(&args, "paths")?;
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
    let located = paths.into_iter().map(|path| (path, None)).collect();
    define(call, selector, Some(located), None)?;
    call.none()
}
