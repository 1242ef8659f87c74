//! The resources of a build in order, found by id through an index.

use std::collections::HashMap;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::hash;
use crate::id::{Gvk, ResId};
use crate::origin;
use crate::resource::Resource;
use crate::scope::Scopes;
use crate::spec::Behavior;

#[derive(Debug, Clone, Default)]
pub(crate) struct ResMap {
    list: Vec<Resource>,
    /// Present ids, in their normal form. `None`: to be made anew.
    current: Option<HashMap<ResId, Vec<usize>>>,
    /// Present and former ids.
    any: Option<HashMap<ResId, Vec<usize>>>,
    /// CustomResourceDefinitions by the group and kind that they define.
    definitions: Option<HashMap<(String, String), usize>>,
    scopes: Scopes,
    /// Some resource has been emptied since [`ResMap::drop_empty`].
    has_empty: bool,
}

const DEFINITION: &str = "CustomResourceDefinition";

impl ResMap {
    pub(crate) fn new(scopes: Scopes) -> ResMap {
        ResMap { scopes, ..ResMap::default() }
    }

    pub(crate) fn scopes(&self) -> Scopes {
        self.scopes.clone()
    }

    pub(crate) fn resources(&self) -> &[Resource] {
        &self.list
    }

    pub(crate) fn into_resources(self) -> Vec<Resource> {
        self.list
    }

    /// For changes that may touch ids: the indices are made anew when they are next needed.
    pub(crate) fn resources_mut(&mut self) -> &mut [Resource] {
        self.current = None;
        self.any = None;
        self.definitions = None;
        &mut self.list
    }

    pub(crate) fn get(&self, at: usize) -> &Resource {
        &self.list[at]
    }

    /// Changes one resource. The indices stay unless its ids have changed.
    pub(crate) fn change<T>(&mut self, at: usize, change: impl FnOnce(&mut Resource) -> T) -> T {
        self.change_beside(at, None, |resource, _| change(resource))
    }

    /// The same with a look at another one.
    pub(crate) fn change_beside<T>(
        &mut self,
        at: usize,
        beside: Option<usize>,
        change: impl FnOnce(&mut Resource, Option<&Resource>) -> T,
    ) -> T {
        let both = beside.and_then(|beside| self.list.get_disjoint_mut([at, beside]).ok());
        let (resource, beside) = match both {
            Some([resource, beside]) => (resource, Some(&*beside)),
            None => (&mut self.list[at], None),
        };
        let before = (resource.id(), resource.previous_names().count());
        let result = change(resource, beside);
        self.has_empty |= resource.is_empty();
        if before != (resource.id(), resource.previous_names().count()) {
            self.current = None;
            self.any = None;
        }
        if before.0.gvk.kind == DEFINITION || resource.kind() == DEFINITION {
            self.definitions = None;
        }
        result
    }

    /// For changes that leave ids alone.
    pub(crate) fn get_for_annotations(&mut self, at: usize) -> &mut Resource {
        &mut self.list[at]
    }

    /// Marks a resource as the one that a var takes its value from.
    pub(crate) fn add_var(&mut self, at: usize, name: &str) {
        self.list[at].vars.push(name.to_string());
    }

    /// The CustomResourceDefinition of a kind.
    pub(crate) fn definition(&mut self, gvk: &Gvk) -> Option<usize> {
        let list = &self.list;
        let index = self.definitions.get_or_insert_with(|| {
            let definitions = list.iter().enumerate().filter(|(_, resource)| resource.kind() == DEFINITION);
            definitions.filter_map(|(at, resource)| Some((defined(resource)?, at))).collect()
        });
        if index.is_empty() {
            return None;
        }
        index.get(&(gvk.group.clone(), gvk.kind.clone())).copied()
    }

    fn current(&mut self) -> &mut HashMap<ResId, Vec<usize>> {
        let list = &self.list;
        self.current.get_or_insert_with(|| {
            let mut index: HashMap<ResId, Vec<usize>> = HashMap::with_capacity(list.len());
            for (at, resource) in list.iter().enumerate() {
                index.entry(resource.id().normal()).or_default().push(at);
            }
            index
        })
    }

    /// The one resource that has this id now.
    pub(crate) fn by_current_id(&mut self, id: &ResId) -> Option<usize> {
        self.current().get(&id.normal()).and_then(|at| at.first()).copied()
    }

