//! What upstream refuses, in its words.
//!
//! A module a family of kinds. Within an object problems come in upstream's order, fields are named as upstream names them
//! (also where it slips: a node's taints are `metadata.taints`), and values are written as Go writes them. How far each kind
//! goes is a column of [`crate::reference`].

mod admission;
mod affinity;
mod autoscaling;
mod batch;
mod claim;
mod cluster;
mod config;
mod container;
mod definition;
mod diff;
mod endpoints;
mod ephemeral;
mod ingress;
mod metadata;
mod mounts;
mod names;
mod network;
mod network_policy;
mod persistent;
mod pod;
mod pod_update;
mod policy;
mod probe;
mod quota;
mod rbac;
mod resize;
mod resources;
mod security;
mod selector;
mod source;
mod storage;
mod volume;
mod workload;

use serde_json::Value;

pub(crate) const QUANTITY: &str = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$";

/// An entry of a `Status`' `details.causes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// `spec.containers[0].name`.
    pub field: String,
    /// `FieldValueRequired`, `FieldValueInvalid`, …
    pub reason: &'static str,
    /// Without the field: `Required value`, `Invalid value: "A": a lowercase RFC 1123 …`.
    pub message: String,
}

/// What keeps a name from being a label of DNS.
pub(crate) fn label_problems(name: &str) -> Vec<String> {
    names::label(name)
}

/// `old` is the stored object, when this is an update. Both have their defaults.
pub fn check(resource: &str, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut errors = Errors::default();
    metadata::check(resource, object, old, &mut errors);
    if !core(resource, object, old, &mut errors) {
        others(resource, object, old, &mut errors);
    }
    errors.found
}

/// The metadata of an object of a custom kind.
pub fn custom_metadata(object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut errors = Errors::default();
    metadata::custom(object, old, &mut errors);
    errors.found
}

/// A pod with other ephemeral containers than it had.
pub fn ephemeral_containers(pod: &Value, old: &Value) -> Vec<Cause> {
    let mut errors = Errors::default();
    ephemeral::check(pod, old, &mut errors);
    errors.found
}

/// What may not be so in a pod whose containers get other resources; `class` is its QoS class before and after.
pub fn resize(pod: &Value, old: &Value, class: (&str, &str)) -> Vec<Cause> {
    let mut errors = Errors::default();
    resize::check(pod, old, class, &mut errors);
    errors.found
}

/// What is wrong with the key of a label, nothing if it is well.
pub fn label_key(key: &str) -> Vec<String> {
    names::qualified(key)
}

/// What is wrong with the value of a label.
pub fn label_value(value: &str) -> Vec<String> {
    names::label_value(value)
}

/// What developers write most. False for a kind that is not here.
fn core(resource: &str, object: &Value, old: Option<&Value>, errors: &mut Errors) -> bool {
    match resource {
        "pods" => pod::check(object, old, errors),
        "podtemplates" => pod::template(&object["template"], "template", errors),
        "apps/deployments" => workload::deployment(object, old, errors),
        "apps/replicasets" => workload::replica_set(object, old, errors),
        "apps/statefulsets" => workload::stateful_set(object, old, errors),
        "apps/daemonsets" => workload::daemon_set(object, old, errors),
        "apps/controllerrevisions" => workload::revision(object, old, errors),
        "batch/jobs" => batch::job(object, old, errors),
        "batch/cronjobs" => batch::cron_job(object, old, errors),
        "replicationcontrollers" => workload::replication_controller(object, errors),
        "services" => network::service(object, old, errors),
        "networking.k8s.io/ingresses" => ingress::ingress(object, old, errors),
        "networking.k8s.io/ingressclasses" => ingress::class(object, old, errors),
        "networking.k8s.io/networkpolicies" => network_policy::check(object, errors),
        "configmaps" => config::config_map(object, old, errors),
        "secrets" => config::secret(object, old, errors),
        "persistentvolumeclaims" => claim::check(object, old, errors),
        "autoscaling/horizontalpodautoscalers" => autoscaling::check(object, errors),
        _ => return false,
    }
    true
}

