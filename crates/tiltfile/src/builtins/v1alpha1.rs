//! `v1alpha1.*`: objects of Tilt's own API, and the values that they are made of.
//!
//! The catalog says which fields there are; a field that is itself made of fields stands in [`PARTS`]. A part may be
//! given as its constructor returns it or as a dict with the same keys.

mod validate;

use crate::call::{Args, Call, Failure, Result, fail, go_type, type_name};
use crate::catalog;
use crate::plan::ApiObject;
use crate::values;
use crate::values::record::{Struct, struct_fields};
use serde_json::{Map, Value as Json};
use starlark::values::dict::DictRef;
use starlark::values::list::AllocList;
use starlark::values::{Heap, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// Constructors of objects, and what the API calls many of them.
const PLURALS: [(&str, &str); 8] = [
    ("cmd", "cmds"),
    ("config_map", "configmaps"),
    ("extension", "extensions"),
    ("extension_repo", "extensionrepos"),
    ("file_watch", "filewatches"),
    ("kubernetes_apply", "kubernetesapplys"),
    ("kubernetes_discovery", "kubernetesdiscoveries"),
    ("ui_button", "uibuttons"),
];

/// Field, the part that it is, and whether it is a list of these. Where owners differ, `owner.field`.
const PARTS: [(&str, &str, bool); 28] = [
    ("readiness_probe", "probe", false),
    ("restart_on", "restart_on_spec", false),
    ("start_on", "start_on_spec", false),
    ("disable_source", "disable_source", false),
    ("ignores", "ignore_def", true),
    ("image_locators", "kubernetes_image_locator", true),
    ("kubernetes_discovery_template_spec", "kubernetes_discovery_template_spec", false),
    ("port_forward_template_spec", "port_forward_template_spec", false),
    ("pod_log_stream_template_spec", "pod_log_stream_template_spec", false),
    ("apply_cmd", "kubernetes_apply_cmd", false),
    ("delete_cmd", "kubernetes_apply_cmd", false),
    ("watches", "kubernetes_watch_ref", true),
    ("extra_selectors", "label_selector", true),
    ("location", "ui_component_location", false),
    ("inputs", "ui_input_spec", true),
    ("config_map", "config_map_disable_source", false),
    ("every_config_map", "config_map_disable_source", true),
    ("http_headers", "http_header", true),
    ("exec", "exec_action", false),
    ("http_get", "http_get_action", false),
    ("tcp_socket", "tcp_socket_action", false),
    ("object_selector", "object_selector", false),
    ("object", "kubernetes_image_object_descriptor", false),
    ("match_expressions", "label_selector_requirement", true),
    ("forwards", "forward", true),
    ("handler", "handler", false),
    ("bool", "ui_bool_input_spec", false),
    ("hidden", "ui_hidden_input_spec", false),
];
const INPUT_PARTS: [(&str, &str, bool); 2] =
    [("text", "ui_text_input_spec", false), ("choice", "ui_choice_input_spec", false)];

fn part_of(owner: &str, field: &str) -> Option<(&'static str, bool)> {
    let inputs = if owner == "ui_input_spec" { INPUT_PARTS.as_slice() } else { &[] };
    let found = inputs.iter().chain(&PARTS).find(|(name, _, _)| *name == field)?;
    Some((found.1, found.2))
}

/// Makes an object and keeps it.
pub(crate) fn object<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let kind = kind(call.name);
    let name = args.segment("name")?;
    let texts = |field: &str| -> Result<BTreeMap<String, String>> {
        Ok(args.string_map(field)?.into_iter().collect())
    };
    let (labels, annotations) = (texts("labels")?, texts("annotations")?);
    let own = ["name", "labels", "annotations"];
    let (fields, mut given) = fields(call, &args, &own, |param, value| {
        field(&args.dir, kind, param, value, call.heap()).map_err(|e| args.wrong(param.name, e))
    })?;
    if kind == "cmd" && !given.contains_key("dir") {
        given.insert("dir".to_owned(), args.dir.display().to_string().into());
    }
    let spec = Json::Object(given);
    validate::object(kind, &spec).map_err(Failure::new)?;
    let plural = PLURALS.iter().find(|(k, _)| *k == kind).map_or(kind, |(_, plural)| plural);
    let mut reg = call.env().reg_mut();
    let object = ApiObject { plural: plural.to_owned(), name, labels, annotations, spec };
    match reg.api_objects.iter().find(|o| o.plural == plural && o.name == object.name) {
        Some(before) if *before == object => {}
        Some(_) => fail!("{plural} {:?} already registered", object.name),
        None => reg.api_objects.push(object),
    }
    drop(reg);
    let own = ["name", "labels", "annotations"].map(|f| (f, args.get(f).unwrap_or_else(Value::new_none)));
    Ok(call.alloc(Struct::new(own.into_iter().chain(fields))))
}

