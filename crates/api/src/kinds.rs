//! The kinds that are served: built-ins and, in the same table, those of CustomResourceDefinitions.

use schema::Kind;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Debug, Default)]
pub struct Kinds {
    all: Vec<Arc<Kind>>,
    by_resource: HashMap<String, Arc<Kind>>,
}

impl Kinds {
    pub fn new(kinds: impl IntoIterator<Item = Kind>) -> Self {
        let mut table = Self::default();
        for kind in kinds {
            table.add(kind);
        }
        table
    }

    fn add(&mut self, kind: Kind) {
        let kind = Arc::new(kind);
        if self.by_resource.insert(kind.resource(), kind.clone()).is_some() {
            self.all.retain(|known| known.resource() != kind.resource());
        }
        self.all.push(kind);
    }

    /// In the order of discovery.
    pub fn all(&self) -> &[Arc<Kind>] {
        &self.all
    }

    /// By the store's name: `pods`, `apps/deployments`.
    pub fn by_resource(&self, resource: &str) -> Option<Arc<Kind>> {
        self.by_resource.get(resource).cloned()
    }

    /// By the parts of a URL; `group` is empty for the core group.
    pub fn by_plural(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Kind>> {
        self.find(|kind| kind.group == group && kind.plural == plural && serves(kind, version))
    }

    /// By `apiVersion` and `kind` of an object.
    pub fn by_gvk(&self, api_version: &str, kind: &str) -> Option<Arc<Kind>> {
        let (group, version) = split_api_version(api_version);
        self.find(|known| known.group == group && known.kind == kind && serves(known, version))
    }

    /// By what people type: plural, singular, short name or `plural.group`.
    pub fn by_name(&self, name: &str) -> Option<Arc<Kind>> {
        let name = name.to_lowercase();
        self.find(|kind| {
            kind.plural == name
                || kind.singular == name
                || kind.short_names.contains(&name)
                || (!kind.group.is_empty() && name == format!("{}.{}", kind.plural, kind.group))
        })
    }

    fn find(&self, wanted: impl Fn(&Kind) -> bool) -> Option<Arc<Kind>> {
        self.all.iter().find(|kind| wanted(kind)).cloned()
    }
}

fn serves(kind: &Kind, version: &str) -> bool {
    kind.versions.iter().any(|served| served == version)
}

/// `apps/v1` → (`apps`, `v1`); `v1` → (``, `v1`).
pub fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}
