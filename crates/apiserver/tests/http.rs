//! The router in this process: what clients see, byte for byte where it matters.

use api::{Api, ApiConfig, Key, PatchKind, WriteOptions};
use apiserver::{Options, Server};
use axum::body::Body;
use expect_test::{Expect, expect};
use futures::StreamExt;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

struct Bench {
    api: Api,
    router: axum::Router,
    _dir: tempfile::TempDir,
}

fn bench() -> Bench {
    let dir = tempfile::tempdir().expect("tempdir");
    let config = ApiConfig {
        dir: dir.path().into(),
        service_cidr: "10.43.0.0/16".into(),
        cluster_domain: "cluster.local".into(),
    };
    let api = Api::open(config).expect("open");
    let extra = axum::Router::new().route("/hello", axum::routing::get(|| async { "hello" }));
    let router = Server::new(api.clone(), Options::default()).with_extra(extra).router();
    Bench { api, router, _dir: dir }
}

impl Bench {
    async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.expect("infallible")
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.get_as(path, "application/json").await
    }

    async fn get_as(&self, path: &str, accept: &str) -> (StatusCode, Value) {
        let request = Request::get(path).header("Accept", accept).body(Body::empty()).expect("a request");
        body(self.send(request).await).await
    }

    async fn post(&self, path: &str, media: &str, text: &str) -> (StatusCode, Value) {
        let request = Request::post(path).header("Content-Type", media);
        body(self.send(request.body(Body::from(text.to_string())).expect("a request")).await).await
    }

    fn config_map(&self, name: &str, labels: Value) {
        let object = json!({ "metadata": { "name": name, "namespace": "default", "labels": labels } });
        self.api.create("configmaps", object, &WriteOptions::default()).expect("create");
    }

    fn label(&self, name: &str, labels: Value) {
        let change = json!({ "metadata": { "labels": labels } });
        let key = Key::new("configmaps", "default", name);
        self.api.patch(&key, PatchKind::Merge, "", &change, &WriteOptions::default()).expect("patch");
    }

    /// The lines of a watch, as `TYPE name@version`.
    async fn watch(&self, query: &str, lines: usize) -> Vec<String> {
        let path = format!("/api/v1/namespaces/default/configmaps?watch=1&{query}");
        let answer = self.send(Request::get(path).body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let mut stream = answer.into_body().into_data_stream();
        let mut seen = Vec::new();
        while seen.len() < lines {
            let line = stream.next().await.expect("a line").expect("infallible");
            let event: Value = serde_json::from_slice(&line).expect("JSON");
            let object = &event["object"];
            let meta = &object["metadata"];
            let name = meta["name"].as_str().or(object["reason"].as_str()).unwrap_or("-");
            let version = meta["resourceVersion"].as_str().unwrap_or("-");
            seen.push(format!("{} {name}@{version}", event["type"].as_str().expect("a type")));
        }
        seen
    }
}

async fn body(answer: Response<Body>) -> (StatusCode, Value) {
    let code = answer.status();
    let bytes = answer.into_body().collect().await.expect("infallible").to_bytes();
    (code, serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into()))
}

fn check(value: &Value, expected: Expect) {
    expected.assert_eq(&value.to_string());
}

#[tokio::test]
async fn failures_are_statuses() {
    let bench = bench();
    let (code, status) = bench.get("/api/v1/namespaces/default/configmaps/x").await;
    assert_eq!(code, 404);
    check(
        &status,
        expect![[
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"configmaps \"x\" not found","reason":"NotFound","details":{"name":"x","kind":"configmaps"},"code":404}"#
        ]],
    );
    let (code, status) = bench.get("/apis/nope/v1/things").await;
    assert_eq!(
        (code.as_u16(), &status["message"]),
        (404, &json!("the server could not find the requested resource"))
    );
    let (code, _) = bench.post("/api/v1/namespaces/default/configmaps", "text/plain", "x").await;
    assert_eq!(code, 415);
    let (code, _) = bench.post("/api/v1/namespaces/default/configmaps", "application/json", "{").await;
    assert_eq!(code, 400);
}