fn others(resource: &str, object: &Value, old: Option<&Value>, errors: &mut Errors) {
    match resource {
        "apiextensions.k8s.io/customresourcedefinitions" => definition::check(object, old, errors),
        "persistentvolumes" => persistent::check(object, old, errors),
        "namespaces" => cluster::namespace(object, errors),
        "nodes" => cluster::node(object, old, errors),
        "events" => cluster::event(object, errors),
        "events.k8s.io/events" => cluster::event_v1(object, old, errors),
        "endpoints" => endpoints::endpoints(object, errors),
        "discovery.k8s.io/endpointslices" => endpoints::slice(object, old, errors),
        "resourcequotas" => quota::quota(object, old, errors),
        "limitranges" => quota::limit_range(object, errors),
        "rbac.authorization.k8s.io/roles" => rbac::role(object, true, errors),
        "rbac.authorization.k8s.io/clusterroles" => rbac::role(object, false, errors),
        "rbac.authorization.k8s.io/rolebindings" => rbac::binding(object, old, true, errors),
        "rbac.authorization.k8s.io/clusterrolebindings" => rbac::binding(object, old, false, errors),
        "coordination.k8s.io/leases" => policy::lease(object, errors),
        "policy/poddisruptionbudgets" => policy::disruption_budget(object, errors),
        "scheduling.k8s.io/priorityclasses" => policy::priority_class(object, old, errors),
        "node.k8s.io/runtimeclasses" => policy::runtime_class(object, old, errors),
        "certificates.k8s.io/certificatesigningrequests" => policy::signing_request(object, old, errors),
        "storage.k8s.io/storageclasses" => storage::class(object, old, errors),
        "storage.k8s.io/csidrivers" => storage::driver(object, old, errors),
        "storage.k8s.io/csinodes" => storage::node(object, errors),
        "storage.k8s.io/csistoragecapacities" => storage::capacity(object, old, errors),
        "storage.k8s.io/volumeattachments" => storage::attachment(object, old, errors),
        "admissionregistration.k8s.io/validatingwebhookconfigurations"
        | "admissionregistration.k8s.io/mutatingwebhookconfigurations" => admission::webhooks(object, errors),
        "admissionregistration.k8s.io/validatingadmissionpolicies" => admission::policy(object, errors),
        "admissionregistration.k8s.io/validatingadmissionpolicybindings" => {
            admission::binding(object, errors)
        }
        "admissionregistration.k8s.io/mutatingadmissionpolicies" => {
            admission::mutating_policy(object, errors)
        }
        "admissionregistration.k8s.io/mutatingadmissionpolicybindings" => {
            admission::mutating_binding(object, errors)
        }
        _ => {}
    }
}

#[derive(Debug, Default)]
struct Errors {
    found: Vec<Cause>,
}

impl Errors {
    fn add(&mut self, field: &str, reason: &'static str, message: String) {
        self.found.push(Cause { field: field.to_string(), reason, message });
    }

    fn required(&mut self, field: &str, detail: &str) {
        self.add(field, "FieldValueRequired", with("Required value", detail));
    }

    fn invalid(&mut self, field: &str, value: &Value, detail: &str) {
        self.add(field, "FieldValueInvalid", with(&format!("Invalid value: {}", shown(value)), detail));
    }

    fn duplicate(&mut self, field: &str, value: &Value) {
        self.add(field, "FieldValueDuplicate", format!("Duplicate value: {}", shown(value)));
    }

    fn not_found(&mut self, field: &str, value: &Value) {
        self.add(field, "FieldValueNotFound", format!("Not found: {}", shown(value)));
    }

    fn forbidden(&mut self, field: &str, detail: &str) {
        self.add(field, "FieldValueForbidden", with("Forbidden", detail));
    }

    fn too_long(&mut self, field: &str, most: usize) {
        self.add(field, "FieldValueTooLong", format!("Too long: may not be more than {most} bytes"));
    }

    fn too_many(&mut self, field: &str, found: usize, most: usize) {
        let message = format!("Too many: {found}: must have at most {most} items");
        self.add(field, "FieldValueTooMany", message);
    }

    fn unsupported(&mut self, field: &str, value: &Value, supported: &[&str]) {
        let supported: Vec<String> = supported.iter().map(|value| format!("{value:?}")).collect();
        let message =
            format!("Unsupported value: {}: supported values: {}", shown(value), supported.join(", "));
        self.add(field, "FieldValueNotSupported", message);
    }

