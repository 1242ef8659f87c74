//! Which paths count for nothing: the plan's ignore lists, compiled and shared.

use std::path::Path;
use std::sync::Arc;
use tiltfile::ignore::IgnoreSet;
use tiltfile::plan::Ignore;

/// Clones share the compiled patterns.
#[derive(Clone, Default)]
pub(crate) struct Ignores(Arc<IgnoreSet>);

impl Ignores {
    pub(crate) fn new<'a>(lists: impl IntoIterator<Item = &'a Ignore>) -> Self {
        Self(Arc::new(IgnoreSet::new(lists)))
    }

    pub(crate) fn is_ignored(&self, path: &Path) -> bool {
        self.0.is_ignored(path)
    }
}
