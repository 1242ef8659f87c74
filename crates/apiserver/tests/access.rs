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
    let options = Options { whose_token: Some(Arc::new(whose_token)), ..Options::default() };
    let router = Server::new(api.clone(), options).router_for_strangers();
    (api, router, dir)
}

fn whose_token(name: &str, audiences: &[String]) -> Option<(User, Vec<String>)> {
    let (name, group) = name.split_once('/').unwrap_or((name, ""));
    let groups = if group.is_empty() { Vec::new() } else { vec![group.to_string()] };
    let audiences = if audiences.is_empty() { vec!["here".to_string()] } else { audiences.to_vec() };
    (name != "nobody").then(|| (User { name: name.into(), groups, ..User::default() }, audiences))
}

async fn ask(router: &axum::Router, user: &str, line: &str, body: Value) -> (u16, Value) {
    let (method, path) = line.split_once(' ').expect("a method");
    let (method, media) = match method {
        "PATCH" => ("PATCH", "application/merge-patch+json"),
        "APPLY" => ("PATCH", "application/apply-patch+yaml"),
        other => (other, "application/json"),
    };
    let mut request = Request::builder().method(method).uri(path).header("Content-Type", media);
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

/// Ways round the rule above: each once let somebody become more than they were, or could have.
#[tokio::test]
async fn nobody_gains_by_a_detour() {
    let (api, router, _dir) = server();
    let give = |resource: &str, object: Value| {
        let resource = format!("rbac.authorization.k8s.io/{resource}");
        api.create(&resource, object, &WriteOptions::default()).expect("a role");
    };
    let user =
        |name: &str| json!([{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name }]);
    let reference = |kind: &str, name: &str| json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name });
    let meta = |name: &str, namespace: &str| json!({ "name": name, "namespace": namespace });
    // Ada may do everything in `default`; Bob may write ClusterRoles; Cy may make one ConfigMap, and apply any.
    give(
        "rolebindings",
        json!({ "metadata": meta("ada", "default"), "roleRef": reference("ClusterRole", "cluster-admin"), "subjects": user("ada") }),
    );
    give(
        "clusterroles",
        json!({ "metadata": { "name": "roles" }, "rules": [{ "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["get", "create", "patch", "update"] }] }),
    );
    give(
        "clusterrolebindings",
        json!({ "metadata": { "name": "bob" }, "roleRef": reference("ClusterRole", "roles"), "subjects": user("bob") }),
    );
    let some = json!([
        { "apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"], "resourceNames": ["x"] },
        { "apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch", "get"] },
        { "apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get"] },
    ]);
    give("roles", json!({ "metadata": meta("some", "default"), "rules": some }));
    give(
        "rolebindings",
        json!({ "metadata": meta("cy", "default"), "roleRef": reference("Role", "some"), "subjects": user("cy") }),
    );

    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let crowned = json!({ "metadata": meta("ada", "default"), "roleRef": reference("ClusterRole", "cluster-admin"), "subjects": user("ada") });
    let all = json!({ "metadata": { "name": "all" }, "aggregationRule": { "clusterRoleSelectors": [{ "matchLabels": { "a": "b" } }] } });
    let huge: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    let huge = json!({ "metadata": { "name": "huge" }, "rules": [{ "apiGroups": huge, "resources": huge, "verbs": huge }] });
    let map = json!({ "metadata": { "name": "y" } });
    let lost = json!({ "metadata": meta("l", "default"), "roleRef": reference("ClusterRole", "lost"), "subjects": user("ada") });
    let local = json!({ "metadata": meta("l", "other"), "roleRef": reference("ClusterRole", "cluster-admin"), "subjects": user("ada") });
    let apply = "?fieldManager=m";
    let mut lines = Vec::new();
    for (who, request, body) in [
        ("ada", format!("POST {rbac}/namespaces/default/clusterrolebindings"), crowned.clone()),
        ("ada", format!("PUT {rbac}/namespaces/default/clusterrolebindings/bob"), crowned.clone()),
        ("ada", format!("POST {rbac}/clusterrolebindings"), crowned),
        ("ada", "GET /api/v1/namespaces/default/nodes".into(), Value::Null),
        ("ada", format!("POST {rbac}/namespaces/other/rolebindings"), local.clone()),
        ("ada", format!("POST {rbac}/namespaces/default/rolebindings"), local),
        ("ada", format!("POST {rbac}/namespaces/default/rolebindings"), lost.clone()),
        ("eve", format!("POST {rbac}/namespaces/default/rolebindings"), lost),
        ("bob", format!("POST {rbac}/clusterroles"), all.clone()),
        ("root/system:masters", format!("POST {rbac}/clusterroles"), all),
        ("bob", format!("PATCH {rbac}/clusterroles/all"), json!({ "aggregationRule": null })),
        ("bob", format!("PATCH {rbac}/clusterroles/all"), json!({ "metadata": { "finalizers": ["a.b/c"] } })),
        ("bob", format!("POST {rbac}/clusterroles"), huge),
        (
            "cy",
            "POST /api/v1/namespaces/default/configmaps?fieldSelector=metadata.name%3Dx".into(),
            map.clone(),
        ),
        ("cy", format!("APPLY /api/v1/namespaces/default/configmaps/y{apply}"), map),
        ("cy", "GET /api/v1/namespaces/default/pods/p/exec?command=sh".into(), Value::Null),
        ("", "GET /livez".into(), Value::Null),
        ("", "GET /livez/ping".into(), Value::Null),
    ] {
        let (code, answer) = ask(&router, who, &request, body).await;
        let message = answer["message"].as_str().unwrap_or_default();
        lines.push(format!("{who}: {request}: {code} {message}").trim_end().to_string());
    }
    expect![[r#"
        ada: POST /apis/rbac.authorization.k8s.io/v1/namespaces/default/clusterrolebindings: 404 the server could not find the requested resource
        ada: PUT /apis/rbac.authorization.k8s.io/v1/namespaces/default/clusterrolebindings/bob: 404 the server could not find the requested resource
        ada: POST /apis/rbac.authorization.k8s.io/v1/clusterrolebindings: 403 clusterrolebindings.rbac.authorization.k8s.io is forbidden: User "ada" cannot create resource "clusterrolebindings" in API group "rbac.authorization.k8s.io" at the cluster scope
        ada: GET /api/v1/namespaces/default/nodes: 404 the server could not find the requested resource
        ada: POST /apis/rbac.authorization.k8s.io/v1/namespaces/other/rolebindings: 403 rolebindings.rbac.authorization.k8s.io is forbidden: User "ada" cannot create resource "rolebindings" in API group "rbac.authorization.k8s.io" in the namespace "other"
        ada: POST /apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings: 400 the namespace of the provided object does not match the namespace sent on the request
        ada: POST /apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings: 201
        eve: POST /apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings: 404 clusterroles.rbac.authorization.k8s.io "lost" not found
        bob: POST /apis/rbac.authorization.k8s.io/v1/clusterroles: 403 clusterroles.rbac.authorization.k8s.io "all" is forbidden: must have cluster-admin privileges to use the aggregationRule
        root/system:masters: POST /apis/rbac.authorization.k8s.io/v1/clusterroles: 201
        bob: PATCH /apis/rbac.authorization.k8s.io/v1/clusterroles/all: 403 clusterroles.rbac.authorization.k8s.io "all" is forbidden: must have cluster-admin privileges to use the aggregationRule
        bob: PATCH /apis/rbac.authorization.k8s.io/v1/clusterroles/all: 200
        bob: POST /apis/rbac.authorization.k8s.io/v1/clusterroles: 403 clusterroles.rbac.authorization.k8s.io "huge" is forbidden: its rules allow more than 100000 single things, which are not looked through
        cy: POST /api/v1/namespaces/default/configmaps?fieldSelector=metadata.name%3Dx: 403 configmaps is forbidden: User "cy" cannot create resource "configmaps" in API group "" in the namespace "default"
        cy: APPLY /api/v1/namespaces/default/configmaps/y?fieldManager=m: 403 configmaps "y" is forbidden: User "cy" cannot create resource "configmaps" in API group "" in the namespace "default"
        cy: GET /api/v1/namespaces/default/pods/p/exec?command=sh: 403 pods "p" is forbidden: User "cy" cannot create resource "pods/exec" in API group "" in the namespace "default"
        : GET /livez: 200
        : GET /livez/ping: 403 forbidden: User "system:anonymous" cannot get path "/livez/ping""#]].assert_eq(&lines.join("\n"));
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
        post("root/system:masters", "tokenreviews", json!({ "token": "eve", "audiences": ["vault"] })).await,
        post("root/system:masters", "tokenreviews", json!({ "token": "nobody" })).await,
        post("root/system:masters", "tokenreviews", json!({})).await,
    ];
    let mut spec = can("get", "configmaps", "default");
    spec["user"] = "eve".into();
    lines.push(post("root/system:masters", "subjectaccessreviews", spec.clone()).await);
    lines.push(post("root/system:masters", "localsubjectaccessreviews", spec.clone()).await);
    spec["resourceAttributes"]["namespace"] = "other".into();
    lines.push(post("root/system:masters", "localsubjectaccessreviews", spec.clone()).await);
    spec["nonResourceAttributes"] = json!({ "verb": "get", "path": "/api" });
    lines.push(post("root/system:masters", "subjectaccessreviews", spec).await);
    lines.push(post("root/system:masters", "subjectaccessreviews", json!({})).await);
    expect![[r#"
        {"allowed":true,"reason":"RBAC: allowed by RoleBinding \"reader/default\" of Role \"reader\" to User \"eve\""}
        {"allowed":false}
        {"allowed":true}
        {"allowed":true,"reason":"RBAC: allowed by ClusterRoleBinding \"system:discovery\" of ClusterRole \"system:discovery\" to Group \"system:authenticated\""}
        ".authorization.k8s.io \"\" is invalid: spec.resourceAttributes: Invalid value: \"null\": exactly one of nonResourceAttributes or resourceAttributes must be specified"
        {"userInfo":{"username":"eve","groups":["system:authenticated"]}}
        "subjectaccessreviews.authorization.k8s.io is forbidden: User \"eve\" cannot create resource \"subjectaccessreviews\" in API group \"authorization.k8s.io\" at the cluster scope"
        {"incomplete":false,"resourceRules":[{"apiGroups":["rbac.authorization.k8s.io"],"resources":["roles","rolebindings"],"verbs":["get","create","patch","update"]},{"apiGroups":[""],"resources":["configmaps"],"verbs":["get","list","watch"]},{"apiGroups":["authorization.k8s.io"],"resources":["selfsubjectaccessreviews","selfsubjectrulesreviews"],"verbs":["create"]},{"apiGroups":["authentication.k8s.io"],"resources":["selfsubjectreviews"],"verbs":["create"]}],"nonResourceRules":[{"nonResourceURLs":["/api","/api/*","/apis","/apis/*","/healthz","/livez","/openapi","/openapi/*","/readyz","/version","/version/"],"verbs":["get"]},{"nonResourceURLs":["/healthz","/livez","/readyz","/version","/version/"],"verbs":["get"]}]}
        {"authenticated":true,"user":{"username":"eve","groups":["devs","system:authenticated"]},"audiences":["here"]}
        {"authenticated":true,"user":{"username":"eve","groups":["system:authenticated"]},"audiences":["vault"]}
        {"user":{},"error":"[invalid bearer token, token lookup failed]"}
        "token is required for TokenReview in authentication"
        {"allowed":true,"reason":"RBAC: allowed by RoleBinding \"reader/default\" of Role \"reader\" to User \"eve\""}
        {"allowed":true,"reason":"RBAC: allowed by RoleBinding \"reader/default\" of Role \"reader\" to User \"eve\""}
        ".authorization.k8s.io \"\" is invalid: spec.resourceAttributes.namespace: Invalid value: \"other\": must match metadata.namespace"
        ".authorization.k8s.io \"\" is invalid: spec.nonResourceAttributes: Invalid value: {}: cannot be specified in combination with resourceAttributes"
        ".authorization.k8s.io \"\" is invalid: [spec.resourceAttributes: Invalid value: \"null\": exactly one of nonResourceAttributes or resourceAttributes must be specified, spec.user: Invalid value: \"\": at least one of user or group must be specified]""#]].assert_eq(&lines.join("\n"));
}
