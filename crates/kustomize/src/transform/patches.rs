//! Patches: strategic merge and JSON6902, inline or from files, with and without a target.

use std::borrow::Cow;

use patch::Operation;
use serde_json::Value;

use crate::accumulate::Root;
use crate::decode::Source;
use crate::error::{Error, Result};
use crate::id::ResId;
use crate::resmap::ResMap;
use crate::resource::Resource;
use crate::schema::{Schema, definition_of};
use crate::select::Matcher;
use crate::spec::{Named, Patch};
use crate::{load, merge};

/// An entry of `patchesStrategicMerge`: inline if it parses as objects, else a path.
pub(crate) fn strategic(root: &Root<'_, '_>, entry: &Named, resources: &mut ResMap) -> Result<()> {
    let inline = Source { file: &entry.place.file, text: &entry.text };
    let objects = match load::patches(inline) {
        Ok(objects) if !objects.is_empty() => objects,
        _ => {
            let (file, text) = root.load_text(&entry.text)?;
            let objects = load::patches(Source { file: &file, text: &text })?;
            if objects.is_empty() {
                return Err(Error::new(format!("patch appears to be empty; file {file}")));
            }
            objects
        }
    };
    objects.iter().try_for_each(|object| merge_by_id(root, object, Allow::default(), resources))
}

/// What an entry of `patches` or `patchesJson6902` asks for, read and checked before anything is changed.
pub(crate) struct Prepared {
    entry: Patch,
    change: Change,
    /// Whether the ids are kept that the resources had before.
    store: bool,
}

enum Change {
    /// The patch is empty or holds comments only.
    Nothing,
    Operations(Vec<Operation>),
    Merge(Vec<Value>),
}

/// An entry of `patchesJson6902`.
pub(crate) fn prepare_json(root: &Root<'_, '_>, entry: &Patch) -> Result<Prepared> {
    if entry.target.as_ref().is_none_or(|target| target.name.is_empty()) {
        return Err(Error::new("must specify the target name"));
    }
    match (entry.path.is_empty(), entry.patch.is_empty()) {
        (true, true) => return Err(Error::new("empty file path and empty jsonOp")),
        (false, false) => return Err(Error::new("must specify a file path or jsonOp, not both")),
        _ => {}
    }
    let text = Text::of(root, entry, &String::new)?;
    let operations = text.operations()?.ok_or_else(|| text.no_operations())?;
    if operations.is_empty() {
        let message = format!("patch appears to be empty; file={}, JsonOp={}", entry.path, text.text.trim());
        return Err(Error::new(message));
    }
    Ok(Prepared { entry: entry.clone(), change: Change::Operations(operations), store: false })
}

/// An entry of `patches`: what it is shows when it is parsed. `config` is how the entry is written out in messages.
pub(crate) fn prepare(root: &Root<'_, '_>, entry: &Patch, config: &dyn Fn() -> String) -> Result<Prepared> {
    let text = Text::of(root, entry, config)?;
    let prepared = |change| Ok(Prepared { entry: entry.clone(), change, store: true });
    if text.is_blank() {
        return prepared(Change::Nothing);
    }
    if let Some(operations) = text.operations()? {
        if entry.target.is_none() {
            return Err(Error::new(format!("must specify a target for JSON patch {}", text.name))
                .hint("add target: with kind and name"));
        }
        return prepared(Change::Operations(operations));
    }
    let objects = text.objects()?;
    if entry.target.is_some() && objects.len() != 1 {
        return Err(Error::new(format!(
            "Multiple Strategic-Merge Patches in one `patches` entry is not allowed to set `patches.target` field: {}",
            text.name
        )));
    }
    prepared(Change::Merge(objects))
}

