use super::*;
use crate::testing::Small;
use expect_test::{Expect, expect};

/// `name ready|unready [going] [on=node]`.
fn pod(line: &str) -> Value {
    let words: Vec<&str> = line.split(' ').collect();
    let mut pod = json!({
        "metadata": {"name": words[0], "namespace": "default", "uid": words[0], "labels": {"app": "web"}},
        "spec": {"nodeName": "a", "containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 80}]}]},
        "status": {"phase": "Running", "podIP": format!("10.42.0.{}", words[0]), "conditions": [
            {"type": "Ready", "status": if words[1] == "ready" { "True" } else { "False" }}]},
    });
    for word in &words[2..] {
        match word.split_once('=') {
            Some(("on", node)) => pod["spec"]["nodeName"] = json!(node),
            Some(("port", name)) => pod["spec"]["containers"][0]["ports"][0]["name"] = json!(name),
            Some(("sidecar", name)) => {
                pod["spec"]["containers"] = json!([{"name": "c"}]);
                pod["spec"]["initContainers"] = json!([{"name": "s", "restartPolicy": "Always", "ports": [{"name": name, "containerPort": 81}]}]);
            }
            _ => pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"),
        }
    }
    pod
}

/// The endpoints of slices as `address ready serving terminating zone`, and the addresses of the Endpoints.
fn check(spec: Value, pods: &[&str], expected: Expect) {
    let mut world = Small::default();
    let zone = json!({"topology.kubernetes.io/zone": "z"});
    world.put(NODES, json!({"metadata": {"name": "far", "labels": zone}}));
    let mut service = json!({
        "metadata": {"name": "web", "namespace": "default", "uid": "s"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]},
    });
    for (field, value) in spec.as_object().expect("fields") {
        service["spec"][field] = value.clone();
    }
    let key = world.put(SERVICES, service);
    pods.iter().for_each(|line| drop(world.put("pods", pod(line))));
    let outcome = Endpoints.reconcile(&world, &key, Timestamp::UNIX_EPOCH);
    let mut lines = Vec::new();
    for write in &outcome.writes {
        let Write::Create { object, .. } = write else { panic!("{write:?}") };
        for endpoint in list_at(object, &["endpoints"]) {
            let conditions = &endpoint["conditions"];
            lines.push(format!(
                "{} {} ready {} serving {} terminating {}{}",
                object["ports"][0]["port"],
                str_at(&endpoint["addresses"][0], &[]),
                conditions["ready"],
                conditions["serving"],
                conditions["terminating"],
                endpoint["zone"].as_str().map_or(String::new(), |zone| format!(" in {zone}")),
            ));
        }
        for subset in list_at(object, &["subsets"]) {
            let ips =
                |list: &str| list_at(subset, &[list]).iter().map(|a| str_at(a, &["ip"])).collect::<Vec<_>>();
            lines.push(format!("ready {:?} waiting {:?}", ips("addresses"), ips("notReadyAddresses")));
        }
    }
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn who_is_ready() {
    let pods = ["1 ready", "2 unready", "3 ready going", "4 unready going", "5 ready on=far"];
    check(
        json!({}),
        &pods,
        expect![[r#"
        80 10.42.0.1 ready true serving true terminating false
        80 10.42.0.2 ready false serving false terminating false
        80 10.42.0.3 ready false serving true terminating true
        80 10.42.0.4 ready false serving false terminating true
        80 10.42.0.5 ready true serving true terminating false in z
        ready ["10.42.0.1", "10.42.0.5"] waiting ["10.42.0.2"]"#]],
    );
    // Whoever wants to know of all pods hears of those that go, too.
    check(
        json!({"publishNotReadyAddresses": true}),
        &pods,
        expect![[r#"
        80 10.42.0.1 ready true serving true terminating false
        80 10.42.0.2 ready true serving false terminating false
        80 10.42.0.3 ready true serving true terminating true
        80 10.42.0.4 ready true serving false terminating true
        80 10.42.0.5 ready true serving true terminating false in z
        ready ["10.42.0.1", "10.42.0.2", "10.42.0.3", "10.42.0.4", "10.42.0.5"] waiting []"#]],
    );
    check(json!({"type": "ExternalName"}), &pods, expect![[""]]);
}

#[test]
fn ports_by_name() {
    check(
        json!({}),
        &["1 ready", "2 ready port=other", "3 ready sidecar=http"],
        expect![[r#"
        80 10.42.0.1 ready true serving true terminating false
        null 10.42.0.2 ready true serving true terminating false
        81 10.42.0.3 ready true serving true terminating false
        ready ["10.42.0.1"] waiting []
        ready ["10.42.0.3"] waiting []"#]],
    );
    check(
        json!({"clusterIP": "None", "ports": []}),
        &["1 ready"],
        expect![[r#"
        null 10.42.0.1 ready true serving true terminating false
        ready ["10.42.0.1"] waiting []"#]],
    );
}

#[test]
fn labels_that_the_service_has_lost_go() {
    let mut world = Small::default();
    let service = json!({
        "metadata": {"name": "web", "namespace": "default", "uid": "s", "labels": {"tier": "front"}},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
    });
    let key = world.put(SERVICES, service.clone());
    let outcome = Endpoints.reconcile(&world, &key, Timestamp::UNIX_EPOCH);
    for write in outcome.writes {
        let Write::Create { resource, mut object } = write else { panic!("{write:?}") };
        object["metadata"]["name"] = json!("web");
        world.put(&resource.0, object);
    }
    assert!(Endpoints.reconcile(&world, &key, Timestamp::UNIX_EPOCH).writes.is_empty(), "at rest");
    let mut other = service;
    other["metadata"]["labels"] = json!({});
    world.put(SERVICES, other);
    let outcome = Endpoints.reconcile(&world, &key, Timestamp::UNIX_EPOCH);
    for write in &outcome.writes {
        let Write::Update { object, .. } = write else { panic!("{write:?}") };
        assert_eq!(object["metadata"]["labels"]["tier"], Value::Null);
    }
    assert_eq!(outcome.writes.len(), 2);
}

#[test]
fn endpoints_name_a_thousand() {
    let numbers = |count: usize| (0..count).map(|n| json!(n)).collect::<Vec<_>>();
    for (sizes, want) in [
        ([(600, 300), (0, 100)], None),
        ([(900, 300), (100, 100)], Some([(900, 0), (100, 0)])),
        ([(900, 300), (0, 100)], Some([(900, 75), (0, 25)])),
        ([(900, 5), (600, 100)], Some([(600, 0), (400, 0)])),
    ] {
        let mut subsets = sizes.map(|(ready, waiting)| (Vec::new(), numbers(ready), numbers(waiting)));
        let truncated = truncate(&mut subsets);
        let left = subsets.map(|(_, ready, waiting)| (ready.len(), waiting.len()));
        assert_eq!((truncated, left), (want.is_some(), want.unwrap_or(sizes)), "{sizes:?}");
    }
}
