//! Pod garbage collection: pods that nobody else takes away.
//!
//! Those whose node is no more, those that go and never had a node, those that go on a node that is out of service, and
//! the oldest of those at their end when there are too many.

use crate::access::{self, is_deleting, key, list_at, name, str_at};
use crate::nodes::NODES;
use crate::{Controller, Outcome, Server, pods};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;
use store::{Change, ChangeKind, Key, Object, Propagation, Resource, Term, Write};

/// How many pods may be at their end.
const MOST_ENDED: usize = 12_500;
/// Pods at their end are counted no more often than this.
const PERIOD: Duration = Duration::from_secs(20);
/// How long a node may be missing.
const QUARANTINE: Duration = Duration::from_secs(40);
/// Resources of keys of our own: a pod whose node was missing before, and the count of pods at their end.
const ORPHANED: &str = "orphaned:pods";
const COUNT: &str = "count:pods";

pub(crate) struct PodGc;

impl Controller for PodGc {
    fn name(&self) -> &'static str {
        "pod-garbage-collector"
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        let gone = change.kind == ChangeKind::Deleted;
        match &*change.key.resource.0 {
            pods::PODS if !gone => {
                let pod = &change.object;
                let ended = change.previous.as_ref().is_none_or(|old| !is_ended(old)) && is_ended(pod);
                let placed = !str_at(pod, &["spec", "nodeName"]).is_empty();
                let mut keys = Vec::new();
                if ended {
                    keys.push(key(COUNT, "", ""));
                }
                if is_deleting(pod) || placed && node_of(server, pod).is_none() {
                    keys.push(change.key.clone());
                }
                keys
            }
            NODES if gone || out_of_service(&change.object) => {
                let here = server.select(pods::PODS, "", &[Term::Node(&change.key.name)]);
                here.iter().map(|pod| access::key_of(pods::PODS, pod)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        if &*key.resource.0 == COUNT {
            // The first key only asks for the count, so that a thousand ends are counted once.
            if key.name.is_empty() {
                outcome.later.push((access::key(COUNT, "", "now"), PERIOD));
            } else {
                limit(server, MOST_ENDED, now, &mut outcome);
            }
            return outcome;
        }
        let Some(pod) = server.get(pods::PODS, &key.namespace, &key.name) else { return outcome };
        let placed = !str_at(&pod, &["spec", "nodeName"]).is_empty();
        match node_of(server, &pod) {
            None if placed && &*key.resource.0 == ORPHANED => remove(&pod, Some(now), now, &mut outcome),
            None if placed => {
                outcome.later.push((access::key(ORPHANED, &key.namespace, &key.name), QUARANTINE));
            }
            None if is_deleting(&pod) => remove(&pod, None, now, &mut outcome),
            Some(node) if is_deleting(&pod) && out_of_service(&node) => remove(&pod, None, now, &mut outcome),
            _ => {}
        }
        outcome
    }
}

fn node_of(server: &dyn Server, pod: &Value) -> Option<Object> {
    server.get(NODES, "", str_at(pod, &["spec", "nodeName"]))
}

fn is_ended(pod: &Value) -> bool {
    matches!(str_at(pod, &["status", "phase"]), "Succeeded" | "Failed")
}

fn out_of_service(node: &Value) -> bool {
    let tainted = list_at(node, &["spec", "taints"])
        .iter()
        .any(|taint| str_at(taint, &["key"]) == "node.kubernetes.io/out-of-service");
    tainted && !pods::is_ready(node)
}

/// Takes the oldest away when there are too many; evicted ones first.
fn limit(server: &dyn Server, most: usize, now: Timestamp, outcome: &mut Outcome) {
    let mut ended = server.list(pods::PODS, "");
    ended.retain(|pod| is_ended(pod));
    let surplus = ended.len().saturating_sub(most);
    if surplus == 0 {
        return;
    }
    ended.sort_by_cached_key(|pod| {
        let evicted = str_at(pod, &["status", "reason"]) == "Evicted";
        (!evicted, str_at(pod, &["metadata", "creationTimestamp"]).to_string(), name(pod).to_string())
    });
    ended[..surplus].iter().for_each(|pod| remove(pod, None, now, outcome));
}

/// A pod that has not ended has failed, so that nobody waits for it; then it goes at once.
fn remove(pod: &Object, orphaned: Option<Timestamp>, now: Timestamp, outcome: &mut Outcome) {
    if !is_ended(pod) {
        let mut failed = (**pod).clone();
        failed["status"]["phase"] = json!("Failed");
        if orphaned.is_some() {
            let mut conditions = list_at(pod, &["status", "conditions"]).to_vec();
            conditions.retain(|c| str_at(c, &["type"]) != "DisruptionTarget");
            conditions.push(json!({
                "type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC",
                "message": "PodGC: node no longer exists", "lastTransitionTime": access::format_time(now),
            }));
            failed["status"]["conditions"] = json!(conditions);
        }
        if let Some(meta) = failed["metadata"].as_object_mut() {
            meta.shift_remove("resourceVersion");
        }
        outcome.write(Write::UpdateStatus { resource: Resource::new(pods::PODS), object: failed });
    }
    outcome.write(Write::Delete {
        key: access::key_of(pods::PODS, pod),
        uid: Some(access::uid(pod).into()),
        grace_seconds: Some(0),
        propagation: Propagation::Background,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Small, lines};
    use expect_test::{Expect, expect};

    fn check(node: Option<Value>, key_resource: &str, mut pod: Value, expected: Expect) {
        let mut world = Small::default();
        if let Some(mut node) = node {
            node["metadata"] = json!({"name": "node"});
            world.put(NODES, node);
        }
        pod["metadata"]["name"] = json!("p");
        pod["metadata"]["namespace"] = json!("n");
        world.put("pods", pod);
        let outcome = PodGc.reconcile(&world, &key(key_resource, "n", "p"), Timestamp::UNIX_EPOCH);
        let later = outcome.later.iter().map(|(key, pause)| format!("later {key} {pause:?}"));
        let text: Vec<String> = later.chain([lines(&outcome)]).filter(|line| !line.is_empty()).collect();
        expected.assert_eq(&text.join("\n"));
    }

    #[test]
    fn who_is_taken_away() {
        let on = |node: &str| json!({"spec": {"nodeName": node}, "status": {"phase": "Running"}});
        let going = |mut pod: Value| {
            pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            pod
        };
        let ready = || Some(json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}));
        let out = || Some(json!({"spec": {"taints": [{"key": "node.kubernetes.io/out-of-service"}]}}));
        check(ready(), "pods", on("node"), expect![""]);
        check(ready(), "pods", going(on("node")), expect![""]);
        check(None, "pods", on("node"), expect!["later orphaned:pods n/p 40s"]);
        check(ready(), ORPHANED, on("node"), expect![""]);
        check(
            None,
            ORPHANED,
            on("node"),
            expect![[r#"
                status pods p {"phase":"Failed","conditions":[{"type":"DisruptionTarget","status":"True","reason":"DeletionByPodGC","message":"PodGC: node no longer exists","lastTransitionTime":"1970-01-01T00:00:00Z"}]}
                delete pods n/p Background grace 0"#]],
        );
        check(None, "pods", on(""), expect![""]);
        check(
            None,
            "pods",
            going(on("")),
            expect![[r#"
                status pods p {"phase":"Failed"}
                delete pods n/p Background grace 0"#]],
        );
        check(out(), "pods", on("node"), expect![""]);
        let ended = json!({"spec": {"nodeName": "node"}, "status": {"phase": "Succeeded"}});
        check(out(), "pods", going(ended), expect!["delete pods n/p Background grace 0"]);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let mut world = Small::default();
        for (name, phase, reason, created) in [
            ("a", "Succeeded", "", "2026-01-03T00:00:00Z"),
            ("b", "Failed", "Evicted", "2026-01-04T00:00:00Z"),
            ("c", "Failed", "", "2026-01-02T00:00:00Z"),
            ("d", "Running", "", "2026-01-01T00:00:00Z"),
        ] {
            let meta = json!({"name": name, "namespace": "n", "creationTimestamp": created});
            world.put("pods", json!({"metadata": meta, "status": {"phase": phase, "reason": reason}}));
        }
        for (most, want) in [(3, ""), (1, "b c"), (2, "b")] {
            let mut outcome = Outcome::default();
            limit(&world, most, Timestamp::UNIX_EPOCH, &mut outcome);
            let gone: Vec<&str> = outcome
                .writes
                .iter()
                .map(|write| match write {
                    Write::Delete { key, .. } => &*key.name,
                    other => panic!("not expected: {other:?}"),
                })
                .collect();
            assert_eq!(gone.join(" "), want, "at most {most}");
        }
    }
}
