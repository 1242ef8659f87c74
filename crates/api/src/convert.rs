//! Objects in another version than the one that is stored.
//!
//! Built-in kinds convert by `schema`. Objects of a custom kind are handled in the version of the request, by that
//! version's schema, and become what is stored at the end: by another name alone, or by the webhook of their definition
//! ([`webhook`]), which is asked as those of admission are.

pub(crate) mod webhook;

use crate::transaction::Transaction;
use crate::{Api, Key, Object, Origin, Result, structural};
use schema::Kind;
use serde_json::Value;
use std::sync::Arc;
use store::View;

/// A stored object as `api_version` has it, if no webhook has to be asked for it.
pub(crate) fn to_version(kind: &Kind, api_version: &str, object: &Value) -> Value {
    if kind.plural == "events" && api_version == schema::convert::events::API_VERSION {
        return schema::convert::events::from_core(object);
    }
    let mut shown = crate::link::from_stored(kind, api_version, object).unwrap_or_else(|| object.clone());
    rename(&mut shown, api_version);
    shown
}

/// The way back; what is to be stored still goes through [`crate::admit::identify`].
pub(crate) fn from_version(kind: &Kind, object: Value) -> Value {
    if kind.plural == "events" && object["apiVersion"] == schema::convert::events::API_VERSION {
        return schema::convert::events::to_core(&object);
    }
    object
}

fn rename(object: &mut Value, api_version: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert("apiVersion".into(), api_version.into());
    }
}

/// A kind as one of its versions has it: that version is its first.
pub(crate) fn kind_in(kind: Arc<Kind>, api_version: &str) -> Arc<Kind> {
    let (group, version) = crate::split_api_version(api_version);
    let at = kind.versions.iter().position(|known| known == version);
    match at.filter(|at| *at > 0 && group == kind.group) {
        None => kind,
        Some(at) => {
            let mut other = (*kind).clone();
            other.versions[..=at].rotate_right(1);
            Arc::new(other)
        }
    }
}

fn asks(definition: &Value) -> bool {
    definition["spec"]["conversion"]["strategy"] == "Webhook"
}

/// The `apiVersion` in which objects of a definition are stored.
fn stored_version(definition: &Value) -> Option<String> {
    let mut versions = definition["spec"]["versions"].as_array()?.iter();
    let version = versions.find(|version| version["storage"] == true)?["name"].as_str()?;
    Some(format!("{}/{version}", definition["spec"]["group"].as_str().unwrap_or_default()))
}

/// Which definition converts an object of a kind; none if it is as it should be.
fn definition_for(view: &dyn View, kind: &Kind, object: &Value, api_version: &str) -> Option<Object> {
    if object["apiVersion"] == api_version {
        return None;
    }
    let definition = view.get(crate::crds::RESOURCE, "", &format!("{}.{}", kind.plural, kind.group))?;
    (definition["spec"]["names"]["kind"] == object["kind"]).then_some(definition)
}

/// By another name alone: what the other version does not know goes.
fn renamed(definition: &Value, kind: &Kind, object: &Value, api_version: &str) -> Value {
    let mut object = object.clone();
    rename(&mut object, api_version);
    let (_, version) = crate::split_api_version(api_version);
    structural::prune(structural::schema_of(definition, version), &mut object);
    debug_assert_eq!(object["kind"], kind.kind.as_str(), "a definition converts its own kind");
    object
}

/// An object of a custom kind in another version. `None`: it is in that version.
fn converted(
    tx: &Transaction<'_>,
    kind: &Kind,
    object: &Value,
    api_version: &str,
    origin: &Origin,
) -> Result<Option<Value>> {
    let Some(definition) = definition_for(&tx.view(), kind, object, api_version) else { return Ok(None) };
    if !asks(&definition) {
        return Ok(Some(renamed(&definition, kind, object, api_version)));
    }
    webhook::asked(&definition, object, api_version, origin).map(Some)
}

