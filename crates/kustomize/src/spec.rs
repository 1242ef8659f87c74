//! The kustomization file as data.

pub(crate) mod read;

use std::collections::BTreeMap;

use diag::Span;

use crate::fieldspec::FieldSpec;
use crate::helm;
use crate::id::Gvk;
use crate::origin::BuildMetadata;
use crate::vars::Var;

pub(crate) use read::{read_kustomization, read_replacements};

/// In the order in which they are looked for; a directory may hold one of them.
pub const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

#[derive(Debug, Clone, Default)]
pub(crate) struct Kustomization {
    pub(crate) is_component: bool,
    pub(crate) resources: Vec<Named>,
    pub(crate) components: Vec<Named>,
    pub(crate) name_prefix: String,
    pub(crate) name_suffix: String,
    pub(crate) namespace: String,
    pub(crate) labels: Vec<Label>,
    pub(crate) common_labels: BTreeMap<String, String>,
    pub(crate) common_annotations: BTreeMap<String, String>,
    /// Deprecated `patchesStrategicMerge`: paths or inline text.
    pub(crate) patches_strategic_merge: Vec<Named>,
    pub(crate) patches_json6902: Vec<Patch>,
    pub(crate) patches: Vec<Patch>,
    pub(crate) images: Vec<Image>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) replacements: Vec<ReplacementField>,
    pub(crate) config_maps: Vec<Generator>,
    pub(crate) secrets: Vec<Generator>,
    pub(crate) generator_options: GeneratorOptions,
    pub(crate) helm: helm::Charts,
    /// Built-in plugins: paths or inline text.
    pub(crate) generators: Vec<Named>,
    pub(crate) transformers: Vec<Named>,
    pub(crate) validators: Vec<Named>,
    pub(crate) vars: Vec<Var>,
    /// Transformer configurations: paths or inline text.
    pub(crate) configurations: Vec<Named>,
    /// OpenAPI definitions of custom resources.
    pub(crate) crds: Vec<Named>,
    pub(crate) openapi: Option<OpenApiField>,
    pub(crate) sort: Option<SortOptions>,
    pub(crate) build_metadata: BuildMetadata,
    /// The name of the file that all this was read from.
    pub(crate) file_name: String,
    pub(crate) warnings: Vec<String>,
}

/// `openapi`: where strategic merges have their types from.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenApiField {
    pub(crate) version: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) place: Place,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Label {
    pub(crate) pairs: BTreeMap<String, String>,
    pub(crate) include_selectors: bool,
    pub(crate) include_templates: bool,
    pub(crate) include_volume_claim_templates: bool,
    pub(crate) fields: Vec<FieldSpec>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Patch {
    pub(crate) path: String,
    pub(crate) patch: String,
    pub(crate) target: Option<Selector>,
    pub(crate) allow_name_change: bool,
    pub(crate) allow_kind_change: bool,
    pub(crate) place: Place,
}

/// Where in which file something was said, for errors that come up when it is carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) position: Option<diag::Position>,
    pub(crate) span: Span,
}

/// A text with its place: a path, mostly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) text: String,
    pub(crate) place: Place,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Selector {
    pub(crate) gvk: Gvk,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) label_selector: String,
    pub(crate) annotation_selector: String,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) new_name: String,
    pub(crate) new_tag: String,
    pub(crate) tag_suffix: String,
    pub(crate) digest: String,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) count: i64,
}

#[derive(Debug, Clone)]
pub(crate) enum ReplacementField {
    Path(Named),
    Inline(Box<Replacement>),
    /// Which is an error.
    Both(Named, Box<Replacement>),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Replacement {
    pub(crate) source: Option<ReplacementSource>,
    pub(crate) source_value: Option<String>,
    pub(crate) targets: Vec<ReplacementTarget>,
    pub(crate) place: Place,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct ReplacementSource {
    pub(crate) selector: Selector,
    pub(crate) field_path: String,
    pub(crate) options: FieldOptions,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct ReplacementTarget {
    pub(crate) select: Option<Selector>,
    pub(crate) reject: Vec<Selector>,
    pub(crate) field_paths: Vec<String>,
    pub(crate) options: FieldOptions,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct FieldOptions {
    pub(crate) delimiter: String,
    pub(crate) index: i64,
    pub(crate) create: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Behavior {
    #[default]
    Create,
    Merge,
    Replace,
}

/// An item of `configMapGenerator` or `secretGenerator`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Generator {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) behavior: Behavior,
    pub(crate) literals: Vec<String>,
    pub(crate) files: Vec<String>,
    pub(crate) envs: Vec<String>,
    pub(crate) options: GeneratorOptions,
    /// Secrets only.
    pub(crate) secret_type: String,
    pub(crate) place: Place,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct GeneratorOptions {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) disable_name_suffix_hash: bool,
    pub(crate) immutable: bool,
}

impl GeneratorOptions {
    /// An item's options over the kustomization's: its keys win, a flag that either sets is set.
    pub(crate) fn over(&self, base: &GeneratorOptions) -> GeneratorOptions {
        let merged = |ours: &BTreeMap<String, String>, base: &BTreeMap<String, String>| {
            base.iter().chain(ours).map(|(k, v)| (k.clone(), v.clone())).collect()
        };
        GeneratorOptions {
            labels: merged(&self.labels, &base.labels),
            annotations: merged(&self.annotations, &base.annotations),
            disable_name_suffix_hash: self.disable_name_suffix_hash || base.disable_name_suffix_hash,
            immutable: self.immutable || base.immutable,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SortOptions {
    Fifo,
    /// With lists of kinds of its own, or the default ones.
    Legacy(Option<(Vec<String>, Vec<String>)>),
}
