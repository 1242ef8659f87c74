//! What callers other than the administrator may do, and what they are told.

use api::{Api, ApiConfig, WriteOptions};
use apiserver::{Options, Server, User};
use axum::body::Body;
use expect_test::{Expect, expect};
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::Arc;
use tower::ServiceExt;

/// Bearer tokens are names of users here, with a group behind a slash.
fn server() -> (Api, axum::Router, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("tempdir");
    let config = ApiConfig {
        dir: dir.path().into(),
        service_cidr: "10.43.0.0/16".into(),
        cluster_domain: "cluster.local".into(),
    };
    let api = Api::open(config).expect("open");
    for (resource, object) in access::bootstrap::objects() {
        api.create(resource, object, &WriteOptions::default()).expect("a role");
    }
    let role = json!({
        "metadata": { "name": "reader", "namespace": "default" },
        "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"] }],
    });
    let manager = json!({
        "metadata": { "name": "manager", "namespace": "default" },
        "rules": [{ "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": ["get", "create", "patch", "update"] }],
    });
    let bind = |name: &str, user: &str| {
        json!({
            "metadata": { "name": name, "namespace": "default" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user }],
        })
    };
    for (resource, object) in [
        ("roles", role),
        ("roles", manager),
        ("rolebindings", bind("reader", "eve")),
        ("rolebindings", bind("manager", "eve")),
    ] {
        let resource = format!("rbac.authorization.k8s.io/{resource}");
        api.create(&resource, object, &WriteOptions::default()).expect("a role");
    }
    let options = Options { authenticate: Some(Arc::new(authenticate)), ..Options::default() };
    let router = Server::new(api.clone(), options).router_for_strangers();
    (api, router, dir)
}

fn authenticate(parts: &http::request::Parts, _: Option<&apiserver::PeerCertificate>) -> Option<User> {
    let name = parts.headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")?;
    let (name, group) = name.split_once('/').unwrap_or((name, ""));
    let groups = if group.is_empty() { Vec::new() } else { vec![group.to_string()] };
    (name != "nobody").then(|| User { name: name.into(), groups, ..User::default() })
}

async fn ask(router: &axum::Router, user: &str, line: &str, body: Value) -> (u16, Value) {
    let (method, path) = line.split_once(' ').expect("a method");
    let mut request = Request::builder().method(method).uri(path).header("Content-Type", "application/json");
    if method == "PATCH" {
        request = Request::builder()
            .method(method)
            .uri(path)
            .header("Content-Type", "application/merge-patch+json");
    }
    for (index, part) in user.split(" as ").enumerate() {
        match index {
            0 if part.is_empty() => {}
            0 => request = request.header("Authorization", format!("Bearer {part}")),
            _ => request = request.header("Impersonate-User", part),
        }
    }
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    let answer = router.clone().oneshot(request.body(body).expect("a request")).await.expect("infallible");
    let code = answer.status().as_u16();
    let bytes = answer.into_body().collect().await.expect("infallible").to_bytes();
    (code, serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into()))
}

