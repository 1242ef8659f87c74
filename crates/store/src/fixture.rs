//! A [`View`] over a plain list of objects, for tests of controllers.

use crate::{Key, Object, View};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Debug, Default, Clone)]
pub struct Fixture {
    pub objects: HashMap<Key, Object>,
}

impl Fixture {
    /// Puts an object where its metadata says that it lives.
    pub fn put(&mut self, resource: &str, object: Value) -> Key {
        let field = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_string();
        let key = Key::new(resource, &field("namespace"), &field("name"));
        self.objects.insert(key.clone(), Arc::new(object));
        key
    }

    /// `put` for building a fixture in one expression.
    pub fn with(mut self, resource: &str, object: Value) -> Self {
        self.put(resource, object);
        self
    }
}

impl View for Fixture {
    fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Object> {
        self.objects.get(&Key::new(resource, namespace, name)).cloned()
    }

    fn list(&self, resource: &str, namespace: &str) -> Vec<Object> {
        let mut found: Vec<_> = self
            .objects
            .iter()
            .filter(|(key, _)| key.resource.as_str() == resource)
            .filter(|(key, _)| namespace.is_empty() || &*key.namespace == namespace)
            .collect();
        found.sort_by(|a, b| a.0.cmp(b.0));
        found.into_iter().map(|(_, object)| object.clone()).collect()
    }

    fn owned_by(&self, uid: &str) -> Vec<(Key, Object)> {
        let owned = |object: &Object| crate::index::owner_uids(object).any(|owner| owner == uid);
        let mut found: Vec<_> = self
            .objects
            .iter()
            .filter(|(_, object)| owned(object))
            .map(|(key, object)| (key.clone(), object.clone()))
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }
}
