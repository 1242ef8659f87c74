//! Replacements: a value from one field of one resource goes into fields of others.

use serde_json::Value;

use crate::accumulate::Root;
use crate::decode::Source;
use crate::error::{Error, GO_NIL_MAP, Result};
use crate::fieldpath::FieldPath;
use crate::id::ResId;
use crate::load;
use crate::resmap::ResMap;
use crate::resource::Resource;
use crate::scalar;
use crate::select::Matcher;
use crate::spec::{
    FieldOptions, Replacement, ReplacementField, ReplacementSource, ReplacementTarget, Selector,
    read_replacements,
};

/// The replacements of a field, those of files among them.
pub(crate) fn load(root: &Root<'_, '_>, fields: &[ReplacementField]) -> Result<Vec<Replacement>> {
    let mut all = Vec::new();
    for field in fields {
        match field {
            ReplacementField::Inline(replacement) => all.push((**replacement).clone()),
            ReplacementField::Path(path) => {
                let (file, text) = root.load_text(&path.text).map_err(|e| e.at_place(&path.place))?;
                all.extend(read_replacements(Source { file: &file, text: &text })?);
            }
            ReplacementField::Both(path, _) => {
                return Err(
                    Error::new("cannot specify both path and inline replacement").at_place(&path.place)
                );
            }
        }
    }
    Ok(all)
}

pub(crate) fn run(replacements: &[Replacement], resources: &mut ResMap) -> Result<()> {
    replacements.iter().try_for_each(|replacement| apply(replacement, resources))
}

fn apply(replacement: &Replacement, resources: &mut ResMap) -> Result<()> {
    apply_unplaced(replacement, resources).map_err(|e| e.at_place(&replacement.place))
}

fn apply_unplaced(replacement: &Replacement, resources: &mut ResMap) -> Result<()> {
    let value = match (&replacement.source, &replacement.source_value) {
        (Some(_), Some(_)) => {
            return Err(Error::new("value and resource selectors are mutually exclusive")
                .hint("give source or sourceValue, not both"));
        }
        (None, None) => return Err(Error::new("replacements must specify a source and at least one target")),
        (None, Some(text)) => Value::String(text.clone()),
        (Some(source), None) => source_value(source, resources)?,
    };
    if replacement.targets.is_empty() {
        return Err(Error::new("replacements must specify a source and at least one target"));
    }
    replacement.targets.iter().try_for_each(|target| apply_target(target, &value, resources))
}

fn source_value(source: &ReplacementSource, resources: &ResMap) -> Result<Value> {
    let selector = &source.selector;
    let found: Vec<&Resource> = resources
        .resources()
        .iter()
        .filter(|r| all_ids(r).iter().any(|id| is_literally(selector, id)))
        .collect();
    let resource = match found.as_slice() {
        [] => return Err(Error::new(format!("nothing selected by {}", describe_source(source)))),
        [resource] => resource,
        _ => {
            let message = format!("multiple matches for selector {}", describe_source(source));
            return Err(Error::new(message).hint("name more of group, version, kind, name and namespace"));
        }
    };
    let path = if source.field_path.is_empty() { "metadata.name" } else { &source.field_path };
    let value = FieldPath::parse(path)?.get(&resource.object).filter(|v| !v.is_null()).cloned();
    let value = value.ok_or_else(|| {
        Error::new(format!("fieldPath `{path}` is missing for replacement source {}", describe(selector)))
    })?;
    refine(&source.options, value)
}

/// `delimiter` and `index` of a source.
fn refine(options: &FieldOptions, value: Value) -> Result<Value> {
    if options.delimiter.is_empty() {
        return Ok(value);
    }
    let text = scalar_text(&value)
        .ok_or_else(|| Error::new("delimiter option can only be used with scalar nodes"))?;
    let part = usize::try_from(options.index).ok().and_then(|at| text.split(&options.delimiter).nth(at));
    part.map(|part| Value::String(part.to_string())).ok_or_else(|| {
        Error::new(format!("options.index {} is out of bounds for value {text}", options.index))
    })
}

