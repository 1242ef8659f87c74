//! Classes of storage, and the kinds of CSI.

use super::{Errors, at, entries, list, names, same, selector, text};
use serde_json::Value;
use std::collections::HashSet;

const MOST_PARAMETERS: usize = 512;
const MOST_BYTES: usize = 256 << 10;

pub(super) fn class(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    if let Some(old) = old {
        for field in ["parameters", "provisioner", "reclaimPolicy"] {
            let detail = format!("updates to {field} are forbidden.");
            errors.forbidden_change(field, &object[field], &old[field], &detail);
        }
        errors.immutable("volumeBindingMode", &object["volumeBindingMode"], &old["volumeBindingMode"]);
        return;
    }
    let provisioner = text(&object["provisioner"]);
    errors.required_text("provisioner", &object["provisioner"]);
    for problem in names::qualified(&provisioner.to_lowercase()).iter().filter(|_| !provisioner.is_empty()) {
        errors.invalid("provisioner", &object["provisioner"], problem);
    }
    parameters(&object["parameters"], errors);
    errors.one_of("reclaimPolicy", &object["reclaimPolicy"], &["Delete", "Retain"]);
    errors.required_one_of(
        "volumeBindingMode",
        &object["volumeBindingMode"],
        &["Immediate", "WaitForFirstConsumer"],
    );
    for (index, term) in list(&object["allowedTopologies"]).iter().enumerate() {
        topology(term, &format!("allowedTopologies[{index}]"), errors);
        if list(&object["allowedTopologies"])[..index].iter().any(|other| same(other, term)) {
            errors.duplicate(&format!("allowedTopologies[{index}].matchLabelExpressions"), &"".into());
        }
    }
}

fn parameters(parameters: &Value, errors: &mut Errors) {
    if entries(parameters).count() > MOST_PARAMETERS {
        errors.too_long("parameters", MOST_PARAMETERS);
        return;
    }
    if entries(parameters).any(|(key, _)| key.is_empty()) {
        errors.invalid("parameters", &"".into(), "field can not be empty.");
    }
    if entries(parameters).map(|(key, value)| key.len() + text(value).len()).sum::<usize>() > MOST_BYTES {
        errors.too_long("parameters", MOST_BYTES);
    }
}

fn topology(term: &Value, path: &str, errors: &mut Errors) {
    let mut keys = HashSet::new();
    for (index, rule) in list(&term["matchLabelExpressions"]).iter().enumerate() {
        let path = format!("{path}.matchLabelExpressions[{index}]");
        let values = list(&rule["values"]);
        if values.is_empty() {
            errors.required(&at(&path, "values"), "");
        }
        for (place, value) in values.iter().enumerate() {
            if values[..place].contains(value) {
                errors.duplicate(&format!("{path}.values[{place}]"), value);
            }
        }
        errors.format(&at(&path, "key"), &text(&rule["key"]).into(), names::qualified);
        if !keys.insert(text(&rule["key"])) {
            errors.duplicate(&at(&path, "key"), &rule["key"]);
        }
    }
}

/// Names of drivers are domains in any case, of at most 63 bytes.
pub(super) fn driver_name(name: &Value, field: &str, errors: &mut Errors) {
    if text(name).is_empty() {
        errors.required(field, "");
    }
    if text(name).len() > 63 {
        errors.too_long(field, 63);
    }
    for problem in names::subdomain(&text(name).to_lowercase()) {
        errors.invalid(field, &text(name).into(), &problem);
    }
}

pub(super) fn driver(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    if old.is_none() {
        driver_name(&object["metadata"]["name"], "metadata.name", errors);
    }
    for field in ["attachRequired", "podInfoOnMount", "storageCapacity"] {
        if spec[field].is_null() {
            errors.required(&at("spec", field), "");
        }
    }
    let policies = ["File", "None", "ReadWriteOnceWithFSType"];
    errors.one_of("spec.fsGroupPolicy", &spec["fsGroupPolicy"], &policies);
    for (index, request) in list(&spec["tokenRequests"]).iter().enumerate() {
        let path = format!("spec.tokenRequests[{index}]");
        if list(&spec["tokenRequests"])[..index]
            .iter()
            .any(|other| same(&other["audience"], &request["audience"]))
        {
            errors.duplicate(&at(&path, "audience"), &text(&request["audience"]).into());
        }
        let seconds = &request["expirationSeconds"];
        if seconds.as_i64().is_some_and(|seconds| seconds < 600) {
            let detail = "may not specify a duration less than 10 minutes";
            errors.invalid(&at(&path, "expirationSeconds"), seconds, detail);
        }
    }
    for mode in list(&spec["volumeLifecycleModes"]) {
        errors.one_of("spec.volumeLifecycleModes", mode, &["Ephemeral", "Persistent"]);
    }
    if let Some(old) = old {
        for field in ["attachRequired", "fsGroupPolicy", "volumeLifecycleModes"] {
            errors.immutable(&at("spec", field), &spec[field], &old["spec"][field]);
        }
    }
}

pub(super) fn node(object: &Value, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for (index, driver) in list(&object["spec"]["drivers"]).iter().enumerate() {
        let path = format!("spec.drivers[{index}]");
        driver_name(&driver["name"], &at(&path, "name"), errors);
        if text(&driver["nodeID"]).is_empty() {
            errors.required(&at(&path, "nodeID"), "");
        }
        if text(&driver["nodeID"]).len() > 192 {
            let detail = "must be 192 characters or less";
            errors.invalid(&at(&path, "nodeID"), &driver["nodeID"], detail);
        }
        errors.not_negative(&at(&path, "allocatable.count"), &driver["allocatable"]["count"]);
        for key in list(&driver["topologyKeys"]) {
            errors.format(&at(&path, "topologyKeys"), key, names::qualified);
        }
        if !seen.insert(text(&driver["name"])) {
            errors.duplicate(&at(&path, "name"), &driver["name"]);
        }
    }
}

pub(super) fn capacity(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    errors.required_format("storageClassName", &object["storageClassName"], names::subdomain);
    selector::check(&object["nodeTopology"], "nodeTopology", errors);
    for field in ["capacity", "maximumVolumeSize"] {
        if crate::quantity::Quantity::parse(text(&object[field])).is_some_and(|size| size.nanos() < 0) {
            errors.invalid(field, &object[field], "must be greater than or equal to 0");
        }
    }
    if let Some(old) = old {
        for field in ["nodeTopology", "storageClassName"] {
            errors.immutable(field, &object[field], &old[field]);
        }
    }
}

pub(super) fn attachment(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    if old.is_none() {
        driver_name(&spec["attacher"], "spec.attacher", errors);
    } else {
        errors.required_text("spec.attacher", &spec["attacher"]);
    }
    let (name, inline) = (&spec["source"]["persistentVolumeName"], &spec["source"]["inlineVolumeSpec"]);
    match (name.is_null(), inline.is_null()) {
        (true, true) => errors
            .required("spec.source", "must specify exactly one of inlineVolumeSpec and persistentVolumeName"),
        (false, false) => errors.forbidden(
            "spec.source",
            "must specify exactly one of inlineVolumeSpec and persistentVolumeName",
        ),
        (false, true) if text(name).is_empty() => {
            errors
                .required("spec.source.persistentVolumeName", "must specify non empty persistentVolumeName");
        }
        _ => {}
    }
    errors.required_format("spec.nodeName", &spec["nodeName"], names::subdomain);
    if old.is_some_and(|old| !same(&old["spec"], spec)) {
        errors.invalid("spec", spec, "field is immutable");
    }
}
