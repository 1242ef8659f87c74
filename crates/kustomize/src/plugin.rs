//! The built-in generators and transformers, written out as objects in `generators:` and `transformers:`.
//!
//! Each does what a field of the kustomization does, with field specs of its own instead of the default ones.

use serde_json::Value;
use yaml::{Duplicates, Keys, Options, Rules, Spanned};

use crate::accumulate::Root;
use crate::decode::{Fields, Source};
use crate::error::{Error, Result};
use crate::remote::Opened;
use crate::resmap::ResMap;
use crate::spec::read as config;
use crate::spec::{Named, Patch, Place};
use crate::transform::{NamespaceRule, Subjects, images, metadata, names, patches};
use crate::{generate, load, replacement};

/// The configurations that an entry names: inline text, a file, or a directory with a kustomization.
fn configs(root: &Root<'_, '_>, entry: &Named) -> Result<Vec<Value>> {
    if entry.text.contains('\n') {
        return load::objects(Source { file: &entry.place.file, text: &entry.text });
    }
    match root.open(&entry.text)? {
        Opened::File { objects } => Ok(objects),
        Opened::Base(below) => {
            let resources = below.accumulate_base(&entry.text)?;
            Ok(resources.into_resources().into_iter().map(|r| r.finish(None)).collect())
        }
    }
}

/// All generators of the `generators` field.
pub(crate) fn generate(root: &Root<'_, '_>, entries: &[Named], resources: &mut ResMap) -> Result<()> {
    each(root, entries, |kind, f| {
        let secret = match kind {
            "ConfigMapGenerator" => false,
            "SecretGenerator" => true,
            _ => return Ok(false),
        };
        let generator = config::read_generator_plugin(f, secret)?;
        generate::one(root, secret, &generator, resources)?;
        Ok(true)
    })
}

/// All transformers of the `transformers` field.
pub(crate) fn transform(root: &Root<'_, '_>, entries: &[Named], resources: &mut ResMap) -> Result<()> {
    each(root, entries, |kind, f| {
        let known = transform_one(root, kind, f, resources)?;
        resources.drop_empty();
        Ok(known)
    })
}

