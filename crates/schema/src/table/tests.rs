use super::{columns, row};
use expect_test::{Expect, expect};
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;

/// A time this many seconds ago.
fn ago(seconds: i64) -> String {
    crate::time::format(NOW - seconds, 0, 0)
}

fn check(resource: &str, mut object: Value, expected: Expect) {
    object["metadata"]["name"] = "a".into();
    object["metadata"]["creationTimestamp"] = ago(300).into();
    let cells = row(resource, &object, NOW);
    assert_eq!(cells.len(), columns(resource).len(), "{resource}");
    let shown: Vec<String> =
        cells.iter().map(|cell| cell.as_str().map_or(cell.to_string(), String::from)).collect();
    expected.assert_eq(&shown.join(" | "));
}

#[test]
fn each_table_has_a_cell_a_column() {
    for (resource, ..) in super::TABLES {
        assert_eq!(row(resource, &json!({}), NOW).len(), columns(resource).len(), "{resource}");
        let name = crate::builtin_kinds().iter().any(|kind| kind.resource() == *resource);
        assert!(name, "{resource} is no built-in resource");
    }
}

fn pod(status: Value) -> Value {
    json!({"metadata":{},"spec":{"nodeName":"n","containers":[{"name":"c"},{"name":"d"}],"initContainers":[{"name":"i"},{"name":"s","restartPolicy":"Always"}]},"status":status})
}

#[test]
fn pods() {
    check("pods", pod(json!({})), expect!["a | 0/3 |  | 0 | 5m | <none> | n | <none> | <none>"]);
    check(
        "pods",
        pod(json!({"phase":"Pending"})),
        expect!["a | 0/3 | Pending | 0 | 5m | <none> | n | <none> | <none>"],
    );
    let waiting = |reason: &str| json!({"state":{"waiting":{"reason":reason}}});
    let ended = |code: i32, reason: &str| json!({"state":{"terminated":{"exitCode":code,"reason":reason}}});
    let running = |name: &str| json!({"name":name,"ready":true,"started":true,"state":{"running":{}}});
    check(
        "pods",
        pod(json!({"phase":"Pending","initContainerStatuses":[waiting("PodInitializing")]})),
        expect!["a | 0/3 | Init:0/2 | 0 | 5m | <none> | n | <none> | <none>"],
    );
    check(
        "pods",
        pod(json!({"phase":"Pending","initContainerStatuses":[waiting("ImagePullBackOff")]})),
        expect!["a | 0/3 | Init:ImagePullBackOff | 0 | 5m | <none> | n | <none> | <none>"],
    );
    check(
        "pods",
        pod(
            json!({"phase":"Pending","initContainerStatuses":[ended(0,"Completed"),waiting("PodInitializing")]}),
        ),
        expect!["a | 0/3 | Init:1/2 | 0 | 5m | <none> | n | <none> | <none>"],
    );
    check(
        "pods",
        pod(json!({"phase":"Pending","initContainerStatuses":[ended(2,"")]})),
        expect!["a | 0/3 | Init:ExitCode:2 | 0 | 5m | <none> | n | <none> | <none>"],
    );
    let inits = json!([ended(0, "Completed"), running("s")]);
    check(
        "pods",
        pod(
            json!({"phase":"Running","podIP":"10.0.0.1","initContainerStatuses":inits,"containerStatuses":[running("c"),running("d")]}),
        ),
        expect!["a | 3/3 | Running | 0 | 5m | 10.0.0.1 | n | <none> | <none>"],
    );
    let mut crashed = waiting("CrashLoopBackOff");
    crashed["restartCount"] = 2.into();
    crashed["lastState"] = json!({"terminated":{"finishedAt":ago(120)}});
    check(
        "pods",
        pod(
            json!({"phase":"Running","initContainerStatuses":inits,"containerStatuses":[running("c"),crashed]}),
        ),
        expect!["a | 2/3 | CrashLoopBackOff | 2 (2m ago) | 5m | <none> | n | <none> | <none>"],
    );
    check(
        "pods",
        pod(json!({"phase":"Succeeded","containerStatuses":[ended(0,"Completed"),ended(0,"Completed")]})),
        expect!["a | 0/3 | Completed | 0 | 5m | <none> | n | <none> | <none>"],
    );
    check(
        "pods",
        pod(json!({"phase":"Running","containerStatuses":[ended(0,"Completed"),running("d")]})),
        expect!["a | 1/3 | NotReady | 0 | 5m | <none> | n | <none> | <none>"],
    );
    check(
        "pods",
        pod(json!({"phase":"Failed","reason":"Evicted"})),
        expect!["a | 0/3 | Evicted | 0 | 5m | <none> | n | <none> | <none>"],
    );
    let mut going = pod(json!({"phase":"Running","containerStatuses":[running("c"),ended(137,"")]}));
    going["metadata"]["deletionTimestamp"] = ago(1).into();
    check("pods", going, expect!["a | 1/3 | Terminating | 0 | 5m | <none> | n | <none> | <none>"]);
}

