//! PodDisruptionBudget: how many of the selected pods may be taken away now. `api` refuses evictions by it.

use crate::access::{self, at, generation, int_at, is_deleting, labels_match, list_at, namespace, str_at};
use crate::deployment::DEPLOYMENTS;
use crate::replicaset::REPLICASETS;
use crate::{Controller, Outcome, Server, pods};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::{Change, EventKind, Key, Object};

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
        if chosen.is_empty() {
            tell(&budget, EventKind::Normal, "NoPods", "No matching pods found".into(), &mut outcome);
        }
        let (expected, desired) = match wanted(server, &budget, &chosen, &mut outcome) {
            Ok(wanted) => wanted,
            Err(why) => {
                let message = format!("Failed to calculate the number of expected pods: {why}");
                let reason = "CalculateExpectedPodCountFailed";
                tell(&budget, EventKind::Warning, reason, message, &mut outcome);
                let mut status = at(&budget, &["status"]).clone();
                let mut conditions = list_at(&status, &["conditions"]).to_vec();
                set_condition(&mut conditions, ("False", "SyncFailed", &why), &budget, now);
                status["disruptionsAllowed"] = json!(0);
                status["conditions"] = json!(conditions);
                outcome.writes.extend(access::status_write(BUDGETS, &budget, status));
                return outcome;
            }
        };
        let healthy = chosen.iter().filter(|pod| !is_deleting(pod) && pods::is_ready(pod)).count() as i64;
        let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
        let mut conditions = list_at(&budget, &["status", "conditions"]).to_vec();
        let state =
            if allowed > 0 { ("True", "SufficientPods", "") } else { ("False", "InsufficientPods", "") };
        set_condition(&mut conditions, state, &budget, now);
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

fn tell(budget: &Value, kind: EventKind, reason: &str, message: String, outcome: &mut Outcome) {
    let regarding = access::reference("policy/v1", "PodDisruptionBudget", budget);
    outcome.write(access::event(kind, regarding, Disruption.name(), reason, message));
}

/// How many pods there should be, and how many of them must stay healthy.
fn wanted(
    server: &dyn Server,
    budget: &Value,
    chosen: &[Object],
    outcome: &mut Outcome,
) -> Result<(i64, i64), String> {
    let unavailable = at(budget, &["spec", "maxUnavailable"]);
    let available = at(budget, &["spec", "minAvailable"]);
    if unavailable.is_null() && !available.is_string() {
        return Ok((chosen.len() as i64, available.as_i64().unwrap_or(1)));
    }
    let (expected, unmanaged) = scale(server, chosen)?;
    if unmanaged {
        let selector = go_selector(at(budget, &["spec", "selector"]));
        let message = format!(
            "Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set \".spec.minAvailable\" field of the PDB to an integer value."
        );
        tell(budget, EventKind::Warning, "UnmanagedPods", message, outcome);
    }
    if unavailable.is_null() {
        return Ok((expected, access::int_or_percent(available, expected, true)));
    }
    Ok((expected, (expected - access::int_or_percent(unavailable, expected, true)).max(0)))
}

/// A LabelSelector as Go prints it.
fn go_selector(selector: &Value) -> String {
    let mut pairs: Vec<String> = at(selector, &["matchLabels"])
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}: {},", value.as_str().unwrap_or("")))
        .collect();
    pairs.sort_unstable();
    let expressions = list_at(selector, &["matchExpressions"]).iter().map(|e| {
        let values: Vec<&str> = list_at(e, &["values"]).iter().filter_map(Value::as_str).collect();
        let (key, operator) = (str_at(e, &["key"]), str_at(e, &["operator"]));
        format!("LabelSelectorRequirement{{Key:{key},Operator:{operator},Values:[{}],}},", values.join(" "))
    });
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{}}},MatchExpressions:[]LabelSelectorRequirement{{{}}},}}",
        pairs.concat(),
        expressions.collect::<String>()
    )
}

/// The replicas that the pods' controllers are told to have, each controller once, and whether a pod has none.
fn scale(server: &dyn Server, chosen: &[Object]) -> Result<(i64, bool), String> {
    let mut owners: BTreeMap<String, i64> = BTreeMap::new();
    let mut unmanaged = false;
    for pod in chosen {
        let Some(reference) = access::controller_of(pod) else {
            unmanaged = true;
            continue;
        };
        let Some((key, owner)) = controller(server, pod) else {
            return Err(format!("found no controllers for pod {:?}", access::name(pod)));
        };
        if owners.contains_key(str_at(reference, &["uid"])) {
            continue;
        }
        // A ReplicaSet is as large as its Deployment says.
        let above = controller(server, &owner).filter(|_| &*key.resource.0 == REPLICASETS);
        let (key, owner) = above.filter(|(key, _)| &*key.resource.0 == DEPLOYMENTS).unwrap_or((key, owner));
        owners.insert(access::uid(&owner).to_string(), replicas(server, &key, &owner)?);
    }
    Ok((owners.values().sum(), unmanaged))
}

fn replicas(server: &dyn Server, key: &Key, owner: &Value) -> Result<i64, String> {
    let known = [DEPLOYMENTS, REPLICASETS, "apps/statefulsets", "replicationcontrollers"];
    if known.contains(&&*key.resource.0) {
        return Ok(int_at(owner, &["spec", "replicas"]).unwrap_or(1));
    }
    let (group, plural) = key.resource.0.split_once('/').unwrap_or(("", &key.resource.0));
    let named = if group.is_empty() { plural.to_string() } else { format!("{plural}.{group}") };
    let scale = server.scale(key).map_err(|_| format!("{named} does not implement the scale subresource"))?;
    Ok(scale.replicas)
}

