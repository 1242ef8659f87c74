use super::*;
use crate::Server;
use crate::scheduler::Scheduler;
use crate::testing::Small;
use serde_json::json;

/// `a zone=1 cpu=4 memory=8Gi taint=x image=nginx:600000000`: a node of 4 cores and 8 GiB unless it says otherwise.
fn node(line: &str) -> Value {
    let mut words = line.split(' ');
    let name = words.next().expect("a name");
    let mut node = json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "10"}},
    });
    for (key, value) in words.filter_map(|word| word.split_once('=')) {
        match key {
            "cpu" | "memory" => node["status"]["allocatable"][key] = json!(value),
            "taint" => node["spec"]["taints"] = json!([{"key": value, "effect": "PreferNoSchedule"}]),
            "image" => {
                let (image, size) = value.rsplit_once(':').expect("a size");
                let size: i64 = size.parse().expect("a number");
                node["status"]["images"] = json!([{"names": [image], "sizeBytes": size}]);
            }
            _ => node["metadata"]["labels"][key] = json!(value),
        }
    }
    node
}

/// `app=web on=a cpu=1 memory=1Gi`.
fn pod(name: &str, line: &str, spec: Value) -> Value {
    let mut pod = json!({
        "metadata": {"name": name, "namespace": "default", "uid": name, "labels": {}},
        "spec": spec, "status": {"phase": "Pending"},
    });
    let mut requests = json!({});
    for (key, value) in line.split(' ').filter_map(|word| word.split_once('=')) {
        match key {
            "on" => pod["spec"]["nodeName"] = json!(value),
            "cpu" | "memory" => requests[key] = json!(value),
            _ => pod["metadata"]["labels"][key] = json!(value),
        }
    }
    if pod["spec"]["containers"].is_null() {
        pod["spec"]["containers"] = json!([{"name": "c", "image": "i", "resources": {"requests": requests}}]);
    }
    pod
}

struct Case<'a> {
    nodes: &'a [&'a str],
    there: &'a [(&'a str, Value)],
    pod: (&'a str, Value),
    more: &'a [(&'a str, Value)],
}

fn world(case: &Case<'_>) -> (Small, store::Key) {
    let mut world = Small::default();
    for line in case.nodes {
        world.put("nodes", node(line));
    }
    for (number, (line, spec)) in case.there.iter().enumerate() {
        world.put("pods", pod(&format!("there-{number}"), line, spec.clone()));
    }
    for (resource, object) in case.more {
        world.put(resource, object.clone());
    }
    let key = world.put("pods", pod("p", case.pod.0, case.pod.1.clone()));
    (world, key)
}

/// What each node is worth by one preference.
fn by(case: &Case<'_>, score: fn(&Scene<'_>, &[&Object]) -> Option<Vec<i64>>) -> Option<Vec<i64>> {
    let (world, key) = world(case);
    let scheduler = Scheduler::default();
    let ledger = scheduler.ledger(&world);
    let nodes = store::View::list(&world, "nodes", "");
    let pod = store::View::get(&world, "pods", "default", &key.name).expect("it was put");
    let scene = Scene::new(&world as &dyn Server, &ledger, &nodes, &pod);
    score(&scene, &nodes.iter().collect::<Vec<_>>())
}

fn plain<'a>(nodes: &'a [&'a str], there: &'a [(&'a str, Value)], pod: (&'a str, Value)) -> Case<'a> {
    Case { nodes, there, pod, more: &[] }
}

