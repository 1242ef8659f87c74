//! Leases, disruption budgets, classes of priority and of runtimes, requests for certificates.

use super::{Errors, at, list, names, same, selector, text, workload};
use serde_json::{Value, json};

pub(super) fn lease(object: &Value, errors: &mut Errors) {
    let spec = &object["spec"];
    if spec["leaseDurationSeconds"].as_i64().is_some_and(|seconds| seconds <= 0) {
        errors.invalid("spec.leaseDurationSeconds", &spec["leaseDurationSeconds"], "must be greater than 0");
    }
    errors.not_negative("spec.leaseTransitions", &spec["leaseTransitions"]);
    if let Some(strategy) = spec["strategy"].as_str() {
        if strategy.contains('/') {
            errors.format("spec.strategy.strategy", &spec["strategy"], names::qualified);
        } else {
            errors.one_of("spec.strategy.strategy", &spec["strategy"], &["OldestEmulationVersion"]);
        }
    }
    if !text(&spec["preferredHolder"]).is_empty() && text(&spec["strategy"]).is_empty() {
        errors.forbidden("spec.preferredHolder", "may only be specified if `strategy` is defined");
    }
}

pub(super) fn disruption_budget(object: &Value, errors: &mut Errors) {
    let spec = &object["spec"];
    let (least, most) = (&spec["minAvailable"], &spec["maxUnavailable"]);
    if !least.is_null() && !most.is_null() {
        let shown = json!({
            "MinAvailable": least,
            "Selector": spec["selector"],
            "MaxUnavailable": most,
            "UnhealthyPodEvictionPolicy": spec["unhealthyPodEvictionPolicy"],
        });
        let message = format!("Invalid value: {shown}: minAvailable and maxUnavailable cannot be both set");
        errors.add("spec", "FieldValueInvalid", message);
    }
    for field in ["minAvailable", "maxUnavailable"] {
        if !spec[field].is_null() {
            workload::positive_int_or_percent(&spec[field], &at("spec", field), errors);
            workload::at_most_all(&spec[field], &at("spec", field), errors);
        }
    }
    selector::check(&spec["selector"], "spec.selector", errors);
    let policies = ["AlwaysAllow", "IfHealthyBudget"];
    errors.one_of("spec.unhealthyPodEvictionPolicy", &spec["unhealthyPodEvictionPolicy"], &policies);
}

/// Classes of users end here; upstream's own begin.
const MOST_PRIORITY: i64 = 1_000_000_000;

pub(super) fn priority_class(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let (name, value) = (text(&object["metadata"]["name"]), object["value"].as_i64().unwrap_or_default());
    if let Some(old) = old {
        errors.forbidden_change("value", &object["value"], &old["value"], "may not be changed in an update.");
        errors.immutable("preemptionPolicy", &object["preemptionPolicy"], &old["preemptionPolicy"]);
        return;
    }
    let system = matches!(
        (name, value),
        ("system-cluster-critical", 2_000_000_000) | ("system-node-critical", 2_000_001_000)
    );
    if name.starts_with("system-") && !system {
        let detail = format!(
            "priority class names with 'system-' prefix are reserved for system use only. error: {}",
            if matches!(name, "system-cluster-critical" | "system-node-critical") {
                let known = if name == "system-cluster-critical" { 2_000_000_000_i64 } else { 2_000_001_000 };
                format!("value of {name} PriorityClass must be {known}")
            } else {
                format!("{name} is not a known system priority class")
            }
        );
        errors.forbidden("metadata.name", &detail);
    } else if !system && value > MOST_PRIORITY {
        let detail = format!("maximum allowed value of a user defined priority is {MOST_PRIORITY}");
        errors.forbidden("value", &detail);
    }
    errors.one_of("preemptionPolicy", &object["preemptionPolicy"], &["PreemptLowerPriority", "Never"]);
}

pub(super) fn runtime_class(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let handler = &object["handler"];
    if let Some(old) = old {
        errors.immutable("handler", handler, &old["handler"]);
    }
    errors.format("handler", &text(handler).into(), names::label);
    if object["overhead"].is_object() {
        let limits = json!({ "limits": object["overhead"]["podFixed"] });
        super::resources::requirements(
            &limits,
            super::resources::container_name,
            "overhead.podFixed",
            errors,
        );
    }
    let scheduling = &object["scheduling"];
    super::metadata::labels(&scheduling["nodeSelector"], "scheduling.nodeSelector", errors);
    super::pod::tolerations(list(&scheduling["tolerations"]), "scheduling.tolerations", errors);
    for (index, toleration) in list(&scheduling["tolerations"]).iter().enumerate() {
        if list(&scheduling["tolerations"])[..index].contains(toleration) {
            errors.duplicate(&format!("scheduling.tolerations[{index}]"), toleration);
        }
    }
}

const USAGES: &[&str] = &[
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

pub(super) fn signing_request(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    if let Some(old) = old {
        for field in
            ["request", "signerName", "usages", "expirationSeconds", "username", "uid", "groups", "extra"]
        {
            if !same(&spec[field], &old["spec"][field]) {
                errors.immutable(&at("spec", field), &spec[field], &old["spec"][field]);
            }
        }
    }
    errors.required_text("spec.request", &spec["request"]);
    let usages = list(&spec["usages"]);
    if usages.is_empty() {
        errors.required("spec.usages", "usages must contain at least one value");
    }
    for (index, usage) in usages.iter().enumerate() {
        let field = format!("spec.usages[{index}]");
        errors.one_of(&field, usage, USAGES);
        if usages[..index].contains(usage) {
            errors.duplicate(&field, usage);
        }
    }
    signer(&spec["signerName"], errors);
    if spec["expirationSeconds"].as_i64().is_some_and(|seconds| seconds < 600) {
        let detail = "may not specify a duration less than 600 seconds (10 minutes)";
        errors.invalid("spec.expirationSeconds", &spec["expirationSeconds"], detail);
    }
}

/// `example.com/my-signer`.
fn signer(name: &Value, errors: &mut Errors) {
    const FIELD: &str = "spec.signerName";
    if text(name).is_empty() {
        errors.required(FIELD, "");
        return;
    }
    let Some((domain, path)) = text(name).split_once('/') else {
        let detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        errors.invalid(FIELD, name, detail);
        return;
    };
    if path.contains('/') {
        let detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        errors.invalid(FIELD, name, detail);
        return;
    }
    for problem in names::subdomain(domain) {
        errors.invalid(FIELD, name, &format!("validating label {domain:?}: {problem}"));
    }
    if domain.split('.').count() < 2 {
        let detail = "should be a domain with at least two segments separated by dots";
        errors.invalid(FIELD, name, detail);
    }
    for problem in names::subdomain(path) {
        errors.invalid(FIELD, name, &format!("validating label {path:?}: {problem}"));
    }
}
