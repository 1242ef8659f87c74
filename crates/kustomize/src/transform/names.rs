//! Namespace, prefix and suffix.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::fieldpath::wrong_kind;
use crate::fieldspec::{FieldSpec, Leaf};
use crate::resmap::ResMap;
use crate::resource::Resource;
use crate::scalar;
use crate::scope::Scopes;

#[derive(Debug, Clone, Default)]
pub(crate) struct NamespaceRule {
    pub(crate) namespace: String,
    /// Only where there is none yet.
    pub(crate) unset_only: bool,
    pub(crate) subjects: Subjects,
}

/// Which subjects of role bindings get the namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Subjects {
    /// Those that are named `default`; ServiceAccounts of the build are put right by their references.
    #[default]
    DefaultOnly,
    AllServiceAccounts,
    None,
}

pub(crate) fn namespace(rule: &NamespaceRule, fields: &[FieldSpec], resources: &mut ResMap) -> Result<()> {
    if rule.namespace.is_empty() {
        return Ok(());
    }
    let scopes = resources.scopes();
    // charts place their objects themselves
    for resource in resources.resources_mut().iter_mut().filter(|resource| !resource.is_from_helm) {
        resource.store_previous_id();
        set_namespace(resource, &scopes, rule, fields)?;
    }
    let conflicts = resources.conflicts();
    if conflicts.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = conflicts.iter().map(ToString::to_string).collect();
    Err(Error::new(format!("namespace transformation produces ID conflict: [{}]", ids.join(", ")))
        .hint("two resources of one kind and name came from different namespaces"))
}

/// Sets the namespace of one object that has one.
pub(crate) fn set_namespace(
    resource: &mut Resource,
    scopes: &Scopes,
    rule: &NamespaceRule,
    fields: &[FieldSpec],
) -> Result<()> {
    let namespace = rule.namespace.as_str();
    let gvk = resource.gvk();
    let core = gvk.api_version() == "v1";
    if !scopes.is_cluster_scoped(&gvk) && (!rule.unset_only || resource.namespace().is_empty()) {
        resource.set_meta("namespace", namespace);
    }
    if is_role_binding_kind(&gvk.kind) {
        set_subjects(&mut resource.object, rule);
    }
    for field in fields {
        // role bindings' subjects are seen to above; only core objects are named after the namespace
        if field.path == "metadata/namespace"
            || (field.path == "subjects/namespace" && is_role_binding_kind(&field.gvk.kind))
            || (field.path == "metadata/name" && !core)
        {
            continue;
        }
        let mut doing = "namespace transformation failed";
        field
            .apply(&mut resource.object, Leaf::Scalar, &mut |value| {
                if value.is_object() || value.is_array() {
                    doing = "namespace field specs must target scalar nodes";
                    return Err(wrong_kind("ScalarNode", value));
                }
                let is_set = value.as_str().is_some_and(|text| !text.is_empty());
                if !(rule.unset_only && is_set) {
                    *value = Value::String(namespace.to_string());
                }
                Ok(())
            })
            .map_err(|e| e.doing(doing))?;
    }
    Ok(())
}

fn is_role_binding_kind(kind: &str) -> bool {
    kind == "RoleBinding" || kind == "ClusterRoleBinding"
}

fn set_subjects(object: &mut Value, rule: &NamespaceRule) {
    let Some(Value::Array(subjects)) = object.get_mut("subjects") else { return };
    for subject in subjects.iter_mut().filter_map(Value::as_object_mut) {
        let is = |field: &str, text: &str| subject.get(field).is_some_and(|value| value == text);
        let chosen = match rule.subjects {
            Subjects::DefaultOnly => is("name", "default"),
            Subjects::AllServiceAccounts => is("kind", "ServiceAccount"),
            Subjects::None => false,
        };
        let has = subject.get("namespace").and_then(Value::as_str).is_some_and(|n| !n.is_empty());
        if chosen && !(rule.unset_only && has) {
            subject.insert("namespace".to_string(), Value::String(rule.namespace.clone()));
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
                if let Some(name) = scalar::text(value) {
                    scalar::set_text(value, new_name(&name));
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
