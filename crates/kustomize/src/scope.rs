//! Which kinds have no namespace: the built-in list, and what an OpenAPI document adds to it for one build.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::id::Gvk;

/// Shared by all that belongs to a build.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scopes {
    /// By `apiVersion` and kind: whether its objects are in namespaces.
    namespaced: Rc<OnceCell<HashMap<(String, String), bool>>>,
}

impl Scopes {
    /// The first document counts.
    pub(crate) fn set(&self, namespaced: HashMap<(String, String), bool>) {
        self.namespaced.get_or_init(|| namespaced);
    }

    pub(crate) fn is_cluster_scoped(&self, gvk: &Gvk) -> bool {
        gvk.is_cluster_scoped()
            || self
                .namespaced
                .get()
                .is_some_and(|kinds| kinds.get(&(gvk.api_version(), gvk.kind.clone())) == Some(&false))
    }
}