/// Calls `run` with the kind and the fields of each configuration; it says whether it knows the kind.
fn each(
    root: &Root<'_, '_>,
    entries: &[Named],
    mut run: impl FnMut(&str, &mut Fields<'_>) -> Result<bool>,
) -> Result<()> {
    for entry in entries {
        for object in configs(root, entry).map_err(|e| e.at_place(&entry.place))? {
            one(&object, &mut run).map_err(|e| e.at_place(&entry.place))?;
        }
    }
    Ok(())
}

fn one(object: &Value, run: &mut dyn FnMut(&str, &mut Fields<'_>) -> Result<bool>) -> Result<()> {
    let text_of = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or("");
    let (api_version, kind) = (text_of("apiVersion"), text_of("kind"));
    if api_version != "builtin" {
        return Err(Error::new(format!(
            "external plugins disabled; unable to load external plugin '{kind}'"
        ))
        .hint("only kustomize's own plugins, with apiVersion: builtin, are supported"));
    }
    // as upstream: printed, and read again by YAML 1.1
    let text = yaml::to_string(object);
    let options = Options { rules: Rules::Sigs, duplicates: Duplicates::LastWins, keys: Keys::ToText };
    let documents = yaml::parse_spanned_with(&text, &options)?;
    let Some(document) = documents.first() else { return Ok(()) };
    let doing = format!("plugin {kind}");
    let mut fields = Fields::new(Source { file: "", text: &text }, document, "Config")?;
    match run(kind, &mut fields).map_err(|e| forget_place(e).doing(&doing))? {
        true => Ok(()),
        false => Err(Error::new(format!("unable to load builtin {kind}.builtin.[noGrp]"))
            .hint("this plugin is not supported yet, or not known")),
    }
}

/// Places in the reprinted text say nothing to the user.
fn forget_place(error: Error) -> Error {
    match error {
        Error::Input { mut diagnostic } if diagnostic.file.as_deref() == Some("") => {
            diagnostic.file = None;
            diagnostic.position = None;
            diagnostic.span = None;
            Error::Input { diagnostic }
        }
        other => other,
    }
}

fn transform_one(
    root: &Root<'_, '_>,
    kind: &str,
    f: &mut Fields<'_>,
    resources: &mut ResMap,
) -> Result<bool> {
    let has_specs = f.has("fieldSpecs");
    let specs = f.each("fieldSpecs", "FieldSpec", |mut f| config::read_loose_fieldspec(&mut f))?;
    match kind {
        "AnnotationsTransformer" => metadata::set_pairs(&f.string_map("annotations")?, &specs, resources)?,
        "LabelTransformer" => metadata::set_pairs(&f.string_map("labels")?, &specs, resources)?,
        "NamespaceTransformer" => names::namespace(&namespace_rule(f)?, &specs, resources)?,
        "PrefixTransformer" | "SuffixTransformer" | "PrefixSuffixTransformer" => {
            if !has_specs {
                return Err(Error::new("fieldSpecs is not expected to be nil"));
            }
            names::prefix(&f.string("prefix")?, &specs, resources)?;
            names::suffix(&f.string("suffix")?, &specs, resources)?;
        }
        "ImageTagTransformer" => {
            let image = f.one("imageTag", "Image", config::read_image)?.unwrap_or_default();
            images::set(&[image], &specs, resources)?;
        }
        "ReplicaCountTransformer" => {
            let replica = f.one("replica", "Replica", config::read_replica)?.unwrap_or_default();
            metadata::replicas(&replica, &specs, resources)?;
        }
        "ReplacementTransformer" => {
            let fields = f.each("replacements", "ReplacementField", config::read_replacement)?;
            replacement::run(root, &fields, resources)?;
        }
        "HashTransformer" => resources.add_hash_suffixes()?,
        "PatchTransformer" | "PatchJson6902Transformer" | "PatchStrategicMergeTransformer" => {
            patch(root, kind, f, resources)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn namespace_rule(f: &mut Fields<'_>) -> Result<NamespaceRule> {
    let namespace =
        f.node("metadata").and_then(|m| m.get("namespace")).and_then(Spanned::as_str).unwrap_or("");
    let subjects = match f.string("setRoleBindingSubjects")?.as_str() {
        "" | "defaultOnly" => Subjects::DefaultOnly,
        "allServiceAccounts" => Subjects::AllServiceAccounts,
        "none" => Subjects::None,
        other => {
            return Err(Error::new(format!(
                "invalid value {other:?} for setRoleBindingSubjects: must be one of none, defaultOnly or allServiceAccounts"
            )));
        }
    };
    Ok(NamespaceRule { namespace: namespace.to_string(), unset_only: f.bool("unsetOnly")?, subjects })
}

fn patch(root: &Root<'_, '_>, kind: &str, f: &mut Fields<'_>, resources: &mut ResMap) -> Result<()> {
    if kind == "PatchStrategicMergeTransformer" {
        let inline = f.string("patches")?;
        let mut entries = f.strings("paths")?;
        if entries.is_empty() && inline.trim().is_empty() {
            return Err(Error::new("empty file path and empty patch content"));
        }
        entries.extend((!inline.trim().is_empty()).then_some(inline));
        for text in entries {
            patches::strategic(root, &Named { text, place: Place::default() }, resources)?;
        }
        return Ok(());
    }
    let json = kind == "PatchJson6902Transformer";
    let entry = Patch {
        path: f.string("path")?,
        patch: f.string(if json { "jsonOp" } else { "patch" })?,
        target: f.one("target", "Selector", config::read_selector)?,
        ..config::read_patch_options(f)?
    };
    if json { patches::json(root, &entry, resources) } else { patches::any(root, &entry, resources) }
}