fn apply_target(target: &ReplacementTarget, value: &Value, resources: &mut ResMap) -> Result<()> {
    let Some(select) = &target.select else {
        return Err(Error::new("target must specify resources to select"));
    };
    let compiled = |selector| Matcher::new(selector).map_err(|e| e.doing("error creating target selector"));
    let matcher = compiled(select)?;
    let rejects = target.reject.iter().map(compiled).collect::<Result<Vec<_>>>()?;
    let default = ["metadata.name".to_string()];
    let paths = if target.field_paths.is_empty() { &default[..] } else { &target.field_paths[..] };
    let paths = paths.iter().map(|path| FieldPath::parse(path)).collect::<Result<Vec<_>>>()?;
    for at in 0..resources.resources().len() {
        let resource = resources.get(at);
        let ids = all_ids(resource);
        let rejected = target.reject.iter().zip(&rejects).any(|(selector, matcher)| {
            // either is enough: the id, or the labels and annotations
            (!is_blank(selector) && ids.iter().any(|id| matcher.matches_id(id)))
                || (has_metadata(selector) && matcher.matches_metadata(resource))
        });
        let selected = ids.iter().any(|id| matcher.matches_id(id)) && matcher.matches_metadata(resource);
        if rejected || !selected {
            continue;
        }
        for path in &paths {
            resources.change(at, |resource| -> Result<()> {
                path.change(&mut resource.object, target.options.create, &mut |field, made| {
                    write(field, made, value, &target.options)
                })?;
                resource.shared.follow(&mut resource.object);
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// A scalar keeps its type, other values are replaced.
fn write(field: &mut Value, made: bool, value: &Value, options: &FieldOptions) -> Result<()> {
    let Some(new) = scalar_text(value).filter(|_| !field.is_object() && !field.is_array()) else {
        if !options.delimiter.is_empty() {
            return Err(Error::new("delimiter option can only be used with scalar nodes"));
        }
        *field = value.clone();
        return Ok(());
    };
    let new = if options.delimiter.is_empty() { new } else { splice(field, &new, options) };
    *field = match field {
        // a new field is what its text means without quotes, whatever the source was
        _ if made => load::plain_scalar(&new),
        Value::Null => retyped(value, &new),
        Value::String(_) => Value::String(new),
        Value::Number(_) | Value::Bool(_) => {
            let parsed = load::plain_scalar(&new);
            let fits = parsed.is_number() == field.is_number() && parsed.is_boolean() == field.is_boolean();
            if !fits {
                let tag = |value: &Value| match value {
                    Value::Bool(_) => "bool",
                    Value::Number(n) if n.is_f64() => "float",
                    Value::Number(_) => "int",
                    Value::Null => "null",
                    _ => "str",
                };
                let (from, to) = (tag(&parsed), tag(field));
                return Err(Error::new(format!("yaml: cannot decode !!{from} `{new}` as a !!{to}"))
                    .hint("the field keeps its type; if it is to be text, put its value in quotes")
                    .prefixed(GO_NIL_MAP));
            }
            parsed
        }
        _ => value.clone(),
    };
    Ok(())
}

/// A value of the source's type from a text that may have been spliced.
fn retyped(value: &Value, text: &str) -> Value {
    match value {
        Value::String(_) => Value::String(text.to_string()),
        _ => load::plain_scalar(text),
    }
}

/// The part of a field between delimiters replaced; before the first and past the last part, added.
fn splice(field: &Value, new: &str, options: &FieldOptions) -> String {
    let old = scalar_text(field).unwrap_or_default();
    let mut parts: Vec<&str> = old.split(&options.delimiter).collect();
    match usize::try_from(options.index) {
        Err(_) => parts.insert(0, new),
        Ok(at) if at >= parts.len() => parts.push(new),
        Ok(at) => parts[at] = new,
    }
    parts.join(&options.delimiter)
}

fn scalar_text(value: &Value) -> Option<String> {
    let is_scalar = !value.is_array() && !value.is_object();
    is_scalar.then(|| scalar::text_of_any(value))
}

fn all_ids(resource: &Resource) -> Vec<ResId> {
    resource.previous_ids().chain([resource.id()]).collect()
}

fn is_literally(selector: &Selector, id: &ResId) -> bool {
    let fits = |wanted: &str, have: &str| wanted.is_empty() || wanted == have;
    id.gvk.is_selected(&selector.gvk)
        && fits(&selector.name, &id.name)
        && (fits(&selector.namespace, &id.namespace) || fits(&selector.namespace, id.effective_namespace()))
}

fn is_blank(selector: &Selector) -> bool {
    selector.gvk == Default::default() && selector.name.is_empty() && selector.namespace.is_empty()
}

fn has_metadata(selector: &Selector) -> bool {
    !selector.label_selector.is_empty() || !selector.annotation_selector.is_empty()
}

fn describe_source(source: &ReplacementSource) -> String {
    let path = &source.field_path;
    let separator = if path.is_empty() { "" } else { ":" };
    format!("{}{separator}{path}", describe(&source.selector))
}

fn describe(selector: &Selector) -> String {
    ResId { gvk: selector.gvk.clone(), name: selector.name.clone(), namespace: selector.namespace.clone() }
        .to_string()
}