impl Prepared {
    pub(crate) fn apply(&self, root: &Root<'_, '_>, resources: &mut ResMap) -> Result<()> {
        let entry = &self.entry;
        let allow = Allow { name: entry.allow_name_change, kind: entry.allow_kind_change };
        match &self.change {
            Change::Nothing => Ok(()),
            Change::Operations(operations) => apply_operations(entry, operations, resources, self.store),
            Change::Merge(objects) if entry.target.is_none() => {
                objects.iter().try_for_each(|object| merge_by_id(root, object, allow, resources))
            }
            Change::Merge(objects) => {
                for at in select(entry, resources)? {
                    objects.iter().try_for_each(|object| merge_into(root, at, object, allow, resources))?;
                }
                if allow.name || allow.kind { resources.check_unique() } else { Ok(()) }
            }
        }
    }
}

/// The text of a patch and what to call it in messages.
struct Text {
    name: String,
    file: String,
    text: String,
}

impl Text {
    fn of(root: &Root<'_, '_>, entry: &Patch, config: &dyn Fn() -> String) -> Result<Text> {
        match (entry.path.is_empty(), entry.patch.is_empty()) {
            (true, true) => Err(Error::new(format!("must specify one of patch and path in\n{}", config()))),
            (false, false) => {
                Err(Error::new(format!("patch and path can't be set at the same time\n{}", config())))
            }
            (true, false) => Ok(Text {
                name: format!("[patch: {:?}]", entry.patch),
                file: format!("{} (patch)", entry.place.file),
                text: entry.patch.clone(),
            }),
            (false, true) => {
                let doing = format!("failed to get the patch file from path({})", entry.path);
                let (file, text) = root.load_text(&entry.path).map_err(|e| e.doing(doing))?;
                Ok(Text { name: format!("[path: {:?}]", entry.path), file, text })
            }
        }
    }

    fn is_blank(&self) -> bool {
        self.text.lines().all(|line| {
            let line = line.trim();
            line.is_empty() || line.starts_with('#') || line == "---"
        })
    }

    /// The operations of a JSON patch; `None` if it is none.
    fn operations(&self) -> Result<Option<Vec<Operation>>> {
        let Ok(documents) = yaml::parse_documents(&self.text) else { return Ok(None) };
        match documents.as_slice() {
            [list @ Value::Array(_)] => patch::parse_operations(list).map(Some).map_err(|e| {
                let upstream = format!("unable to parse SM or JSON patch from {}", self.name);
                Error::new(e.to_string()).worded(upstream)
            }),
            _ => Ok(None),
        }
    }

    fn objects(&self) -> Result<Vec<Value>> {
        load::patches(Source { file: &self.file, text: &self.text })
            .map_err(|e| e.doing(format!("unable to parse SM or JSON patch from {}", self.name)))
    }

    /// That a JSON patch is no list.
    fn no_operations(&self) -> Error {
        let documents = match yaml::parse_documents(&self.text) {
            Ok(documents) => documents,
            Err(e) => return Error::from(e.in_file(&self.file)),
        };
        let Some(value) = documents.first() else {
            return Error::new(format!("patch appears to be empty; {}", self.name));
        };
        let kind = match value {
            Value::Object(_) => "object",
            Value::String(_) => "string",
            Value::Bool(_) => "bool",
            _ => "number",
        };
        Error::new(format!(
            "decoding {value}: json: cannot unmarshal {kind} into Go value of type jsonpatch.Patch"
        ))
        .hint("a JSON patch is a list of operations: - {op: replace, path: /a/b, value: c}")
    }
}

fn select(entry: &Patch, resources: &ResMap) -> Result<Vec<usize>> {
    let Some(target) = &entry.target else { return Ok(Vec::new()) };
    let matcher = Matcher::new(target).map_err(|e| e.doing("unable to find patch target in `resources`"))?;
    let found = resources.resources().iter().enumerate().filter(|(_, resource)| matcher.matches(resource));
    Ok(found.map(|(at, _)| at).collect())
}

