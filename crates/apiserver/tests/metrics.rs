//! `metrics.k8s.io` and what a kubelet would tell, over numbers that a node has measured.

use api::{Api, ApiConfig, WriteOptions};
use apiserver::{Options, Server};
use axum::body::Body;
use expect_test::{Expect, expect};
use http::Request;
use http_body_util::BodyExt;
use schema::measured::{Measured, NodeUsed, PodUsed, Used, When};
use serde_json::{Value, json};
use tower::ServiceExt;

fn measured(api: &Api) -> Measured {
    let when = When { at: 1_767_225_600_500_000, window: 10_250_000 };
    let used =
        |cpu_nanocores, memory_bytes| Used { cpu_nanocores, cpu_nanoseconds: 1_500_000_000, memory_bytes };
    let uid = api.get("pods", "default", "web").expect("made")["metadata"]["uid"].as_str().map(String::from);
    let containers =
        [("c".to_string(), used(250_000_000, 64 << 20)), ("side".to_string(), used(1_234, 5 << 10))];
    let node = NodeUsed { when, used: used(1_500_000_000, 1 << 30), memory_available_bytes: 99 };
    Measured {
        nodes: [("one".to_string(), node)].into(),
        pods: [(uid.expect("a uid"), PodUsed { when, containers: containers.into() })].into(),
    }
}

async fn server() -> (axum::Router, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("tempdir");
    let config = ApiConfig {
        dir: dir.path().into(),
        service_cidr: "10.43.0.0/16".into(),
        cluster_domain: "cluster.local".into(),
    };
    let api = Api::open(config).expect("open");
    let options = WriteOptions::default();
    let account = json!({ "metadata": { "name": "default", "namespace": "default" } });
    api.create("serviceaccounts", account, &options).expect("made");
    let node = json!({ "metadata": { "name": "one", "labels": { "arch": "amd64" } } });
    api.create("nodes", node, &options).expect("made");
    for name in ["web", "young"] {
        let pod = json!({
            "metadata": { "name": name, "namespace": "default", "labels": { "app": name } },
            "spec": { "nodeName": "one", "containers": [{ "name": "c", "image": "i" }] },
        });
        api.create("pods", pod, &options).expect("made");
    }
    api.set_measured(measured(&api));
    (Server::new(api, Options::default()).router(), dir)
}

async fn ask(router: &axum::Router, method: &str, path: &str, accept: &str) -> String {
    let request = Request::builder().method(method).uri(path).header("Accept", accept);
    let answer =
        router.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("infallible");
    let code = answer.status().as_u16();
    let bytes = answer.into_body().collect().await.expect("infallible").to_bytes();
    let mut text = String::from_utf8_lossy(&bytes).to_string();
    if let Ok(mut value) = serde_json::from_str::<Value>(&text) {
        mask(&mut value);
        text = if value["kind"] == "Status" { value["message"].to_string() } else { value.to_string() };
    }
    format!("{code} {text}")
}

