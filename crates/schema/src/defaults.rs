//! What upstream fills in when an object is written.
//!
//! First the object is brought into the form that Go's types would give it (no nulls, quantities in their canonical form),
//! then each kind's defaults are added. All of it is idempotent.

mod cluster;
mod network;
mod pod;
mod storage;
mod workload;

use crate::quantity::Quantity;
use crate::types::{FieldType, Type, types};
use serde_json::{Map, Value};

pub use workload::pod_template;

/// `resource` is the store's name of the kind: `pods`, `apps/deployments`.
pub fn apply(resource: &str, object: &mut Value) {
    normalize(object);
    match resource {
        "pods" => pod::pod(object),
        "podtemplates" => object.get_mut("template").into_iter().for_each(pod::template),
        "replicationcontrollers" => workload::replication_controller(object),
        "apps/deployments" => workload::deployment(object),
        "apps/replicasets" => workload::replica_set(object),
        "apps/statefulsets" => workload::stateful_set(object),
        "apps/daemonsets" => workload::daemon_set(object),
        "batch/jobs" => workload::job(object),
        "batch/cronjobs" => workload::cron_job(object),
        "autoscaling/horizontalpodautoscalers" => workload::autoscaler(object),
        "services" => network::service(object),
        "endpoints" => network::endpoints(object),
        "discovery.k8s.io/endpointslices" => network::endpoint_slice(object),
        "networking.k8s.io/ingressclasses" => network::ingress_class(object),
        "networking.k8s.io/networkpolicies" => network::network_policy(object),
        "persistentvolumeclaims" => storage::claim(object),
        "persistentvolumes" => storage::volume(object),
        "storage.k8s.io/storageclasses" => storage::class(object),
        "storage.k8s.io/csidrivers" => storage::csi_driver(object),
        "secrets" => storage::secret(object),
        "namespaces" => cluster::namespace(object),
        "nodes" => cluster::node(object),
        "limitranges" => cluster::limit_range(object),
        "admissionregistration.k8s.io/validatingadmissionpolicies"
        | "admissionregistration.k8s.io/mutatingadmissionpolicies" => cluster::admission_policy(object),
        "admissionregistration.k8s.io/validatingadmissionpolicybindings"
        | "admissionregistration.k8s.io/mutatingadmissionpolicybindings" => {
            cluster::admission_binding(object)
        }
        "scheduling.k8s.io/priorityclasses" => cluster::priority_class(object),
        "apiextensions.k8s.io/customresourcedefinitions" => cluster::definition(object),
        "rbac.authorization.k8s.io/rolebindings" | "rbac.authorization.k8s.io/clusterrolebindings" => {
            cluster::binding(object);
        }
        "admissionregistration.k8s.io/validatingwebhookconfigurations" => cluster::webhooks(object, false),
        "admissionregistration.k8s.io/mutatingwebhookconfigurations" => cluster::webhooks(object, true),
        _ => {}
    }
}

/// Takes out nulls of declared fields, and writes quantities as upstream does. Kinds that are not built in stay as they are.
pub(crate) fn normalize(object: &mut Value) {
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    if let Some(ty) = types().by_gvk(text("apiVersion"), text("kind")) {
        normalize_object(types().get(ty), object);
    }
}

fn normalize_object(ty: &Type, value: &mut Value) {
    let Some(object) = value.as_object_mut() else { return };
    object.retain(|name, value| !value.is_null() || ty.field(name).is_none());
    for (name, value) in object.iter_mut() {
        if let Some(field) = ty.field(name) {
            normalize_value(&field.ty, value);
        }
    }
}

fn normalize_value(ty: &FieldType, value: &mut Value) {
    match ty {
        FieldType::Object(id) => normalize_object(types().get(*id), value),
        FieldType::List(item) => {
            value.as_array_mut().into_iter().flatten().for_each(|value| normalize_value(item, value))
        }
        FieldType::Map(item) => {
            let Some(map) = value.as_object_mut() else { return };
            for value in map.values_mut() {
                // Go reads null as the zero of a map's values.
                if value.is_null() && **item == FieldType::String {
                    *value = "".into();
                }
                normalize_value(item, value);
            }
        }
        FieldType::Quantity => {
            let text = match &*value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => return,
            };
            if let Some(quantity) = Quantity::parse(&text) {
                *value = quantity.canonical().into();
            }
        }
        _ => {}
    }
}

/// A field that is not set: absent, null or an empty text.
fn is_unset(value: Option<&Value>) -> bool {
    value.is_none_or(|value| value.is_null() || value.as_str() == Some(""))
}

fn set(object: &mut Value, name: &str, default: impl Into<Value>) {
    if let Some(object) = object.as_object_mut()
        && is_unset(object.get(name))
    {
        object.insert(name.to_string(), default.into());
    }
}

/// The object in a field, made if it is not there.
fn child<'a>(object: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    let object = object.as_object_mut()?;
    let child = object.entry(name).or_insert_with(|| Value::Object(Map::new()));
    if child.is_null() {
        *child = Value::Object(Map::new());
    }
    child.is_object().then_some(child)
}

/// The items of a list; none if it is not there.
fn items<'a>(object: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Value> {
    object.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten()
}

#[cfg(test)]
mod tests;
