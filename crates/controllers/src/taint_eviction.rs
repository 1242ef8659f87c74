//! Pods go from a node with a NoExecute taint that they do not tolerate, or tolerate for a while only.
//!
//! How long a pod has been tolerated is not stored with it: the key of its second look says which taints it is about.

use crate::access::{self, is_deleting, key_of, list_at, name, namespace, str_at, time_at};
use crate::nodes::NODES;
use crate::{Controller, Outcome, Server, pods, scheduler};
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;
use store::{Change, EventKind, Key, Object, Resource, Term};

const COMPONENT: &str = "taint-eviction-controller";
/// Before the hash of the taints, in the resource of a second look's key.
const TOLERATED: &str = "tolerated:";

pub(crate) struct TaintEviction;

impl Controller for TaintEviction {
    fn name(&self) -> &'static str {
        COMPONENT
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        match &*change.key.resource.0 {
            NODES => {
                let now = evicting(&change.object);
                let same = change.previous.as_ref().is_some_and(|old| evicting(old) == now);
                if now.is_empty() || same {
                    return Vec::new();
                }
                let here = server.select(pods::PODS, "", &[Term::Node(&change.key.name)]);
                here.iter().map(|pod| key_of(pods::PODS, pod)).collect()
            }
            pods::PODS => {
                let of = |pod: &Value| {
                    let tolerations = list_at(pod, &["spec", "tolerations"]).to_vec();
                    (str_at(pod, &["spec", "nodeName"]).to_string(), tolerations)
                };
                let same = change.previous.as_ref().is_some_and(|old| of(old) == of(&change.object));
                let node = str_at(&change.object, &["spec", "nodeName"]);
                let tainted = || server.get(NODES, "", node).is_some_and(|node| !evicting(&node).is_empty());
                let looks = !same && !node.is_empty() && tainted();
                if looks { vec![change.key.clone()] } else { Vec::new() }
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(pod) = server.get(pods::PODS, &key.namespace, &key.name).filter(|pod| !is_deleting(pod))
        else {
            return outcome;
        };
        let Some(node) = server.get(NODES, "", str_at(&pod, &["spec", "nodeName"])) else { return outcome };
        let taints = evicting(&node);
        let hash = access::content_hash(&taints.iter().copied().cloned().collect());
        let second = format!("{TOLERATED}{hash}:{}", access::uid(&pod));
        // A look that was put off for other taints is over; it does not come again.
        let is_other = key.resource.0.starts_with(TOLERATED) && *key.resource.0 != *second;
        match patience(&pod, &taints) {
            Some(left) if left > 0 && is_other => {}
            Some(left) if left > 0 && *key.resource.0 != *second => {
                let again = Key { resource: Resource::new(&second), ..key.clone() };
                let left = left - already(&pod, &taints, now).clamp(0, left);
                outcome.later.push((again, Duration::from_secs(left.unsigned_abs())));
            }
            Some(_) => evict(&pod, now, &mut outcome),
            None => {}
        }
        outcome
    }
}

fn evicting(node: &Value) -> Vec<&Value> {
    let taints = list_at(node, &["spec", "taints"]).iter();
    taints.filter(|taint| str_at(taint, &["effect"]) == "NoExecute").collect()
}

/// For how many seconds the pod has been tolerated already, as far as the taints tell.
fn already(pod: &Value, taints: &[&Value], now: Timestamp) -> i64 {
    let added = taints.iter().filter_map(|taint| time_at(taint, &["timeAdded"])).max();
    let since = added.max(time_at(pod, &["metadata", "creationTimestamp"]).filter(|_| added.is_some()));
    since.map_or(0, |since| now.as_second() - since.as_second())
}

/// For how many seconds the pod may stay; nothing: for ever.
fn patience(pod: &Value, taints: &[&Value]) -> Option<i64> {
    let mut least: Option<i64> = None;
    for taint in taints {
        let mut tolerations = scheduler::tolerations_of(pod, taint).peekable();
        if tolerations.peek().is_none() {
            return Some(0);
        }
        let seconds = tolerations.filter_map(|t| access::int_at(t, &["tolerationSeconds"])).min();
        least = least.into_iter().chain(seconds.map(|seconds| seconds.max(0))).min();
    }
    least
}

fn evict(pod: &Object, now: Timestamp, outcome: &mut Outcome) {
    let message = format!("Marking for deletion Pod {}/{}", namespace(pod), name(pod));
    let regarding = access::reference("v1", "Pod", pod);
    outcome.write(access::event(EventKind::Normal, regarding, COMPONENT, "TaintManagerEviction", message));
    let why = "Taint manager: deleting due to NoExecute taint";
    pods::disrupt(pod, "DeletionByTaintManager", why, now, outcome);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Small, lines};
    use expect_test::{Expect, expect};
    use serde_json::json;