    /// The resources that have or once had this id.
    pub(crate) fn by_any_id(&mut self, id: &ResId) -> &[usize] {
        let list = &self.list;
        let index = self.any.get_or_insert_with(|| {
            let mut index: HashMap<ResId, Vec<usize>> = HashMap::with_capacity(list.len());
            for (at, resource) in list.iter().enumerate() {
                index_any(&mut index, at, resource);
            }
            index
        });
        index.get(&id.normal()).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn append(&mut self, resource: Resource) -> Result<()> {
        let id = resource.id();
        let at = self.list.len();
        if self.current().contains_key(&id.normal()) {
            return Err(already_registered(&id));
        }
        self.current().entry(id.normal()).or_default().push(at);
        if let Some(any) = &mut self.any {
            index_any(any, at, &resource);
        }
        if resource.kind() == DEFINITION {
            self.definitions = None;
        }
        self.list.push(resource);
        Ok(())
    }

    pub(crate) fn append_all(&mut self, other: ResMap) -> Result<()> {
        other.list.into_iter().try_for_each(|resource| self.append(resource))
    }

    /// Adds a generated object, or puts it over the one that it names.
    pub(crate) fn absorb(&mut self, mut generated: Resource, behavior: Behavior) -> Result<()> {
        let id = generated.id();
        match (self.by_any_id(&id).to_vec().as_slice(), behavior) {
            ([], Behavior::Create) => self.append(generated),
            ([], _) => Err(Error::new(format!("id {id} does not exist; cannot merge or replace"))),
            ([_], Behavior::Create) => {
                Err(Error::new(format!("id {id} exists; behavior must be merge or replace")))
            }
            (&[at], _) => {
                let old = self.list[at].clone();
                generated.inherit(&old);
                if behavior == Behavior::Merge {
                    merge_data(&mut generated, &old);
                    if let Some(text) = old.annotation(origin::ORIGIN) {
                        generated.set_annotation(origin::ORIGIN, text);
                    }
                }
                self.change(at, |resource| *resource = generated);
                Ok(())
            }
            _ => Err(Error::new(format!("found multiple objects that could accept merge of {id}"))),
        }
    }

    /// Drops the others.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Resource) -> bool) {
        self.resources_mut();
        self.list.retain(keep);
    }

    /// Drops what a transformer has emptied.
    pub(crate) fn drop_empty(&mut self) {
        if std::mem::take(&mut self.has_empty) {
            self.resources_mut();
            self.list.retain(|resource| !resource.is_empty());
        }
    }

    pub(crate) fn drop_local_config(&mut self) {
        self.resources_mut();
        self.list.retain(|resource| !resource.is_local_config());
    }

    /// Fails if two resources have one id.
    pub(crate) fn check_unique(&mut self) -> Result<()> {
        let twice = self.current().values().filter_map(|places| places.get(1)).min().copied();
        match twice {
            Some(at) => Err(already_registered(&self.list[at].id())),
            None => Ok(()),
        }
    }

    /// Ids that more than one resource has.
    pub(crate) fn conflicts(&mut self) -> Vec<ResId> {
        let mut ids: Vec<ResId> =
            self.current().iter().filter(|(_, at)| at.len() > 1).map(|(id, _)| id.clone()).collect();
        ids.sort_by_key(ToString::to_string);
        ids
    }

    pub(crate) fn add_hash_suffixes(&mut self) -> Result<()> {
        for resource in self.resources_mut() {
            if !resource.needs_hash {
                continue;
            }
            let name = format!("{}-{}", resource.name(), hash::suffix(resource));
            resource.store_previous_id();
            resource.set_meta("name", &name);
        }
        Ok(())
    }
}

/// The group and kind that a CustomResourceDefinition defines.
fn defined(definition: &Resource) -> Option<(String, String)> {
    let spec = definition.object.get("spec")?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_string);
    Some((text(spec.get("group"))?, text(spec.get("names").and_then(|names| names.get("kind")))?))
}

fn already_registered(id: &ResId) -> Error {
    Error::new(format!("may not add resource with an already registered id: {id}"))
}

fn index_any(index: &mut HashMap<ResId, Vec<usize>>, at: usize, resource: &Resource) {
    for id in resource.previous_ids().chain([resource.id()]) {
        let places = index.entry(id.normal()).or_default();
        if places.last() != Some(&at) {
            places.push(at);
        }
    }
}

/// `behavior: merge`: the old entries stay where the new object has none.
fn merge_data(generated: &mut Resource, old: &Resource) {
    for field in ["data", "binaryData"] {
        let entries =
            |r: &Resource| r.object.get(field).and_then(|d| d.as_object()).cloned().unwrap_or_default();
        let mut merged = entries(old);
        merged.extend(entries(generated));
        if let (false, Some(object)) = (merged.is_empty(), generated.object.as_object_mut()) {
            object.insert(field.to_string(), merged.into());
        }
    }
}
