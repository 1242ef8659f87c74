//! Labels, annotations and replica counts.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use crate::error::{Error, Result};
use crate::fieldpath::wrong_kind;
use crate::fieldspec::{ByKind, FieldSpec, Leaf};
use crate::resmap::ResMap;
use crate::spec::Replica;

/// Sets pairs in the maps at all fields.
pub(crate) fn set_pairs(
    pairs: &BTreeMap<String, String>,
    fields: &[FieldSpec],
    resources: &mut ResMap,
) -> Result<()> {
    if pairs.is_empty() {
        return Ok(());
    }
    let fields = ByKind::new(fields);
    for resource in resources.resources_mut() {
        let id = resource.id();
        let mut added: Vec<(&str, &str, &FieldSpec)> = Vec::new();
        resource.with_annotations(|resource| {
            fields.of(&id.gvk.kind).try_for_each(|field| {
                field.apply(&mut resource.object, Leaf::Map, &mut |value| {
                    insert(value, pairs, &mut |key, text| added.push((key, text, field)))
                })
            })
        })?;
        resource.shared.follow(&mut resource.object);
        for (key, text) in pairs {
            let places = added.iter().filter(|(added, ..)| added == key);
            resource.shared.add(key, text, places.map(|(.., field)| field.field_path().clone()).collect());
        }
    }
    Ok(())
}

/// Tells `added` which pairs were not there.
fn insert<'p>(
    value: &mut Value,
    pairs: &'p BTreeMap<String, String>,
    added: &mut dyn FnMut(&'p str, &'p str),
) -> Result<()> {
    match value {
        Value::Object(map) => {
            for (key, text) in pairs {
                if map.insert(key.clone(), Value::String(text.clone())).is_none() {
                    added(key, text);
                }
            }
            Ok(())
        }
        Value::Null => Ok(()),
        _ => Err(wrong_kind("MappingNode", value)),
    }
}

pub(crate) fn replicas(replica: &Replica, fields: &[FieldSpec], resources: &mut ResMap) -> Result<()> {
    let mut found = false;
    for at in 0..resources.resources().len() {
        let resource = resources.get(at);
        let ids: Vec<_> = resource.previous_ids().chain([resource.id()]).collect();
        for field in fields {
            if !ids.iter().any(|id| id.name == replica.name && id.gvk.is_selected(&field.gvk)) {
                continue;
            }
            found = true;
            resources.change(at, |resource| {
                field.apply(&mut resource.object, Leaf::Scalar, &mut |value| {
                    *value = Value::Number(Number::from(replica.count));
                    Ok(())
                })
            })?;
        }
    }
    if found {
        return Ok(());
    }
    let kinds: Vec<String> = fields.iter().map(|field| field.gvk.to_string()).collect();
    Err(Error::new(format!(
        "resource with name {} does not match a config with the following GVK [{}]",
        replica.name,
        kinds.join(" ")
    ))
    .hint("replicas are set by the name of a Deployment, StatefulSet, ReplicaSet or ReplicationController"))
}