    fn world(tolerations: Value, taints: Value) -> (Small, Key) {
        let mut world = Small::default();
        world.put(NODES, json!({"metadata": {"name": "n"}, "spec": {"taints": taints}}));
        let pod = json!({
            "metadata": {"name": "p", "namespace": "default", "uid": "p", "creationTimestamp": "1970-01-01T00:00:00Z"},
            "spec": {"nodeName": "n", "tolerations": tolerations}, "status": {"phase": "Running"},
        });
        let key = world.put(pods::PODS, pod);
        (world, key)
    }

    fn check(tolerations: Value, taints: Value, expected: Expect) {
        let (world, key) = world(tolerations, taints);
        let outcome = TaintEviction.reconcile(&world, &key, Timestamp::from_second(1000).expect("a time"));
        let later = outcome.later.iter().map(|(_, pause)| format!("again after {pause:?}"));
        let all = std::iter::once(lines(&outcome)).chain(later).filter(|line| !line.is_empty());
        expected.assert_eq(&all.collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn who_has_to_go() {
        let taint = || json!([{"key": "k", "value": "v", "effect": "NoExecute"}]);
        let tolerates =
            |seconds: Value| json!([{"key": "k", "operator": "Exists", "tolerationSeconds": seconds}]);
        check(
            json!([]),
            taint(),
            expect![[r#"
                Normal TaintManagerEviction on Pod p: Marking for deletion Pod default/p
                status pods p {"phase":"Running","conditions":[{"type":"DisruptionTarget","status":"True","reason":"DeletionByTaintManager","message":"Taint manager: deleting due to NoExecute taint","lastTransitionTime":"1970-01-01T00:16:40Z"}]}
                delete pods default/p Background"#]],
        );
        check(json!([]), json!([{"key": "k", "effect": "NoSchedule"}]), expect![[""]]);
        check(json!([{"operator": "Exists"}]), taint(), expect![[""]]);
        check(tolerates(json!(60)), taint(), expect!["again after 60s"]);
        check(
            tolerates(json!(0)),
            taint(),
            expect![[r#"
                Normal TaintManagerEviction on Pod p: Marking for deletion Pod default/p
                status pods p {"phase":"Running","conditions":[{"type":"DisruptionTarget","status":"True","reason":"DeletionByTaintManager","message":"Taint manager: deleting due to NoExecute taint","lastTransitionTime":"1970-01-01T00:16:40Z"}]}
                delete pods default/p Background"#]],
        );
        // The taint says since when it is there.
        let since = json!([{"key": "k", "effect": "NoExecute", "timeAdded": "1970-01-01T00:16:00Z"}]);
        check(tolerates(json!(60)), since, expect!["again after 20s"]);
        // The shortest time counts, and each taint must be tolerated.
        let two = || json!([{"key": "k", "effect": "NoExecute"}, {"key": "l", "effect": "NoExecute"}]);
        check(
            tolerates(json!(60)),
            two(),
            expect![[r#"
                Normal TaintManagerEviction on Pod p: Marking for deletion Pod default/p
                status pods p {"phase":"Running","conditions":[{"type":"DisruptionTarget","status":"True","reason":"DeletionByTaintManager","message":"Taint manager: deleting due to NoExecute taint","lastTransitionTime":"1970-01-01T00:16:40Z"}]}
                delete pods default/p Background"#]],
        );
        let both = json!([{"key": "k", "operator": "Exists", "tolerationSeconds": 60}, {"key": "l", "operator": "Exists", "tolerationSeconds": 30}]);
        check(both, two(), expect!["again after 30s"]);
    }

    #[test]
    fn the_second_look_is_about_the_same_taints() {
        let tolerates = json!([{"key": "k", "operator": "Exists", "tolerationSeconds": 60}]);
        let (mut world, key) = world(tolerates, json!([{"key": "k", "effect": "NoExecute"}]));
        let now = Timestamp::UNIX_EPOCH;
        let (later, _) = TaintEviction.reconcile(&world, &key, now).later.pop().expect("it waits");
        assert!(lines(&TaintEviction.reconcile(&world, &later, now)).contains("delete pods default/p"));
        let other = json!([{"key": "k", "value": "other", "effect": "NoExecute"}]);
        world.put(NODES, json!({"metadata": {"name": "n"}, "spec": {"taints": other}}));
        assert_eq!(TaintEviction.reconcile(&world, &later, now), Outcome::default());
    }
}
