//! `vars` become `replacements`. Where a var is used, a placeholder takes its place in the file, and a replacement
//! fills it in.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Context;
use super::target::{Target, get, steps, text};
use crate::decode::Source;
use crate::error::{Error, Result};
use crate::id::Gvk;
use crate::load;
use crate::path;
use crate::spec::FILE_NAMES;

/// A file that a build reads, with the target of the patch that it is.
struct Touched {
    path: String,
    text: String,
    objects: Vec<Value>,
    target: Option<Value>,
}

pub(super) fn convert(context: &mut Context<'_>, target: &mut Target) -> Result<()> {
    let mut files = Vec::new();
    collect(context, ".", &target.editor.value(), &mut BTreeSet::new(), &mut files)?;
    let mut replacements = Vec::new();
    for var in target.items("vars") {
        let name = text(&var, "name");
        let mut targets = Vec::new();
        for file in &mut files {
            for object in &file.objects {
                let mut uses = Vec::new();
                find(object, &format!("$({name})"), &mut Vec::new(), &mut uses)
                    .map_err(|e| e.doing(format!("error with {}", file.path)))?;
                targets.extend(
                    uses.into_iter()
                        .map(|(field, options)| selection(object, file.target.as_ref(), &field, options)),
                );
            }
        }
        let mut replacement = Map::from_iter([("source".to_string(), source(&var))]);
        if !targets.is_empty() {
            replacement.insert("targets".to_string(), Value::Array(targets));
        }
        replacements.push(Value::Object(replacement));
        for file in &mut files {
            file.text = file.text.replace(&format!("$({name})"), &format!("{name}_PLACEHOLDER"));
        }
    }
    target.append(steps!["replacements"], &replacements)?;
    target.remove(steps!["vars"])?;
    for file in files {
        let old = context.files.read(&file.path)?;
        if old != file.text.as_bytes() {
            context.outcome.writes.push((file.path, file.text));
        }
    }
    Ok(())
}

/// The resource and patch files of a kustomization and of those that it is built from.
fn collect(
    context: &Context<'_>,
    dir: &str,
    kustomization: &Value,
    seen: &mut BTreeSet<String>,
    files: &mut Vec<Touched>,
) -> Result<()> {
    let strings = |field: &str| {
        let list = get(kustomization, field).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(|item| item.as_str().map(str::to_string)).collect::<Vec<_>>()
    };
    let resources = ["resources", "bases", "components"].into_iter().flat_map(strings);
    let mut paths: Vec<(String, Option<Value>)> = resources.map(|path| (path, None)).collect();
    paths.extend(strings("patchesStrategicMerge").into_iter().map(|path| (path, None)));
    for field in ["patches", "patchesJson6902"] {
        let list = get(kustomization, field).and_then(Value::as_array);
        for item in list.into_iter().flatten().filter(|item| !text(item, "path").is_empty()) {
            paths.push((text(item, "path"), get(item, "target").cloned()));
        }
    }
    for (name, target) in paths {
        let relative = path::join(dir, &name);
        let full = context.path(&relative);
        if !seen.insert(relative.clone()) {
            continue;
        }
        if context.files.is_dir(&full) {
            let own = FILE_NAMES.iter().map(|file| path::join(&full, file)).find(|f| context.files.exists(f));
            let Some(own) = own else { continue };
            let read = load::text(context.files.read(&own)?, &own)?;
            let documents = yaml::parse_documents(&read).map_err(|e| Error::from(e.in_file(&own)))?;
            if let Some(inner) = documents.first() {
                collect(context, &relative, inner, seen, files)?;
            }
            continue;
        }
        let Ok(bytes) = context.files.read(&full) else { continue };
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let Ok(objects) = load::patches(Source { file: &full, text: &text }) else { continue };
        files.push(Touched { path: full, text, objects, target });
    }
    Ok(())
}

/// The fields that hold a var, each with what tells the var's part of the text.
fn find(value: &Value, var: &str, at: &mut Vec<String>, uses: &mut Vec<(String, Value)>) -> Result<()> {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                at.push(index.to_string());
                find(item, var, at, uses)?;
                at.pop();
            }
        }
        Value::Object(map) => {
            for (key, value) in map {
                at.push(if key.contains('.') { format!("[{key}]") } else { key.clone() });
                find(value, var, at, uses)?;
                at.pop();
            }
        }
        Value::String(text) if text.contains(var) => uses.push((at.join("."), part_of(text, var)?)),
        _ => {}
    }
    Ok(())
}