fn apply_operations(
    entry: &Patch,
    operations: &[Operation],
    resources: &mut ResMap,
    store: bool,
) -> Result<()> {
    for at in select(entry, resources)? {
        resources.change(at, |resource| {
            if store {
                resource.store_previous_id();
            }
            let id = resource.id();
            resource.shared.clear();
            resource.bare_nulls.clear();
            resource
                .with_annotations(|resource| patch::json_patch(&mut resource.object, operations))
                .map_err(|e| Error::new(e.to_string()).noting(format!("patching '{id}'")))?;
            let whole = !resource.kind().is_empty() && !resource.name().is_empty();
            if whole {
                Ok(())
            } else {
                let what = if resource.kind().is_empty() { "kind" } else { "metadata.name" };
                Err(Error::new(format!("the patch of '{id}' takes away its {what}"))
                    .worded(format!("missing {what} in object {}", resource.as_go_prints_it())))
            }
        })?;
    }
    Ok(())
}

/// What a patch may change of the identity.
#[derive(Debug, Clone, Copy, Default)]
struct Allow {
    name: bool,
    kind: bool,
}

/// Without a target, a patch is for the one resource of its own id.
fn merge_by_id(root: &Root<'_, '_>, patch: &Value, allow: Allow, resources: &mut ResMap) -> Result<()> {
    let id = ResId::of(patch);
    let (what, hint) = match resources.by_any_id(&id).to_vec().as_slice() {
        &[at] => return merge_into(root, at, patch, allow, resources),
        [] => (
            "no matches",
            "a patch without a target needs the apiVersion, kind, name and namespace of a resource",
        ),
        _ => ("multiple matches", "name the namespace in the patch, or give it a target"),
    };
    Err(Error::new(format!(
        "no resource matches strategic merge patch \"{id}\": {what} for Id {id}; failed to find unique target for patch {id}"
    ))
    .hint(hint))
}

fn merge_into(
    root: &Root<'_, '_>,
    at: usize,
    patch: &Value,
    allow: Allow,
    resources: &mut ResMap,
) -> Result<()> {
    let types = root.types();
    let gvk = resources.get(at).gvk();
    let is_custom = types.use_definitions() && types.object(&gvk.api_version(), &gvk.kind).is_none();
    let definition = if is_custom { resources.definition(&gvk) } else { None };
    resources.change_beside(at, definition, |resource, definition| {
        if allow.name || allow.kind {
            resource.store_previous_id();
        }
        let id = resource.id();
        let definition = definition.and_then(|definition| definition_of(&definition.object, &gvk.version));
        merge_keeping(Schema { types, definition }, resource, patch, allow)
            .map_err(|e| e.noting(format!("patching '{id}'")))
    })
}

/// Merges, then puts apiVersion, kind, name and namespace back.
fn merge_keeping(schema: Schema<'_>, resource: &mut Resource, patch: &Value, allow: Allow) -> Result<()> {
    let id = resource.id();
    let nulls = std::mem::take(&mut resource.bare_nulls);
    let api_version = resource.object.get("apiVersion").cloned();
    let object = std::mem::take(&mut resource.object);
    let patch = of_version(patch, api_version.as_ref());
    let Some(mut merged) = merge::merge_object(schema, object, &patch, &nulls)? else { return Ok(()) };
    if let Value::Object(map) = &mut merged {
        if api_version.is_none() && matches!(patch, Cow::Owned(_)) {
            // as kustomize does it
            map.insert("apiVersion".to_string(), Value::Null);
        }
        if !allow.kind {
            map.insert("kind".to_string(), Value::String(id.gvk.kind.clone()));
        }
    }
    resource.object = merged;
    if resource.is_empty() {
        return Ok(());
    }
    if !allow.name {
        resource.set_meta("name", &id.name);
    }
    resource.set_meta("namespace", &id.namespace);
    resource.shared.follow(&mut resource.object);
    Ok(())
}

/// The patch with the apiVersion of what it is merged into.
fn of_version<'p>(patch: &'p Value, api_version: Option<&Value>) -> Cow<'p, Value> {
    let mut patch = Cow::Borrowed(patch);
    if patch.get("apiVersion") != api_version
        && let Value::Object(map) = patch.to_mut()
    {
        match api_version {
            Some(api_version) => map.insert("apiVersion".to_string(), api_version.clone()),
            None => map.shift_remove("apiVersion"),
        };
    }
    patch
}