#[tokio::test]
async fn refusals_are_in_upstreams_words() {
    let (_api, router, _dir) = server();
    let mut lines = Vec::new();
    for (user, request) in [
        ("eve", "GET /api/v1/namespaces/default/configmaps"),
        ("eve", "GET /api/v1/namespaces/default/configmaps?watch=true&timeoutSeconds=1"),
        ("eve", "GET /api/v1/namespaces/default/secrets"),
        ("eve", "GET /api/v1/namespaces/default/secrets/x"),
        ("eve", "GET /api/v1/namespaces/default/pods/p/log"),
        ("eve", "DELETE /apis/apps/v1/namespaces/default/deployments/web"),
        ("eve", "DELETE /apis/apps/v1/namespaces/default/deployments"),
        ("eve", "GET /api/v1/configmaps"),
        ("eve", "GET /api/v1/nodes"),
        ("eve", "GET /apis/apps/v1/deployments?watch=1"),
        ("eve", "GET /api"),
        ("eve", "GET /apis/apps/v1"),
        ("eve", "GET /metrics"),
        ("eve", "GET /coracle/v1/x"),
        ("nobody", "GET /api/v1/nodes"),
        ("", "GET /api/v1/nodes"),
        ("", "GET /api"),
        ("", "GET /version"),
        ("root/system:masters", "GET /api/v1/nodes"),
        ("root/system:masters as eve", "GET /api/v1/nodes"),
        (
            "root/system:masters as system:serviceaccount:default:default",
            "GET /api/v1/namespaces/default/pods",
        ),
        ("eve as root", "GET /api/v1/nodes"),
        ("eve as system:serviceaccount:a:b", "GET /api/v1/nodes"),
    ] {
        let (code, answer) = ask(&router, user, request, Value::Null).await;
        let message = answer["message"].as_str().unwrap_or_default();
        lines.push(format!("{user}: {request}: {code} {message}").trim_end().to_string());
    }
    expect![[r#"
        eve: GET /api/v1/namespaces/default/configmaps: 200
        eve: GET /api/v1/namespaces/default/configmaps?watch=true&timeoutSeconds=1: 200
        eve: GET /api/v1/namespaces/default/secrets: 403 secrets is forbidden: User "eve" cannot list resource "secrets" in API group "" in the namespace "default"
        eve: GET /api/v1/namespaces/default/secrets/x: 403 secrets "x" is forbidden: User "eve" cannot get resource "secrets" in API group "" in the namespace "default"
        eve: GET /api/v1/namespaces/default/pods/p/log: 403 pods "p" is forbidden: User "eve" cannot get resource "pods/log" in API group "" in the namespace "default"
        eve: DELETE /apis/apps/v1/namespaces/default/deployments/web: 403 deployments.apps "web" is forbidden: User "eve" cannot delete resource "deployments" in API group "apps" in the namespace "default"
        eve: DELETE /apis/apps/v1/namespaces/default/deployments: 403 deployments.apps is forbidden: User "eve" cannot deletecollection resource "deployments" in API group "apps" in the namespace "default"
        eve: GET /api/v1/configmaps: 403 configmaps is forbidden: User "eve" cannot list resource "configmaps" in API group "" at the cluster scope
        eve: GET /api/v1/nodes: 403 nodes is forbidden: User "eve" cannot list resource "nodes" in API group "" at the cluster scope
        eve: GET /apis/apps/v1/deployments?watch=1: 403 deployments.apps is forbidden: User "eve" cannot watch resource "deployments" in API group "apps" at the cluster scope
        eve: GET /api: 200
        eve: GET /apis/apps/v1: 200
        eve: GET /metrics: 403 forbidden: User "eve" cannot get path "/metrics"
        eve: GET /coracle/v1/x: 403 forbidden: User "eve" cannot get path "/coracle/v1/x"
        nobody: GET /api/v1/nodes: 401 Unauthorized
        : GET /api/v1/nodes: 403 nodes is forbidden: User "system:anonymous" cannot list resource "nodes" in API group "" at the cluster scope
        : GET /api: 403 forbidden: User "system:anonymous" cannot get path "/api"
        : GET /version: 200
        root/system:masters: GET /api/v1/nodes: 200
        root/system:masters as eve: GET /api/v1/nodes: 403 nodes is forbidden: User "eve" cannot list resource "nodes" in API group "" at the cluster scope
        root/system:masters as system:serviceaccount:default:default: GET /api/v1/namespaces/default/pods: 403 pods is forbidden: User "system:serviceaccount:default:default" cannot list resource "pods" in API group "" in the namespace "default"
        eve as root: GET /api/v1/nodes: 403 users "root" is forbidden: User "eve" cannot impersonate resource "users" in API group "" at the cluster scope
        eve as system:serviceaccount:a:b: GET /api/v1/nodes: 403 serviceaccounts "b" is forbidden: User "eve" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "a""#]].assert_eq(&lines.join("\n"));
}

#[tokio::test]
async fn details_of_a_refusal() {
    let (_api, router, _dir) = server();
    let check = |answer: Value, expected: Expect| expected.assert_eq(&answer.to_string());
    let (_, answer) =
        ask(&router, "eve", "DELETE /apis/apps/v1/namespaces/a/deployments/web", Value::Null).await;
    check(
        answer,
        expect![[
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"deployments.apps \"web\" is forbidden: User \"eve\" cannot delete resource \"deployments\" in API group \"apps\" in the namespace \"a\"","reason":"Forbidden","details":{"name":"web","kind":"deployments","group":"apps"},"code":403}"#
        ]],
    );
    let (_, answer) = ask(&router, "eve", "GET /metrics", Value::Null).await;
    check(
        answer,
        expect![[
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"forbidden: User \"eve\" cannot get path \"/metrics\"","reason":"Forbidden","details":{},"code":403}"#
        ]],
    );
}