    /// A text that must be one of these; nothing for none.
    fn one_of(&mut self, field: &str, value: &Value, supported: &[&str]) {
        if value.as_str().is_some_and(|value| !supported.contains(&value)) {
            self.unsupported(field, value, supported);
        }
    }

    /// As [`Errors::one_of`], and it must be there.
    fn required_one_of(&mut self, field: &str, value: &Value, supported: &[&str]) {
        if text(value).is_empty() {
            self.required(field, "");
        } else {
            self.one_of(field, value, supported);
        }
    }

    /// What a format of [`names`] has to say.
    fn format(&mut self, field: &str, value: &Value, format: fn(&str) -> Vec<String>) {
        for problem in value.as_str().map(format).unwrap_or_default() {
            self.invalid(field, value, &problem);
        }
    }

    /// As [`Errors::format`], for a text that may be left out.
    fn optional(&mut self, field: &str, value: &Value, format: fn(&str) -> Vec<String>) {
        if !text(value).is_empty() {
            self.format(field, value, format);
        }
    }

    /// As [`Errors::format`], and there must be a text.
    fn required_format(&mut self, field: &str, value: &Value, format: fn(&str) -> Vec<String>) {
        if text(value).is_empty() {
            self.required(field, "");
        } else {
            self.format(field, value, format);
        }
    }

    fn required_text(&mut self, field: &str, value: &Value) {
        if text(value).is_empty() {
            self.required(field, "");
        }
    }

    fn not_negative(&mut self, field: &str, value: &Value) {
        if value.as_i64().is_some_and(|number| number < 0) {
            self.invalid(field, value, "must be greater than or equal to 0");
        }
    }

    /// A number from one to the other, both included; nothing for none.
    fn range(&mut self, field: &str, value: &Value, from: i64, to: i64) {
        if value.as_i64().is_some_and(|number| !(from..=to).contains(&number)) {
            self.invalid(field, value, &format!("must be between {from} and {to}, inclusive"));
        }
    }

    /// A number or name of a port.
    fn port(&mut self, field: &str, value: &Value) {
        match value {
            Value::Number(number) => {
                if !number.as_i64().is_some_and(|number| (1..=65_535).contains(&number)) {
                    self.invalid(field, value, "must be between 1 and 65535, inclusive");
                }
            }
            Value::String(_) => self.format(field, value, names::port_name),
            _ => self.required(field, ""),
        }
    }

    /// A field that must stay as it was, where upstream forbids instead of calling the value invalid.
    fn forbidden_change(&mut self, field: &str, new: &Value, old: &Value, detail: &str) {
        if !same(new, old) {
            self.forbidden(field, detail);
        }
    }

    /// A field that must stay as it was.
    fn immutable(&mut self, field: &str, new: &Value, old: &Value) {
        if !same(new, old) {
            self.invalid(field, new, "field is immutable");
        }
    }
}

fn with(head: &str, detail: &str) -> String {
    if detail.is_empty() { head.to_string() } else { format!("{head}: {detail}") }
}

/// A value as Go prints it: maps in the order of their keys.
/// How Go prints a pointer to nothing: as this text, in quotes.
const NIL: &str = "null";

fn shown(value: &Value) -> String {
    let mut value = value.clone();
    sort_labels(&mut value);
    value.to_string()
}

fn sort_labels(value: &mut Value) {
    match value {
        Value::Object(map) => {
            // Objects of texts are maps in Go, the others structs.
            if map.values().all(Value::is_string) {
                map.sort_keys();
            }
            map.values_mut().for_each(sort_labels);
        }
        Value::Array(list) => list.iter_mut().for_each(sort_labels),
        _ => {}
    }
}

/// Equal, where nothing, null, an empty text and an empty list or object are the same.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(one), Value::Object(other)) => {
            let keys = one.keys().chain(other.keys());
            keys.into_iter().all(|key| same(&a[key.as_str()], &b[key.as_str()]))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same(a, b))
        }
        _ => a == b || (is_nothing(a) && is_nothing(b)),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.values().all(is_nothing),
        _ => false,
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The entries of an object; none if it is not there.
fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// The field of a field.
fn at(path: &str, field: &str) -> String {
    format!("{path}.{field}")
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

#[cfg(test)]
mod tests;
