//! Kinds that make pods, and those that watch over them.

use super::format::{
    NONE, containers, has_condition, labels, list, number, or_none, plain, selector, since, text,
};
use super::{age_of, name_of};
use crate::time;
use serde_json::Value;

/// The wide columns of all of them.
fn wide(template: &Value, selector: String) -> Vec<Value> {
    let [names, images] = containers(&template["spec"]);
    vec![names, images, selector.into()]
}

fn joined(first: Vec<Value>, second: Vec<Value>) -> Vec<Value> {
    first.into_iter().chain(second).collect()
}

pub(super) fn template(object: &Value, _: i64) -> Vec<Value> {
    let [names, images] = containers(&object["template"]["spec"]);
    vec![name_of(object), names, images, labels(&object["template"]["metadata"]["labels"]).into()]
}

pub(super) fn replicas(object: &Value, now: i64) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let selects =
        if spec["selector"]["matchLabels"].is_object() || spec["selector"]["matchExpressions"].is_array() {
            selector(&spec["selector"])
        } else {
            labels(&spec["selector"])
        };
    let first = vec![
        name_of(object),
        number(&spec["replicas"]).into(),
        number(&status["replicas"]).into(),
        number(&status["readyReplicas"]).into(),
        age_of(object, now),
    ];
    joined(first, wide(&spec["template"], selects))
}

pub(super) fn deployment(object: &Value, now: i64) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let first = vec![
        name_of(object),
        format!("{}/{}", number(&status["readyReplicas"]), number(&spec["replicas"])).into(),
        number(&status["updatedReplicas"]).into(),
        number(&status["availableReplicas"]).into(),
        age_of(object, now),
    ];
    joined(first, wide(&spec["template"], selector(&spec["selector"])))
}

pub(super) fn stateful_set(object: &Value, now: i64) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let ready = format!("{}/{}", number(&status["readyReplicas"]), number(&spec["replicas"]));
    let [names, images] = containers(&spec["template"]["spec"]);
    vec![name_of(object), ready.into(), age_of(object, now), names, images]
}

pub(super) fn daemon_set(object: &Value, now: i64) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let first = vec![
        name_of(object),
        number(&status["desiredNumberScheduled"]).into(),
        number(&status["currentNumberScheduled"]).into(),
        number(&status["numberReady"]).into(),
        number(&status["updatedNumberScheduled"]).into(),
        number(&status["numberAvailable"]).into(),
        labels(&spec["template"]["spec"]["nodeSelector"]).into(),
        age_of(object, now),
    ];
    joined(first, wide(&spec["template"], selector(&spec["selector"])))
}

pub(super) fn revision(object: &Value, now: i64) -> Vec<Value> {
    let owner = list(&object["metadata"]["ownerReferences"]).iter().find(|owner| owner["controller"] == true);
    let owner = owner.map_or(NONE.to_string(), |owner| {
        let api_version = text(&owner["apiVersion"]);
        let kind = text(&owner["kind"]).to_lowercase();
        let group = api_version.split_once('/').map_or(String::new(), |(group, _)| format!(".{group}"));
        format!("{kind}{group}/{}", text(&owner["name"]))
    });
    vec![name_of(object), owner.into(), number(&object["revision"]).into(), age_of(object, now)]
}

pub(super) fn job(object: &Value, now: i64) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let succeeded = number(&status["succeeded"]);
    let completions = match (spec["completions"].as_i64(), number(&spec["parallelism"])) {
        (Some(wanted), _) => format!("{succeeded}/{wanted}"),
        (None, parallel) if parallel > 1 => format!("{succeeded}/1 of {parallel}"),
        (None, _) => format!("{succeeded}/1"),
    };
    let at = |field: &str| time::parse(text(&status[field]));
    let duration = at("startTime").map(|start| time::human(at("completionTime").unwrap_or(now) - start));
    let state = if has_condition(object, "Complete") {
        "Complete"
    } else if has_condition(object, "Failed") {
        "Failed"
    } else if object["metadata"]["deletionTimestamp"].is_string() {
        "Terminating"
    } else {
        let states = ["Suspended", "FailureTarget", "SuccessCriteriaMet"];
        states.into_iter().find(|state| has_condition(object, state)).unwrap_or("Running")
    };
    let first = vec![
        name_of(object),
        state.into(),
        completions.into(),
        duration.unwrap_or_default().into(),
        age_of(object, now),
    ];
    joined(first, wide(&spec["template"], selector(&spec["selector"])))
}

pub(super) fn cron_job(object: &Value, now: i64) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let last = &status["lastScheduleTime"];
    let template = &spec["jobTemplate"]["spec"]["template"];
    let suspended = match spec["suspend"].as_bool() {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    };
    let first = vec![
        name_of(object),
        text(&spec["schedule"]).into(),
        or_none(text(&spec["timeZone"])).into(),
        suspended.into(),
        list(&status["active"]).len().into(),
        if last.is_string() { since(last, now) } else { NONE.into() }.into(),
        age_of(object, now),
    ];
    joined(first, wide(template, selector(&spec["jobTemplate"]["spec"]["selector"])))
}

pub(super) fn autoscaler(object: &Value, now: i64) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let target = &spec["scaleTargetRef"];
    vec![
        name_of(object),
        format!("{}/{}", text(&target["kind"]), text(&target["name"])).into(),
        targets(object).into(),
        plain(&spec["minReplicas"], "<unset>").into(),
        number(&spec["maxReplicas"]).into(),
        number(&status["currentReplicas"]).into(),
        age_of(object, now),
    ]
}

/// `cpu: 12%/80%` for each metric; two are shown.
fn targets(object: &Value) -> String {
    let metrics = list(&object["spec"]["metrics"]);
    let current = list(&object["status"]["currentMetrics"]);
    let shown: Vec<String> = metrics
        .iter()
        .enumerate()
        .map(|(index, metric)| {
            let (field, named) = match text(&metric["type"]) {
                "Resource" => ("resource", true),
                "ContainerResource" => ("containerResource", true),
                "Pods" => ("pods", false),
                "Object" => ("object", false),
                "External" => ("external", false),
                _ => return "<unknown type>".to_string(),
            };
            let (wanted, now) =
                (&metric[field]["target"], current.get(index).map(|metric| &metric[field]["current"]));
            let amount = |value: &Value| {
                let percent = value["averageUtilization"].as_i64().map(|percent| format!("{percent}%"));
                percent.unwrap_or_else(|| plain(&value["averageValue"], &plain(&value["value"], "<unknown>")))
            };
            let now = now.map_or("<unknown>".to_string(), amount);
            let name = if named { format!("{}: ", text(&metric[field]["name"])) } else { String::new() };
            format!("{name}{now}/{}", amount(wanted))
        })
        .collect();
    match shown.len() {
        0 => NONE.into(),
        1 | 2 => shown.join(", "),
        more => format!("{} + {} more...", shown[..2].join(", "), more - 2),
    }
}

pub(super) fn budget(object: &Value, now: i64) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    vec![
        name_of(object),
        plain(&spec["minAvailable"], "N/A").into(),
        plain(&spec["maxUnavailable"], "N/A").into(),
        number(&status["disruptionsAllowed"]).into(),
        age_of(object, now),
    ]
}
