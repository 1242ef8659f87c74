//! Kinds that make pods.

use super::{Errors, at, claim, entries, list, metadata, names, pod, same, selector, text};
use serde_json::Value;

const ALWAYS: &[&str] = &["Always"];

fn replicas(spec: &Value, errors: &mut Errors) {
    for field in ["replicas", "minReadySeconds", "revisionHistoryLimit"] {
        errors.not_negative(&format!("spec.{field}"), &spec[field]);
    }
}

/// The selector must be there, select the template's labels and stay as it is.
fn selection(spec: &Value, old: Option<&Value>, kind: &str, errors: &mut Errors) {
    selector_and_labels(spec, kind, errors);
    pod::template(&spec["template"], "spec.template", errors);
    if let Some(old) = old {
        errors.immutable("spec.selector", &spec["selector"], &old["spec"]["selector"]);
    }
}

fn selector_and_labels(spec: &Value, kind: &str, errors: &mut Errors) {
    let selects = &spec["selector"];
    let missing = !selects.is_object();
    if missing {
        errors.required("spec.selector", "");
    } else {
        selector::check(selects, "spec.selector", errors);
        if selector::is_empty(selects) {
            errors.invalid("spec.selector", selects, &format!("empty selector is invalid for {kind}"));
        }
    }
    let labels = &spec["template"]["metadata"]["labels"];
    // What is not there selects nothing; what is empty selects all.
    if missing || !(selector::is_empty(selects) || selector::matches(selects, labels)) {
        errors.invalid(
            "spec.template.metadata.labels",
            labels,
            "`selector` does not match template `labels`",
        );
    }
}

/// Pods of these are restarted for ever.
fn forever(spec: &Value, kind: &str, errors: &mut Errors) {
    let pod = &spec["template"]["spec"];
    if !text(&pod["restartPolicy"]).is_empty() {
        errors.one_of("spec.template.spec.restartPolicy", &pod["restartPolicy"], ALWAYS);
    }
    if pod["activeDeadlineSeconds"].is_number() {
        let detail = format!("activeDeadlineSeconds in {kind} is not Supported");
        errors.forbidden("spec.template.spec.activeDeadlineSeconds", &detail);
    }
}

pub(super) fn deployment(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    selection(spec, old, "deployment", errors);
    forever(spec, "ReplicaSet", errors);
    replicas(spec, errors);
    let strategy = &spec["strategy"];
    match text(&strategy["type"]) {
        "Recreate" => {
            if strategy["rollingUpdate"].is_object() {
                let detail = "may not be specified when strategy `type` is 'Recreate'";
                errors.forbidden("spec.strategy.rollingUpdate", detail);
            }
        }
        "RollingUpdate" => rolling(&strategy["rollingUpdate"], "spec.strategy.rollingUpdate", errors),
        _ => errors.unsupported("spec.strategy.type", &strategy["type"], &["Recreate", "RollingUpdate"]),
    }
    let (deadline, ready) =
        (&spec["progressDeadlineSeconds"], spec["minReadySeconds"].as_i64().unwrap_or_default());
    errors.not_negative("spec.progressDeadlineSeconds", deadline);
    if deadline.as_i64().is_some_and(|deadline| deadline <= ready) {
        errors.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds");
    }
}

fn rolling(update: &Value, path: &str, errors: &mut Errors) {
    for field in ["maxUnavailable", "maxSurge"] {
        positive_int_or_percent(&update[field], &format!("{path}.{field}"), errors);
    }
    let is_zero = |value: &Value| *value == 0 || *value == "0%";
    if is_zero(&update["maxUnavailable"]) && is_zero(&update["maxSurge"]) {
        let detail = "may not be 0 when `maxSurge` is 0";
        errors.invalid(&format!("{path}.maxUnavailable"), &update["maxUnavailable"], detail);
    }
    at_most_all(&update["maxUnavailable"], &format!("{path}.maxUnavailable"), errors);
}

fn percent(value: &Value) -> Option<&str> {
    value.as_str()?.strip_suffix('%').filter(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()))
}

pub(super) fn positive_int_or_percent(value: &Value, path: &str, errors: &mut Errors) {
    if value.is_string() && percent(value).is_none() {
        let detail = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
        errors.invalid(path, value, detail);
    }
    errors.not_negative(path, value);
}

pub(super) fn at_most_all(value: &Value, path: &str, errors: &mut Errors) {
    if percent(value).is_some_and(|number| number.parse::<u64>().ok().is_none_or(|number| number > 100)) {
        errors.invalid(path, value, "must not be greater than 100%");
    }
}

pub(super) fn replica_set(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    selection(&object["spec"], old, "deployment", errors);
    forever(&object["spec"], "ReplicaSet", errors);
    replicas(&object["spec"], errors);
}