/// Makes a value that objects are made of.
pub(crate) fn part<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let (fields, _) = fields(call, &args, &[], |param, value| {
        field_of_part(&args.dir, kind(call.name), param, value, call.heap()).map_err(Failure::new)
    })?;
    Ok(call.alloc(Struct::new(fields)))
}

fn kind(name: &'static str) -> &'static str {
    name.strip_prefix("v1alpha1.").unwrap_or(name)
}

type Fields<'v> = (Vec<(&'static str, Value<'v>)>, Map<String, Json>);

/// All fields but the object's `own` as attributes, and those that are set as JSON.
fn fields<'v>(
    call: &Call<'v, '_, '_, '_>,
    args: &Args<'v>,
    own: &[&str],
    json_of: impl Fn(&catalog::Param, Value<'v>) -> Result<Json>,
) -> Result<Fields<'v>> {
    let (mut attributes, mut spec) = (Vec::new(), Map::new());
    for param in call.params.iter().filter(|p| !own.contains(&p.name)) {
        let value = args.some(param.name);
        if let Some(value) = value {
            let json = json_of(param, value)?;
            if !is_empty(&json, part_of(kind(call.name), param.name).is_some()) {
                spec.insert(param.name.to_owned(), json);
            }
        }
        attributes.push((param.name, value.unwrap_or_else(|| default(call, param.annotation))));
    }
    Ok((attributes, spec))
}

fn default<'v>(call: &Call<'v, '_, '_, '_>, annotation: &str) -> Value<'v> {
    match annotation {
        "str" | "Path" => call.alloc(""),
        "int" => call.alloc(0),
        "bool" => call.alloc(false),
        a if a.starts_with("list") => call.alloc(AllocList(Vec::<Value<'v>>::new())),
        _ => Value::new_none(),
    }
}

/// What Go leaves out of JSON. A part that is given is there, though nothing is in it.
fn is_empty(json: &Json, is_part: bool) -> bool {
    match json {
        Json::Null => true,
        Json::Bool(b) => !b,
        Json::Number(n) => n.as_i64() == Some(0),
        Json::String(s) => s.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(map) => map.is_empty() && !is_part,
    }
}

type Text<T> = std::result::Result<T, String>;

/// A field of an object.
fn field<'v>(
    dir: &Path,
    owner: &str,
    param: &catalog::Param,
    value: Value<'v>,
    heap: Heap<'v>,
) -> Text<Json> {
    let want = |what: &str| format!("got {}, want {what}", type_name(value));
    match scalar(owner, param) {
        Some("bool") => value.unpack_bool().map(Json::from).ok_or_else(|| want("bool")),
        Some("int") => match value.unpack_i32() {
            Some(number) => Ok(number.into()),
            None if type_name(value) == "int" => {
                Err(format!("value out of range for int32: {}", value.to_repr()))
            }
            None => Err(want("int")),
        },
        Some(_) => value.unpack_str().map(Json::from).ok_or_else(|| want("string")),
        None => structured(dir, owner, param, value, heap),
    }
}

/// A field of a part of an object: Tilt checks it in other words.
fn field_of_part<'v>(
    dir: &Path,
    owner: &str,
    param: &catalog::Param,
    value: Value<'v>,
    heap: Heap<'v>,
) -> Text<Json> {
    let kind = type_name(value);
    match scalar(owner, param) {
        Some("bool") => {
            value.unpack_bool().map(Json::from).ok_or_else(|| format!("Expected bool, got: {kind}"))
        }
        Some("int") => match value.unpack_i32() {
            Some(number) => Ok(number.into()),
            None if kind == "int" => Err(format!("Expected int, got: {} out of range", value.to_repr())),
            None => Err(format!("Expected int, got: got {kind}, want int")),
        },
        Some(_) => {
            value.unpack_str().map(Json::from).ok_or_else(|| format!("Expected string, actual: {kind}"))
        }
        None => {
            structured(dir, owner, param, value, heap).map_err(|e| format!("unpacking {}: {e}", param.name))
        }
    }
}

