//! A consistent reading of all objects at one version: shared, immutable, free to keep.
//!
//! The tables are persistent maps: a write copies the few nodes on the way to what it touches, however many objects
//! there are, and a held snapshot costs a reader nothing.

use crate::index::{self, Indexes, Term};
use crate::{Key, Object, Since, View};
use imbl::ordmap::DiffItem;
use imbl::{HashMap, OrdMap};
use std::ops::Bound;
use std::sync::Arc;

type Names = OrdMap<Arc<str>, Object>;
type Namespaces = OrdMap<Arc<str>, Names>;

#[derive(Debug, Clone, Default)]
pub(crate) struct Tables {
    pub(crate) version: u64,
    kinds: HashMap<Arc<str>, Namespaces>,
    indexes: Indexes,
}

/// All objects as they were at [`Snapshot::version`].
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    pub(crate) tables: Arc<Tables>,
}

/// A kind's objects as they were, to be compared with the same of another moment; costs nothing to take.
#[derive(Debug, Clone, Default)]
pub struct Mark(Option<Namespaces>);

impl PartialEq for Mark {
    /// Whether nothing has been written in between; never wrongly true.
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => one.ptr_eq(other),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Mark {
    /// Each object before and after; parts that both have in common are not looked at.
    fn changes_to(&self, later: &Self) -> Vec<(Option<Object>, Option<Object>)> {
        let none = Namespaces::new();
        let (before, after) = (self.0.as_ref().unwrap_or(&none), later.0.as_ref().unwrap_or(&none));
        let mut changes = Vec::new();
        if before.ptr_eq(after) {
            return changes;
        }
        let new = after.keys().filter(|name| !before.contains_key(*name));
        for namespace in before.keys().chain(new) {
            self.changes_in(later, namespace, &mut changes);
        }
        changes
    }

    fn changes_in(&self, later: &Self, namespace: &str, changes: &mut Vec<(Option<Object>, Option<Object>)>) {
        let empty = Names::new();
        let names =
            |mark: &Self| mark.0.as_ref().and_then(|all| all.get(namespace)).unwrap_or(&empty).clone();
        let (old, new) = (names(self), names(later));
        if old.ptr_eq(&new) {
            return;
        }
        changes.extend(old.diff(&new).map(|item| match item {
            DiffItem::Add(_, new) => (None, Some(new.clone())),
            DiffItem::Update { old: (_, old), new: (_, new) } => (Some(old.clone()), Some(new.clone())),
            DiffItem::Remove(_, old) => (Some(old.clone()), None),
        }));
    }
}

impl Snapshot {
    pub fn mark(&self, resource: &str) -> Mark {
        Mark(self.tables.kinds.get(resource).cloned())
    }

    pub fn version(&self) -> u64 {
        self.tables.version
    }

    /// Every object, by kind, namespace and name.
    pub fn all(&self) -> Vec<(Key, Object)> {
        let mut all = Vec::new();
        let mut kinds: Vec<_> = self.tables.kinds.iter().collect();
        kinds.sort_by_key(|(name, _)| (*name).clone());
        for (resource, namespaces) in kinds {
            for (namespace, names) in namespaces.iter() {
                for (name, object) in names.iter() {
                    let key = Key {
                        resource: crate::Resource(resource.clone()),
                        namespace: namespace.clone(),
                        name: name.clone(),
                    };
                    all.push((key, object.clone()));
                }
            }
        }
        all
    }

    /// Every object in one namespace, whatever its kind.
    pub fn in_namespace(&self, namespace: &str) -> Vec<(Key, Object)> {
        let mut found = Vec::new();
        for (resource, namespaces) in &self.tables.kinds {
            for (name, object) in namespaces.get(namespace).into_iter().flat_map(|names| names.iter()) {
                found.push((Key::new(resource, namespace, name), object.clone()));
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }
}

impl Snapshot {
    /// Objects of a kind behind a place, in order; an empty namespace means all of them. Nothing is collected.
    pub fn after<'a>(
        &'a self,
        resource: &str,
        namespace: &'a str,
        place: Option<(&'a str, &'a str)>,
    ) -> impl Iterator<Item = &'a Object> + use<'a> {
        let (first, name) = place.unwrap_or_default();
        let kind = self.tables.kinds.get(resource);
        let from = if namespace.is_empty() { first } else { namespace };
        let namespaces = kind
            .into_iter()
            .flat_map(move |kind| kind.range::<_, str>((Bound::Included(from), Bound::Unbounded)));
        namespaces.take_while(move |(here, _)| namespace.is_empty() || &***here == namespace).flat_map(
            move |(here, names)| {
                let begin = match place {
                    Some(_) if **here == *first => Bound::Excluded(name),
                    _ => Bound::Unbounded,
                };
                names.range::<_, str>((begin, Bound::Unbounded)).map(|(_, object)| object)
            },
        )
    }
}

impl View for Snapshot {
    fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Object> {
        self.tables.kinds.get(resource)?.get(namespace)?.get(name).cloned()
    }

    fn list(&self, resource: &str, namespace: &str) -> Vec<Object> {
        let Some(namespaces) = self.tables.kinds.get(resource) else { return Vec::new() };
        if namespace.is_empty() {
            return namespaces.values().flat_map(|names| names.values().cloned()).collect();
        }
        namespaces.get(namespace).map(|names| names.values().cloned().collect()).unwrap_or_default()
    }

    fn owned_by(&self, uid: &str) -> Vec<(Key, Object)> {
        let keys = self.tables.indexes.owned_by(uid).into_iter();
        keys.filter_map(|key| {
            let object = self.get(key.resource.as_str(), &key.namespace, &key.name)?;
            Some((key, object))
        })
        .collect()
    }

    fn select(&self, resource: &str, namespace: &str, terms: &[Term<'_>]) -> Vec<Object> {
        let mut found = match self.tables.indexes.narrowest(resource, namespace, terms) {
            Some(keys) => {
                keys.iter().filter_map(|key| self.get(resource, &key.namespace, &key.name)).collect()
            }
            None => self.list(resource, namespace),
        };
        found.retain(|object| index::says_all(resource, object, terms));
        found
    }

    fn since(&self, resource: &str, mark: &Mark) -> Since {
        let now = self.mark(resource);
        Since { changes: mark.changes_to(&now), from_scratch: mark.0.is_none(), mark: now }
    }

    fn since_in(&self, resource: &str, namespace: &str, mark: &Mark) -> Since {
        let now = self.mark(resource);
        let mut changes = Vec::new();
        mark.changes_in(&now, namespace, &mut changes);
        Since { changes, from_scratch: mark.0.is_none(), mark: now }
    }
}

impl Tables {
    pub(crate) fn at(version: u64) -> Self {
        Self { version, ..Self::default() }
    }

    /// Sets or removes one object and returns what was there.
    pub(crate) fn replace(&mut self, key: &Key, object: Option<Object>) -> Option<Object> {
        let kind = self.kinds.entry(key.resource.0.clone()).or_default();
        let names = kind.entry(key.namespace.clone()).or_default();
        let previous = match &object {
            Some(object) => names.insert(key.name.clone(), object.clone()),
            None => names.remove(&key.name),
        };
        if names.is_empty() {
            kind.remove(&key.namespace);
        }
        self.indexes.note(key, previous.as_deref(), object.as_deref());
        previous
    }
}