#[test]
fn workloads() {
    let template = json!({"spec":{"containers":[{"name":"c","image":"i:1"},{"name":"d","image":"j"}]}});
    let selector = json!({"matchLabels":{"b":"c","a":"b"},"matchExpressions":[{"key":"x","operator":"In","values":["2","1"]}]});
    check(
        "apps/deployments",
        json!({"spec":{"replicas":3,"selector":selector,"template":template},"status":{"readyReplicas":1,"updatedReplicas":2,"availableReplicas":1}}),
        expect!["a | 1/3 | 2 | 1 | 5m | c,d | i:1,j | a=b,b=c,x in (1,2)"],
    );
    check(
        "apps/replicasets",
        json!({"spec":{"replicas":3,"selector":selector,"template":template},"status":{}}),
        expect!["a | 3 | 0 | 0 | 5m | c,d | i:1,j | a=b,b=c,x in (1,2)"],
    );
    check(
        "apps/statefulsets",
        json!({"spec":{"replicas":1,"template":template},"status":{"readyReplicas":1}}),
        expect!["a | 1/1 | 5m | c,d | i:1,j"],
    );
    check(
        "apps/daemonsets",
        json!({"spec":{"template":template},"status":{"numberReady":1}}),
        expect!["a | 0 | 0 | 1 | 0 | 0 | <none> | 5m | c,d | i:1,j | <none>"],
    );
    check(
        "batch/jobs",
        json!({"spec":{"completions":2,"parallelism":1,"template":template},"status":{"startTime":ago(100),"completionTime":ago(40),"succeeded":2,"conditions":[{"type":"Complete","status":"True"}]}}),
        expect!["a | Complete | 2/2 | 60s | 5m | c,d | i:1,j | <none>"],
    );
    check(
        "batch/cronjobs",
        json!({"spec":{"schedule":"* * * * *","suspend":false,"jobTemplate":{"spec":{"template":template}}},"status":{"lastScheduleTime":ago(30)}}),
        expect!["a | * * * * * | <none> | False | 0 | 30s | 5m | c,d | i:1,j | <none>"],
    );
    check(
        "autoscaling/horizontalpodautoscalers",
        json!({"spec":{"scaleTargetRef":{"kind":"Deployment","name":"d"},"minReplicas":1,"maxReplicas":5,"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"averageUtilization":80}}}]}}),
        expect!["a | Deployment/d | cpu: <unknown>/80% | 1 | 5 | 0 | 5m"],
    );
}

#[test]
fn network() {
    check(
        "services",
        json!({"spec":{"type":"NodePort","clusterIP":"10.43.0.1","selector":{"a":"b"},"ports":[{"port":80,"nodePort":30080,"protocol":"TCP"},{"port":53,"protocol":"UDP"}]}}),
        expect!["a | NodePort | 10.43.0.1 | <none> | 80:30080/TCP,53/UDP | 5m | a=b"],
    );
    check(
        "services",
        json!({"spec":{"type":"LoadBalancer","clusterIP":"10.43.0.1","ports":[]}}),
        expect!["a | LoadBalancer | 10.43.0.1 | <pending> | <none> | 5m | <none>"],
    );
    check(
        "services",
        json!({"spec":{"type":"ClusterIP","clusterIP":"None","clusterIPs":["None"]}}),
        expect!["a | ClusterIP | None | <none> | <none> | 5m | <none>"],
    );
    check(
        "services",
        json!({"spec":{"type":"ExternalName","externalName":"example.com"}}),
        expect!["a | ExternalName | <none> | example.com | <none> | 5m | <none>"],
    );
    check(
        "endpoints",
        json!({"subsets":[{"addresses":[{"ip":"1.1.1.1"},{"ip":"1.1.1.2"}],"ports":[{"port":80},{"port":81}]}]}),
        expect!["a | 1.1.1.1:80,1.1.1.2:80,1.1.1.1:81 + 1 more... | 5m"],
    );
    check(
        "discovery.k8s.io/endpointslices",
        json!({"addressType":"IPv4","ports":[{"port":80}],"endpoints":[{"addresses":["1.1.1.1"]}]}),
        expect!["a | IPv4 | 80 | 1.1.1.1 | 5m"],
    );
    check(
        "networking.k8s.io/ingresses",
        json!({"spec":{"ingressClassName":"nginx","rules":[{"host":"a.b"},{}],"tls":[{}]},"status":{"loadBalancer":{"ingress":[{"ip":"127.0.0.1"}]}}}),
        expect!["a | nginx | a.b | 127.0.0.1 | 80, 443 | 5m"],
    );
    check(
        "networking.k8s.io/ingresses",
        json!({"spec":{"rules":[{}]}}),
        expect!["a | <none> | * |  | 80 | 5m"],
    );
}

#[test]
fn storage_and_cluster() {
    check("configmaps", json!({"data":{"a":"b"},"binaryData":{"c":"d"}}), expect!["a | 2 | 5m"]);
    check("secrets", json!({"type":"Opaque","data":{"a":"b"}}), expect!["a | Opaque | 1 | 5m"]);
    check(
        "persistentvolumeclaims",
        json!({"spec":{"storageClassName":"local-path"},"status":{"phase":"Pending"}}),
        expect!["a | Pending |  |  |  | local-path | <unset> | 5m | <unset>"],
    );
    check(
        "persistentvolumeclaims",
        json!({"spec":{"storageClassName":"local-path","volumeName":"pv","volumeMode":"Filesystem"},"status":{"phase":"Bound","capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"]}}),
        expect!["a | Bound | pv | 1Gi | RWO | local-path | <unset> | 5m | Filesystem"],
    );
    check(
        "podtemplates",
        json!({"template":{"metadata":{"labels":{"b":"c","a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}),
        expect!["a | c | i | a=b,b=c"],
    );
    check(
        "storage.k8s.io/storageclasses",
        json!({"metadata":{"annotations":{"storageclass.kubernetes.io/is-default-class":"true"}},"provisioner":"p"}),
        expect!["a (default) | p | Delete | <unset> | false | 5m"],
    );
    check(
        "nodes",
        json!({"metadata":{"labels":{"node-role.kubernetes.io/control-plane":"true"}},"status":{"conditions":[{"type":"Ready","status":"True"}],"nodeInfo":{"kubeletVersion":"v1.37.0"}}}),
        expect![
            "a | Ready | control-plane | 5m | v1.37.0 | <none> | <none> | <unknown> | <unknown> | <unknown>"
        ],
    );
    check(
        "events",
        json!({"type":"Normal","reason":"Pulled","message":"m\n","involvedObject":{"kind":"Pod","name":"p"},"firstTimestamp":ago(600),"lastTimestamp":ago(5),"count":3,"source":{"component":"kubelet","host":"n"}}),
        expect!["5s | Normal | Pulled | pod/p |  | kubelet, n | m | 10m | 3 | a"],
    );
    check("apiextensions.k8s.io/customresourcedefinitions", json!({}), expect!["a | 2027-01-15T07:55:00Z"]);
    check("example.com/widgets", json!({}), expect!["a | 5m"]);
}