pub(super) fn daemon_set(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    selection(spec, old, "daemonset", errors);
    forever(spec, "DaemonSet", errors);
    replicas(spec, errors);
    match text(&spec["updateStrategy"]["type"]) {
        "OnDelete" => {}
        "RollingUpdate" => {
            rolling(&spec["updateStrategy"]["rollingUpdate"], "spec.updateStrategy.rollingUpdate", errors)
        }
        _ => errors.unsupported(
            "spec.updateStrategy.type",
            &spec["updateStrategy"]["type"],
            &["OnDelete", "RollingUpdate"],
        ),
    }
}

const STATEFUL_SET_UPDATE: &str = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

/// What may change of a StatefulSet.
const FREE: &[&str] = &[
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

pub(super) fn stateful_set(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    let policies = ["OrderedReady", "Parallel"];
    errors.required_one_of("spec.podManagementPolicy", &spec["podManagementPolicy"], &policies);
    let strategy = &spec["updateStrategy"];
    let partition = &strategy["rollingUpdate"]["partition"];
    match text(&strategy["type"]) {
        "" => errors.required("spec.updateStrategy", ""),
        "OnDelete" if strategy["rollingUpdate"].is_object() => {
            let detail = "only allowed for updateStrategy 'RollingUpdate'";
            errors.invalid("spec.updateStrategy.rollingUpdate", &strategy["rollingUpdate"], detail);
        }
        "OnDelete" => {}
        "RollingUpdate" => {
            errors.not_negative("spec.updateStrategy.rollingUpdate.partition", partition);
            let most = &strategy["rollingUpdate"]["maxUnavailable"];
            let field = "spec.updateStrategy.rollingUpdate.maxUnavailable";
            positive_int_or_percent(most, field, errors);
            if *most == 0 || *most == "0%" {
                errors.invalid(field, most, "cannot be 0");
            }
            at_most_all(most, field, errors);
        }
        other => {
            let detail = "must be 'RollingUpdate' or 'OnDelete'";
            errors.invalid(
                "spec.updateStrategy",
                &serde_json::json!({ "Type": other, "RollingUpdate": null }),
                detail,
            );
        }
    }
    for field in ["whenDeleted", "whenScaled"] {
        let policy = &spec["persistentVolumeClaimRetentionPolicy"][field];
        errors.one_of(
            &format!("spec.persistentVolumeClaimRetentionPolicy.{field}"),
            policy,
            &["Delete", "Retain"],
        );
    }
    replicas(spec, errors);
    errors.not_negative("spec.ordinals.start", &spec["ordinals"]["start"]);
    for (index, template) in list(&spec["volumeClaimTemplates"]).iter().enumerate() {
        let path = format!("spec.volumeClaimTemplates[{index}]");
        errors.required_format(&at(&path, "metadata.name"), &template["metadata"]["name"], names::subdomain);
        metadata::labels(&template["metadata"]["labels"], &at(&path, "metadata.labels"), errors);
        claim::spec(&template["spec"], &at(&path, "spec"), errors);
    }
    selector_and_labels(spec, "statefulset", errors);
    // As upstream: what is wrong with the pods themselves shows when they are created. Volumes of the claims are not
    // in the template.
    pod::template_metadata(&spec["template"], "spec.template", errors);
    forever(spec, "StatefulSet", errors);
    let Some(old) = old else { return };
    let fixed = |spec: &Value| {
        let mut spec = spec.clone();
        if let Some(fields) = spec.as_object_mut() {
            fields.retain(|field, _| !FREE.contains(&field.as_str()));
        }
        spec
    };
    if !same(&fixed(spec), &fixed(&old["spec"])) {
        errors.forbidden("spec", STATEFUL_SET_UPDATE);
    }
}

/// The content of a revision stays; its number may rise.
pub(super) fn revision(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    errors.not_negative("revision", &object["revision"]);
    match &object["data"] {
        Value::Null => errors.required("data", "data is mandatory"),
        Value::Object(_) => {}
        other => errors.invalid("data", &other.to_string().into(), "error parsing data as JSON object"),
    }
    if let Some(old) = old {
        errors.immutable("data", &object["data"], &old["data"]);
    }
}

pub(super) fn replication_controller(object: &Value, errors: &mut Errors) {
    let spec = &object["spec"];
    errors.not_negative("spec.minReadySeconds", &spec["minReadySeconds"]);
    if entries(&spec["selector"]).next().is_none() {
        errors.required("spec.selector", "");
    }
    errors.not_negative("spec.replicas", &spec["replicas"]);
    if !spec["template"].is_object() {
        errors.required("spec.template", "");
        return;
    }
    let labels = &spec["template"]["metadata"]["labels"];
    if !entries(&spec["selector"]).all(|(key, value)| labels[key.as_str()] == *value) {
        let detail = "`selector` does not match template `labels`";
        errors.invalid("spec.template.metadata.labels", labels, detail);
    }
    pod::template(&spec["template"], "spec.template", errors);
    errors.one_of("spec.template.spec.restartPolicy", &spec["template"]["spec"]["restartPolicy"], ALWAYS);
    if spec["template"]["spec"]["activeDeadlineSeconds"].is_number() {
        let detail = "activeDeadlineSeconds in ReplicationController is not Supported";
        errors.forbidden("spec.template.spec.activeDeadlineSeconds", detail);
    }
}
