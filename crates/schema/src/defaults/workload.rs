//! Kinds that make pods.

use super::{child, pod, set, storage};
use serde_json::{Value, json};

/// The defaults of a template of pods alone.
pub fn pod_template(template: &mut Value) {
    pod::template(template);
}

/// The spec, with the defaults of its template.
fn spec_of(object: &mut Value) -> Option<&mut Value> {
    let spec = object.get_mut("spec").filter(|spec| spec.is_object())?;
    if let Some(template) = spec.get_mut("template") {
        pod::template(template);
    }
    Some(spec)
}

pub(super) fn replication_controller(object: &mut Value) {
    let Some(spec) = spec_of(object) else { return };
    set(spec, "replicas", 1);
    let labels = spec["template"]["metadata"]["labels"].clone();
    if labels.is_object() {
        if spec["selector"].as_object().is_none_or(|selector| selector.is_empty()) {
            spec["selector"] = labels.clone();
        }
        set(&mut object["metadata"], "labels", labels);
    }
}

pub(super) fn deployment(object: &mut Value) {
    let Some(spec) = spec_of(object) else { return };
    set(spec, "replicas", 1);
    set(spec, "revisionHistoryLimit", 10);
    set(spec, "progressDeadlineSeconds", 600);
    let Some(strategy) = child(spec, "strategy") else { return };
    set(strategy, "type", "RollingUpdate");
    if strategy["type"] == "RollingUpdate"
        && let Some(rolling) = child(strategy, "rollingUpdate")
    {
        set(rolling, "maxUnavailable", "25%");
        set(rolling, "maxSurge", "25%");
    }
}

pub(super) fn replica_set(object: &mut Value) {
    if let Some(spec) = spec_of(object) {
        set(spec, "replicas", 1);
    }
}

pub(super) fn stateful_set(object: &mut Value) {
    let Some(spec) = spec_of(object) else { return };
    set(spec, "podManagementPolicy", "OrderedReady");
    if let Some(strategy) = child(spec, "updateStrategy") {
        set(strategy, "type", "RollingUpdate");
        if strategy["type"] == "RollingUpdate"
            && let Some(rolling) = child(strategy, "rollingUpdate")
        {
            set(rolling, "partition", 0);
        }
    }
    if let Some(policy) = child(spec, "persistentVolumeClaimRetentionPolicy") {
        set(policy, "whenDeleted", "Retain");
        set(policy, "whenScaled", "Retain");
    }
    set(spec, "replicas", 1);
    set(spec, "revisionHistoryLimit", 10);
    for claim in super::items(spec, "volumeClaimTemplates") {
        storage::claim(claim);
        set(claim, "apiVersion", "v1");
        set(claim, "kind", "PersistentVolumeClaim");
    }
}

pub(super) fn daemon_set(object: &mut Value) {
    let Some(spec) = spec_of(object) else { return };
    if let Some(strategy) = child(spec, "updateStrategy") {
        set(strategy, "type", "RollingUpdate");
        if strategy["type"] == "RollingUpdate"
            && let Some(rolling) = child(strategy, "rollingUpdate")
        {
            set(rolling, "maxUnavailable", 1);
            set(rolling, "maxSurge", 0);
        }
    }
    set(spec, "revisionHistoryLimit", 10);
}

pub(super) fn job(object: &mut Value) {
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_string();
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_string();
    let Some(spec) = spec_of(object) else { return };
    // Without both it is one pod; with one of them the other stays open.
    if spec["completions"].is_null() && spec["parallelism"].is_null() {
        spec["completions"] = 1.into();
    }
    set(spec, "parallelism", 1);
    let limit = if spec["backoffLimitPerIndex"].is_null() { 6 } else { i32::MAX };
    set(spec, "backoffLimit", limit);
    set(spec, "completionMode", "NonIndexed");
    set(spec, "suspend", false);
    let replacement = if spec["podFailurePolicy"].is_object() { "Failed" } else { "TerminatingOrFailed" };
    set(spec, "podReplacementPolicy", replacement);
    if !uid.is_empty() && spec["manualSelector"] != true && spec["selector"].is_null() {
        select_by_uid(spec, &uid, &name);
    }
    let labels = spec["template"]["metadata"]["labels"].clone();
    if labels.as_object().is_some_and(|labels| !labels.is_empty()) {
        set(&mut object["metadata"], "labels", labels);
    }
}

/// A job selects its pods by its own uid, unless the user wants to.
fn select_by_uid(spec: &mut Value, uid: &str, name: &str) {
    let labels = child(spec, "template").and_then(|template| child(template, "metadata"));
    let Some(labels) = labels.and_then(|metadata| child(metadata, "labels")) else { return };
    for (label, value) in [
        ("batch.kubernetes.io/controller-uid", uid),
        ("batch.kubernetes.io/job-name", name),
        ("controller-uid", uid),
        ("job-name", name),
    ] {
        labels[label] = value.into();
    }
    spec["selector"] = json!({ "matchLabels": { "batch.kubernetes.io/controller-uid": uid } });
}

pub(super) fn cron_job(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    set(spec, "concurrencyPolicy", "Allow");
    set(spec, "suspend", false);
    set(spec, "successfulJobsHistoryLimit", 3);
    set(spec, "failedJobsHistoryLimit", 1);
    if let Some(template) = spec.get_mut("jobTemplate").filter(|template| template.is_object()) {
        child(template, "metadata");
        spec_of(template);
    }
}

pub(super) fn autoscaler(object: &mut Value) {
    let is_v2 = object["apiVersion"] == "autoscaling/v2";
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    set(spec, "minReplicas", 1);
    if is_v2 && spec["metrics"].as_array().is_none_or(Vec::is_empty) {
        spec["metrics"] = json!([{
            "type": "Resource",
            "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 } },
        }]);
    }
    if is_v2 && spec["behavior"].is_object() {
        behavior(&mut spec["behavior"]);
    }
}

/// How fast a scale may change where rules are given, and do not tell all.
fn behavior(behavior: &mut Value) {
    let all = json!({ "type": "Percent", "value": 100, "periodSeconds": 15 });
    let up = json!([{ "type": "Pods", "value": 4, "periodSeconds": 15 }, all]);
    for (direction, policies) in [("scaleUp", up), ("scaleDown", json!([all]))] {
        let Some(rules) = child(behavior, direction) else { continue };
        set(rules, "selectPolicy", "Max");
        set(rules, "policies", policies);
        if direction == "scaleUp" {
            set(rules, "stabilizationWindowSeconds", 0);
        }
    }
}