#[tokio::test]
async fn bodies_may_be_yaml_and_bring_warnings() {
    let bench = bench();
    let yaml = "metadata: {name: x}\ndata: {a: '1', a: '2'}\n";
    let request =
        Request::post("/api/v1/namespaces/default/configmaps").header("Content-Type", "application/yaml");
    let answer = bench.send(request.body(Body::from(yaml)).expect("a request")).await;
    let warning = answer.headers().get("Warning").and_then(|value| value.to_str().ok()).map(str::to_string);
    assert!(warning.is_some_and(|text| text.starts_with("299 - ")), "a doubled key is worth a warning");
    let (code, object) = body(answer).await;
    assert_eq!((code.as_u16(), &object["data"]["a"]), (201, &json!("2")));
    let (code, _) = bench
        .post("/api/v1/namespaces/default/configmaps?fieldValidation=Strict", "application/yaml", yaml)
        .await;
    assert_eq!(code, 400);
}

#[tokio::test]
async fn lists_come_in_parts_and_forms() {
    let bench = bench();
    for name in ["a", "b", "c"] {
        bench.config_map(name, json!({ "x": name }));
    }
    let path = "/api/v1/configmaps?limit=2";
    let (_, first) = bench.get(path).await;
    assert_eq!(first["kind"], "ConfigMapList");
    assert_eq!(first["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(first["metadata"]["remainingItemCount"], 1);
    let token = first["metadata"]["continue"].as_str().expect("a token");
    let (_, second) = bench.get(&format!("{path}&continue={token}")).await;
    assert_eq!(second["items"][0]["metadata"]["name"], "c");
    assert!(second["metadata"].get("continue").is_none());
    let (_, some) =
        bench.get("/api/v1/configmaps?labelSelector=x+in+(a,c)&fieldSelector=metadata.name!=a").await;
    assert_eq!(some["items"].as_array().map(Vec::len), Some(1));
    let (_, partial) = bench
        .get_as("/api/v1/configmaps", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io")
        .await;
    assert_eq!(
        (&partial["kind"], &partial["items"][0]["kind"]),
        (&json!("PartialObjectMetadataList"), &json!("PartialObjectMetadata"))
    );
    let (_, table) = bench.get_as("/api/v1/configmaps", "application/json;as=Table;v=v1;g=meta.k8s.io").await;
    assert_eq!((&table["kind"], table["rows"].as_array().map(Vec::len)), (&json!("Table"), Some(3)));
}

#[tokio::test]
async fn a_watch_starts_with_what_is_there() {
    let bench = bench();
    bench.config_map("a", json!({}));
    assert_eq!(bench.watch("", 1).await, ["ADDED a@5"]);
    assert_eq!(bench.watch("resourceVersion=0", 1).await, ["ADDED a@5"]);
    let list = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    assert_eq!(bench.watch(list, 2).await, ["ADDED a@5", "BOOKMARK -@5"]);
}

#[tokio::test]
async fn a_watch_goes_on_from_a_version() {
    let bench = bench();
    bench.config_map("a", json!({}));
    bench.label("a", json!({ "x": "1" }));
    bench.config_map("b", json!({}));
    let key = Key::new("configmaps", "default", "a");
    bench.api.delete(&key, &api::DeleteOptions::default()).expect("delete");
    assert_eq!(bench.watch("resourceVersion=5", 3).await, ["MODIFIED a@6", "ADDED b@7", "DELETED a@8"]);
    let (code, status) = bench.get("/api/v1/configmaps?watch=1&resourceVersion=99").await;
    assert_eq!((code.as_u16(), &status["reason"]), (504, &json!("Timeout")));
}

#[tokio::test]
async fn objects_that_start_or_stop_to_match_come_and_go() {
    let bench = bench();
    bench.config_map("a", json!({ "on": "no" }));
    bench.label("a", json!({ "on": "yes" }));
    bench.label("a", json!({ "more": "x" }));
    bench.label("a", json!({ "on": "no" }));
    let seen = bench.watch("resourceVersion=5&labelSelector=on%3Dyes", 3).await;
    assert_eq!(seen, ["ADDED a@6", "MODIFIED a@7", "DELETED a@8"]);
}

#[tokio::test]
async fn a_version_of_before_the_history_is_gone() {
    let dir = tempfile::tempdir().expect("tempdir");
    let config = || ApiConfig {
        dir: dir.path().into(),
        service_cidr: "10.43.0.0/16".into(),
        cluster_domain: "cluster.local".into(),
    };
    drop(Api::open(config()).expect("open"));
    let api = Api::open(config()).expect("reopen");
    let router = Server::new(api, Options::default()).router();
    let request =
        Request::get("/api/v1/pods?watch=1&resourceVersion=1").body(Body::empty()).expect("a request");
    let (code, status) = body(router.oneshot(request).await.expect("infallible")).await;
    assert_eq!((code.as_u16(), &status["type"]), (200, &json!("ERROR")));
    assert_eq!((&status["object"]["code"], &status["object"]["reason"]), (&json!(410), &json!("Expired")));
}

#[tokio::test]
async fn the_columns_of_a_watched_table_come_once() {
    let bench = bench();
    bench.config_map("a", json!({}));
    bench.config_map("b", json!({}));
    let request = Request::get("/api/v1/configmaps?watch=1")
        .header("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
    let answer = bench.send(request.body(Body::empty()).expect("a request")).await;
    let mut stream = answer.into_body().into_data_stream();
    let mut columns = Vec::new();
    for _ in 0..2 {
        let line = stream.next().await.expect("a line").expect("infallible");
        let event: Value = serde_json::from_slice(&line).expect("JSON");
        columns.push(event["object"]["columnDefinitions"].as_array().map_or(0, Vec::len));
    }
    assert!(columns[0] > 0 && columns[1] == 0, "{columns:?}");
}

#[tokio::test]
async fn discovery_in_both_forms() {
    let bench = bench();
    let (_, versions) = bench.get("/api").await;
    assert_eq!(versions["versions"], json!(["v1"]));
    let (_, list) = bench.get("/apis/apps/v1").await;
    let names: Vec<&str> =
        list["resources"].as_array().expect("resources").iter().filter_map(|r| r["name"].as_str()).collect();
    assert!(names.contains(&"deployments/scale"), "{names:?}");
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    let (_, groups) = bench.get_as("/apis", accept).await;
    assert_eq!(
        (&groups["kind"], &groups["apiVersion"]),
        (&json!("APIGroupDiscoveryList"), &json!("apidiscovery.k8s.io/v2"))
    );
    let apps =
        groups["items"].as_array().expect("items").iter().find(|group| group["metadata"]["name"] == "apps");
    let resources = &apps.expect("apps")["versions"][0]["resources"];
    let deployments =
        resources.as_array().expect("resources").iter().find(|r| r["resource"] == "deployments");
    check(
        &deployments.expect("deployments")["subresources"],
        expect![[
            r#"[{"subresource":"scale","responseKind":{"group":"autoscaling","version":"v1","kind":"Scale"},"verbs":["get","patch","update"]},{"subresource":"status","responseKind":{"group":"apps","version":"v1","kind":"Deployment"},"verbs":["get","patch","update"]}]"#
        ]],
    );
}

#[tokio::test]
async fn deletes_answer_with_what_is_left() {
    let bench = bench();
    bench.config_map("a", json!({}));
    let delete = |path: &str| Request::delete(path).body(Body::empty()).expect("a request");
    let (code, status) = body(bench.send(delete("/api/v1/namespaces/default/configmaps/a")).await).await;
    assert_eq!(
        (code.as_u16(), &status["status"], &status["details"]["name"]),
        (200, &json!("Success"), &json!("a"))
    );
    bench.config_map("b", json!({ "x": "1" }));
    bench.config_map("c", json!({ "x": "2" }));
    let path = "/api/v1/namespaces/default/configmaps?labelSelector=x%3D1";
    let (code, gone) = body(bench.send(delete(path)).await).await;
    assert_eq!((code.as_u16(), gone["items"].as_array().map(Vec::len)), (200, Some(1)));
    assert_eq!(bench.api.list("configmaps", "default").len(), 1);
}

#[tokio::test]
async fn the_daemons_own_routes_are_below_coracle() {
    let bench = bench();
    assert_eq!(bench.get("/coracle/hello").await, (StatusCode::OK, json!("hello")));
    assert_eq!(bench.get("/healthz").await, (StatusCode::OK, json!("ok")));
}

#[tokio::test]
async fn streams_without_a_node_say_so() {
    let bench = bench();
    let pod =
        json!({ "metadata": { "name": "p" }, "spec": { "containers": [{ "name": "c", "image": "i" }] } });
    bench.api.create("pods", pod, &WriteOptions::default()).expect("create");
    let (code, status) = bench.get("/api/v1/namespaces/default/pods/p/log").await;
    assert_eq!((code.as_u16(), &status["reason"]), (503, &json!("ServiceUnavailable")));
}

#[tokio::test]
async fn events_have_two_groups_and_one_place() {
    let bench = bench();
    let event = r#"{"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"name":"e"},"eventTime":"2026-01-01T00:00:00.000000Z",
        "reason":"R","note":"text","type":"Normal","action":"A","reportingController":"c","reportingInstance":"i",
        "regarding":{"kind":"Pod","name":"p","namespace":"default"}}"#;
    let (code, made) =
        bench.post("/apis/events.k8s.io/v1/namespaces/default/events", "application/json", event).await;
    assert_eq!((code.as_u16(), &made["note"]), (201, &json!("text")), "{made}");
    let (_, core) = bench.get("/api/v1/namespaces/default/events/e").await;
    assert_eq!((&core["message"], &core["involvedObject"]["name"]), (&json!("text"), &json!("p")));
    let (_, list) = bench.get("/apis/events.k8s.io/v1/events").await;
    assert_eq!(
        (&list["apiVersion"], &list["items"][0]["regarding"]["name"]),
        (&json!("events.k8s.io/v1"), &json!("p"))
    );
}

#[tokio::test]
async fn the_parts_of_a_list_are_of_one_moment() {
    let bench = bench();
    let names = |list: &Value| -> String {
        let items = list["items"].as_array().expect("items");
        items.iter().filter_map(|item| item["metadata"]["name"].as_str()).collect::<Vec<_>>().join(" ")
    };
    for name in ["a", "b", "c", "d", "e"] {
        bench.config_map(name, json!({ "x": "y" }));
    }
    let path = "/api/v1/namespaces/default/configmaps?limit=2";
    let (_, first) = bench.get(path).await;
    assert_eq!((names(&first).as_str(), &first["metadata"]["remainingItemCount"]), ("a b", &json!(3)));
    let version = &first["metadata"]["resourceVersion"];
    // What happens now is not in this list.
    bench.config_map("bb", json!({}));
    bench
        .api
        .delete(&Key::new("configmaps", "default", "d"), &api::DeleteOptions::default())
        .expect("delete");
    let go_on =
        |list: &Value| format!("{path}&continue={}", list["metadata"]["continue"].as_str().expect("a token"));
    let (_, second) = bench.get(&go_on(&first)).await;
    assert_eq!((names(&second).as_str(), &second["metadata"]["resourceVersion"]), ("c d", version));
    let (_, third) = bench.get(&go_on(&second)).await;
    assert_eq!((names(&third).as_str(), third["metadata"].get("continue")), ("e", None));
    let (_, selected) = bench.get(&format!("{path}&labelSelector=x%3Dy")).await;
    assert_eq!(selected["metadata"].get("remainingItemCount"), None);
    let (_, exact) = bench
        .get(&format!(
            "{path}&resourceVersion={}&resourceVersionMatch=Exact",
            version.as_str().expect("text")
        ))
        .await;
    assert_eq!((names(&exact).as_str(), &exact["metadata"]["resourceVersion"]), ("a b", version));
}

#[tokio::test]
async fn a_list_that_cannot_go_on_says_how_to() {
    use base64::Engine as _;
    let bench = bench();
    bench.config_map("a", json!({}));
    let token = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .encode(r#"{"v":"meta.k8s.io/v1","rv":1,"ns":"default","name":"0"}"#);
    let path = "/api/v1/namespaces/default/configmaps?limit=2";
    let (code, status) = bench.get(&format!("{path}&continue={token}")).await;
    assert_eq!((code.as_u16(), &status["reason"]), (410, &json!("Expired")));
    let token = status["metadata"]["continue"].as_str().expect("a token for the rest");
    let (code, rest) = bench.get(&format!("{path}&continue={token}")).await;
    assert_eq!((code.as_u16(), &rest["items"][0]["metadata"]["name"]), (200, &json!("a")));
    let (code, _) = bench.get(&format!("{path}&continue={token}&resourceVersion=1")).await;
    assert_eq!(code, 400);
}

#[tokio::test]
async fn a_quiet_watch_does_not_expire() {
    let bench = bench();
    bench.config_map("a", json!({}));
    let mut changes = bench.api.changes_of(bench.api.version(), "configmaps", "default");
    for _ in 0..3 {
        for name in ["x", "y"] {
            let namespace = json!({ "metadata": { "name": name } });
            bench.api.create("namespaces", namespace, &WriteOptions::default()).expect("create");
            let key = Key::new("namespaces", "", name);
            let finalize = json!({ "spec": { "finalizers": [] } });
            bench.api.delete(&key, &api::DeleteOptions::default()).expect("delete");
            bench
                .api
                .patch(&key, PatchKind::Merge, "finalize", &finalize, &WriteOptions::default())
                .expect("finalize");
        }
    }
    assert!(changes.try_next().expect("not expired").is_none());
    assert_eq!(changes.seen(), bench.api.version(), "a bookmark tells the newest version");
    bench.config_map("b", json!({}));
    assert_eq!(&*changes.next().await.expect("a change").key.name, "b");
}

#[tokio::test]
async fn autoscalers_speak_two_versions() {
    let bench = bench();
    let path =
        |version: &str| format!("/apis/autoscaling/{version}/namespaces/default/horizontalpodautoscalers");
    let first = json!({
        "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "a" },
        "spec": {
            "maxReplicas": 3, "targetCPUUtilizationPercentage": 50,
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "a" },
        },
    });
    let (code, made) = bench.post(&path("v1"), "application/json", &first.to_string()).await;
    assert_eq!((code.as_u16(), &made["apiVersion"]), (201, &json!("autoscaling/v1")), "{made}");
    let (_, second) = bench.get(&format!("{}/a", path("v2"))).await;
    assert_eq!(second["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 50);
    let change = Request::patch(format!("{}/a", path("v1")))
        .header("Content-Type", "application/strategic-merge-patch+json")
        .body(Body::from(r#"{"spec":{"targetCPUUtilizationPercentage":70}}"#))
        .expect("a request");
    let (code, changed) = body(bench.send(change).await).await;
    assert_eq!((code.as_u16(), &changed["spec"]["targetCPUUtilizationPercentage"]), (200, &json!(70)));
    let (_, list) = bench.get(&path("v2")).await;
    assert_eq!(list["items"][0]["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 70);
    let (_, list) = bench.get(&path("v1")).await;
    assert_eq!(list["items"][0]["spec"]["targetCPUUtilizationPercentage"], 70);
}
