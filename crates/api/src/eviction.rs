//! Eviction: a deletion that PodDisruptionBudgets may refuse.
//!
//! The budget's count is taken down in the transaction of the deletion, so that evictions which race never take more
//! pods than it allows; the controller counts anew afterwards.

use crate::admission::{self, Attributes, Operation};
use crate::metadata::{self, field_map, text};
use crate::transaction::Transaction;
use crate::{ApiError, DeleteOptions, Key, Result, Selector, deletion};
use jiff::Timestamp;
use schema::Kind;
use serde_json::{Value, json};
use store::{Object, View};

const BUDGETS: &str = "policy/poddisruptionbudgets";
const REFUSED: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

/// An eviction is admitted as one, and not as the deletion that it comes to.
pub(crate) fn evict(
    tx: &mut Transaction<'_>,
    kind: &Kind,
    namespace: &str,
    name: &str,
    options: &DeleteOptions,
) -> Result<Object> {
    if tx.view().get("pods", namespace, name).is_some() {
        let attributes = Attributes {
            operation: Operation::Create,
            kind,
            subresource: "eviction",
            namespace,
            name,
            old: None,
            dry_run: tx.dry_run,
            origin: &options.origin,
        };
        let mut eviction = json!({ "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": { "name": name, "namespace": namespace } });
        if !options.origin.options.is_empty() {
            eviction["deleteOptions"] = options.origin.options.clone().into();
        }
        admission::admit(tx, &attributes, Some(eviction))?;
    }
    admit(tx, namespace, name)?;
    let key = Key::new("pods", namespace, name);
    let Some(pod) = tx.view().get("pods", namespace, name) else {
        return Err(ApiError::not_found("pods", name));
    };
    deletion::check(kind, &key, &pod, options)?;
    let told = told(&pod, tx.now);
    tx.put(key.clone(), told)?;
    // The pod is another one by what it was just told.
    let options = DeleteOptions { resource_version: None, ..options.clone() };
    deletion::admitted(tx, kind, &key, &options)
}

