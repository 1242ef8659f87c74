//! PodDisruptionBudget: how many of the selected pods may be taken away now. `api` refuses evictions by it.

use crate::access::{self, at, generation, int_at, is_deleting, labels_match, list_at, namespace, str_at};
use crate::{Controller, Outcome, Server, pods};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::{Change, Key, Object};

const BUDGETS: &str = "policy/poddisruptionbudgets";

pub(crate) struct Disruption;

impl Controller for Disruption {
    fn name(&self) -> &'static str {
        "controllermanager"
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        match &*change.key.resource.0 {
            BUDGETS => vec![change.key.clone()],
            pods::PODS => {
                let labels = |object: &Value| at(object, &["metadata", "labels"]).clone();
                let (now, before) = (labels(&change.object), change.previous.as_ref().map(|old| labels(old)));
                budgets(server, &change.key.namespace, |selector| {
                    labels_match(selector, &now)
                        || before.as_ref().is_some_and(|old| labels_match(selector, old))
                })
            }
            "apps/deployments" | "apps/replicasets" | "apps/statefulsets" | "replicationcontrollers" => {
                let replicas = |object: &Value| int_at(object, &["spec", "replicas"]);
                let same =
                    change.previous.as_ref().is_some_and(|old| replicas(old) == replicas(&change.object));
                if same { Vec::new() } else { budgets(server, &change.key.namespace, |_| true) }
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(budget) = server.get(BUDGETS, &key.namespace, &key.name) else { return outcome };
        let selector = at(&budget, &["spec", "selector"]);
        let chosen = access::selected(server, pods::PODS, namespace(&budget), selector, &[]);
        let (expected, desired) = wanted(server, &budget, &chosen);
        let healthy = chosen.iter().filter(|pod| !is_deleting(pod) && pods::is_ready(pod)).count() as i64;
        let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
        let mut conditions = list_at(&budget, &["status", "conditions"]).to_vec();
        set_condition(&mut conditions, allowed > 0, generation(&budget), now);
        let status = json!({
            "conditions": conditions, "currentHealthy": healthy, "desiredHealthy": desired,
            "disruptionsAllowed": allowed, "expectedPods": expected, "observedGeneration": generation(&budget),
        });
        outcome.writes.extend(access::status_write(BUDGETS, &budget, status));
        outcome
    }
}

fn budgets(server: &dyn Server, namespace: &str, wanted: impl Fn(&Value) -> bool) -> Vec<Key> {
    let all = server.list(BUDGETS, namespace);
    let fit = all.iter().filter(|budget| wanted(at(budget, &["spec", "selector"])));
    fit.map(|budget| access::key_of(BUDGETS, budget)).collect()
}

/// How many pods there should be, and how many of them must stay healthy.
fn wanted(server: &dyn Server, budget: &Value, chosen: &[Object]) -> (i64, i64) {
    let unavailable = at(budget, &["spec", "maxUnavailable"]);
    if !unavailable.is_null() {
        let expected = scale(server, chosen);
        return (expected, (expected - access::int_or_percent(unavailable, expected, true)).max(0));
    }
    let available = at(budget, &["spec", "minAvailable"]);
    if available.is_string() {
        let expected = scale(server, chosen);
        return (expected, access::int_or_percent(available, expected, true));
    }
    (chosen.len() as i64, available.as_i64().unwrap_or(1))
}

/// The replicas that the pods' controllers are told to have, each controller once.
fn scale(server: &dyn Server, chosen: &[Object]) -> i64 {
    let mut owners: BTreeMap<String, i64> = BTreeMap::new();
    for pod in chosen {
        if let Some(owner) = controller(server, pod) {
            let owner =
                controller(server, &owner).filter(|o| o.pointer("/spec/replicas").is_some()).unwrap_or(owner);
            let replicas = int_at(&owner, &["spec", "replicas"]).unwrap_or(0);
            owners.insert(access::uid(&owner).to_string(), replicas);
        }
    }
    owners.values().sum()
}

fn controller(server: &dyn Server, object: &Value) -> Option<Object> {
    let reference = access::controller_of(object)?;
    let resource = server.resource_of(str_at(reference, &["apiVersion"]), str_at(reference, &["kind"]))?;
    let owner = server.get(&resource, namespace(object), name_of(reference))?;
    (access::uid(&owner) == str_at(reference, &["uid"])).then_some(owner)
}

fn name_of(reference: &Value) -> &str {
    str_at(reference, &["name"])
}

fn set_condition(conditions: &mut Vec<Value>, sufficient: bool, generation: i64, now: Timestamp) {
    let (status, reason) =
        if sufficient { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    let old = conditions.iter().position(|c| str_at(c, &["type"]) == "DisruptionAllowed");
    let since = old
        .map(|index| &conditions[index])
        .filter(|c| str_at(c, &["status"]) == status)
        .map_or_else(|| json!(access::format_time(now)), |c| at(c, &["lastTransitionTime"]).clone());
    let condition = json!({
        "type": "DisruptionAllowed", "status": status, "reason": reason, "message": "",
        "observedGeneration": generation, "lastTransitionTime": since,
    });
    match old {
        Some(index) => conditions[index] = condition,
        None => conditions.push(condition),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Small;

    fn pod(name: &str, ready: bool) -> Value {
        let ready = if ready { "True" } else { "False" };
        json!({
            "metadata": {"name": name, "namespace": "default", "uid": name, "labels": {"app": "web"}, "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "rs", "controller": true}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
        })
    }

    #[test]
    fn how_many_may_go() {
        // (budget, ready pods of 4) -> (expected, desired, healthy, allowed)
        for (spec, ready, want) in [
            (json!({"minAvailable": 2}), 3, (3, 2, 3, 1)),
            (json!({"minAvailable": "50%"}), 3, (5, 3, 3, 0)),
            (json!({"maxUnavailable": 1}), 3, (5, 4, 3, 0)),
            (json!({"maxUnavailable": 3}), 3, (5, 2, 3, 1)),
            (json!({"minAvailable": 0}), 0, (0, 0, 0, 0)),
        ] {
            let mut world = Small::default();
            let mut spec = spec;
            spec["selector"] = json!({"matchLabels": {"app": "web"}});
            let budget =
                json!({"metadata": {"name": "b", "namespace": "default", "generation": 1}, "spec": spec});
            let key = world.put(BUDGETS, budget);
            world.put(
                "apps/replicasets",
                json!({
                "metadata": {"name": "rs", "namespace": "default", "uid": "rs"}, "spec": {"replicas": 5}}),
            );
            for number in 0..ready {
                world.put("pods", pod(&format!("p{number}"), true));
            }
            let outcome = Disruption.reconcile(&world, &key, Timestamp::UNIX_EPOCH);
            let [store::Write::UpdateStatus { object, .. }] = &outcome.writes[..] else {
                panic!("one status")
            };
            let of = |field: &str| int_at(object, &["status", field]).expect("a number");
            let found =
                (of("expectedPods"), of("desiredHealthy"), of("currentHealthy"), of("disruptionsAllowed"));
            assert_eq!(found, want, "{spec}");
        }
    }
}
