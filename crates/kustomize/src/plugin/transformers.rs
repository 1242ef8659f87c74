//! The builtin transformers, configured by objects.

use std::collections::BTreeMap;

use yaml::Spanned;

use super::valueadd::ValueAdd;
use crate::accumulate::Root;
use crate::decode::Fields;
use crate::error::{Error, Result};
use crate::fieldspec::FieldSpec;
use crate::replacement;
use crate::resmap::ResMap;
use crate::spec::{Image, Named, Patch, Place, Replacement, Replica, read as config};
use crate::transform::patches::Prepared;
use crate::transform::{NamespaceRule, Subjects, images, metadata, names, patches};

pub(super) const KINDS: &[&str] = &[
    "AnnotationsTransformer",
    "HashTransformer",
    "ImageTagTransformer",
    "LabelTransformer",
    "NamespaceTransformer",
    "PatchJson6902Transformer",
    "PatchStrategicMergeTransformer",
    "PatchTransformer",
    "PrefixSuffixTransformer",
    "PrefixTransformer",
    "ReplacementTransformer",
    "ReplicaCountTransformer",
    "SuffixTransformer",
    "ValueAddTransformer",
];

/// A transformer with its configuration.
pub(super) enum Transformer {
    Pairs(BTreeMap<String, String>, Vec<FieldSpec>),
    Namespace(NamespaceRule, Vec<FieldSpec>),
    Affixes { prefix: String, suffix: String, specs: Vec<FieldSpec> },
    Image(Image, Vec<FieldSpec>),
    Replicas(Replica, Vec<FieldSpec>),
    Replacements(Vec<Replacement>),
    Hash,
    Patch(Prepared),
    StrategicMerge(Vec<Named>),
    ValueAdd(ValueAdd),
}

/// Reads the configuration of a transformer; `None` if the kind is none.
pub(super) fn configure(root: &Root<'_, '_>, kind: &str, f: &mut Fields<'_>) -> Result<Option<Transformer>> {
    let has_specs = f.has("fieldSpecs");
    let specs = f.each("fieldSpecs", "FieldSpec", |mut f| config::read_loose_fieldspec(&mut f))?;
    Ok(Some(match kind {
        "AnnotationsTransformer" => Transformer::Pairs(f.string_map("annotations")?, specs),
        "LabelTransformer" => Transformer::Pairs(f.string_map("labels")?, specs),
        "NamespaceTransformer" => Transformer::Namespace(namespace_rule(f)?, specs),
        "PrefixTransformer" | "SuffixTransformer" | "PrefixSuffixTransformer" => {
            if !has_specs {
                return Err(Error::new("fieldSpecs is not expected to be nil")
                    .hint("fieldSpecs: [{path: metadata/name}] is the usual one"));
            }
            let (prefix, suffix) = (f.string("prefix")?, f.string("suffix")?);
            let only = |wanted: &str, text: String| if kind == wanted { String::new() } else { text };
            Transformer::Affixes {
                prefix: only("SuffixTransformer", prefix),
                suffix: only("PrefixTransformer", suffix),
                specs,
            }
        }
        "ImageTagTransformer" => {
            let image = f.one("imageTag", "Image", config::read_image)?.unwrap_or_default();
            Transformer::Image(image, specs)
        }
        "ReplicaCountTransformer" => {
            let replica = f.one("replica", "Replica", config::read_replica)?.unwrap_or_default();
            Transformer::Replicas(replica, specs)
        }
        "ReplacementTransformer" => {
            let fields = f.each("replacements", "ReplacementField", config::read_replacement)?;
            Transformer::Replacements(replacement::load(root, &fields)?)
        }
        "HashTransformer" => Transformer::Hash,
        "PatchTransformer" => {
            let text = f.source.text.to_string();
            Transformer::Patch(patches::prepare(root, &patch(f, "patch")?, &|| text.clone())?)
        }
        "PatchJson6902Transformer" => Transformer::Patch(patches::prepare_json(root, &patch(f, "jsonOp")?)?),
        "PatchStrategicMergeTransformer" => Transformer::StrategicMerge(merges(f)?),
        "ValueAddTransformer" => Transformer::ValueAdd(ValueAdd::read(root, f)?),
        _ => return Ok(None),
    }))
}

impl Transformer {
    pub(super) fn run(&self, root: &Root<'_, '_>, resources: &mut ResMap) -> Result<()> {
        match self {
            Transformer::Pairs(pairs, specs) => metadata::set_pairs(pairs, specs, resources),
            Transformer::Namespace(rule, specs) => names::namespace(rule, specs, resources),
            Transformer::Affixes { prefix, suffix, specs } => {
                names::prefix(prefix, specs, resources)?;
                names::suffix(suffix, specs, resources)
            }
            Transformer::Image(image, specs) => images::set(std::slice::from_ref(image), specs, resources),
            Transformer::Replicas(replica, specs) => metadata::replicas(replica, specs, resources),
            Transformer::Replacements(replacements) => replacement::run(replacements, resources),
            Transformer::Hash => resources.add_hash_suffixes(),
            Transformer::Patch(patch) => patch.apply(root, resources),
            Transformer::StrategicMerge(entries) => {
                entries.iter().try_for_each(|entry| patches::strategic(root, entry, resources))
            }
            Transformer::ValueAdd(add) => add.run(resources),
        }
    }
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
                "invalid value {other:?} for setRoleBindingSubjects: must be one of \"defaultOnly\", \"none\" or \"allServiceAccounts\""
            )));
        }
    };
    Ok(NamespaceRule { namespace: namespace.to_string(), unset_only: f.bool("unsetOnly")?, subjects })
}

fn patch(f: &mut Fields<'_>, text_field: &'static str) -> Result<Patch> {
    Ok(Patch {
        path: f.string("path")?,
        patch: f.string(text_field)?,
        target: f.one("target", "Selector", config::read_selector)?,
        ..config::read_patch_options(f)?
    })
}

fn merges(f: &mut Fields<'_>) -> Result<Vec<Named>> {
    let inline = f.string("patches")?;
    let mut entries = f.strings("paths")?;
    if entries.is_empty() && inline.trim().is_empty() {
        return Err(Error::new("empty file path and empty patch content"));
    }
    entries.extend((!inline.trim().is_empty()).then_some(inline));
    Ok(entries.into_iter().map(|text| Named { text, place: Place::default() }).collect())
}
