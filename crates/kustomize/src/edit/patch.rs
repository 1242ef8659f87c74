//! Items of `patches`.

use serde_json::{Map, Value};

use super::Context;
use super::target::{Target, get, steps, text};
use crate::error::{Error, Result};
use crate::flags::{Flag, Words};

pub(super) const FLAGS: &[Flag] = &[
    Flag::text("path", "The file of the patch"),
    Flag::text("patch", "The patch itself"),
    Flag::text("group", "Of the resources that it is for"),
    Flag::text("version", "Of the resources that it is for"),
    Flag::text("kind", "Of the resources that it is for"),
    Flag::text("name", "Of the resources that it is for, a regular expression"),
    Flag::text("namespace", "Of the resources that it is for, a regular expression"),
    Flag::text("annotation-selector", "Of the resources that it is for"),
    Flag::text("label-selector", "Of the resources that it is for"),
];

/// Flags of the target, with their fields.
const TARGET: [(&str, &str); 7] = [
    ("group", "group"),
    ("version", "version"),
    ("kind", "kind"),
    ("name", "name"),
    ("namespace", "namespace"),
    ("annotation-selector", "annotationSelector"),
    ("label-selector", "labelSelector"),
];

fn wanted(words: &Words) -> Result<Value> {
    let (path, patch) = (words.text("path"), words.text("patch"));
    if !path.is_empty() && !patch.is_empty() {
        return Err(Error::new("patch and path can't be set at the same time"));
    }
    let mut item = Map::new();
    for (field, value) in [("path", path), ("patch", patch)] {
        if !value.is_empty() {
            item.insert(field.to_string(), value.into());
        }
    }
    let given = TARGET.iter().filter(|(flag, _)| !words.text(flag).is_empty());
    let target: Map<String, Value> =
        given.map(|(flag, field)| (field.to_string(), words.text(flag).into())).collect();
    if !target.is_empty() {
        item.insert("target".to_string(), Value::Object(target));
    }
    Ok(Value::Object(item))
}

/// Whether two items patch the same in the same resources.
fn is_same(a: &Value, b: &Value) -> bool {
    let none = Value::Null;
    let (ours, theirs) = (get(a, "target").unwrap_or(&none), get(b, "target").unwrap_or(&none));
    ["path", "patch"].iter().all(|field| text(a, field) == text(b, field))
        && TARGET.iter().all(|(_, field)| text(ours, field) == text(theirs, field))
}

fn name(item: &Value) -> String {
    let path = text(item, "path");
    if path.is_empty() { text(item, "patch") } else { path }
}

pub(super) fn add(context: &mut Context<'_>, words: &Words) -> Result<()> {
    refuse_arguments(words)?;
    let item = wanted(words)?;
    if name(&item).is_empty() {
        return Err(Error::new("must provide either patch or path"));
    }
    let mut target = Target::open(context)?;
    if target.items("patches").iter().any(|own| is_same(own, &item)) {
        context.log(format!("patch {} already in kustomization file", name(&item)));
        return Ok(());
    }
    target.append(steps!["patches"], &[item])?;
    target.finish(context)
}

pub(super) fn remove(context: &mut Context<'_>, words: &Words) -> Result<()> {
    refuse_arguments(words)?;
    let item = wanted(words)?;
    let mut target = Target::open(context)?;
    let items = target.items("patches");
    let indices: Vec<usize> = (0..items.len()).filter(|index| is_same(&items[*index], &item)).collect();
    if indices.is_empty() {
        context.log(format!("patch {} doesn't exist in kustomization file", name(&item)));
        return Ok(());
    }
    target.remove_items(steps!["patches"], &indices)?;
    target.finish(context)
}

/// kustomize takes arguments here and drops them.
fn refuse_arguments(words: &Words) -> Result<()> {
    match words.arguments.first() {
        None => Ok(()),
        Some(argument) => Err(Error::new(format!("unexpected argument {argument:?}"))
            .hint(&format!("a patch file is given by --path {argument}"))),
    }
}