fn controller(server: &dyn Server, object: &Value) -> Option<(Key, Object)> {
    let reference = access::controller_of(object)?;
    let resource = server.resource_of(str_at(reference, &["apiVersion"]), str_at(reference, &["kind"]))?;
    let owner = server.get(&resource, namespace(object), name_of(reference))?;
    let key = access::key(&resource, namespace(object), name_of(reference));
    (access::uid(&owner) == str_at(reference, &["uid"])).then_some((key, owner))
}

fn name_of(reference: &Value) -> &str {
    str_at(reference, &["name"])
}

/// `state`: status, reason and message.
fn set_condition(conditions: &mut Vec<Value>, state: (&str, &str, &str), budget: &Value, now: Timestamp) {
    let (status, reason, message) = state;
    let old = conditions.iter().position(|c| str_at(c, &["type"]) == "DisruptionAllowed");
    let since = old
        .map(|index| &conditions[index])
        .filter(|c| str_at(c, &["status"]) == status)
        .map_or_else(|| json!(access::format_time(now)), |c| at(c, &["lastTransitionTime"]).clone());
    let condition = json!({
        "type": "DisruptionAllowed", "status": status, "reason": reason, "message": message,
        "observedGeneration": generation(budget), "lastTransitionTime": since,
    });
    match old {
        Some(index) => conditions[index] = condition,
        None => conditions.push(condition),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Small, lines};
    use expect_test::{Expect, expect};

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
            let Some(store::Write::UpdateStatus { object, .. }) = outcome.writes.last() else {
                panic!("a status")
            };
            let of = |field: &str| int_at(object, &["status", field]).expect("a number");
            let found =
                (of("expectedPods"), of("desiredHealthy"), of("currentHealthy"), of("disruptionsAllowed"));
            assert_eq!(found, want, "{spec}");
        }
    }

    #[test]
    fn what_cannot_be_counted_is_told() {
        let check = |owner: Value, expected: Expect| {
            let mut world = Small::default();
            let selector = json!({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "a", "operator": "In", "values": ["b", "c"]}]});
            let budget = json!({"metadata": {"name": "b", "namespace": "default", "generation": 1},
                "spec": {"maxUnavailable": 1, "selector": selector}});
            let key = world.put(BUDGETS, budget);
            world.put("batch/jobs", json!({"metadata": {"name": "j", "namespace": "default", "uid": "j"}}));
            if !owner.is_null() {
                let mut pod = pod("p", true);
                pod["metadata"]["labels"]["a"] = json!("b");
                pod["metadata"]["ownerReferences"] = owner;
                world.put("pods", pod);
            }
            expected.assert_eq(&lines(&Disruption.reconcile(&world, &key, Timestamp::UNIX_EPOCH)));
        };
        let owner = |version: &str, kind: &str, uid: &str| json!([{"apiVersion": version, "kind": kind, "name": uid, "uid": uid, "controller": true}]);
        check(
            Value::Null,
            expect![[r#"
            Normal NoPods on PodDisruptionBudget b: No matching pods found
            status policy/poddisruptionbudgets b {"conditions":[{"type":"DisruptionAllowed","status":"False","reason":"InsufficientPods","message":"","observedGeneration":1,"lastTransitionTime":"1970-01-01T00:00:00Z"}],"currentHealthy":0,"desiredHealthy":0,"disruptionsAllowed":0,"expectedPods":0,"observedGeneration":1}"#]],
        );
        check(
            json!([]),
            expect![[r#"
            Warning UnmanagedPods on PodDisruptionBudget b: Pods selected by this PodDisruptionBudget (selector: &LabelSelector{MatchLabels:map[string]string{app: web,},MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:a,Operator:In,Values:[b c],},},}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.
            status policy/poddisruptionbudgets b {"conditions":[{"type":"DisruptionAllowed","status":"False","reason":"InsufficientPods","message":"","observedGeneration":1,"lastTransitionTime":"1970-01-01T00:00:00Z"}],"currentHealthy":1,"desiredHealthy":0,"disruptionsAllowed":0,"expectedPods":0,"observedGeneration":1}"#]],
        );
        check(
            owner("apps/v1", "ReplicaSet", "gone"),
            expect![[r#"
            Warning CalculateExpectedPodCountFailed on PodDisruptionBudget b: Failed to calculate the number of expected pods: found no controllers for pod "p"
            status policy/poddisruptionbudgets b {"disruptionsAllowed":0,"conditions":[{"type":"DisruptionAllowed","status":"False","reason":"SyncFailed","message":"found no controllers for pod \"p\"","observedGeneration":1,"lastTransitionTime":"1970-01-01T00:00:00Z"}]}"#]],
        );
        check(
            owner("batch/v1", "Job", "j"),
            expect![[r#"
            Warning CalculateExpectedPodCountFailed on PodDisruptionBudget b: Failed to calculate the number of expected pods: jobs.batch does not implement the scale subresource
            status policy/poddisruptionbudgets b {"disruptionsAllowed":0,"conditions":[{"type":"DisruptionAllowed","status":"False","reason":"SyncFailed","message":"jobs.batch does not implement the scale subresource","observedGeneration":1,"lastTransitionTime":"1970-01-01T00:00:00Z"}]}"#]],
        );
    }
}
