//! A value that is added up over the objects of one kind in one namespace, and kept up by what has changed.

use crate::{Mark, View};
use serde_json::Value;

/// A memo, not a memory: it follows from the snapshot that it was last brought up to.
#[derive(Debug, Default)]
pub struct Fold<A> {
    mark: Mark,
    value: A,
}

impl<A: Default> Fold<A> {
    /// The value as of this view; `step` is told of each object before and after.
    pub fn of(
        &mut self,
        view: &dyn View,
        resource: &str,
        namespace: &str,
        step: impl Fn(&mut A, Option<&Value>, Option<&Value>),
    ) -> &A {
        let since = view.since_in(resource, namespace, &self.mark);
        if since.from_scratch {
            self.value = A::default();
        }
        self.mark = since.mark;
        for (before, after) in &since.changes {
            step(&mut self.value, before.as_deref(), after.as_deref());
        }
        &self.value
    }
}
