//! Kinds that make pods.

use super::{Errors, entries, list, pod, same, selector, text};
use serde_json::Value;

const ALWAYS: &[&str] = &["Always"];

fn replicas(spec: &Value, errors: &mut Errors) {
    for field in ["replicas", "minReadySeconds", "revisionHistoryLimit"] {
        errors.not_negative(&format!("spec.{field}"), &spec[field]);
    }
}

/// The selector must be there, select the template's labels and stay as it is.
fn selection(spec: &Value, old: Option<&Value>, kind: &str, errors: &mut Errors) {
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
    pod::template(&spec["template"], "spec.template", errors);
    if let Some(old) = old {
        errors.immutable("spec.selector", selects, &old["spec"]["selector"]);
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
        int_or_percent(&update[field], &format!("{path}.{field}"), errors);
    }
    let is_zero = |value: &Value| *value == 0 || *value == "0%";
    if is_zero(&update["maxUnavailable"]) && is_zero(&update["maxSurge"]) {
        let detail = "may not be 0 when `maxSurge` is 0";
        errors.invalid(&format!("{path}.maxUnavailable"), &update["maxUnavailable"], detail);
    }
}

fn int_or_percent(value: &Value, path: &str, errors: &mut Errors) {
    match value {
        Value::String(text) => {
            let number = text.strip_suffix('%').filter(|number| !number.is_empty());
            if !number.is_some_and(|number| number.chars().all(|c| c.is_ascii_digit())) {
                let detail = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
                errors.invalid(path, value, detail);
            } else if path.ends_with("maxUnavailable")
                && number.and_then(|n| n.parse::<u64>().ok()).is_none_or(|n| n > 100)
            {
                errors.invalid(path, value, "must not be greater than 100%");
            }
        }
        _ => errors.not_negative(path, value),
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

pub(super) fn stateful_set(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    selection(spec, None, "statefulset", errors);
    forever(spec, "StatefulSet", errors);
    replicas(spec, errors);
    let policies = ["OrderedReady", "Parallel"];
    errors.required_one_of("spec.podManagementPolicy", &spec["podManagementPolicy"], &policies);
    let Some(old) = old else { return };
    let free = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    let fixed = |spec: &Value| {
        let mut spec = spec.clone();
        if let Some(fields) = spec.as_object_mut() {
            fields.retain(|field, _| !free.contains(&field.as_str()));
        }
        spec
    };
    if !same(&fixed(spec), &fixed(&old["spec"])) {
        errors.forbidden("spec", STATEFUL_SET_UPDATE);
    }
}

pub(super) fn replication_controller(object: &Value, errors: &mut Errors) {
    let spec = &object["spec"];
    replicas(spec, errors);
    let labels = &spec["template"]["metadata"]["labels"];
    if entries(&spec["selector"]).next().is_none() {
        errors.required("spec.selector", "");
    } else if !entries(&spec["selector"]).all(|(key, value)| labels[key.as_str()] == *value) {
        errors.invalid(
            "spec.template.metadata.labels",
            labels,
            "`selector` does not match template `labels`",
        );
    }
    pod::template(&spec["template"], "spec.template", errors);
    forever(spec, "ReplicationController", errors);
}

pub(super) fn job(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    job_spec(spec, "spec", errors);
    // The selector is made from the uid: until it is there, the template has not got its labels either.
    let Some(old) = old.map(|old| &old["spec"]).filter(|old| old["selector"].is_object()) else { return };
    errors.immutable("spec.selector", &spec["selector"], &old["selector"]);
    errors.immutable("spec.completionMode", &spec["completionMode"], &old["completionMode"]);
    if spec["completionMode"] != "Indexed" {
        errors.immutable("spec.completions", &spec["completions"], &old["completions"]);
    }
    // A job that waits may still be moved to other nodes.
    let suspended = old["suspend"] == true;
    if !suspended && !same(&spec["template"], &old["template"]) {
        errors.invalid("spec.template", &spec["template"], "field is immutable");
    }
}

fn job_spec(spec: &Value, path: &str, errors: &mut Errors) {
    for field in
        ["parallelism", "completions", "backoffLimit", "ttlSecondsAfterFinished", "activeDeadlineSeconds"]
    {
        errors.not_negative(&format!("{path}.{field}"), &spec[field]);
    }
    pod::template(&spec["template"], &format!("{path}.template"), errors);
    let policy = &spec["template"]["spec"]["restartPolicy"];
    if policy == "Always" {
        errors.unsupported(&format!("{path}.template.spec.restartPolicy"), policy, &["OnFailure", "Never"]);
    }
    if spec["completionMode"] == "Indexed" && spec["completions"].is_null() {
        errors.required(&format!("{path}.completions"), "when completion mode is Indexed");
    }
}

/// A schedule that was there before may still name its zone itself.
fn schedule(spec: &Value, old: Option<&Value>, errors: &mut Errors) {
    let (schedule, zone) = (text(&spec["schedule"]), &spec["timeZone"]);
    let mut invalid = |detail: &str| errors.invalid("spec.schedule", &spec["schedule"], detail);
    let names_zone = schedule.contains("TZ=");
    let unchanged = old.is_some_and(|old| old["spec"]["schedule"] == spec["schedule"]);
    if schedule.is_empty() {
        errors.required("spec.schedule", "");
    } else if names_zone && zone.is_string() {
        invalid("cannot use both timeZone field and TZ or CRON_TZ in schedule");
    } else if names_zone && !unchanged {
        invalid("cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
    } else if !names_zone && let Err(problem) = cron::Schedule::parse(schedule) {
        invalid(&problem.to_string());
    }
    match zone.as_str() {
        None => {}
        Some("") => errors.invalid("spec.timeZone", zone, "timeZone must be nil or non-empty string"),
        Some(name) if name.eq_ignore_ascii_case("local") => errors.invalid(
            "spec.timeZone",
            zone,
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
        ),
        Some(name) => {
            if let Err(problem) = cron::zone(name) {
                errors.invalid("spec.timeZone", zone, &problem.to_string());
            }
        }
    }
}

pub(super) fn cron_job(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    const NAME: usize = 52;
    let spec = &object["spec"];
    let name = &object["metadata"]["name"];
    // Names of jobs are longer by eleven.
    if text(name).len() > NAME {
        errors.invalid("metadata.name", name, &format!("must be no more than {NAME} characters"));
    }
    schedule(spec, old, errors);
    errors.required_one_of(
        "spec.concurrencyPolicy",
        &spec["concurrencyPolicy"],
        &["Allow", "Forbid", "Replace"],
    );
    for field in ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        errors.not_negative(&format!("spec.{field}"), &spec[field]);
    }
    job_spec(&spec["jobTemplate"]["spec"], "spec.jobTemplate.spec", errors);
    if list(&spec["jobTemplate"]["spec"]["template"]["spec"]["containers"]).is_empty() {
        return;
    }
    if spec["jobTemplate"]["spec"]["manualSelector"] == true {
        errors.unsupported("spec.jobTemplate.spec.manualSelector", &Value::Bool(true), &["nil", "false"]);
    }
}
