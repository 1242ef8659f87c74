//! Which of too many pods go first, by the rules of upstream's controllers.

use crate::access::{self, at, int_at, is_deleting, list_at, name, str_at, time_at, uid};
use crate::pods;
use jiff::Timestamp;
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use store::Object;

/// What a pod says it costs to remove it, as a number.
const COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Not scheduled, not running, not ready: the less of a pod there is, the sooner it goes.
fn progress(pod: &Value) -> (bool, u8, bool) {
    let phase = match str_at(pod, &["status", "phase"]) {
        "Pending" | "" => 0,
        "Unknown" => 1,
        _ => 2,
    };
    (!str_at(pod, &["spec", "nodeName"]).is_empty(), phase, pods::is_ready(pod))
}

fn ready_since(pod: &Value) -> Option<Timestamp> {
    let ready = pods::ready_condition(pod).filter(|_| pods::is_ready(pod))?;
    time_at(ready, &["lastTransitionTime"])
}

fn created(pod: &Value) -> Option<Timestamp> {
    time_at(pod, &["metadata", "creationTimestamp"])
}

/// The most restarts of a container, and of a sidecar.
fn restarts(pod: &Value) -> (i64, i64) {
    let most = |list: &str, counts: &dyn Fn(&Value) -> bool| {
        let statuses = list_at(pod, &["status", list]).iter().filter(|status| counts(status));
        statuses.filter_map(|status| int_at(status, &["restartCount"])).max().unwrap_or(0)
    };
    let is_sidecar =
        |status: &Value| pods::sidecars(pod).any(|container| name_of(container) == name_of(status));
    (most("containerStatuses", &|_| true), most("initContainerStatuses", &is_sidecar))
}

fn name_of(container: &Value) -> &str {
    str_at(container, &["name"])
}

/// Sorts the pods of a Job, those that go first to the front: then the younger, and who was restarted more often.
pub(crate) fn sort(pods: &mut [Object]) {
    pods.sort_by_cached_key(|pod| {
        let since = |time: Option<Timestamp>| Reverse(time.unwrap_or(Timestamp::MAX));
        (
            progress(pod),
            since(ready_since(pod)),
            Reverse(restarts(pod)),
            since(created(pod)),
            name(pod).to_string(),
        )
    });
}

/// Sorts the pods of a ReplicaSet: the cheaper, then those on nodes with many `related` pods go first. Ages that are alike
/// count as the same, so that not all the youngest go, of those any.
pub(crate) fn sort_of_set(pods: &mut [Object], related: &[Object], now: Timestamp) {
    let mut on_node: BTreeMap<&str, usize> = BTreeMap::new();
    for pod in related.iter().filter(|pod| pods::is_active(pod)) {
        *on_node.entry(str_at(pod, &["spec", "nodeName"])).or_default() += 1;
    }
    let age = |time: Option<Timestamp>| {
        let nanos = time.map_or(0, |time| now.as_nanosecond() - time.as_nanosecond());
        u128::try_from(nanos).ok().and_then(u128::checked_ilog2).map_or(-1, i64::from)
    };
    pods.sort_by_cached_key(|pod| {
        let cost = str_at(pod, &["metadata", "annotations", COST]).parse::<i32>().unwrap_or(0);
        let crowd = on_node.get(str_at(pod, &["spec", "nodeName"])).copied().unwrap_or(0);
        (
            progress(pod),
            cost,
            Reverse(crowd),
            age(ready_since(pod)),
            Reverse(restarts(pod)),
            age(created(pod)),
            (uid(pod).to_string(), name(pod).to_string()),
        )
    });
}

/// Pods of a DaemonSet on one node, the one that stays at the front: scheduled before not, the older before the younger.
pub(crate) fn sort_of_node(pods: &mut [&Object]) {
    pods.sort_by_cached_key(|pod| {
        let unscheduled = str_at(pod, &["spec", "nodeName"]).is_empty();
        (unscheduled, created(pod).unwrap_or(Timestamp::MIN), name(pod).to_string())
    });
}

/// Pods that belong to the same owner's owner: all pods of a Deployment, for one of its ReplicaSets.
pub(crate) fn related(server: &dyn crate::Server, resource: &str, set: &Value) -> Vec<Object> {
    let Some(owner) = access::controller_of(set) else { return pods::controlled_pods(server, uid(set)) };
    let siblings = server.owned_by(str_at(owner, &["uid"])).into_iter();
    siblings
        .filter(|(key, sibling)| {
            &*key.resource.0 == resource
                && access::controller_of(sibling).is_some_and(|o| at(o, &["uid"]) == at(owner, &["uid"]))
                && !is_deleting(sibling)
        })
        .flat_map(|(_, sibling)| pods::controlled_pods(server, uid(&sibling)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    /// `name on=node ready=seconds restarts=n created=seconds cost=n`, seconds before now.
    fn pod(line: &str) -> Object {
        let mut words = line.split(' ');
        let name = words.next().expect("a name");
        let mut pod = json!({"metadata": {"name": name, "uid": name}, "status": {"phase": "Running"}});
        let time =
            |before: &str| json!(access::format_time(at_second(-before.parse::<i64>().expect("a number"))));
        pod["spec"]["nodeName"] = json!("a");
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            match key {
                "on" => pod["spec"]["nodeName"] = json!(value),
                "phase" => pod["status"]["phase"] = json!(value),
                "ready" => {
                    pod["status"]["conditions"] =
                        json!([{"type": "Ready", "status": "True", "lastTransitionTime": time(value)}]);
                }
                "restarts" => {
                    let count: i64 = value.parse().expect("a number");
                    pod["status"]["containerStatuses"] = json!([{"restartCount": count}]);
                }
                "created" => pod["metadata"]["creationTimestamp"] = time(value),
                _ => pod["metadata"]["annotations"][COST] = json!(value),
            }
        }
        Arc::new(pod)
    }

    fn at_second(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("in range")
    }

    fn check(lines: &[&str], want: &str) {
        let mut pods: Vec<Object> = lines.iter().map(|line| pod(line)).collect();
        let related = pods.clone();
        sort_of_set(&mut pods, &related, at_second(0));
        assert_eq!(pods.iter().map(|pod| name(pod)).collect::<Vec<_>>().join(" "), want, "{lines:?}");
    }

    #[test]
    fn who_goes_first() {
        check(&["a on=", "b", "c phase=Pending", "d ready=9"], "a c b d");
        check(&["a ready=9 cost=10", "b ready=9", "c ready=9 cost=-5"], "c b a");
        // Two on one node, one on another.
        check(&["c on=y ready=9", "b on=x ready=9", "d on=y ready=9"], "c d b");
        // 600 and 700 seconds are alike, 6 are not.
        check(&["a ready=600", "c ready=6", "b ready=700"], "c a b");
        check(&["a ready=9 restarts=1", "b ready=9 restarts=3"], "b a");
        check(&["a created=9000", "b created=9"], "b a");
    }

    #[test]
    fn of_a_job_the_youngest() {
        let mut pods = ["a ready=600", "b ready=700", "c ready=650 restarts=9", "d"].map(pod);
        sort(&mut pods);
        assert_eq!(pods.iter().map(|pod| name(pod)).collect::<Vec<_>>(), ["d", "a", "c", "b"]);
    }
}
