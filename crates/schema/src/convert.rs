//! Objects in another version than the stored one: `autoscaling/v1`, as upstream's conversion has it; events in
//! [`events`].
//!
//! What v1 has no field for (metrics other than the processor's use, behaviour, conditions) travels in annotations.

pub mod events;

use serde_json::{Map, Value, json};

const AUTOSCALERS: &str = "autoscaling/horizontalpodautoscalers";
const V1: &str = "autoscaling/v1";
const V2: &str = "autoscaling/v2";
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const CURRENT: &str = "autoscaling.alpha.kubernetes.io/current-metrics";

/// Whether objects of this kind are served in more than their stored version.
pub fn knows(resource: &str) -> bool {
    resource == AUTOSCALERS
}

/// An object that came in another version, as it is stored.
pub fn to_stored(resource: &str, object: &mut Value) {
    if !knows(resource) || object["apiVersion"] != V1 {
        return;
    }
    object["apiVersion"] = V2.into();
    let mut metrics = Vec::new();
    if let Some(percent) = taken(&mut object["spec"], "targetCPUUtilizationPercentage") {
        let target = json!({ "type": "Utilization", "averageUtilization": percent });
        metrics.push(json!({ "type": "Resource", "resource": { "name": "cpu", "target": target } }));
    }
    metrics.extend(list(annotation(object, METRICS)));
    if !metrics.is_empty() {
        object["spec"]["metrics"] = metrics.into();
    }
    if let Some(behavior) = annotation(object, BEHAVIOR) {
        object["spec"]["behavior"] = behavior;
    }
    let (conditions, current) = (annotation(object, CONDITIONS), annotation(object, CURRENT));
    if !object["status"].is_object() {
        return;
    }
    let mut metrics = Vec::new();
    if let Some(percent) = taken(&mut object["status"], "currentCPUUtilizationPercentage") {
        let current = json!({ "averageUtilization": percent });
        metrics.push(json!({ "type": "Resource", "resource": { "name": "cpu", "current": current } }));
    }
    metrics.extend(list(current));
    if !metrics.is_empty() {
        object["status"]["currentMetrics"] = metrics.into();
    }
    if let Some(conditions) = conditions {
        object["status"]["conditions"] = conditions;
    }
}

/// A stored object in the version that was asked for; `None` if that is how it is stored.
pub fn from_stored(resource: &str, api_version: &str, object: &Value) -> Option<Value> {
    if !knows(resource) || api_version != V1 {
        return None;
    }
    let mut object = object.clone();
    object["apiVersion"] = V1.into();
    let (percent, others) = processor(taken(&mut object["spec"], "metrics"), "target");
    put(&mut object["spec"], "targetCPUUtilizationPercentage", percent);
    annotate(&mut object, METRICS, others);
    let behavior = taken(&mut object["spec"], "behavior");
    annotate(&mut object, BEHAVIOR, behavior);
    if object["status"].is_object() {
        let (percent, others) = processor(taken(&mut object["status"], "currentMetrics"), "current");
        put(&mut object["status"], "currentCPUUtilizationPercentage", percent);
        annotate(&mut object, CURRENT, others);
        let conditions = taken(&mut object["status"], "conditions");
        annotate(&mut object, CONDITIONS, conditions);
    }
    Some(object)
}

fn taken(fields: &mut Value, name: &str) -> Option<Value> {
    fields.as_object_mut()?.shift_remove(name).filter(|value| !value.is_null())
}

fn put(fields: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(fields), Some(value)) = (fields.as_object_mut(), value) {
        fields.insert(name.into(), value);
    }
}

fn list(value: Option<Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

/// The share of the processor that v1 has a field for, and the other metrics.
fn processor(metrics: Option<Value>, part: &str) -> (Option<Value>, Option<Value>) {
    let mut percent = None;
    let mut others = list(metrics);
    others.retain(|metric| {
        let found = &metric["resource"][part]["averageUtilization"];
        let first = percent.is_none() && metric["type"] == "Resource" && metric["resource"]["name"] == "cpu";
        if first && found.is_number() {
            percent = Some(found.clone());
            return false;
        }
        true
    });
    (percent, (!others.is_empty()).then(|| others.into()))
}

/// Takes an annotation that carries JSON.
fn annotation(object: &mut Value, name: &str) -> Option<Value> {
    let annotations = object.get_mut("metadata")?.get_mut("annotations")?.as_object_mut()?;
    let text = annotations.shift_remove(name)?;
    serde_json::from_str(text.as_str()?).ok()
}

fn annotate(object: &mut Value, name: &str, value: Option<Value>) {
    let Some(value) = value else { return };
    if !object["metadata"]["annotations"].is_object() {
        object["metadata"]["annotations"] = Map::new().into();
    }
    object["metadata"]["annotations"][name] = value.to_string().into();
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn there(object: &Value) -> Value {
        let mut object = object.clone();
        to_stored(AUTOSCALERS, &mut object);
        object
    }

    #[test]
    fn the_processors_share_is_a_metric() {
        let first = json!({
            "apiVersion": V1, "kind": "HorizontalPodAutoscaler", "metadata": { "name": "a" },
            "spec": { "maxReplicas": 3, "scaleTargetRef": { "kind": "Deployment", "name": "a" }, "targetCPUUtilizationPercentage": 80 },
        });
        let second = there(&first);
        expect![[r#"{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"a"},"spec":{"maxReplicas":3,"scaleTargetRef":{"kind":"Deployment","name":"a"},"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":80}}}]}}"#]]
            .assert_eq(&second.to_string());
        assert_eq!(from_stored(AUTOSCALERS, V1, &second), Some(first));
        assert_eq!(from_stored(AUTOSCALERS, V2, &second), None);
        assert_eq!(from_stored("apps/deployments", V1, &second), None);
    }

    #[test]
    fn what_v1_has_no_field_for_travels_in_annotations() {
        let stored = json!({
            "apiVersion": V2, "kind": "HorizontalPodAutoscaler", "metadata": { "name": "a" },
            "spec": {
                "maxReplicas": 3, "behavior": { "scaleDown": { "stabilizationWindowSeconds": 60 } },
                "metrics": [
                    { "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 } } },
                    { "type": "Resource", "resource": { "name": "memory", "target": { "type": "AverageValue", "averageValue": "1Gi" } } },
                ],
            },
            "status": { "desiredReplicas": 1, "conditions": [{ "type": "AbleToScale", "status": "True" }], "currentMetrics": null },
        });
        let first = from_stored(AUTOSCALERS, V1, &stored).expect("another version");
        assert_eq!(first["spec"]["targetCPUUtilizationPercentage"], 50);
        assert!(
            first["metadata"]["annotations"][METRICS].as_str().is_some_and(|text| text.contains("memory"))
        );
        assert!(first["spec"].get("behavior").is_none() && first["status"].get("conditions").is_none());
        let mut back = there(&first);
        let mut stored = stored;
        back["metadata"].as_object_mut().expect("metadata").shift_remove("annotations");
        stored["status"].as_object_mut().expect("a status").shift_remove("currentMetrics");
        assert_eq!(back, stored);
    }
}
