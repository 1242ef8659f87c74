//! From the text of a resource or patch file to objects.

use serde_json::Value;
use yaml::{Duplicates, Keys, Node, Options, Rules, Spanned};

use crate::decode::Source;
use crate::error::{Error, GO_NIL_MAP, MALFORMED_YAML, Result};
use crate::merge;
use crate::resource::Resource;

/// How resources and patches are read.
pub(crate) const RESOURCE_YAML: Options =
    Options { rules: Rules::Kyaml, duplicates: Duplicates::Refuse, keys: Keys::Refuse };

/// What an unquoted scalar means in a resource file.
pub(crate) fn plain_scalar(text: &str) -> Value {
    let documents = yaml::parse_documents_with(&format!("v: {text}"), &RESOURCE_YAML).unwrap_or_default();
    let value = documents.first().and_then(|d| d.get("v")).cloned();
    value.filter(|v| !v.is_object() && !v.is_array()).unwrap_or_else(|| Value::String(text.to_string()))
}

pub(crate) fn text(bytes: Vec<u8>, file: &str) -> Result<String> {
    let text = String::from_utf8(bytes).map_err(|e| {
        Error::new(format!("{file} is not UTF-8 from byte {} on", e.utf8_error().valid_up_to()))
    })?;
    // a byte order mark is no content
    Ok(text.strip_prefix('\u{feff}').map(str::to_string).unwrap_or(text))
}

/// The objects of a resource file; lists are replaced by their items.
pub(crate) fn objects(source: Source<'_>) -> Result<Vec<Value>> {
    Ok(read(source, false)?.into_iter().map(Spanned::into_value).collect())
}

/// The same as resources.
pub(crate) fn resources(source: Source<'_>) -> Result<Vec<Resource>> {
    let nodes = read(source, false)?.into_iter();
    Ok(nodes
        .map(|node| {
            let bare_nulls = merge::bare_nulls(&node);
            let mut resource = Resource::new(node.into_value());
            resource.bare_nulls = bare_nulls;
            resource
        })
        .collect())
}

/// The objects of a patch, where `8080: x` may stand for the key `"8080"`.
pub(crate) fn patches(source: Source<'_>) -> Result<Vec<Value>> {
    let nodes = read(source, true)?;
    Ok(nodes.into_iter().map(Spanned::into_value).collect())
}

fn read(source: Source<'_>, is_patch: bool) -> Result<Vec<Spanned>> {
    let keys = if is_patch { Keys::ToText } else { Keys::Refuse };
    let options = &Options { keys, ..RESOURCE_YAML };
    check_separators(source)?;
    let documents = yaml::parse_spanned_with(source.text, options).map_err(|e| malformed(source, e))?;
    let mut objects = Vec::new();
    for document in documents {
        expand(source, is_patch, document, &mut objects)?;
    }
    Ok(objects)
}

/// Kustomize's words but for the file's name, which the caller knows as the kustomization has it.
fn malformed(source: Source<'_>, error: yaml::Error) -> Error {
    if error.diagnostic.message.starts_with("mapping key ") {
        // upstream finds these when it prints
        let line = error.diagnostic.position.map_or(0, |position| position.line);
        let text =
            format!("{GO_NIL_MAP}: yaml: unmarshal errors:\n  line {line}: {}", error.diagnostic.message);
        return Error::from(error.in_file(source.file)).worded(text);
    }
    let upstream = format!("{MALFORMED_YAML}: {}", error.upstream());
    Error::from(error.in_file(source.file)).worded(upstream)
}

/// Nothing but a comment may follow `---` on its line.
fn check_separators(source: Source<'_>) -> Result<()> {
    let mut at = 0;
    for line in source.text.split_inclusive('\n') {
        let rest = line.strip_prefix("---").map(str::trim).unwrap_or("");
        if !rest.is_empty() && !rest.starts_with(['#', '-']) {
            let span = diag::Span::new(at, at + line.trim_end().len());
            return Err(source.error(span, format!("invalid document separator: {}", line.trim_end())));
        }
        at += line.len();
    }
    Ok(())
}

fn expand(source: Source<'_>, is_patch: bool, node: Spanned, objects: &mut Vec<Spanned>) -> Result<()> {
    if !matches!(node.node, Node::Mapping(_)) {
        return Err(source
            .error(node.span, "a resource must be a map with apiVersion, kind and metadata")
            .worded("missing Resource metadata"));
    }
    let kind = node.get("kind").and_then(Spanned::as_str).unwrap_or("");
    if kind.ends_with("List") && node.entry("items").is_some() {
        let Some(items) = node.get("items").filter(|items| !items.is_null()) else { return Ok(()) };
        return items.items().iter().try_for_each(|item| expand(source, is_patch, item.clone(), objects));
    }
    check(source, &node, kind)?;
    let mut node = node;
    keep_annotations(source, is_patch, &mut node);
    objects.push(node);
    Ok(())
}

/// Annotations are text, and unquoted ones what stands in the file: `1.10`, `012`, `null`. In a patch a null deletes.
fn keep_annotations(source: Source<'_>, is_patch: bool, object: &mut Spanned) {
    let annotations =
        object.entry_mut("metadata").and_then(|metadata| metadata.value.entry_mut("annotations"));
    let Some(Node::Mapping(entries)) = annotations.map(|entry| &mut entry.value.node) else { return };
    for entry in entries {
        let written = source.text.get(entry.value.span.start..entry.value.span.end).unwrap_or("").trim();
        let plain = !written.is_empty() && !written.starts_with(['*', '&', '!', '"', '\'']);
        if let Node::Scalar(value) = &mut entry.value.node
            && plain
            && !value.is_string()
            && !(is_patch && value.is_null())
        {
            *value = Value::String(written.to_string());
        }
    }
}

fn check(source: Source<'_>, node: &Spanned, kind: &str) -> Result<()> {
    let metadata = node.get("metadata").filter(|m| !m.is_null());
    if kind.is_empty() {
        let message = if metadata.is_none() { "missing Resource metadata" } else { "missing kind in object" };
        return Err(source.error(node.span, message));
    }
    if kind.ends_with("List") {
        return Ok(());
    }
    let name = metadata.and_then(|m| m.get("name"));
    match name.map(|name| &name.node) {
        Some(Node::Scalar(Value::Null)) | None => {
            Err(source.error(node.span, format!("missing metadata.name in object {kind}")))
        }
        Some(Node::Scalar(Value::String(name))) if name.is_empty() => {
            Err(source.error(node.span, format!("missing metadata.name in object {kind}")))
        }
        Some(Node::Scalar(_)) => Ok(()),
        Some(_) => {
            let span = name.map_or(node.span, |name| name.span);
            Err(source
                .error(span, "metadata.name must be text")
                .worded(format!("missing metadata.name in object {kind}")))
        }
    }
}
