//! What upstream refuses, in its words.
//!
//! Deep for what developers write by hand (pods and what makes them, services, ingresses, configuration, claims); for the
//! rest, metadata alone.

mod config;
mod container;
mod ephemeral;
mod metadata;
mod names;
mod network;
mod pod;
mod probe;
mod selector;
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

/// `old` is the stored object, when this is an update. Both have their defaults.
pub fn check(resource: &str, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut errors = Errors::default();
    metadata::check(resource, object, old, &mut errors);
    match resource {
        "pods" => pod::check(object, old, &mut errors),
        "podtemplates" => pod::template(&object["template"], "template", &mut errors),
        "apps/deployments" => workload::deployment(object, old, &mut errors),
        "apps/replicasets" => workload::replica_set(object, old, &mut errors),
        "apps/statefulsets" => workload::stateful_set(object, old, &mut errors),
        "apps/daemonsets" => workload::daemon_set(object, old, &mut errors),
        "batch/jobs" => workload::job(object, old, &mut errors),
        "batch/cronjobs" => workload::cron_job(object, old, &mut errors),
        "replicationcontrollers" => workload::replication_controller(object, &mut errors),
        "services" => network::service(object, old, &mut errors),
        "networking.k8s.io/ingresses" => network::ingress(object, &mut errors),
        "configmaps" => config::config_map(object, old, &mut errors),
        "secrets" => config::secret(object, old, &mut errors),
        "persistentvolumeclaims" => config::claim(object, old, &mut errors),
        "storage.k8s.io/storageclasses" => config::class(object, old, &mut errors),
        _ => {}
    }
    errors.found
}

/// A pod with other ephemeral containers than it had.
pub fn ephemeral_containers(pod: &Value, old: &Value) -> Vec<Cause> {
    let mut errors = Errors::default();
    ephemeral::check(pod, old, &mut errors);
    errors.found
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

    fn not_negative(&mut self, field: &str, value: &Value) {
        if value.as_i64().is_some_and(|number| number < 0) {
            self.invalid(field, value, "must be greater than or equal to 0");
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

#[cfg(test)]
mod tests;
