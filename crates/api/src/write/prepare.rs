//! What the server itself sees to when an object of some kind is made or changed.

use crate::metadata::{self, text};
use crate::transaction::Transaction;
use crate::{ApiError, Result, admit, crds, limits, pods, services};
use schema::Kind;
use serde_json::{Value, json};
use store::View;

/// Kinds whose new objects get fields of the specification from [`initial`].
pub(super) fn is_added_to(resource: &str) -> bool {
    matches!(
        resource,
        "pods" | "services" | "persistentvolumeclaims" | "persistentvolumes" | "networking.k8s.io/ingresses"
    )
}

/// A node reports its own status when it registers.
pub(super) fn keeps_status_on_create(resource: &str) -> bool {
    matches!(resource, "nodes")
}

/// Name and namespace. Whether the name is the server's.
pub(super) fn place(tx: &Transaction<'_>, kind: &Kind, object: &mut Value) -> Result<bool> {
    let view = tx.view();
    let resource = kind.resource();
    if kind.namespaced {
        if text(object, "namespace").is_empty() {
            metadata::of(object).insert("namespace".into(), "default".into());
        }
    } else {
        metadata::of(object).remove("namespace");
    }
    let nameless = text(object, "name").is_empty();
    if nameless {
        let prefix = text(object, "generateName").to_string();
        if prefix.is_empty() {
            let cause = (
                "metadata.name".into(),
                "FieldValueRequired".into(),
                "Required value: name or generateName is required".into(),
            );
            return Err(ApiError::invalid(&resource, &kind.kind, "", &[cause]));
        }
        // The suffix must fit into 63 characters with its prefix, as upstream has it.
        let prefix: String = prefix.chars().take(58).collect();
        let namespace = text(object, "namespace").to_string();
        let free = |name: &String| view.get(&resource, &namespace, name).is_none();
        let mut names = std::iter::repeat_with(|| format!("{prefix}{}", tx.luck.suffix())).take(8);
        let Some(name) = names.find(free) else {
            return Err(ApiError::already_exists(&resource, &prefix));
        };
        metadata::of(object).insert("name".into(), name.into());
    }
    if kind.namespaced {
        let namespace = text(object, "namespace");
        let Some(found) = view.get("namespaces", "", namespace) else {
            return Err(ApiError::not_found("namespaces", namespace));
        };
        if metadata::is_deleting(&found) {
            let why = format!(
                "unable to create new content in namespace {namespace} because it is being terminated"
            );
            let mut error = ApiError::forbidden(&resource, text(object, "name"), &why);
            error.details["causes"] = json!([{
                "reason": "NamespaceTerminating", "field": "metadata.namespace",
                "message": format!("namespace {namespace} is being terminated"),
            }]);
            return Err(error);
        }
    }
    Ok(nameless)
}

/// What the server's own rules add to a new object or refuse. Done again over what others have changed.
pub(super) fn own_rules(tx: &Transaction<'_>, kind: &Kind, object: &mut Value) -> Result<()> {
    match (kind.group.as_str(), kind.plural.as_str()) {
        ("", "pods") => {
            let view = tx.view();
            limits::admit(&view, "pods", object)?;
            pods::admit(&view, object, &tx.luck)?;
        }
        ("", "persistentvolumeclaims") => {
            let view = tx.view();
            admit::default_storage_class(&view, object);
            limits::admit(&view, "persistentvolumeclaims", object)?;
            protect(object, "kubernetes.io/pvc-protection");
        }
        ("", "persistentvolumes") => protect(object, "kubernetes.io/pv-protection"),
        ("networking.k8s.io", "ingresses") => admit::default_ingress_class(&tx.view(), object),
        _ => {}
    }
    Ok(())
}

/// Upstream's StorageObjectInUseProtection: what is in use does not go.
fn protect(object: &mut Value, finalizer: &str) {
    let finalizers = metadata::of(object).entry("finalizers").or_insert_with(|| json!([]));
    if let Some(list) = finalizers.as_array_mut()
        && !list.iter().any(|known| known == finalizer)
    {
        list.push(finalizer.into());
    }
}

/// What a new object of some kinds gets from the server at last.
pub(super) fn initial(tx: &Transaction<'_>, kind: &Kind, object: &mut Value) -> Result<()> {
    let view = tx.view();
    match kind.resource().as_str() {
        "namespaces" => {
            let name = text(object, "name").to_string();
            let labels = metadata::of(object).entry("labels").or_insert_with(|| json!({}));
            labels["kubernetes.io/metadata.name"] = name.into();
            metadata::field_map(object, "spec").insert("finalizers".into(), json!(["kubernetes"]));
            object["status"] = json!({ "phase": "Active" });
        }
        "secrets" => admit::string_data(object),
        "pods" => object["status"] = json!({ "phase": "Pending", "qosClass": pods::qos_class(object) }),
        "services" => {
            services::allocate(&tx.api.inner.range, &view, object, None, &tx.luck)
                .map_err(|causes| ApiError::invalid("services", "Service", text(object, "name"), &causes))?;
            object["status"] = json!({ "loadBalancer": {} });
        }
        "persistentvolumeclaims" | "persistentvolumes" => object["status"] = json!({ "phase": "Pending" }),
        "networking.k8s.io/ingresses" => object["status"] = json!({ "loadBalancer": {} }),
        crds::RESOURCE => crds::admit(&view, object, tx.now),
        "apps/replicasets" | "apps/statefulsets" | "replicationcontrollers" => {
            object["status"] = json!({ "replicas": 0 });
        }
        "apps/daemonsets" => {
            template_generation(object, None);
            object["status"] = json!({
                "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0,
            });
        }
        "autoscaling/horizontalpodautoscalers" => object["status"] = json!({ "desiredReplicas": 0 }),
        "policy/poddisruptionbudgets" => {
            object["status"] = json!({
                "disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0,
            });
        }
        _ if kind.subresources.iter().any(|sub| sub == "status") && tx.api.is_builtin(&kind.resource()) => {
            metadata::field_map(object, "status");
        }
        _ => {}
    }
    Ok(())
}

/// How often the template of a DaemonSet has changed: a field of old versions that upstream shows as an annotation.
fn template_generation(object: &mut Value, previous: Option<&Value>) {
    const ANNOTATION: &str = "deprecated.daemonset.template.generation";
    let of = |object: &Value| object["metadata"]["annotations"][ANNOTATION].as_str()?.parse::<i64>().ok();
    let generation = match previous {
        None => of(object).unwrap_or(1).max(1),
        Some(previous) => {
            let changed = previous["spec"]["template"] != object["spec"]["template"];
            of(previous).unwrap_or(1) + i64::from(changed)
        }
    };
    metadata::of(object).entry("annotations").or_insert_with(|| json!({}))[ANNOTATION] =
        generation.to_string().into();
}

/// What the server sees to when objects of some kinds change.
pub(super) fn changed(tx: &Transaction<'_>, kind: &Kind, next: &mut Value, previous: &Value) -> Result<()> {
    match kind.resource().as_str() {
        "secrets" => admit::string_data(next),
        "persistentvolumeclaims" => limits::admit(&tx.view(), "persistentvolumeclaims", next)?,
        "services" => {
            services::allocate(&tx.api.inner.range, &tx.view(), next, Some(previous), &tx.luck)
                .map_err(|causes| ApiError::invalid("services", "Service", text(next, "name"), &causes))?;
        }
        crds::RESOURCE => crds::admit(&tx.view(), next, tx.now),
        "apps/daemonsets" => template_generation(next, Some(previous)),
        _ => {}
    }
    Ok(())
}
