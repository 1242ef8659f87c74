//! HorizontalPodAutoscalers.

use super::{Errors, at, list, names, number, text};
use crate::quantity::Quantity;
use serde_json::Value;

const MOST_STABILIZATION: i64 = 3600;
const MOST_PERIOD: i64 = 1800;

pub(super) fn check(object: &Value, errors: &mut Errors) {
    let spec = &object["spec"];
    let (least, most) = (&spec["minReplicas"], number(&spec["maxReplicas"]));
    if least.as_i64().is_some_and(|least| least < 1) {
        errors.invalid("spec.minReplicas", least, "must be greater than or equal to 1");
    }
    if most < 1 {
        errors.invalid("spec.maxReplicas", &most.into(), "must be greater than 0");
    }
    if least.as_i64().is_some_and(|least| most < least) {
        errors.invalid("spec.maxReplicas", &most.into(), "must be greater than or equal to `minReplicas`");
    }
    reference(&spec["scaleTargetRef"], "spec.scaleTargetRef", errors);
    for (index, metric) in list(&spec["metrics"]).iter().enumerate() {
        self::metric(metric, &format!("spec.metrics[{index}]"), errors);
    }
    for direction in ["scaleUp", "scaleDown"] {
        rules(&spec["behavior"][direction], &format!("spec.behavior.{direction}"), errors);
    }
}

fn reference(reference: &Value, path: &str, errors: &mut Errors) {
    for field in ["kind", "name"] {
        errors.required_format(&at(path, field), &reference[field], names::path_segment);
    }
}

fn rules(rules: &Value, path: &str, errors: &mut Errors) {
    if !rules.is_object() {
        return;
    }
    let (window, field) = (&rules["stabilizationWindowSeconds"], at(path, "stabilizationWindowSeconds"));
    if window.as_i64().is_some_and(|seconds| seconds < 0) {
        errors.invalid(&field, window, "must be greater than or equal to zero");
    }
    if window.as_i64().is_some_and(|seconds| seconds > MOST_STABILIZATION) {
        errors.invalid(&field, window, &format!("must be less than or equal to {MOST_STABILIZATION}"));
    }
    errors.one_of(&at(path, "selectPolicy"), &rules["selectPolicy"], &["Disabled", "Max", "Min"]);
    let policies = list(&rules["policies"]);
    if policies.is_empty() {
        errors.required(&at(path, "policies"), "must specify at least one Policy");
    }
    for (index, policy) in policies.iter().enumerate() {
        let path = format!("{path}.policies[{index}]");
        if !matches!(text(&policy["type"]), "Pods" | "Percent") {
            errors.unsupported(&at(&path, "type"), &text(&policy["type"]).into(), &["Percent", "Pods"]);
        }
        for field in ["value", "periodSeconds"] {
            if number(&policy[field]) <= 0 {
                errors.invalid(
                    &at(&path, field),
                    &number(&policy[field]).into(),
                    "must be greater than zero",
                );
            }
        }
        if number(&policy["periodSeconds"]) > MOST_PERIOD {
            let detail = format!("must be less than or equal to {MOST_PERIOD}");
            errors.invalid(&at(&path, "periodSeconds"), &policy["periodSeconds"], &detail);
        }
    }
}

const TYPES: &[&str] = &["ContainerResource", "External", "Object", "Pods", "Resource"];

/// The fields of sources, in the order in which upstream looks at them.
const SOURCES: [(&str, &str); 5] = [
    ("Object", "object"),
    ("External", "external"),
    ("Pods", "pods"),
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
];

