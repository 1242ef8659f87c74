//! The transformer configuration: which field specs each transformer goes by.

use std::collections::HashMap;

use crate::fieldspec::FieldSpec;
use crate::id::Gvk;

#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    pub(crate) name_prefix: Vec<FieldSpec>,
    pub(crate) name_suffix: Vec<FieldSpec>,
    pub(crate) namespace: Vec<FieldSpec>,
    pub(crate) common_labels: Vec<FieldSpec>,
    pub(crate) template_labels: Vec<FieldSpec>,
    pub(crate) volume_claim_template_labels: Vec<FieldSpec>,
    pub(crate) common_annotations: Vec<FieldSpec>,
    pub(crate) images: Vec<FieldSpec>,
    pub(crate) replicas: Vec<FieldSpec>,
    pub(crate) name_references: NameReferences,
}

/// Where objects name other objects.
#[derive(Debug, Clone, Default)]
pub(crate) struct NameReferences {
    /// By the kind of the referrer; an empty kind stands for all.
    by_kind: HashMap<String, Vec<NameReference>>,
}

#[derive(Debug, Clone)]
pub(crate) struct NameReference {
    /// What is named.
    pub(crate) target: Gvk,
    /// Where the name stands.
    pub(crate) field: FieldSpec,
}

impl NameReferences {
    fn add(&mut self, reference: NameReference) {
        self.by_kind.entry(reference.field.gvk.kind.clone()).or_default().push(reference);
    }

    /// The references that an object of this kind may hold.
    pub(crate) fn of<'a>(&'a self, gvk: &'a Gvk) -> impl Iterator<Item = &'a NameReference> {
        let kinds: &[&str] = if gvk.kind.is_empty() { &[""] } else { &["", &gvk.kind] };
        let lists: Vec<&Vec<NameReference>> =
            kinds.iter().filter_map(|kind| self.by_kind.get(*kind)).collect();
        lists.into_iter().flatten().filter(|reference| gvk.is_selected(&reference.field.gvk))
    }
}

const DEFAULTS: &str = include_str!("../data/fieldspecs.txt");

impl Config {
    /// kustomize's own.
    pub(crate) fn defaults() -> Config {
        let mut config = Config::default();
        for line in DEFAULTS.lines().filter(|line| !line.starts_with('#')) {
            config.add_line(line);
        }
        config
    }

    fn add_line(&mut self, line: &str) {
        let mut words = line.split(' ');
        let mut word = || words.next().map(|w| if w == "-" { "" } else { w }).unwrap_or("");
        let list = word();
        let gvk = Gvk { group: word().to_string(), version: word().to_string(), kind: word().to_string() };
        let field = FieldSpec::new(gvk, word(), word() == "create");
        if let Some(target) = list.strip_prefix("nameReference:") {
            let mut parts = target.splitn(3, ':').map(str::to_string);
            let mut part = || parts.next().unwrap_or_default();
            let target = Gvk { group: part(), version: part(), kind: part() };
            self.name_references.add(NameReference { target, field });
            return;
        }
        let specs = match list {
            "namePrefix" => &mut self.name_prefix,
            "nameSuffix" => &mut self.name_suffix,
            "namespace" => &mut self.namespace,
            "commonLabels" => &mut self.common_labels,
            "templateLabels" => &mut self.template_labels,
            "volumeClaimTemplateLabels" => &mut self.volume_claim_template_labels,
            "commonAnnotations" => &mut self.common_annotations,
            "images" => &mut self.images,
            "replicas" => &mut self.replicas,
            // varReference: for `vars`, which are refused
            _ => return,
        };
        specs.push(field);
    }
}