/// The type of a field that the interpreter itself unpacks.
fn scalar(owner: &str, param: &catalog::Param) -> Option<&'static str> {
    let is_path = (owner, param.name) == ("ignore_def", "base_path");
    let is_scalar = matches!(param.annotation, "bool" | "int" | "str") && !is_path && param.name != "timeout";
    (is_scalar && part_of(owner, param.name).is_none()).then_some(param.annotation)
}

/// Parts, paths, durations, maps and lists.
fn structured<'v>(
    dir: &Path,
    owner: &str,
    param: &catalog::Param,
    value: Value<'v>,
    heap: Heap<'v>,
) -> Text<Json> {
    if let Some((part, many)) = part_of(owner, param.name) {
        if !many {
            return part_json(dir, part, value, heap);
        }
        let Some(items) = values::sequence(value) else {
            return Err(format!("expected list, actual: {}", type_name(value)));
        };
        let items = items.into_iter().enumerate();
        let parts =
            items.map(|(i, item)| part_json(dir, part, item, heap).map_err(|e| format!("at index {i}: {e}")));
        return Ok(Json::Array(parts.collect::<Text<_>>()?));
    }
    let path = |v: Value<'v>| match v.unpack_str() {
        Some(text) => Ok(Json::from(crate::call::absolute(dir, text).display().to_string())),
        None => Err(format!("expected path | string. Actual type: {}", go_type(v))),
    };
    match param.annotation {
        // an ignore's directory is a path like any other
        "Path" => path(value),
        "str" if param.name == "timeout" => match value.unpack_str() {
            Some(text) => Ok(crate::text::go_duration(crate::text::go_duration_ms(text)?).into()),
            None => Err(format!("Expected string. Got: {}", type_name(value))),
        },
        "str" => path(value),
        "dict[str, str]" => {
            let map = crate::call::string_map(value)?;
            Ok(Json::Object(map.into_iter().map(|(k, v)| (k, v.into())).collect()))
        }
        "Path | list[Path]" => {
            let items = values::go_sequence(value, heap).unwrap_or_else(|| vec![value]);
            Ok(Json::Array(items.into_iter().map(path).collect::<Text<_>>()?))
        }
        _ => match values::iterable(value, heap) {
            Some(items) => Ok(crate::call::strings_of(&items, "value")?.into()),
            None => {
                let kind = type_name(value);
                Err(format!("value should be a List or Tuple of strings, but is of type {kind}"))
            }
        },
    }
}

fn part_json<'v>(dir: &Path, part: &'static str, value: Value<'v>, heap: Heap<'v>) -> Text<Json> {
    let mut entries: Vec<(String, Value<'v>)> = Vec::new();
    if let Some(dict) = DictRef::from_value(value) {
        for (key, value) in dict.iter() {
            let Some(key) = key.unpack_str() else {
                return Err(format!("key must be string. Got: {}", type_name(key)));
            };
            entries.push((key.to_owned(), value));
        }
    } else if let Some(fields) = struct_fields(value) {
        entries.extend(fields.into_iter().map(|(k, v)| (k.to_owned(), v)));
    } else {
        return Err(format!("expected dict, actual: {}", type_name(value)));
    }
    let mut out = Map::new();
    for (key, value) in entries {
        let params = catalog::params(constructor(part));
        let Some(param) = params.iter().find(|p| p.name == key) else {
            return Err(format!("Unexpected attribute name: {key}"));
        };
        if value.is_none() {
            continue;
        }
        let json = field_of_part(dir, part, param, value, heap)?;
        if !is_empty(&json, part_of(part, &key).is_some()) {
            out.insert(key, json);
        }
    }
    Ok(Json::Object(out))
}

/// The full name of a part's constructor.
fn constructor(part: &str) -> &'static str {
    let suffix = |full: &&str| full.strip_prefix("v1alpha1.") == Some(part);
    super::TABLE.iter().map(|(name, _)| *name).find(suffix).expect("every part has a constructor")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_known() {
        for (_, part, _) in PARTS.iter().chain(&INPUT_PARTS) {
            assert!(!catalog::params(constructor(part)).is_empty(), "{part}");
        }
    }

    /// A field that is no plain value must be a part.
    #[test]
    fn every_field_has_a_type() {
        for (full, _) in super::super::TABLE.iter().filter(|(n, _)| n.starts_with("v1alpha1.")) {
            for param in catalog::params(full).iter().filter(|p| p.annotation == "Any") {
                assert!(part_of(kind(full), param.name).is_some(), "{full} {}", param.name);
            }
        }
    }
}
