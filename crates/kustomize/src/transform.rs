//! The transformers, in kustomize's fixed order.

pub(crate) mod images;
pub(crate) mod metadata;
pub(crate) mod names;
pub(crate) mod patches;

use crate::accumulate::Root;
use crate::config::Config;
use crate::error::Result;
use crate::fieldspec::FieldSpec;
use crate::id::Gvk;
use crate::resmap::ResMap;
use crate::spec::Kustomization;
use crate::{plugin, replacement};

pub(crate) use names::{NamespaceRule, Subjects};

/// Runs what a kustomization asks for over all resources so far.
pub(crate) fn run(
    root: &Root<'_, '_>,
    k: &Kustomization,
    config: &Config,
    resources: &mut ResMap,
) -> Result<()> {
    for entry in &k.patches_strategic_merge {
        patches::strategic(root, entry, resources).map_err(|e| e.at_place(&entry.place))?;
        resources.drop_empty();
    }
    for patch in &k.patches {
        patches::any(root, patch, resources).map_err(|e| e.at_place(&patch.place))?;
        resources.drop_empty();
    }
    let namespace = NamespaceRule { namespace: k.namespace.clone(), ..NamespaceRule::default() };
    names::namespace(&namespace, &config.namespace, resources)?;
    names::prefix(&k.name_prefix, &config.name_prefix, resources)?;
    names::suffix(&k.name_suffix, &config.name_suffix, resources)?;
    for label in &k.labels {
        let mut fields = label.fields.clone();
        if label.include_selectors {
            fields.extend(config.common_labels.iter().cloned());
        } else {
            if label.include_templates {
                fields.extend(config.template_labels.iter().cloned());
            }
            if label.include_volume_claim_templates {
                fields.extend(config.volume_claim_template_labels.iter().cloned());
            }
            fields.push(FieldSpec::new(Gvk::default(), "metadata/labels", true));
        }
        metadata::set_pairs(&label.pairs, &fields, resources)?;
    }
    metadata::set_pairs(&k.common_labels, &config.common_labels, resources)?;
    metadata::set_pairs(&k.common_annotations, &config.common_annotations, resources)?;
    for patch in &k.patches_json6902 {
        patches::json(root, patch, resources).map_err(|e| e.at_place(&patch.place))?;
        resources.drop_empty();
    }
    for replica in &k.replicas {
        metadata::replicas(replica, &config.replicas, resources)?;
    }
    images::set(&k.images, &config.images, resources)?;
    replacement::run(root, &k.replacements, resources)?;
    plugin::transform(root, &k.transformers, resources)
}
