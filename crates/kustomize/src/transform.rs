//! The transformers, in kustomize's fixed order.

pub(crate) mod images;
pub(crate) mod metadata;
pub(crate) mod names;
pub(crate) mod patches;
mod trouble;

use std::borrow::Cow;

use crate::accumulate::Root;
use crate::config::{Config, FieldSpecs, List};
use crate::error::{Error, Result};
use crate::fieldspec::FieldSpec;
use crate::id::Gvk;
use crate::resmap::ResMap;
use crate::spec::{Kustomization, Label, Patch};
use crate::{origin, plugin, replacement};

pub(crate) use names::{NamespaceRule, Subjects};

/// Runs what a kustomization asks for over all resources so far.
pub(crate) fn run(
    root: &Root<'_, '_>,
    k: &Kustomization,
    config: &Config,
    resources: &mut ResMap,
) -> Result<()> {
    let mut steps = Steps { root, k, resources };
    if !k.patches_strategic_merge.is_empty() {
        steps.run("PatchStrategicMergeTransformer", |resources| {
            k.patches_strategic_merge.iter().try_for_each(|entry| {
                patches::strategic(root, entry, resources).map_err(|e| e.at_place(&entry.place))
            })
        })?;
    }
    for patch in &k.patches {
        steps.run("PatchTransformer", |resources| {
            patch_prepared(root, patch, "patch", resources).map_err(|e| e.at_place(&patch.place))
        })?;
    }
    if !k.namespace.is_empty() {
        let namespace = NamespaceRule { namespace: k.namespace.clone(), ..NamespaceRule::default() };
        steps.run("NamespaceTransformer", |r| {
            names::namespace(&namespace, config.fields(List::Namespace), r)
        })?;
    }
    if !k.name_prefix.is_empty() {
        steps.run("PrefixTransformer", |r| {
            names::prefix(&k.name_prefix, config.fields(List::NamePrefix), r)
        })?;
    }
    if !k.name_suffix.is_empty() {
        steps.run("SuffixTransformer", |r| {
            names::suffix(&k.name_suffix, config.fields(List::NameSuffix), r)
        })?;
    }
    for label in &k.labels {
        let fields = label_fields(label, config)?;
        steps.run("LabelTransformer", |r| metadata::set_pairs(&label.pairs, &fields, r))?;
    }
    // with `labels` alone, upstream counts the empty commonLabels as one more transformer
    if !k.labels.is_empty() || !k.common_labels.is_empty() {
        steps.run("LabelTransformer", |r| {
            metadata::set_pairs(&k.common_labels, config.fields(List::CommonLabels), r)
        })?;
    }
    if !k.common_annotations.is_empty() {
        steps.run("AnnotationsTransformer", |r| {
            metadata::set_pairs(&k.common_annotations, config.fields(List::CommonAnnotations), r)
        })?;
    }
    for patch in &k.patches_json6902 {
        steps.run("PatchJson6902Transformer", |resources| {
            patch_prepared(root, patch, "jsonOp", resources).map_err(|e| e.at_place(&patch.place))
        })?;
    }
    for replica in &k.replicas {
        steps.run("ReplicaCountTransformer", |r| {
            metadata::replicas(replica, config.fields(List::Replicas), r)
        })?;
    }
    steps.images(config)?;
    if !k.replacements.is_empty() {
        let replacements = replacement::load(root, &k.replacements).map_err(|e| {
            trouble::configuring("ReplacementTransformer", &trouble::of_replacements(&k.replacements))(e)
        })?;
        steps.run("ReplacementTransformer", |r| replacement::run(&replacements, r))?;
    }
    plugin::transform(root, k, resources)
}

/// The steps of one kustomization, each recorded if origins are.
struct Steps<'a, 's, 'f> {
    root: &'a Root<'s, 'f>,
    k: &'a Kustomization,
    resources: &'a mut ResMap,
}

impl Steps<'_, '_, '_> {
    fn run(&mut self, kind: &str, step: impl FnOnce(&mut ResMap) -> Result<()>) -> Result<()> {
        step(self.resources)?;
        self.record(kind)?;
        self.resources.drop_empty();
        Ok(())
    }

    fn record(&mut self, kind: &str) -> Result<()> {
        match self.root.builtin_origin(self.k, kind) {
            Some(record) => origin::record_transformed(self.resources, &record),
            None => Ok(()),
        }
    }

    /// All at once, so that the resources are walked once; to upstream each image is a transformer.
    fn images(&mut self, config: &Config) -> Result<()> {
        images::set(&self.k.images, config.fields(List::Images), self.resources)?;
        self.k.images.iter().try_for_each(|_| self.record("ImageTagTransformer"))
    }
}

/// An entry of `patches`, or of `patchesJson6902`.
fn patch_prepared(
    root: &Root<'_, '_>,
    patch: &Patch,
    text_field: &str,
    resources: &mut ResMap,
) -> Result<()> {
    let prepared = if text_field == "patch" {
        let config = || trouble::of_patch(patch, text_field);
        patches::prepare(root, patch, &config)
            .map_err(|e| trouble::configuring("PatchTransformer", &config())(e))?
    } else {
        patches::prepare_json(root, patch).map_err(|e| {
            trouble::configuring("PatchJson6902Transformer", &trouble::of_patch(patch, text_field))(e)
        })?
    };
    prepared.apply(root, resources)
}

/// Where an item of `labels` sets them: at its own fields and those of the configuration that it includes.
fn label_fields<'c>(label: &Label, config: &'c Config) -> Result<Cow<'c, [FieldSpec]>> {
    if label.include_selectors && label.fields.is_empty() && config.fields(List::Labels).is_empty() {
        return Ok(Cow::Borrowed(config.fields(List::CommonLabels)));
    }
    let mut fields = FieldSpecs::from(label.fields.clone());
    let mut add = |more: &[FieldSpec], what: &str| {
        fields.merge_all(more).map_err(|conflict| {
            Error::new(format!("failed to merge {what}: conflicting fieldspecs")).hint(&conflict.hint())
        })
    };
    add(config.fields(List::Labels), "labels")?;
    if label.include_selectors {
        add(config.fields(List::CommonLabels), "labels")?;
    } else {
        if label.include_templates {
            add(config.fields(List::TemplateLabels), "template fieldSpec")?;
        }
        if label.include_volume_claim_templates {
            add(config.fields(List::VolumeClaimTemplateLabels), "volume claim template fieldSpec")?;
        }
        add(&[FieldSpec::new(Gvk::default(), "metadata/labels", true)], "labels")?;
    }
    Ok(Cow::Owned(fields.to_vec()))
}