#[tokio::test]
async fn nobody_grants_more_than_they_have() {
    let (_api, router, _dir) = server();
    let path = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
    let role = |verb: &str| json!({ "metadata": { "name": "new" }, "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "verbs": [verb] }] });
    let (code, answer) = ask(&router, "eve", &format!("POST {path}/roles"), role("delete")).await;
    assert_eq!(code, 403);
    expect![[r#"
        roles.rbac.authorization.k8s.io "new" is forbidden: user "eve" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:
        {APIGroups:[""], Resources:["configmaps"], Verbs:["delete"]}"#]].assert_eq(answer["message"].as_str().unwrap_or_default());
    let (code, _) = ask(&router, "eve", &format!("POST {path}/roles"), role("get")).await;
    assert_eq!(code, 201);
    let more = json!({ "rules": [{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }] });
    let (code, _) = ask(&router, "eve", &format!("PATCH {path}/roles/new"), more).await;
    assert_eq!(code, 403, "not by a patch either");
    let binding = json!({
        "metadata": { "name": "all" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "eve" }],
    });
    let (code, _) = ask(&router, "eve", &format!("POST {path}/rolebindings"), binding.clone()).await;
    assert_eq!(code, 403);
    let (code, _) = ask(&router, "root/system:masters", &format!("POST {path}/rolebindings"), binding).await;
    assert_eq!(code, 201);
    let (code, _) = ask(&router, "eve", "GET /api/v1/namespaces/default/secrets", Value::Null).await;
    assert_eq!(code, 200, "a new binding counts at once");
}

#[tokio::test]
async fn reviews() {
    let (_api, router, _dir) = server();
    let post = |user: &'static str, plural: &'static str, spec: Value| {
        let router = router.clone();
        async move {
            let group = if plural.contains("access") || plural.contains("rules") {
                "authorization"
            } else {
                "authentication"
            };
            let namespace = if plural.starts_with("local") { "namespaces/default/" } else { "" };
            let path = format!("POST /apis/{group}.k8s.io/v1/{namespace}{plural}");
            let (_, answer) = ask(&router, user, &path, json!({ "kind": "X", "spec": spec })).await;
            if answer["status"].is_object() {
                answer["status"].to_string()
            } else {
                answer["message"].to_string()
            }
        }
    };
    let can = |verb: &str, resource: &str, namespace: &str| json!({ "resourceAttributes": { "verb": verb, "resource": resource, "namespace": namespace } });
    let mut lines = vec![
        post("eve", "selfsubjectaccessreviews", can("get", "configmaps", "default")).await,
        post("eve", "selfsubjectaccessreviews", can("get", "configmaps", "other")).await,
        post("root/system:masters", "selfsubjectaccessreviews", can("*", "*", "")).await,
        post(
            "eve",
            "selfsubjectaccessreviews",
            json!({ "nonResourceAttributes": { "verb": "get", "path": "/api" } }),
        )
        .await,
        post("eve", "selfsubjectaccessreviews", json!({})).await,
        post("eve", "selfsubjectreviews", json!({})).await,
        post("eve", "subjectaccessreviews", can("get", "pods", "")).await,
        post("eve", "selfsubjectrulesreviews", json!({ "namespace": "default" })).await,
        post("root/system:masters", "tokenreviews", json!({ "token": "eve/devs" })).await,
        post("root/system:masters", "tokenreviews", json!({ "token": "nobody" })).await,
    ];
    let mut spec = can("get", "configmaps", "default");
    spec["user"] = "eve".into();
    lines.push(post("root/system:masters", "subjectaccessreviews", spec.clone()).await);
    lines.push(post("root/system:masters", "localsubjectaccessreviews", spec).await);
    expect![[r#"
        {"allowed":true,"reason":"RBAC: allowed by RoleBinding \"reader/default\" of Role \"reader\" to User \"eve\""}
        {"allowed":false}
        {"allowed":true}
        {"allowed":true,"reason":"RBAC: allowed by ClusterRoleBinding \"system:discovery\" of ClusterRole \"system:discovery\" to Group \"system:authenticated\""}
        "X.authorization.k8s.io \"\" is invalid: spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"
        {"userInfo":{"username":"eve","groups":["system:authenticated"]}}
        "subjectaccessreviews.authorization.k8s.io is forbidden: User \"eve\" cannot create resource \"subjectaccessreviews\" in API group \"authorization.k8s.io\" at the cluster scope"
        {"incomplete":false,"resourceRules":[{"apiGroups":["rbac.authorization.k8s.io"],"resources":["roles","rolebindings"],"verbs":["get","create","patch","update"]},{"apiGroups":[""],"resources":["configmaps"],"verbs":["get","list","watch"]},{"apiGroups":["authorization.k8s.io"],"resources":["selfsubjectaccessreviews","selfsubjectrulesreviews"],"verbs":["create"]},{"apiGroups":["authentication.k8s.io"],"resources":["selfsubjectreviews"],"verbs":["create"]}],"nonResourceRules":[{"nonResourceURLs":["/api","/api/*","/apis","/apis/*","/healthz","/livez","/openapi","/openapi/*","/readyz","/version","/version/"],"verbs":["get"]},{"nonResourceURLs":["/healthz","/livez","/readyz","/version","/version/"],"verbs":["get"]}]}
        {"authenticated":true,"user":{"username":"eve","groups":["devs","system:authenticated"]}}
        {"user":{},"error":"[invalid bearer token, token lookup failed]"}
        {"allowed":true,"reason":"RBAC: allowed by RoleBinding \"reader/default\" of Role \"reader\" to User \"eve\""}
        {"allowed":true,"reason":"RBAC: allowed by RoleBinding \"reader/default\" of Role \"reader\" to User \"eve\""}"#]].assert_eq(&lines.join("\n"));
}
