//! The transformer configuration: which field specs each transformer goes by, and where objects name other objects.
//!
//! Every kustomization starts from the defaults, adds its `configurations` and `crds`, and hands the sum to the
//! kustomization that includes it. Nearly all builds have the defaults alone, so these are made once and shared.

pub(crate) mod crds;
pub(crate) mod read;
mod references;
mod specs;

use std::sync::{Arc, LazyLock};

use crate::error::Error;
use crate::fieldspec::FieldSpec;
use crate::id::Gvk;

pub(crate) use references::{NameReference, NameReferences};
pub(crate) use specs::{Conflict, FieldSpecs};

/// The lists of field specs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum List {
    NamePrefix,
    NameSuffix,
    Namespace,
    CommonLabels,
    Labels,
    TemplateLabels,
    VolumeClaimTemplateLabels,
    CommonAnnotations,
    VarReference,
    Images,
    Replicas,
}

impl List {
    /// In the order in which they are merged.
    const ALL: [List; 11] = [
        List::NamePrefix,
        List::NameSuffix,
        List::Namespace,
        List::CommonAnnotations,
        List::CommonLabels,
        List::Labels,
        List::TemplateLabels,
        List::VolumeClaimTemplateLabels,
        List::VarReference,
        List::Images,
        List::Replicas,
    ];

    /// The field of a configuration file.
    pub(crate) fn field(self) -> &'static str {
        match self {
            List::NamePrefix => "namePrefix",
            List::NameSuffix => "nameSuffix",
            List::Namespace => "namespace",
            List::CommonLabels => "commonLabels",
            List::Labels => "labels",
            List::TemplateLabels => "templateLabels",
            List::VolumeClaimTemplateLabels => "volumeClaimTemplateLabels",
            List::CommonAnnotations => "commonAnnotations",
            List::VarReference => "varReference",
            List::Images => "images",
            List::Replicas => "replicas",
        }
    }

    /// As kustomize calls it in messages.
    fn title(self) -> &'static str {
        match self {
            List::NamePrefix => "NamePrefix",
            List::NameSuffix => "NameSuffix",
            List::Namespace => "NameSpace",
            List::CommonLabels => "CommonLabels",
            List::Labels => "Labels",
            List::TemplateLabels => "TemplateLabels",
            List::VolumeClaimTemplateLabels => "VolumeClaimTemplateLabels",
            List::CommonAnnotations => "CommonAnnotations",
            List::VarReference => "VarReference",
            List::Images => "Images",
            List::Replicas => "Replicas",
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    lists: [FieldSpecs; List::ALL.len()],
    pub(crate) name_references: NameReferences,
}

/// Two configurations that say different things of one field.
#[derive(Debug)]
pub(crate) struct MergeError {
    title: &'static str,
    pub(crate) conflict: Conflict,
}

const DEFAULTS: &str = include_str!("../data/fieldspecs.txt");
static DEFAULT: LazyLock<Arc<Config>> = LazyLock::new(|| Arc::new(Config::from_lines(DEFAULTS)));
static EMPTY: LazyLock<Arc<Config>> = LazyLock::new(|| Arc::new(Config::default()));

impl Config {
    /// kustomize's own.
    pub(crate) fn defaults() -> Arc<Config> {
        Arc::clone(&DEFAULT)
    }

    pub(crate) fn empty() -> Arc<Config> {
        Arc::clone(&EMPTY)
    }

    pub(crate) fn fields(&self, list: List) -> &[FieldSpec] {
        &self.lists[list as usize]
    }

    fn push(&mut self, list: List, field: FieldSpec) {
        self.lists[list as usize].push(field);
    }

    fn sort(&mut self) {
        self.lists.iter_mut().for_each(FieldSpecs::sort);
        self.name_references.sort();
    }

    /// Puts it into order after merging, as it must be before it is used or merged into another one.
    pub(crate) fn settle(this: &mut Arc<Config>) {
        if !this.lists.iter().all(FieldSpecs::is_sorted) || !this.name_references.is_sorted() {
            Arc::make_mut(this).sort();
        }
    }

    fn is_empty(&self) -> bool {
        self.lists.iter().all(|list| list.is_empty()) && self.name_references.is_empty()
    }

    /// Whether merging it into an empty one gives the same again.
    fn is_stable(&self) -> bool {
        self.lists.iter().all(FieldSpecs::is_stable)
    }

    /// Adds another configuration, which must be settled. It is shared, not copied, as far as possible.
    pub(crate) fn merge(this: &mut Arc<Config>, other: &Arc<Config>) -> Result<(), MergeError> {
        if Arc::ptr_eq(this, other) || other.is_empty() {
            return Ok(());
        }
        if this.is_empty() && other.is_stable() {
            *this = Arc::clone(other);
            return Ok(());
        }
        for list in List::ALL {
            let err = |conflict| MergeError { title: list.title(), conflict };
            let missing = this.lists[list as usize].missing(other.fields(list)).map_err(err)?;
            if !missing.is_empty() {
                let specs = &mut Arc::make_mut(this).lists[list as usize];
                missing.into_iter().try_for_each(|field| specs.merge(field)).map_err(err)?;
            }
        }
        if !this.name_references.covers(&other.name_references) {
            Arc::make_mut(this)
                .name_references
                .merge(&other.name_references)
                .map_err(|conflict| MergeError { title: "NameReference", conflict })?;
        }
        Ok(())
    }

    /// Lines of `LIST GROUP VERSION KIND PATH [create]`.
    fn from_lines(lines: &str) -> Config {
        let mut config = Config::default();
        for line in lines.lines().filter(|line| !line.starts_with('#')) {
            config.add_line(line);
        }
        config.sort();
        config
    }

    fn add_line(&mut self, line: &str) {
        let mut words = line.split(' ');
        let mut word = || words.next().map(|w| if w == "-" { "" } else { w }).unwrap_or("");
        let name = word();
        let gvk = Gvk { group: word().to_string(), version: word().to_string(), kind: word().to_string() };
        let field = FieldSpec::new(gvk, word(), word() == "create");
        if let Some(target) = name.strip_prefix("nameReference:") {
            let mut parts = target.splitn(3, ':').map(str::to_string);
            let mut part = || parts.next().unwrap_or_default();
            let target = Gvk { group: part(), version: part(), kind: part() };
            self.name_references.push(&target, field);
        } else if let Some(list) = List::ALL.into_iter().find(|list| list.field() == name) {
            self.push(list, field);
        }
    }
}

impl MergeError {
    pub(crate) fn message(&self) -> String {
        format!("failed to merge {} fieldSpec: conflicting fieldspecs", self.title)
    }

    pub(crate) fn hint(&self) -> String {
        self.conflict.hint()
    }
}

impl From<MergeError> for Error {
    fn from(e: MergeError) -> Error {
        Error::new(e.message()).hint(&e.hint())
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, DEFAULTS, List};

    #[test]
    fn every_default_has_its_list() {
        for line in DEFAULTS.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(' ').next().unwrap();
            assert!(
                name.starts_with("nameReference:") || List::ALL.iter().any(|list| list.field() == name),
                "{line}"
            );
        }
    }

    #[test]
    fn the_defaults_are_shared() {
        let mut config = Config::empty();
        Config::merge(&mut config, &Config::defaults()).unwrap();
        assert!(std::sync::Arc::ptr_eq(&config, &Config::defaults()));
    }

    #[test]
    fn lists_keep_their_places() {
        for list in List::ALL {
            assert!(List::ALL.iter().filter(|other| **other as usize == list as usize).count() == 1);
        }
    }
}