/// An object as the version of `kind` has it.
pub(crate) fn current(
    tx: &Transaction<'_>,
    kind: &Kind,
    key: &Key,
    origin: &Origin,
) -> Result<Option<Object>> {
    let Some(object) = tx.view().get(key.resource.as_str(), &key.namespace, &key.name) else {
        return Ok(None);
    };
    if tx.api.is_builtin(key.resource.as_str()) {
        return Ok(Some(object));
    }
    let other = converted(tx, kind, &object, &kind.api_version(), origin)?;
    Ok(Some(other.map_or(object, Arc::new)))
}

/// What is stored of an object, if that is another version.
fn stored(tx: &Transaction<'_>, kind: &Kind, object: &Value, origin: &Origin) -> Result<Option<Value>> {
    if kind.versions.len() < 2 && object["apiVersion"] == kind.api_version().as_str() {
        return Ok(None);
    }
    let Some(definition) = structural::definition_of(&tx.view(), kind) else { return Ok(None) };
    match stored_version(&definition) {
        Some(version) => converted(tx, kind, object, &version, origin),
        None => Ok(None),
    }
}

/// Stores an object. The answer is in the version of `kind`.
pub(crate) fn put(
    tx: &mut Transaction<'_>,
    kind: &Kind,
    key: Key,
    object: Value,
    origin: &Origin,
) -> Result<Object> {
    if tx.api.is_builtin(key.resource.as_str()) {
        return tx.put(key, object);
    }
    match stored(tx, kind, &object, origin)? {
        None => tx.put(key, object),
        Some(other) => tx.put(key, other).map(|made| as_asked(object, &made)),
    }
}

/// As [`put`], for an object that goes.
pub(crate) fn remove(
    tx: &mut Transaction<'_>,
    kind: &Kind,
    key: Key,
    last: Value,
    origin: &Origin,
) -> Result<Object> {
    if tx.api.is_builtin(key.resource.as_str()) {
        return tx.remove(key, last);
    }
    match stored(tx, kind, &last, origin)? {
        None => tx.remove(key, last),
        Some(other) => tx.remove(key, other).map(|gone| as_asked(last, &gone)),
    }
}

fn as_asked(mut object: Value, stored: &Value) -> Object {
    crate::metadata::keep(crate::metadata::of(&mut object), &stored["metadata"], "resourceVersion");
    Arc::new(object)
}

impl Api {
    /// Stored objects as `api_version` has them.
    pub async fn shown(&self, kind: &Kind, api_version: &str, objects: Vec<Object>) -> Result<Vec<Object>> {
        let is_same = |object: &Object| object["apiVersion"] == api_version;
        if self.is_builtin(&kind.resource()) || objects.iter().all(is_same) {
            return Ok(objects);
        }
        let Some(definition) = structural::definition_of(&self.view(), kind) else { return Ok(objects) };
        if !asks(&definition) {
            let show = |object: Object| {
                if is_same(&object) {
                    object
                } else {
                    Arc::new(renamed(&definition, kind, &object, api_version))
                }
            };
            return Ok(objects.into_iter().map(show).collect());
        }
        let others: Vec<&Value> = objects.iter().filter(|object| !is_same(object)).map(|o| &**o).collect();
        let mut others = self.converted(&definition, &others, api_version).await?.into_iter();
        let show = |object: Object| {
            if is_same(&object) { object } else { others.next().map_or(object, Arc::new) }
        };
        Ok(objects.into_iter().map(show).collect())
    }

    /// One object in the version in which a webhook wants to see it.
    pub(crate) async fn in_version(&self, kind: &Kind, api_version: &str, object: Value) -> Result<Value> {
        if object["kind"] != kind.kind.as_str() {
            return Ok(object);
        }
        if self.is_builtin(&kind.resource()) {
            return Ok(to_version(kind, api_version, &object));
        }
        let mut shown = self.shown(kind, api_version, vec![Arc::new(object)]).await?;
        Ok(shown.pop().map(Arc::unwrap_or_clone).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