/// Delimiter and index of a var in a text; nothing if it is the whole.
fn part_of(text: &str, var: &str) -> Result<Value> {
    if text == var {
        return Ok(Value::Null);
    }
    let (before, after) = text.split_once(var).unwrap_or((text, ""));
    let refuse = |what: &str| {
        Err(Error::new(format!("cannot convert all vars to replacements; {var} {what}"))
            .hint("a replacement fills one part of a text between delimiters: change the text by hand"))
    };
    if after.contains(var) {
        return refuse("is in a value twice");
    }
    let delimiter = match (before.chars().next_back(), after.chars().next()) {
        (None, Some(c)) | (Some(c), None) => c,
        (Some(left), Some(right)) if left == right => left,
        _ => return refuse("is not delimited"),
    };
    // the var has its part alone: what delimits it may not occur in it
    match text.split(delimiter).position(|part| part == var) {
        Some(0) => Ok(json!({"delimiter": delimiter.to_string()})),
        Some(index) => Ok(json!({"delimiter": delimiter.to_string(), "index": index})),
        None => refuse("is not delimited"),
    }
}

fn selection(object: &Value, target: Option<&Value>, field: &str, options: Value) -> Value {
    let select = match target {
        Some(target) => target.clone(),
        None => {
            let gvk = Gvk::of(object);
            let meta = |name: &str| object.get("metadata").map(|meta| text(meta, name)).unwrap_or_default();
            fields(&[
                ("group", gvk.group),
                ("version", gvk.version),
                ("kind", gvk.kind),
                ("name", meta("name")),
                ("namespace", meta("namespace")),
            ])
        }
    };
    let mut selection = json!({"select": select, "fieldPaths": [field]});
    if !options.is_null() {
        selection["options"] = options;
    }
    selection
}

fn source(var: &Value) -> Value {
    let object = get(var, "objref").cloned().unwrap_or_default();
    let (group, version) = match text(&object, "apiVersion") {
        both if both.is_empty() => (text(&object, "group"), text(&object, "version")),
        both => {
            let gvk = Gvk::new(&both, "");
            (gvk.group, gvk.version)
        }
    };
    let field = get(var, "fieldref").map(|field| text(field, "fieldpath")).unwrap_or_default();
    fields(&[
        ("group", group),
        ("version", version),
        ("kind", text(&object, "kind")),
        ("name", text(&object, "name")),
        ("namespace", text(&object, "namespace")),
        ("fieldPath", if field.is_empty() { "metadata.name".to_string() } else { field_path(&field) }),
    ])
}

/// vars say `ports[0]`, replacements `ports.0`.
fn field_path(field: &str) -> String {
    let mut path = String::with_capacity(field.len());
    let mut rest = field;
    while let Some((before, after)) = rest.split_once('[') {
        path.push_str(before);
        match after.split_once(']') {
            Some((index, after)) if !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit()) => {
                path.push_str(&format!(".{index}"));
                rest = after;
            }
            _ => {
                path.push('[');
                rest = after;
            }
        }
    }
    path + rest
}

fn fields(pairs: &[(&str, String)]) -> Value {
    let given = pairs.iter().filter(|(_, value)| !value.is_empty());
    Value::Object(given.map(|(key, value)| (key.to_string(), value.as_str().into())).collect())
}

#[cfg(test)]
mod tests {
    use super::{field_path, part_of};

    #[test]
    fn field_paths() {
        let cases = [
            ("spec.ports[0].port", "spec.ports.0.port"),
            ("a[1]", "a.1"),
            ("metadata.annotations.[a.b/c]", "metadata.annotations.[a.b/c]"),
            ("a[", "a["),
        ];
        for (var, want) in cases {
            assert_eq!(field_path(var), want);
        }
    }

    #[test]
    fn parts() {
        let cases = [
            ("$(A)", "null"),
            ("$(A)/b", r#"{"delimiter":"/"}"#),
            ("http://$(A)", r#"{"delimiter":"/","index":2}"#),
            ("a:$(A):b", r#"{"delimiter":":","index":1}"#),
        ];
        for (text, want) in cases {
            assert_eq!(part_of(text, "$(A)").unwrap().to_string(), want, "{text}");
        }
        for wrong in ["a:$(A)/b", "$(A)/$(A)"] {
            assert!(part_of(wrong, "$(A)").is_err(), "{wrong}");
        }
    }
}