fn metric(metric: &Value, path: &str, errors: &mut Errors) {
    let ty = text(&metric["type"]);
    if ty.is_empty() {
        errors.required(&at(path, "type"), "must specify a metric source type");
    }
    if !TYPES.contains(&ty) {
        errors.unsupported(&at(path, "type"), &ty.into(), TYPES);
    }
    let given: Vec<&str> =
        SOURCES.iter().map(|(_, field)| *field).filter(|field| metric[*field].is_object()).collect();
    if let Some(first) = given.first() {
        source(first, &metric[*first], &at(path, first), errors);
    }
    let expected = SOURCES.iter().find(|(name, _)| *name == ty).map(|(_, field)| *field);
    if let Some(expected) = expected.filter(|field| !given.contains(field)) {
        errors.required(&at(path, expected), "must populate information for the given metric source");
    }
    if given.len() != 1 {
        for other in given.iter().filter(|field| Some(**field) != expected) {
            errors.forbidden(&at(path, other), "must populate the given metric source only");
        }
    }
}

fn source(kind: &str, source: &Value, path: &str, errors: &mut Errors) {
    let goal = &source["target"];
    let has = |field: &str| !goal[field].is_null();
    match kind {
        "object" => {
            reference(&source["describedObject"], &at(path, "describedObject"), errors);
            identifier(source, path, errors);
            target(goal, &at(path, "target"), errors);
            if !has("value") && !has("averageValue") {
                let detail = "must set either a target value or averageValue";
                errors.required(&at(path, "target.averageValue"), detail);
            }
        }
        "external" => {
            identifier(source, path, errors);
            target(goal, &at(path, "target"), errors);
            if !has("value") && !has("averageValue") {
                let detail = "must set either a target value for metric or a per-pod target";
                errors.required(&at(path, "target.averageValue"), detail);
            }
            if has("value") && has("averageValue") {
                let detail = "may not set both a target value for metric and a per-pod target";
                errors.forbidden(&at(path, "target.value"), detail);
            }
        }
        "pods" => {
            identifier(source, path, errors);
            target(goal, &at(path, "target"), errors);
            if !has("averageValue") {
                let detail = "must specify a positive target averageValue";
                errors.required(&at(path, "target.averageValue"), detail);
            }
        }
        _ => resource(kind, source, path, errors),
    }
}

fn resource(kind: &str, source: &Value, path: &str, errors: &mut Errors) {
    let goal = &source["target"];
    if text(&source["name"]).is_empty() {
        errors.required(&at(path, "name"), "must specify a resource name");
    }
    if kind == "containerResource" {
        if text(&source["container"]).is_empty() {
            errors.required(&at(path, "container"), "must specify a container");
        } else {
            errors.format(&at(path, "container"), &source["container"], names::label);
        }
    }
    target(goal, &at(path, "target"), errors);
    match (goal["averageUtilization"].is_null(), goal["averageValue"].is_null()) {
        (true, true) => {
            let detail = "must set either a target raw value or a target utilization";
            errors.required(&at(path, "target.averageUtilization"), detail);
        }
        (false, false) => {
            let detail = "may not set both a target raw value and a target utilization";
            errors.forbidden(&at(path, "target.averageValue"), detail);
        }
        _ => {}
    }
}

fn identifier(source: &Value, path: &str, errors: &mut Errors) {
    let (name, field) = (&source["metric"]["name"], at(path, "metric.name"));
    if text(name).is_empty() {
        errors.required(&field, "must specify a metric name");
    } else {
        errors.format(&field, name, names::path_segment);
    }
}

fn target(target: &Value, path: &str, errors: &mut Errors) {
    let ty = text(&target["type"]);
    if ty.is_empty() {
        errors.required(&at(path, "type"), "must specify a metric target type");
    }
    if !matches!(ty, "Utilization" | "Value" | "AverageValue") {
        errors.invalid(&at(path, "type"), &ty.into(), "must be either Utilization, Value, or AverageValue");
    }
    for field in ["value", "averageValue"] {
        if Quantity::parse(text(&target[field])).is_some_and(|value| value.nanos() <= 0) {
            errors.invalid(&at(path, field), &target[field], "must be positive");
        }
    }
    if target["averageUtilization"].as_i64().is_some_and(|percent| percent < 1) {
        errors.invalid(
            &at(path, "averageUtilization"),
            &target["averageUtilization"],
            "must be greater than 0",
        );
    }
}
