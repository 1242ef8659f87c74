//! Namespace, prefix and suffix.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::fieldspec::{FieldSpec, Leaf};
use crate::resmap::ResMap;
use crate::resource::Resource;

pub(crate) fn namespace(namespace: &str, fields: &[FieldSpec], resources: &mut ResMap) -> Result<()> {
    if namespace.is_empty() {
        return Ok(());
    }
    for resource in resources.resources_mut() {
        resource.store_previous_id();
        set_namespace(resource, namespace, fields)?;
    }
    let conflicts = resources.conflicts();
    if conflicts.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = conflicts.iter().map(ToString::to_string).collect();
    Err(Error::new(format!("namespace transformation produces ID conflict: [{}]", ids.join(", ")))
        .hint("two resources of one kind and name came from different namespaces"))
}

fn set_namespace(resource: &mut Resource, namespace: &str, fields: &[FieldSpec]) -> Result<()> {
    let gvk = resource.gvk();
    let core = gvk.api_version() == "v1";
    if !gvk.is_cluster_scoped() {
        resource.set_meta("namespace", namespace);
    }
    if gvk.kind == "RoleBinding" || gvk.kind == "ClusterRoleBinding" {
        set_default_subjects(&mut resource.object, namespace);
    }
    for field in fields {
        // only the core Namespace is named after the namespace
        if field.path == "metadata/namespace" || (field.path == "metadata/name" && !core) {
            continue;
        }
        field
            .apply(&mut resource.object, Leaf::Scalar, &mut |value| {
                if value.is_object() || value.is_array() {
                    return Err(Error::new("namespace field specs must target scalar nodes"));
                }
                *value = Value::String(namespace.to_string());
                Ok(())
            })
            .map_err(|e| e.doing(format!("setting the namespace of '{}'", resource.id())))?;
    }
    Ok(())
}

/// Subjects named `default` get the namespace; ServiceAccounts of the build are put right by their references.
fn set_default_subjects(object: &mut Value, namespace: &str) {
    let Some(Value::Array(subjects)) = object.get_mut("subjects") else { return };
    for subject in subjects.iter_mut().filter_map(Value::as_object_mut) {
        if subject.get("name").is_some_and(|name| name == "default") {
            subject.insert("namespace".to_string(), Value::String(namespace.to_string()));
        }
    }
}

pub(crate) fn prefix(prefix: &str, fields: &[FieldSpec], resources: &mut ResMap) -> Result<()> {
    if prefix.is_empty() {
        return Ok(());
    }
    rename(
        fields,
        resources,
        |resource| resource.prefixes.push(prefix.to_string()),
        |name| format!("{prefix}{name}"),
    )
}

pub(crate) fn suffix(suffix: &str, fields: &[FieldSpec], resources: &mut ResMap) -> Result<()> {
    if suffix.is_empty() {
        return Ok(());
    }
    rename(
        fields,
        resources,
        |resource| resource.suffixes.push(suffix.to_string()),
        |name| format!("{name}{suffix}"),
    )
}

fn rename(
    fields: &[FieldSpec],
    resources: &mut ResMap,
    record: impl Fn(&mut Resource),
    new_name: impl Fn(&str) -> String,
) -> Result<()> {
    for resource in resources.resources_mut() {
        let id = resource.original_id();
        if is_never_renamed(&id.gvk.kind, &id.gvk.group) {
            continue;
        }
        for field in fields.iter().filter(|field| id.gvk.is_selected(&field.gvk)) {
            if field.path == "metadata/name" {
                record(resource);
                resource.store_previous_id();
            }
            field.apply(&mut resource.object, Leaf::Scalar, &mut |value| {
                if let Value::String(name) = value {
                    *name = new_name(name);
                }
                Ok(())
            })?;
        }
    }
    Ok(())
}

fn is_never_renamed(kind: &str, group: &str) -> bool {
    kind == "CustomResourceDefinition"
        || kind == "Namespace"
        || (kind == "APIService" && group == "apiregistration.k8s.io")
}
