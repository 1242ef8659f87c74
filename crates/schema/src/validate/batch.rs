//! Jobs and CronJobs.

use super::{Errors, at, list, names, number, pod, same, selector, text};
use serde_json::Value;
use std::collections::HashSet;

pub(super) fn job(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    job_spec(spec, "spec", errors);
    if spec["selector"].is_object() {
        selector::check(&spec["selector"], "spec.selector", errors);
        let labels = &spec["template"]["metadata"]["labels"];
        if !selector::matches(&spec["selector"], labels) {
            let detail = "`selector` does not match template `labels`";
            errors.invalid("spec.template.metadata.labels", labels, detail);
        }
    } else if spec["manualSelector"] == true {
        errors.required("spec.selector", "");
    }
    let Some(old) = old.map(|old| &old["spec"]) else {
        host_names(object, errors);
        return;
    };
    // The selector is made from the uid: until it is there, the template has not got its labels either.
    if !old["selector"].is_object() {
        return;
    }
    completions(spec, old, errors);
    errors.immutable("spec.selector", &spec["selector"], &old["selector"]);
    template(spec, old, errors);
    for field in ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"]
    {
        errors.immutable(&at("spec", field), &spec[field], &old[field]);
    }
}

/// Pods of an indexed job are named by their index.
fn host_names(object: &Value, errors: &mut Errors) {
    let (name, spec) = (&object["metadata"]["name"], &object["spec"]);
    if spec["completionMode"] != "Indexed" || number(&spec["completions"]) <= 0 {
        return;
    }
    let longest = format!("{}-{}", text(name), number(&spec["completions"]) - 1);
    if !text(name).is_empty() && !names::label(&longest).is_empty() {
        let detail = format!("will not able to create pod with invalid DNS label: {longest}");
        errors.invalid("metadata.name", name, &detail);
    }
}

fn completions(new: &Value, old: &Value, errors: &mut Errors) {
    const FIELD: &str = "spec.completions";
    if new["completionMode"] != "Indexed" {
        errors.immutable(FIELD, &new["completions"], &old["completions"]);
    } else if !same(&new["completions"], &old["completions"])
        && !new["completions"].is_null()
        && new["completions"] != new["parallelism"]
    {
        let detail = "can only be modified in tandem with spec.parallelism";
        errors.invalid(FIELD, &new["completions"], detail);
    }
}

/// A job that waits may still be moved to other nodes.
fn template(new: &Value, old: &Value, errors: &mut Errors) {
    let mut before = old["template"].clone();
    if old["suspend"] == true {
        for field in ["nodeSelector", "tolerations", "schedulingGates", "affinity"] {
            before["spec"][field] = new["template"]["spec"][field].clone();
        }
        for field in ["annotations", "labels"] {
            before["metadata"][field] = new["template"]["metadata"][field].clone();
        }
    }
    errors.immutable("spec.template", &new["template"], &before);
}

/// Indexed jobs run at most so many pods at a time, and so many may fail.
const MOST_INDEXED: i64 = 100_000;
const MOST_OF_MANY: i64 = 10_000;

