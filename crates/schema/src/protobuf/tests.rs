use super::*;
use base64::engine::general_purpose::STANDARD;
use expect_test::{Expect, expect};

fn check(sample: &str, expected: Expect) {
    let samples = include_str!("samples.txt");
    let line =
        samples.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')).expect("a sample");
    let bytes = STANDARD.decode(line).expect("samples are base64");
    expected.assert_eq(&decode(&bytes).expect("samples decode").to_string());
}

#[test]
fn what_kubectl_creates() {
    check(
        "deployment",
        expect![[
            r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","labels":{"app":"web"}},"spec":{"replicas":0,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"nginx","image":"nginx:1.25","ports":[{"containerPort":80}],"resources":{}}]}},"strategy":{}},"status":{}}"#
        ]],
    );
    check(
        "namespace",
        expect![[
            r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"demo"},"spec":{},"status":{}}"#
        ]],
    );
    check(
        "configmap",
        expect![[
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cm"},"data":{"a":"b","empty":""}}"#
        ]],
    );
    check(
        "secret",
        expect![[
            r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"data":{"bin":"MjY3NjkK","p":"c2VjcmV0"}}"#
        ]],
    );
    check(
        "job",
        expect![[
            r#"{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"j"},"spec":{"template":{"metadata":{},"spec":{"containers":[{"name":"j","image":"busybox","command":["sh","-c","echo hi"],"resources":{}}],"restartPolicy":"Never"}}},"status":{}}"#
        ]],
    );
    check(
        "cronjob",
        expect![[
            r#"{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"c"},"spec":{"schedule":"*/1 * * * *","jobTemplate":{"metadata":{"name":"c"},"spec":{"template":{"metadata":{},"spec":{"containers":[{"name":"c","image":"busybox","resources":{}}],"restartPolicy":"OnFailure"}}}}},"status":{}}"#
        ]],
    );
    check(
        "service",
        expect![[
            r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"svc","labels":{"app":"svc"}},"spec":{"ports":[{"name":"80-8080","protocol":"TCP","port":80,"targetPort":8080}],"selector":{"app":"svc"},"type":"ClusterIP"},"status":{"loadBalancer":{}}}"#
        ]],
    );
    check(
        "nodeport",
        expect![[
            r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"svc2","labels":{"app":"svc2"}},"spec":{"ports":[{"name":"80-web","protocol":"TCP","port":80,"targetPort":"web"}],"selector":{"app":"svc2"},"type":"NodePort"},"status":{"loadBalancer":{}}}"#
        ]],
    );
    check(
        "ingress",
        expect![[
            r#"{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"ing"},"spec":{"tls":[{"hosts":["a.b"],"secretName":"x"}],"rules":[{"host":"a.b","http":{"paths":[{"path":"/foo","backend":{"service":{"name":"svc","port":{"number":80}}},"pathType":"Prefix"}]}},{"http":{"paths":[{"path":"/x","backend":{"service":{"name":"svc","port":{"name":"name"}}},"pathType":"Exact"}]}}],"ingressClassName":"nginx"},"status":{"loadBalancer":{}}}"#
        ]],
    );
    check(
        "pdb",
        expect![[
            r#"{"apiVersion":"policy/v1","kind":"PodDisruptionBudget","metadata":{"name":"p"},"spec":{"minAvailable":"50%","selector":{"matchLabels":{"app":"x"}}},"status":{}}"#
        ]],
    );
    check(
        "role",
        expect![[
            r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{"name":"r"},"rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}]}"#
        ]],
    );
    check(
        "quota",
        expect![[
            r#"{"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"q"},"spec":{"hard":{"cpu":"1","memory":"1G"}},"status":{}}"#
        ]],
    );
    check(
        "priorityclass",
        expect![[
            r#"{"apiVersion":"scheduling.k8s.io/v1","kind":"PriorityClass","metadata":{"name":"pc"},"value":0,"preemptionPolicy":"PreemptLowerPriority"}"#
        ]],
    );
    check(
        "serviceaccount",
        expect![[r#"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"sa1"}}"#]],
    );
    check(
        "tokenrequest",
        expect![[
            r#"{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","metadata":{},"spec":{},"status":{}}"#
        ]],
    );
}

/// A field with bytes.
fn b(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    assert!(body.len() < 128 && tag < 16, "the test writes lengths and tags of one byte");
    [vec![tag << 3 | 2, body.len() as u8], body].concat()
}

/// A field with a number.
fn n(tag: u8, number: u8) -> Vec<u8> {
    vec![tag << 3, number]
}

fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let meta = b(1, &[&b(1, &[api_version.as_bytes()]), &b(2, &[kind.as_bytes()])]);
    [PREFIX.to_vec(), meta, b(2, &[raw])].concat()
}

#[test]
fn options_and_embedded_structs() {
    let options = [n(1, 0), b(4, &[b"Background"]), b(2, &[&b(1, &[b"u-1"])])].concat();
    let decoded = decode(&envelope("apps/v1", "DeleteOptions", &options)).expect("decodes");
    expect![[r#"{"apiVersion":"apps/v1","kind":"DeleteOptions","gracePeriodSeconds":0,"propagationPolicy":"Background","preconditions":{"uid":"u-1"}}"#]]
        .assert_eq(&decoded.to_string());
    // spec.volumes[0]: name, volumeSource.emptyDir
    let volume = b(1, &[&b(1, &[b"v"]), &b(2, &[&b(2, &[])])]);
    // spec.containers[0].livenessProbe.handler.httpGet.port
    let port = b(2, &[&n(1, 0), &n(2, 80), &b(3, &[])]);
    let probe = [b(1, &[&b(2, &[&b(1, &[b"/"]), &port])]), n(2, 0), n(3, 5)].concat();
    let container = b(2, &[&b(1, &[b"c"]), &b(10, &[&probe])]);
    let pod = b(2, &[&volume, &container]);
    let decoded = decode(&envelope("v1", "Pod", &pod)).expect("decodes");
    expect![[r#"{"apiVersion":"v1","kind":"Pod","spec":{"volumes":[{"name":"v","emptyDir":{}}],"containers":[{"name":"c","livenessProbe":{"httpGet":{"path":"/","port":80},"timeoutSeconds":5}}]}}"#]]
        .assert_eq(&decoded.to_string());
}

#[test]
fn broken_bodies_are_refused() {
    let check = |bytes: &[u8], expected: Expect| {
        expected.assert_eq(&decode(bytes).expect_err("is broken").to_string())
    };
    check(b"{}", expect![[r#"the body does not start with the protobuf prefix "k8s\x00""#]]);
    check(&envelope("v1", "Widget", &[]), expect![[r#"no kind "Widget" is registered for version "v1""#]]);
    check(&envelope("v1", "Pod", &[0x12, 0x7f]), expect!["protobuf ends in the middle of a field (byte 2)"]);
    check(
        &envelope("v1", "Pod", &n(1, 7)),
        expect!["protobuf field metadata of core.v1.Pod has wire type 0, which does not fit"],
    );
}