/// The pod with the condition that says why it goes.
fn told(pod: &Value, now: Timestamp) -> Value {
    let mut next = pod.clone();
    let mut conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.retain(|condition| condition["type"] != "DisruptionTarget");
    conditions.push(json!({
        "type": "DisruptionTarget", "status": "True", "lastProbeTime": null,
        "lastTransitionTime": metadata::timestamp(now), "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }));
    field_map(&mut next, "status").insert("conditions".into(), conditions.into());
    next
}

fn admit(tx: &mut Transaction<'_>, namespace: &str, name: &str) -> Result<()> {
    let view = tx.view();
    let Some(pod) = view.get("pods", namespace, name) else { return Err(ApiError::not_found("pods", name)) };
    let over = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed" | "Pending"));
    if over || metadata::is_deleting(&pod) {
        return Ok(());
    }
    let mut budgets = view.list(BUDGETS, namespace);
    budgets.retain(|budget| {
        Selector::of_object(&budget["spec"]["selector"]).matches(&pod["metadata"]["labels"])
    });
    match budgets.as_slice() {
        [] => Ok(()),
        [budget] => take(tx, budget, &pod),
        _ => {
            let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not \
                           support.";
            Err(ApiError::new(500, "InternalError", message))
        }
    }
}

fn take(tx: &mut Transaction<'_>, budget: &Object, pod: &Value) -> Result<()> {
    let status = &budget["status"];
    let number = |field: &str| status[field].as_i64().unwrap_or_default();
    let name = text(budget, "name");
    let generation = budget["metadata"]["generation"].as_i64().unwrap_or_default();
    if !is_ready(pod) {
        let always = budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow";
        let healthy = number("desiredHealthy") > 0 && number("currentHealthy") >= number("desiredHealthy");
        if always || healthy {
            return Ok(());
        }
    }
    if number("observedGeneration") < generation {
        let why = format!("The disruption budget {name} is still being processed by the server.");
        return Err(refused(&why, 10));
    }
    if number("disruptionsAllowed") <= 0 {
        let (needs, has) = (number("desiredHealthy"), number("currentHealthy"));
        let why = format!("The disruption budget {name} needs {needs} healthy pods and has {has} currently");
        return Err(refused(&why, 0));
    }
    let mut next = (**budget).clone();
    field_map(&mut next, "status")
        .insert("disruptionsAllowed".into(), (number("disruptionsAllowed") - 1).into());
    tx.put(Key::new(BUDGETS, text(budget, "namespace"), name), next).map(drop)
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True")
}

fn refused(why: &str, retry_after: i64) -> ApiError {
    let mut error = ApiError::new(429, "TooManyRequests", REFUSED);
    error.details = json!({ "causes": [{ "reason": "DisruptionBudget", "message": why }] });
    if retry_after > 0 {
        error.details["retryAfterSeconds"] = retry_after.into();
    }
    error
}

#[cfg(test)]
mod tests {
    use crate::tests::{bench, by};
    use crate::{Api, DeleteOptions};
    use expect_test::expect;
    use serde_json::{Value, json};

    fn world(status: &Value, policy: &str) -> (Api, tempfile::TempDir) {
        let (api, dir) = bench();
        let labels = json!({ "app": "a" });
        for name in ["p", "q"] {
            let pod = json!({ "apiVersion": "v1", "kind": "Pod",
                "metadata": { "name": name, "namespace": "default", "labels": labels },
                "spec": { "nodeName": "n", "containers": [{ "name": "c", "image": "i" }] } });
            let mut pod = (*api.create("pods", pod, &by()).expect("created")).clone();
            let ready = if name == "p" { "True" } else { "False" };
            pod["status"] =
                json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": ready }] });
            api.update_status("pods", pod, &by()).expect("runs");
        }
        let budget = json!({ "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": { "name": "b", "namespace": "default" },
            "spec": { "minAvailable": 1, "selector": { "matchLabels": labels },
                "unhealthyPodEvictionPolicy": policy } });
        let mut budget = (*api.create(super::BUDGETS, budget, &by()).expect("created")).clone();
        budget["status"] = status.clone();
        api.update_status(super::BUDGETS, budget, &by()).expect("status");
        (api, dir)
    }

    fn evict(api: &Api, name: &str) -> String {
        match api.evict("default", name, &DeleteOptions::default()) {
            Ok(_) => "evicted".into(),
            Err(error) => format!("{} {} {}", error.code, error.message, error.details),
        }
    }

    #[test]
    fn budgets_refuse() {
        let status = |allowed: i64, healthy: i64, seen: i64| {
            json!({ "disruptionsAllowed": allowed, "currentHealthy": healthy, "desiredHealthy": 1,
                "expectedPods": 2, "observedGeneration": seen })
        };
        let (api, _dir) = world(&status(1, 2, 1), "IfHealthyBudget");
        assert_eq!(evict(&api, "p"), "evicted");
        let evicted = api.get("pods", "default", "p").expect("it takes its time");
        assert_eq!(evicted["status"]["conditions"][1]["reason"], "EvictionByEvictionAPI");
        assert_eq!(
            api.get(super::BUDGETS, "default", "b").expect("there")["status"]["disruptionsAllowed"],
            0
        );
        let (api, _dir) = world(&status(0, 0, 1), "IfHealthyBudget");
        expect![[r#"429 Cannot evict pod as it would violate the pod's disruption budget. {"causes":[{"reason":"DisruptionBudget","message":"The disruption budget b needs 1 healthy pods and has 0 currently"}]}"#]]
            .assert_eq(&evict(&api, "q"));
        let (api, _dir) = world(&status(0, 0, 1), "AlwaysAllow");
        assert_eq!(evict(&api, "q"), "evicted");
        let (api, _dir) = world(&status(0, 1, 1), "IfHealthyBudget");
        assert_eq!(evict(&api, "q"), "evicted");
        let (api, _dir) = world(&status(1, 2, 0), "IfHealthyBudget");
        expect![[r#"429 Cannot evict pod as it would violate the pod's disruption budget. {"causes":[{"reason":"DisruptionBudget","message":"The disruption budget b is still being processed by the server."}],"retryAfterSeconds":10}"#]]
            .assert_eq(&evict(&api, "p"));
    }
}