fn job_spec(spec: &Value, path: &str, errors: &mut Errors) {
    let counts = [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ];
    counts.iter().for_each(|field| errors.not_negative(&at(path, field), &spec[*field]));
    if !spec["maxFailedIndexes"].is_null() && spec["backoffLimitPerIndex"].is_null() {
        errors.required(&at(path, "backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    }
    if spec["managedBy"].is_string() {
        errors.format(&at(path, "managedBy"), &spec["managedBy"], names::domain_prefixed_path);
        if text(&spec["managedBy"]).len() > 63 {
            errors.too_long(&at(path, "managedBy"), 63);
        }
    }
    mode(spec, path, errors);
    if spec["podFailurePolicy"].is_object() {
        failure_policy(spec, &at(path, "podFailurePolicy.rules"), errors);
    }
    success_policy(spec, &at(path, "successPolicy"), errors);
    let replacement = &spec["podReplacementPolicy"];
    let allowed: &[&str] =
        if spec["podFailurePolicy"].is_object() { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
    errors.one_of(&at(path, "podReplacementPolicy"), replacement, allowed);
    pod::template(&spec["template"], &at(path, "template"), errors);
    let (policy, field) =
        (&spec["template"]["spec"]["restartPolicy"], at(path, "template.spec.restartPolicy"));
    match text(policy) {
        "" | "Always" => errors.required(&field, "valid values: \"OnFailure\", \"Never\""),
        "OnFailure" if spec["podFailurePolicy"].is_object() => {
            errors.invalid(&field, policy, "only \"Never\" is supported when podFailurePolicy is specified");
        }
        _ => errors.one_of(&field, policy, &["OnFailure", "Never"]),
    }
}

fn mode(spec: &Value, path: &str, errors: &mut Errors) {
    let (mode, failed) = (&spec["completionMode"], &spec["maxFailedIndexes"]);
    errors.one_of(&at(path, "completionMode"), mode, &["NonIndexed", "Indexed"]);
    if mode != "Indexed" {
        for field in ["backoffLimitPerIndex", "maxFailedIndexes"] {
            if mode != "Indexed" && !spec[field].is_null() && (mode.is_null() || mode == "NonIndexed") {
                errors.invalid(&at(path, field), &spec[field], "requires indexed completion mode");
            }
        }
        return;
    }
    let above = |field: &str, most: i64| number(&spec[field]) > most;
    if spec["completions"].is_null() {
        errors.required(&at(path, "completions"), "when completion mode is Indexed");
    }
    if above("parallelism", MOST_INDEXED) {
        let detail = format!("must be less than or equal to {MOST_INDEXED} when completion mode is Indexed");
        errors.invalid(&at(path, "parallelism"), &spec["parallelism"], &detail);
    }
    if !spec["completions"].is_null() && number(failed) > number(&spec["completions"]) {
        errors.invalid(&at(path, "maxFailedIndexes"), failed, "must be less than or equal to completions");
    }
    if above("maxFailedIndexes", MOST_INDEXED) {
        let detail = format!("must be less than or equal to {MOST_INDEXED}");
        errors.invalid(&at(path, "maxFailedIndexes"), failed, &detail);
    }
    if above("completions", MOST_INDEXED) && !spec["backoffLimitPerIndex"].is_null() {
        if failed.is_null() {
            let detail = format!("must be specified when completions is above {MOST_INDEXED}");
            errors.required(&at(path, "maxFailedIndexes"), &detail);
        }
        for field in ["parallelism", "maxFailedIndexes"] {
            if above(field, MOST_OF_MANY) {
                let detail = format!(
                    "must be less than or equal to {MOST_OF_MANY} when completions are above {MOST_INDEXED} and used with backoff limit per index"
                );
                errors.invalid(&at(path, field), &spec[field], &detail);
            }
        }
    }
}

const MOST_RULES: usize = 20;
const MOST_CODES: usize = 255;
const ACTIONS: &[&str] = &["Count", "FailIndex", "FailJob", "Ignore"];

fn failure_policy(spec: &Value, path: &str, errors: &mut Errors) {
    let rules = list(&spec["podFailurePolicy"]["rules"]);
    if rules.len() > MOST_RULES {
        errors.too_many(path, rules.len(), MOST_RULES);
    }
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let action = &rule["action"];
        if text(action).is_empty() {
            errors.required(
                &at(&path, "action"),
                "valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]",
            );
        } else if action == "FailIndex" && spec["backoffLimitPerIndex"].is_null() {
            errors.invalid(&at(&path, "action"), action, "requires the backoffLimitPerIndex to be set");
        }
        errors.one_of(&at(&path, "action"), action, ACTIONS);
        let (codes, conditions) = (&rule["onExitCodes"], list(&rule["onPodConditions"]));
        if codes.is_object() {
            exit_codes(codes, &spec["template"]["spec"], &at(&path, "onExitCodes"), errors);
        }
        pod_conditions(conditions, &at(&path, "onPodConditions"), errors);
        let detail = match (codes.is_object(), conditions.is_empty()) {
            (true, false) => "specifying both OnExitCodes and OnPodConditions is not supported",
            (false, true) => "specifying one of OnExitCodes and OnPodConditions is required",
            _ => continue,
        };
        errors.add(&path, "FieldValueInvalid", format!("Invalid value: {detail}"));
    }
}

fn exit_codes(codes: &Value, pod: &Value, path: &str, errors: &mut Errors) {
    let (operator, field) = (&codes["operator"], at(path, "operator"));
    if text(operator).is_empty() {
        errors.required(&field, "valid values: [\"In\" \"NotIn\"]");
    } else {
        errors.one_of(&field, operator, &["In", "NotIn"]);
    }
    let mut containers = list(&pod["containers"]).iter().chain(list(&pod["initContainers"]));
    let container = &codes["containerName"];
    if container.is_string() && !containers.any(|own| own["name"] == *container) {
        let detail = "must be one of the container or initContainer names in the pod template";
        errors.invalid(&at(path, "containerName"), container, detail);
    }
    let (values, field) = (list(&codes["values"]), at(path, "values"));
    if values.is_empty() {
        errors.invalid(&field, &codes["values"], "at least one value is required");
    } else if values.len() > MOST_CODES {
        errors.too_many(&field, values.len(), MOST_CODES);
    }
    let mut seen = HashSet::new();
    for (index, value) in values.iter().enumerate() {
        let field = format!("{field}[{index}]");
        if operator == "In" && *value == 0 {
            errors.invalid(&field, value, "must not be 0 for the In operator");
        }
        if !seen.insert(value.as_i64()) {
            errors.duplicate(&field, value);
        }
    }
    if !values.is_sorted_by_key(number) {
        errors.invalid(&field, &codes["values"], "must be ordered");
    }
}

fn pod_conditions(conditions: &[Value], path: &str, errors: &mut Errors) {
    if conditions.len() > MOST_RULES {
        errors.too_many(path, conditions.len(), MOST_RULES);
    }
    for (index, condition) in conditions.iter().enumerate() {
        let path = format!("{path}[{index}]");
        errors.format(&at(&path, "type"), &text(&condition["type"]).into(), names::qualified);
        let (status, field) = (&condition["status"], at(&path, "status"));
        if text(status).is_empty() {
            errors.required(&field, "valid values: [\"False\" \"True\" \"Unknown\"]");
        } else {
            errors.one_of(&field, status, &["False", "True", "Unknown"]);
        }
    }
}

fn success_policy(spec: &Value, path: &str, errors: &mut Errors) {
    let policy = &spec["successPolicy"];
    if !policy.is_object() {
        return;
    }
    let rules = list(&policy["rules"]);
    if spec["completionMode"] != "Indexed" {
        let shown: Vec<Value> = rules
            .iter()
            .map(|rule| serde_json::json!({ "SucceededIndexes": rule["succeededIndexes"], "SucceededCount": rule["succeededCount"] }))
            .collect();
        let shown = serde_json::json!({ "Rules": if policy["rules"].is_null() { Value::Null } else { shown.into() } });
        errors.add(
            path,
            "FieldValueInvalid",
            format!("Invalid value: {shown}: requires indexed completion mode"),
        );
        return;
    }
    let path = at(path, "rules");
    if rules.is_empty() {
        let detail = "at least one rules must be specified when the successPolicy is specified";
        errors.required(&path, detail);
    }
    if rules.len() > MOST_RULES {
        errors.too_many(&path, rules.len(), MOST_RULES);
    }
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let (count, indexes) = (&rule["succeededCount"], &rule["succeededIndexes"]);
        if count.is_null() && indexes.is_null() {
            errors.required(&path, "at least one of succeededCount or succeededIndexes must be specified");
        }
        let most = &spec["completions"];
        errors.not_negative(&at(&path, "succeededCount"), count);
        if !most.is_null() && number(count) > number(most) {
            let detail = format!(
                "must be less than or equal to {} (the number of specified completions)",
                number(most)
            );
            errors.invalid(&at(&path, "succeededCount"), count, &detail);
        }
    }
}

pub(super) fn cron_job(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    const NAME: usize = 52;
    let spec = &object["spec"];
    schedule(spec, old.map(|old| &old["spec"]), errors);
    errors.not_negative("spec.startingDeadlineSeconds", &spec["startingDeadlineSeconds"]);
    if old.is_none_or(|old| old["spec"]["timeZone"] != spec["timeZone"]) {
        time_zone(&spec["timeZone"], errors);
    }
    let policies = ["Allow", "Forbid", "Replace"];
    errors.required_one_of("spec.concurrencyPolicy", &spec["concurrencyPolicy"], &policies);
    let job = &spec["jobTemplate"]["spec"];
    job_spec(job, "spec.jobTemplate.spec", errors);
    if !job["selector"].is_null() {
        errors.invalid(
            "spec.jobTemplate.spec.selector",
            &job["selector"],
            "`selector` will be auto-generated",
        );
    }
    if job["manualSelector"] == true {
        errors.unsupported("spec.jobTemplate.spec.manualSelector", &Value::Bool(true), &["nil", "false"]);
    }
    for field in ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        errors.not_negative(&at("spec", field), &spec[field]);
    }
    // Names of jobs are longer by eleven.
    let name = &object["metadata"]["name"];
    if old.is_none() && text(name).len() > NAME {
        errors.invalid("metadata.name", name, &format!("must be no more than {NAME} characters"));
    }
}

fn schedule(spec: &Value, old: Option<&Value>, errors: &mut Errors) {
    const FIELD: &str = "spec.schedule";
    let schedule = text(&spec["schedule"]);
    if schedule.is_empty() {
        errors.required(FIELD, "");
        return;
    }
    let zoned = schedule.contains("TZ");
    // A time zone within is parsed by upstream, and refused thereafter.
    let plain = match schedule.split_once(' ') {
        Some((zone, rest)) if zone.starts_with("TZ=") || zone.starts_with("CRON_TZ=") => rest.trim_start(),
        _ => schedule,
    };
    if let Err(error) = cron::Schedule::parse(plain) {
        errors.invalid(FIELD, &spec["schedule"], &error.to_string());
    }
    let tolerated = old.is_some_and(|old| text(&old["schedule"]).contains("TZ"));
    if zoned && tolerated && !spec["timeZone"].is_null() {
        let detail = "cannot use both timeZone field and TZ or CRON_TZ in schedule";
        errors.invalid(FIELD, &spec["schedule"], detail);
    } else if zoned && !tolerated {
        let detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        errors.invalid(FIELD, &spec["schedule"], detail);
    }
}

fn time_zone(zone: &Value, errors: &mut Errors) {
    const FIELD: &str = "spec.timeZone";
    let Some(name) = zone.as_str() else { return };
    if name.is_empty() {
        errors.invalid(FIELD, zone, "timeZone must be nil or non-empty string");
        return;
    }
    let inner = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
    let is_part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && !part.starts_with('-')
            && part.len() <= 14
            && part.chars().all(inner)
    };
    if !name.split('/').all(is_part) {
        errors.invalid(FIELD, zone, &format!("unknown time zone {name}"));
        return;
    }
    if name.eq_ignore_ascii_case("local") {
        let detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        errors.invalid(FIELD, zone, detail);
    }
    if name != "Local" && cron::zone(name).is_err() {
        errors.invalid(FIELD, zone, &format!("unknown time zone {name}"));
    }
}
