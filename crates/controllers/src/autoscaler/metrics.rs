//! What each metric of an autoscaler asks for, or why it cannot be had, in upstream's words.
//!
//! Resources are measured by the node. Metrics of pods, objects and the outside need an adapter that serves their API, which
//! this cluster cannot have (there are no aggregated APIs).

use super::replicas::{Scene, Tolerances, millis};
use crate::access::{at, int_at, str_at};
use jiff::Timestamp;
use schema::measured::Measured;
use schema::quantity::Quantity;
use serde_json::{Value, json};
use store::Object;

/// The target, and what is known of it.
pub(super) struct Target<'a> {
    pub(super) namespace: &'a str,
    pub(super) pods: &'a [Object],
    pub(super) measured: &'a Measured,
    pub(super) replicas: i64,
    pub(super) tolerances: Tolerances,
    pub(super) now: Timestamp,
}

pub(super) struct Proposal {
    pub(super) replicas: i64,
    /// As the reason for a change names it.
    pub(super) name: String,
    pub(super) status: Value,
}

pub(super) struct Failure {
    /// Of the event and of the condition `ScalingActive`.
    pub(super) reason: &'static str,
    pub(super) why: String,
    /// The same with what was asked for.
    pub(super) whole: String,
}

pub(super) fn propose(target: &Target<'_>, spec: &Value) -> Result<Proposal, Failure> {
    match str_at(spec, &["type"]) {
        "Resource" => resource(target, spec, "resource", ""),
        "ContainerResource" => {
            let container = str_at(spec, &["containerResource", "container"]);
            resource(target, spec, "containerResource", container)
        }
        "Pods" => Err(pods(spec)),
        "Object" => Err(object(target, spec)),
        "External" => Err(external(target, spec)),
        kind => {
            let why = format!("unknown metric source type {kind:?}");
            Err(Failure { reason: "InvalidMetricSourceType", whole: why.clone(), why })
        }
    }
}

fn resource(target: &Target<'_>, spec: &Value, field: &str, container: &str) -> Result<Proposal, Failure> {
    let source = at(spec, &[field]);
    let resource = str_at(source, &["name"]);
    let scene = Scene {
        pods: target.pods,
        measured: target.measured,
        resource,
        container,
        replicas: target.replicas,
        tolerances: target.tolerances,
        now: target.now,
    };
    let of_container = field == "containerResource";
    let (average, percent) =
        (at(source, &["target", "averageValue"]), int_at(source, &["target", "averageUtilization"]));
    let found = if let Some(wanted) = millis(average).filter(|_| !average.is_null()) {
        let found = scene.by_value(wanted).map_err(|why| format!("failed to get {resource} usage: {why}"));
        found.map(|found| {
            let current = json!({ "averageValue": shown(found.raw) });
            (found.replicas, format!("{resource} resource"), current)
        })
    } else if let Some(wanted) = percent {
        let found = scene
            .by_utilization(wanted)
            .map_err(|why| format!("failed to get {resource} utilization: {why}"));
        found.map(|found| {
            let current =
                json!({ "averageValue": shown(found.raw), "averageUtilization": found.utilization });
            let kind = if of_container { " container" } else { "" };
            let name = format!("{resource}{kind} resource utilization (percentage of request)");
            (found.replicas, name, current)
        })
    } else {
        Err("invalid resource metric source: neither an average utilization target nor an average value (usage) target \
             was set"
            .into())
    };
    let (replicas, name, current) = found.map_err(|why| {
        let (reason, whole) = if of_container {
            let whole = format!("failed to get {container} container metric value: {why}");
            ("FailedGetContainerResourceMetric", whole)
        } else {
            ("FailedGetResourceMetric", format!("failed to get {resource} resource metric value: {why}"))
        };
        Failure { reason, why, whole }
    })?;
    let mut status = json!({ "type": spec["type"] });
    status[field] = json!({ "name": resource, "current": current });
    if of_container {
        status[field]["container"] = json!(container);
    }
    Ok(Proposal { replicas, name, status })
}

/// Thousandths as a quantity.
fn shown(millis: i64) -> String {
    Quantity::parse(&format!("{millis}m")).map_or_else(|| "0".into(), |amount| amount.canonical())
}

const NO_CUSTOM_METRICS: &str = "unable to fetch metrics from custom metrics API: no custom metrics API \
                                 (custom.metrics.k8s.io) registered";

fn pods(spec: &Value) -> Failure {
    let metric = str_at(spec, &["pods", "metric", "name"]);
    let why = format!("unable to get metric {metric}: {NO_CUSTOM_METRICS}");
    let whole = format!("failed to get pods metric value: {why}");
    Failure { reason: "FailedGetPodsMetric", why, whole }
}

fn object(target: &Target<'_>, spec: &Value) -> Failure {
    let source = at(spec, &["object"]);
    let metric = str_at(source, &["metric", "name"]);
    let (kind, name) =
        (str_at(source, &["describedObject", "kind"]), str_at(source, &["describedObject", "name"]));
    let wants = str_at(source, &["target", "type"]);
    // The words are in upstream's order.
    let why =
        format!("unable to get metric {metric}: {kind} on {} {name}/{NO_CUSTOM_METRICS}", target.namespace);
    let (why, inner) = match wants {
        "Value" => (why.clone(), why),
        "AverageValue" => (why.clone(), format!("failed to get {metric} object metric: {why}")),
        _ => {
            let why =
                "invalid object metric source: neither a value target nor an average value target was set";
            (why.to_string(), why.to_string())
        }
    };
    Failure {
        reason: "FailedGetObjectMetric",
        why,
        whole: format!("failed to get object metric value: {inner}"),
    }
}

fn external(target: &Target<'_>, spec: &Value) -> Failure {
    let source = at(spec, &["external"]);
    let metric = str_at(source, &["metric", "name"]);
    let selector = go_selector(at(source, &["metric", "selector"]));
    let why = format!(
        "unable to get external metric {}/{metric}/{selector}: unable to fetch metrics from external metrics API: the \
         server could not find the requested resource (get {metric}.external.metrics.k8s.io)",
        target.namespace
    );
    let given = |field: &str| !at(source, &["target", field]).is_null();
    let inner = if given("averageValue") {
        format!("failed to get {metric} external metric: {why}")
    } else if given("value") {
        format!("failed to get external metric {metric}: {why}")
    } else {
        "invalid external metric source: neither a value target nor an average value target was set".into()
    };
    let why = if given("averageValue") || given("value") { why } else { inner.clone() };
    let whole = format!("failed to get {metric} external metric value: {inner}");
    Failure { reason: "FailedGetExternalMetric", why, whole }
}

/// A LabelSelector as Go prints it.
fn go_selector(selector: &Value) -> String {
    if selector.is_null() {
        return "nil".into();
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let mut pairs: Vec<String> = at(selector, &["matchLabels"])
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}: {},", text(value)))
        .collect();
    pairs.sort();
    let expressions = crate::access::list_at(selector, &["matchExpressions"]).iter().map(|e| {
        let values: Vec<String> = crate::access::list_at(e, &["values"]).iter().map(text).collect();
        let (key, operator) = (str_at(e, &["key"]), str_at(e, &["operator"]));
        format!("LabelSelectorRequirement{{Key:{key},Operator:{operator},Values:[{}],}},", values.join(" "))
    });
    let expressions: String = expressions.collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{}}},MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}",
        pairs.join("")
    )
}
