//! Requests and limits.

use super::{Errors, at, entries, list, names, text};
use crate::quantity::Quantity;
use serde_json::Value;

fn is_huge_page(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Upstream's own: without a domain, or with `kubernetes.io/`.
fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// Resources of which more may be promised than there is.
pub(super) fn is_overcommitted(name: &str) -> bool {
    is_native(name) && !is_huge_page(name)
}

fn is_extended(name: &str) -> bool {
    !is_native(name)
        && !name.starts_with("requests.")
        && names::qualified(&format!("requests.{name}")).is_empty()
}

const STANDARD: &[&str] = &[
    "cpu",
    "memory",
    "ephemeral-storage",
    "storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "requests.storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];

/// Counted in whole numbers.
const WHOLE: std::ops::Range<usize> = 11..20;

/// False if the name is none at all.
pub(super) fn name(name: &str, path: &str, errors: &mut Errors) -> bool {
    let shown = name.into();
    let problems = names::qualified(name);
    problems.iter().for_each(|problem| errors.invalid(path, &shown, problem));
    if problems.is_empty()
        && !name.contains('/')
        && !STANDARD.contains(&name)
        && !is_huge_page(name)
        && !name.starts_with("requests.hugepages-")
    {
        errors.invalid(path, &shown, "must be a standard resource type or fully qualified");
    }
    problems.is_empty()
}

pub(super) fn container_name(name: &str, path: &str, errors: &mut Errors) {
    self::name(name, path, errors);
    let shown = name.into();
    if !name.contains('/') {
        if !matches!(name, "cpu" | "memory" | "ephemeral-storage") && !is_huge_page(name) {
            errors.invalid(path, &shown, "must be a standard resource for containers");
        }
    } else if !is_native(name) && !is_extended(name) {
        errors.invalid(path, &shown, "doesn't follow extended resource name standard");
    }
}

/// A quantity of a resource: not negative, whole where only whole ones exist.
pub(super) fn quantity_value(name: &str, value: &Value, path: &str, errors: &mut Errors) -> Option<Quantity> {
    let Some(quantity) = Quantity::parse(text(value)) else {
        let detail = format!("quantities must match the regular expression '{}'", super::QUANTITY);
        errors.invalid(path, value, &detail);
        return None;
    };
    if quantity.nanos() < 0 {
        errors.invalid(path, value, "must be greater than or equal to 0");
    }
    let whole = STANDARD[WHOLE].contains(&name) || is_extended(name);
    if whole && quantity.nanos() % 1_000_000_000 != 0 {
        errors.invalid(path, value, "must be an integer");
    }
    Some(quantity)
}

type Name = fn(&str, &str, &mut Errors);

/// Of a container.
pub(super) fn check(resources: &Value, claims: &[&str], path: &str, errors: &mut Errors) {
    requirements(resources, container_name, path, errors);
    for (index, claim) in list(&resources["claims"]).iter().enumerate() {
        let path = format!("{path}.claims[{index}]");
        let name = text(&claim["name"]);
        if name.is_empty() {
            errors.required(&path, "");
            continue;
        }
        let before = &list(&resources["claims"])[..index];
        if before.iter().any(|other| other["name"] == claim["name"] && other["request"] == claim["request"]) {
            errors.duplicate(&path, &claim["name"]);
        }
        if !claims.contains(&name) {
            let among =
                if claims.is_empty() { " which is empty".into() } else { format!(": {}", claims.join(", ")) };
            let message =
                format!("Not found: \"{name}\": must be one of the names in pod.spec.resourceClaims{among}");
            errors.add(&path, "FieldValueNotFound", message);
        }
    }
}

/// Of a whole pod.
pub(super) fn of_pod(spec: &Value, path: &str, errors: &mut Errors) {
    let resources = &spec["resources"];
    if !resources.is_object() {
        return;
    }
    if resources["claims"].is_array() {
        errors.forbidden(&at(path, "claims"), "claims cannot be set for Resources at pod-level");
    }
    requirements(resources, pod_name, path, errors);
    for (index, container) in list(&spec["containers"]).iter().enumerate() {
        for (name, limit) in entries(&container["resources"]["limits"]) {
            let most = &resources["limits"][name.as_str()];
            let (Some(own), Some(all)) = (Quantity::parse(text(limit)), Quantity::parse(text(most))) else {
                continue;
            };
            if own.nanos() > all.nanos() {
                let detail = format!("must be less than or equal to pod limits of {}", text(most));
                errors.invalid(&format!("{path}.containers[{index}][{name}].limits"), limit, &detail);
            }
        }
    }
}

fn pod_name(name: &str, path: &str, errors: &mut Errors) {
    if self::name(name, path, errors) && !matches!(name, "cpu" | "memory") && !is_huge_page(name) {
        errors.unsupported(path, &name.into(), &["cpu", "hugepages-", "memory"]);
    }
}

pub(super) fn requirements(resources: &Value, name_of: Name, path: &str, errors: &mut Errors) {
    let (mut huge, mut basic) = (false, false);
    let mut visit = |name: &str, value: &Value, path: &str, errors: &mut Errors| {
        name_of(name, path, errors);
        basic |= matches!(name, "cpu" | "memory");
        huge |= is_huge_page(name);
        quantity_value(name, value, path, errors)
    };
    for (name, value) in entries(&resources["limits"]) {
        let path = format!("{path}.limits[{name}]");
        if let Some(quantity) = visit(name, value, &path, errors) {
            divisible(name, value, quantity, &path, errors);
        }
    }
    let limits = at(path, "limits");
    for (name, value) in entries(&resources["requests"]) {
        let (requests, path) = (at(path, "requests"), format!("{path}.requests[{name}]"));
        let Some(asked) = visit(name, value, &path, errors) else { continue };
        let limit = &resources["limits"][name.as_str()];
        match Quantity::parse(text(limit)) {
            Some(most) if asked.nanos() != most.nanos() && !is_overcommitted(name) => {
                let detail = format!("must be equal to {name} limit of {}", text(limit));
                errors.invalid(&requests, value, &detail);
            }
            Some(most) if asked.nanos() > most.nanos() => {
                let detail = format!("must be less than or equal to {name} limit of {}", text(limit));
                errors.invalid(&requests, value, &detail);
            }
            None if !is_overcommitted(name) && limit.is_null() => {
                errors.required(&limits, "Limit must be set for non overcommitable resources");
            }
            _ => {}
        }
        divisible(name, value, asked, &path, errors);
    }
    if huge && !basic {
        errors.forbidden(path, "HugePages require cpu or memory");
    }
}

/// Huge pages come in pages.
fn divisible(name: &str, value: &Value, quantity: Quantity, path: &str, errors: &mut Errors) {
    let Some(size) = name.strip_prefix("hugepages-").and_then(Quantity::parse) else { return };
    if size.nanos() <= 0
        || quantity.nanos() <= 0 && quantity.nanos() != 0
        || quantity.nanos() % size.nanos() != 0
    {
        let detail = format!("{} is not positive integer multiple of {name}", text(value));
        errors.invalid(path, value, &detail);
    }
}