/// What is of this moment.
fn mask(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "creationTimestamp" => *value = "NOW".into(),
                    "uid" => *value = "UID".into(),
                    _ => mask(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}

async fn check(router: &axum::Router, path: &str, expected: Expect) {
    expected.assert_eq(&ask(router, "GET", path, "application/json").await);
}

#[tokio::test]
async fn what_is_measured() {
    let (router, _dir) = server().await;
    let base = "/apis/metrics.k8s.io/v1beta1";
    check(&router, base, expect![[r#"200 {"kind":"APIResourceList","apiVersion":"v1","groupVersion":"metrics.k8s.io/v1beta1","resources":[{"name":"nodes","singularName":"","namespaced":false,"kind":"NodeMetrics","verbs":["get","list"]},{"name":"pods","singularName":"","namespaced":true,"kind":"PodMetrics","verbs":["get","list"]}]}"#]]).await;
    check(&router, &format!("{base}/nodes"), expect![[r#"200 {"kind":"NodeMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":[{"metadata":{"name":"one","creationTimestamp":"NOW","labels":{"arch":"amd64"}},"timestamp":"2026-01-01T00:00:00Z","window":"10.25s","usage":{"cpu":"1500m","memory":"1Gi"}}]}"#]]).await;
    check(&router, &format!("{base}/nodes/one"), expect![[r#"200 {"kind":"NodeMetrics","apiVersion":"metrics.k8s.io/v1beta1","metadata":{"name":"one","creationTimestamp":"NOW","labels":{"arch":"amd64"}},"timestamp":"2026-01-01T00:00:00Z","window":"10.25s","usage":{"cpu":"1500m","memory":"1Gi"}}"#]]).await;
    check(
        &router,
        &format!("{base}/nodes/two"),
        expect![[r#"404 "nodemetrics.metrics.k8s.io \"two\" not found""#]],
    )
    .await;
    check(&router, &format!("{base}/pods"), expect![[r#"200 {"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":[{"metadata":{"name":"web","namespace":"default","creationTimestamp":"NOW","labels":{"app":"web"}},"timestamp":"2026-01-01T00:00:00Z","window":"10.25s","containers":[{"name":"c","usage":{"cpu":"250m","memory":"64Mi"}},{"name":"side","usage":{"cpu":"1234n","memory":"5Ki"}}]}]}"#]]).await;
    check(
        &router,
        &format!("{base}/namespaces/default/pods?labelSelector=app%3Dyoung"),
        expect![[
            r#"200 {"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":[]}"#
        ]],
    )
    .await;
    check(&router, &format!("{base}/namespaces/default/pods?fieldSelector=metadata.name%3Dweb"), expect![[r#"200 {"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":[{"metadata":{"name":"web","namespace":"default","creationTimestamp":"NOW","labels":{"app":"web"}},"timestamp":"2026-01-01T00:00:00Z","window":"10.25s","containers":[{"name":"c","usage":{"cpu":"250m","memory":"64Mi"}},{"name":"side","usage":{"cpu":"1234n","memory":"5Ki"}}]}]}"#]]).await;
    check(
        &router,
        &format!("{base}/namespaces/default/pods/young"),
        expect![[r#"404 "podmetrics.metrics.k8s.io \"default/young\" not found""#]],
    )
    .await;
    check(
        &router,
        &format!("{base}/namespaces/default/services"),
        expect![[r#"404 "the server could not find the requested resource""#]],
    )
    .await;
    check(
        &router,
        &format!("{base}/pods?watch=1"),
        expect![[r#"405 "the server does not allow this method on the requested resource""#]],
    )
    .await;
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let path = format!("{base}/namespaces/default/pods/web");
    expect![[r#"200 {"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{},"columnDefinitions":[{"name":"Name","type":"string","format":"name","description":"","priority":0},{"name":"cpu","type":"string","format":"quantity","description":"","priority":0},{"name":"memory","type":"string","format":"quantity","description":"","priority":0},{"name":"Window","type":"string","format":"duration","description":"","priority":0}],"rows":[{"cells":["web","250001234n","65541Ki","10.25s"],"object":{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"web","namespace":"default","creationTimestamp":"NOW","labels":{"app":"web"}}}}]}"#]].assert_eq(&ask(&router, "GET", &path, table).await);
    expect![[r#"405 "the server does not allow this method on the requested resource""#]]
        .assert_eq(&ask(&router, "DELETE", &path, "application/json").await);
}

#[tokio::test]
async fn what_a_kubelet_would_tell() {
    let (router, _dir) = server().await;
    let base = "/api/v1/nodes/one/proxy";
    check(&router, &format!("{base}/stats/summary"), expect![[r#"200 {"node":{"nodeName":"one","systemContainers":[],"cpu":{"time":"2026-01-01T00:00:00Z","usageNanoCores":1500000000,"usageCoreNanoSeconds":1500000000},"memory":{"time":"2026-01-01T00:00:00Z","workingSetBytes":1073741824,"availableBytes":99}},"pods":[{"cpu":{"time":"2026-01-01T00:00:00Z","usageNanoCores":250001234,"usageCoreNanoSeconds":3000000000},"memory":{"time":"2026-01-01T00:00:00Z","workingSetBytes":67113984},"podRef":{"name":"web","namespace":"default","uid":"UID"},"startTime":null,"containers":[{"cpu":{"time":"2026-01-01T00:00:00Z","usageNanoCores":250000000,"usageCoreNanoSeconds":1500000000},"memory":{"time":"2026-01-01T00:00:00Z","workingSetBytes":67108864},"name":"c","startTime":null},{"cpu":{"time":"2026-01-01T00:00:00Z","usageNanoCores":1234,"usageCoreNanoSeconds":1500000000},"memory":{"time":"2026-01-01T00:00:00Z","workingSetBytes":5120},"name":"side","startTime":null}]}]}"#]]).await;
    check(&router, &format!("{base}/metrics/resource"), expect![[r#"
        200 # HELP container_cpu_usage_seconds_total [STABLE] Cumulative cpu time consumed by the container in core-seconds
        # TYPE container_cpu_usage_seconds_total counter
        container_cpu_usage_seconds_total{container="c",namespace="default",pod="web"} 1.5 1767225600500
        container_cpu_usage_seconds_total{container="side",namespace="default",pod="web"} 1.5 1767225600500
        # HELP container_memory_working_set_bytes [STABLE] Current working set of the container in bytes
        # TYPE container_memory_working_set_bytes gauge
        container_memory_working_set_bytes{container="c",namespace="default",pod="web"} 67108864 1767225600500
        container_memory_working_set_bytes{container="side",namespace="default",pod="web"} 5120 1767225600500
        # HELP node_cpu_usage_seconds_total [STABLE] Cumulative cpu time consumed by the node in core-seconds
        # TYPE node_cpu_usage_seconds_total counter
        node_cpu_usage_seconds_total 1.5 1767225600500
        # HELP node_memory_working_set_bytes [STABLE] Current working set of the node in bytes
        # TYPE node_memory_working_set_bytes gauge
        node_memory_working_set_bytes 1073741824 1767225600500
        # HELP pod_cpu_usage_seconds_total [STABLE] Cumulative cpu time consumed by the pod in core-seconds
        # TYPE pod_cpu_usage_seconds_total counter
        pod_cpu_usage_seconds_total{namespace="default",pod="web"} 3 1767225600500
        # HELP pod_memory_working_set_bytes [STABLE] Current working set of the pod in bytes
        # TYPE pod_memory_working_set_bytes gauge
        pod_memory_working_set_bytes{namespace="default",pod="web"} 67113984 1767225600500
        # HELP resource_scrape_error [STABLE] 1 if there was an error while getting container metrics, 0 otherwise
        # TYPE resource_scrape_error gauge
        resource_scrape_error 0
    "#]]).await;
    check(&router, "/api/v1/nodes/https:one:10250/proxy/healthz", expect!["200 ok"]).await;
    check(&router, &format!("{base}/logs/"), expect![[r#"501 "a node here has no kubelet to proxy to: /logs is not served, /stats/summary, /metrics/resource, /pods and /healthz are""#]]).await;
    check(&router, "/api/v1/nodes/two/proxy/healthz", expect![[r#"404 "nodes \"two\" not found""#]]).await;
    let pods = ask(&router, "GET", &format!("{base}/pods"), "application/json").await;
    assert!(pods.starts_with(r#"200 {"kind":"PodList""#) && pods.contains(r#""name":"young""#), "{pods}");
}

#[tokio::test]
async fn what_the_server_tells_of_itself() {
    let (router, _dir) = server().await;
    for path in
        ["/api/v1/namespaces/default/pods/web", "/api/v1/namespaces/default/pods/none", "/api/v1/pods"]
    {
        ask(&router, "GET", path, "application/json").await;
    }
    ask(&router, "DELETE", "/api/v1/namespaces/default/pods/young?dryRun=All", "application/json").await;
    ask(&router, "GET", "/api/v1/whatever/x", "application/json").await;
    let page = ask(&router, "GET", "/metrics", "*/*").await;
    let lines =
        |begin: &str| page.lines().filter(|line| line.starts_with(begin)).collect::<Vec<_>>().join("\n");
    expect![[r#"
        apiserver_request_total{code="404",component="apiserver",dry_run="",group="",resource="",scope="",subresource="",verb="GET",version=""} 1
        apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="pods",scope="cluster",subresource="",verb="LIST",version="v1"} 1
        apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="pods",scope="resource",subresource="",verb="GET",version="v1"} 1
        apiserver_request_total{code="404",component="apiserver",dry_run="",group="",resource="pods",scope="resource",subresource="",verb="GET",version="v1"} 1
        apiserver_request_total{code="200",component="apiserver",dry_run="All",group="",resource="pods",scope="resource",subresource="",verb="DELETE",version="v1"} 1"#]].assert_eq(&lines("apiserver_request_total"));
    expect![[r#"
        apiserver_current_inflight_requests{request_kind="mutating"} 0
        apiserver_current_inflight_requests{request_kind="readOnly"} 1"#]]
    .assert_eq(&lines("apiserver_current_inflight_requests"));
    expect![[r#"
        apiserver_resource_objects{group="",resource="persistentvolumeclaims"} 0
        apiserver_resource_objects{group="",resource="persistentvolumes"} 0
        apiserver_resource_objects{group="",resource="pods"} 2
        apiserver_resource_objects{group="",resource="podtemplates"} 0"#]]
    .assert_eq(&lines("apiserver_resource_objects{group=\"\",resource=\"p"));
    for line in [
        "apiserver_request_duration_seconds_bucket{",
        "process_resident_memory_bytes ",
        "kubernetes_build_info{",
    ] {
        assert!(!lines(line).is_empty(), "{line} is missing");
    }
}
