//! Upstream keeps the history of an object among its annotations while it builds. An object with a history thus has
//! annotations, be they empty to the user: `add` at `/metadata/annotations/x` finds them, a field spec without
//! `create` too.

use serde_json::{Map, Value};

use super::Resource;

const ANNOTATIONS: &str = "annotations";

impl Resource {
    fn has_history(&self) -> bool {
        self.is_generated
            || self.needs_hash
            || !self.previous.is_empty()
            || !self.prefixes.is_empty()
            || !self.suffixes.is_empty()
    }

    /// Makes a change that sees annotations if upstream has some of its own there.
    pub(crate) fn with_annotations<T>(&mut self, change: impl FnOnce(&mut Resource) -> T) -> T {
        let opened = self.has_history() && self.open_annotations();
        let result = change(self);
        if opened {
            self.close_annotations();
        }
        result
    }

    fn open_annotations(&mut self) -> bool {
        let Some(Value::Object(meta)) = self.object.get_mut("metadata") else { return false };
        if meta.get(ANNOTATIONS).is_some_and(|annotations| !annotations.is_null()) {
            return false;
        }
        meta.insert(ANNOTATIONS.to_string(), Value::Object(Map::new()));
        true
    }

    fn close_annotations(&mut self) {
        let Some(Value::Object(meta)) = self.object.get_mut("metadata") else { return };
        if meta.get(ANNOTATIONS).and_then(Value::as_object).is_some_and(Map::is_empty) {
            meta.shift_remove(ANNOTATIONS);
        }
    }
}