#[test]
fn resources_by_hand() {
    let least: fn(&Scene<'_>, &[&Object]) -> _ =
        |scene, nodes| Some(resources::least_allocated(scene, nodes));
    let none = || json!({});
    // (4 - 1) / 4 of the CPU and 7/8 of the memory are left: 75 and 87; the second has no memory to speak of.
    let case = plain(&["a", "b cpu=8 memory=0", "c"], &[], ("cpu=1 memory=1Gi", none()));
    assert_eq!(by(&case, least), Some(vec![81, 87, 81]));
    // Who requests nothing counts for 100m and 200Mi: 97 and 97; with a pod of the same kind 95 and 95.
    let there = [("on=b", none())];
    assert_eq!(by(&plain(&["a", "b"], &there, ("", none())), least), Some(vec![97, 95]));
    // More than there is is nothing.
    let there = [("on=a cpu=9 memory=9Gi", none())];
    assert_eq!(by(&plain(&["a"], &there, ("", none())), least), Some(vec![0]));
}

#[test]
fn balance_by_hand() {
    let none = || json!({});
    // Shares 0.25 and 0.125: 100 * (1 - 0.0625) = 93 with, 100 without: 50 + (50 + 93 - 100) / 2.
    let there = [("on=b memory=1Gi", none()), ("on=c cpu=2", none())];
    let case = plain(&["a", "b", "c"], &there, ("cpu=1 memory=1Gi", none()));
    // b: 0.25 and 0.25 with (100), 0 and 0.125 without (93); c: 0.75 and 0.125 (68), 0.5 and 0 (75).
    assert_eq!(by(&case, resources::balanced), Some(vec![71, 78, 71]));
    assert_eq!(by(&plain(&["a", "b"], &[], ("", none())), resources::balanced), None);
}

#[test]
fn taints_and_labels() {
    let tolerate: fn(&Scene<'_>, &[&Object]) -> _ = |scene, nodes| Some(tolerated(scene.pod, nodes));
    let case = plain(&["a taint=x", "b"], &[], ("", json!({})));
    assert_eq!(by(&case, tolerate), Some(vec![0, 100]));
    let spec = json!({"tolerations": [{"key": "x", "operator": "Exists"}]});
    assert_eq!(by(&plain(&["a taint=x", "b"], &[], ("", spec)), tolerate), Some(vec![100, 100]));
    let prefer: fn(&Scene<'_>, &[&Object]) -> _ = |scene, nodes| preferred(scene.pod, nodes);
    let term = |key: &str, value: &str, weight: i64| json!({"weight": weight, "preference": {"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]}});
    let spec = json!({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution":
        [term("zone", "1", 30), term("disk", "ssd", 10), {"weight": 90, "preference": {}}]}}});
    let nodes = ["a zone=1 disk=ssd", "b zone=1", "c disk=ssd", "d"];
    assert_eq!(by(&plain(&nodes, &[], ("", spec)), prefer), Some(vec![100, 75, 25, 0]));
    assert_eq!(by(&plain(&nodes, &[], ("", json!({}))), prefer), None);
}

#[test]
fn images_that_are_there() {
    let score: fn(&Scene<'_>, &[&Object]) -> _ = |scene, nodes| Some(images(scene, nodes));
    let spec = |image: &str| json!({"containers": [{"name": "c", "image": image}]});
    // Half of 500 MiB, as one node of two has it: (250 - 23) / (1000 - 23).
    let nodes = ["a image=nginx:latest:524288000", "b"];
    for (image, want) in [("nginx", vec![23, 0]), ("nginx:latest", vec![23, 0]), ("nginx:1", vec![0, 0])] {
        assert_eq!(by(&plain(&nodes, &[], ("", spec(image))), score), Some(want), "{image}");
    }
    let nodes = ["a image=reg:5000/x:latest:2000000000", "b image=reg:5000/x:latest:2000000000"];
    assert_eq!(by(&plain(&nodes, &[], ("", spec("reg:5000/x"))), score), Some(vec![100, 100]));
}

#[test]
fn company() {
    let term =
        |app: &str, key: &str| json!({"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}});
    let prefer = |kind: &str, weight: i64, term: Value| json!({"affinity": {kind: {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": weight, "podAffinityTerm": term}]}}});
    let nodes = ["a zone=1", "b zone=1", "c zone=2"];
    let there = [("app=db on=a", json!({})), ("app=db on=c", json!({})), ("app=db on=c", json!({}))];
    let check = |spec: Value, there: &[(&str, Value)], want: Option<Vec<i64>>| {
        assert_eq!(by(&plain(&nodes, there, ("app=p", spec.clone())), pod_affinity::scores), want, "{spec}");
    };
    check(json!({}), &there, None);
    check(prefer("podAffinity", 5, term("db", "zone")), &there, Some(vec![0, 0, 100]));
    check(prefer("podAffinity", 5, term("db", "kubernetes.io/hostname")), &there, Some(vec![50, 0, 100]));
    check(prefer("podAntiAffinity", 5, term("db", "zone")), &there, Some(vec![100, 100, 0]));
    check(prefer("podAffinity", 5, term("x", "zone")), &there, None);
    // Those that are there have wishes too; what they require counts a little.
    let liked = [("on=a", prefer("podAffinity", 4, term("p", "zone")))];
    check(json!({}), &liked, Some(vec![100, 100, 0]));
    let disliked = [("on=a", prefer("podAntiAffinity", 4, term("p", "kubernetes.io/hostname")))];
    check(json!({}), &disliked, Some(vec![0, 100, 100]));
    let needed = json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term("p", "zone")]}}});
    check(json!({}), &[("on=c", needed)], Some(vec![0, 0, 100]));
}

#[test]
fn spread_evenly() {
    let constraint = |key: &str, skew: i64| {
        json!({"topologyKey": key, "maxSkew": skew, "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {"app": "p"}}})
    };
    let spec = |constraints: Value| json!({"topologySpreadConstraints": constraints});
    let nodes = ["a zone=1", "b zone=1", "c zone=2", "d"];
    let there = [
        ("app=p on=a", json!({})),
        ("app=p on=a", json!({})),
        ("app=p on=c", json!({})),
        ("app=x on=c", json!({})),
    ];
    let check = |spec: Value, want: Option<Vec<i64>>| {
        assert_eq!(by(&plain(&nodes, &there, ("app=p", spec.clone())), spread::scores), want, "{spec}");
    };
    check(json!({}), None);
    // Counts 2, 2, 1 times ln 4, rounded: 3, 3, 1; d has no zone.
    check(spec(json!([constraint("zone", 1)])), Some(vec![33, 33, 100, 0]));
    // Counts 2, 0, 1, 0 times ln 6, rounded: 4, 0, 2, 0.
    check(spec(json!([constraint("kubernetes.io/hostname", 1)])), Some(vec![0, 100, 50, 100]));
    // Together, times ln 5 for three hosts: 6, 3, 3.
    let both = json!([constraint("kubernetes.io/hostname", 1), constraint("zone", 1)]);
    check(spec(both), Some(vec![50, 100, 100, 0]));
}

#[test]
fn pods_of_a_set_are_spread_by_default() {
    let nodes = ["a topology.kubernetes.io/zone=1", "b topology.kubernetes.io/zone=2"];
    let there = [("app=web on=a", json!({})), ("app=web on=a", json!({}))];
    let service =
        json!({"metadata": {"name": "web", "namespace": "default"}, "spec": {"selector": {"app": "web"}}});
    let with =
        Case { nodes: &nodes, there: &there, pod: ("app=web", json!({})), more: &[("services", service)] };
    // Twice ln 4 for each of host and zone, and 2 + 4 of the skews: 12 and 6.
    assert_eq!(by(&with, spread::scores), Some(vec![50, 100]));
    assert_eq!(by(&plain(&nodes, &there, ("app=web", json!({}))), spread::scores), None);
    let (world, key) = world(&with);
    let outcome =
        crate::Controller::reconcile(&Scheduler::default(), &world, &key, jiff::Timestamp::UNIX_EPOCH);
    assert!(crate::testing::lines(&outcome).contains("Successfully assigned default/p to b"));
}
