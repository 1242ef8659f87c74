//! Writes that webhooks are asked about, with webhooks that are functions.

use super::{bench, by};
use crate::*;
use async_trait::async_trait;
use base64::Engine as _;
use expect_test::{Expect, expect};
use parking_lot::Mutex;
use serde_json::json;

type Hook = Box<dyn Fn(&str, &Value) -> std::result::Result<(u16, Value), String> + Send + Sync>;

/// Answers in the place of webhooks and keeps what it was asked.
struct Fake {
    hook: Hook,
    asked: Mutex<Vec<(String, Value)>>,
}

#[async_trait]
impl WebhookCaller for Fake {
    async fn call(&self, call: WebhookCall) -> std::result::Result<(u16, Vec<u8>), String> {
        let url = call.target.url(call.timeout);
        let name = url.split(['/', '?']).nth(3).unwrap_or_default().to_string();
        let review: Value = serde_json::from_slice(&call.body).expect("JSON");
        self.asked.lock().push((name.clone(), review["request"].clone()));
        let (code, mut answer) = (self.hook)(&name, &review["request"])?;
        if answer["never"] == true {
            std::future::pending::<()>().await;
        }
        if answer["response"].is_object() && answer["response"].get("uid").is_none() {
            answer["response"]["uid"] = review["request"]["uid"].clone();
            answer["apiVersion"] = "admission.k8s.io/v1".into();
            answer["kind"] = "AdmissionReview".into();
        }
        Ok((code, answer.to_string().into_bytes()))
    }
}

fn allow() -> std::result::Result<(u16, Value), String> {
    Ok((200, json!({ "response": { "allowed": true } })))
}

fn deny(message: &str) -> std::result::Result<(u16, Value), String> {
    Ok((200, json!({ "response": { "allowed": false, "status": { "message": message } } })))
}

fn patch(operations: &Value) -> std::result::Result<(u16, Value), String> {
    let patch = base64::engine::general_purpose::STANDARD.encode(operations.to_string());
    Ok((200, json!({ "response": { "allowed": true, "patch": patch, "patchType": "JSONPatch" } })))
}

/// A configuration of one webhook, which listens at a URL of its name.
fn configuration(mutating: bool, name: &str, more: &Value) -> (&'static str, Value) {
    let mut hook = json!({
        "name": format!("{name}.example.com"), "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": { "url": format!("https://hooks/{name}") },
        "rules": [{ "operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"] }],
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        hook[field] = value.clone();
    }
    let kind = if mutating { "MutatingWebhookConfiguration" } else { "ValidatingWebhookConfiguration" };
    let resource = if mutating {
        "admissionregistration.k8s.io/mutatingwebhookconfigurations"
    } else {
        "admissionregistration.k8s.io/validatingwebhookconfigurations"
    };
    let object = json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
        "metadata": { "name": name }, "webhooks": [hook] });
    (resource, object)
}

struct World {
    api: Api,
    fake: Arc<Fake>,
    _dir: tempfile::TempDir,
}

fn world(
    configurations: &[(bool, &str, Value)],
    hook: impl Fn(&str, &Value) -> std::result::Result<(u16, Value), String> + Send + Sync + 'static,
) -> World {
    let (api, dir) = bench();
    for (mutating, name, more) in configurations {
        let (resource, object) = configuration(*mutating, name, more);
        api.create(resource, object, &by()).expect("a configuration");
    }
    let fake = Arc::new(Fake { hook: Box::new(hook), asked: Mutex::default() });
    api.set_webhook_caller(fake.clone());
    World { api, fake, _dir: dir }
}

impl World {
    async fn create(&self, resource: &str, object: &Value, options: &WriteOptions) -> Result<Object> {
        let write = |origin: &Origin| {
            let options = WriteOptions { origin: origin.clone(), ..options.clone() };
            self.api.create(resource, object.clone(), &options)
        };
        self.api.admitted(&options.origin, write).await
    }

    async fn merge(&self, key: &Key, subresource: &str, change: &Value) -> Result<Object> {
        let write = |origin: &Origin| {
            let options = WriteOptions { origin: origin.clone(), ..by() };
            self.api.patch(key, PatchKind::Merge, subresource, change, &options)
        };
        self.api.admitted(&Origin::default(), write).await
    }

    async fn delete(&self, key: &Key) -> Result<Object> {
        let write = |origin: &Origin| {
            self.api.delete(key, &DeleteOptions { origin: origin.clone(), ..DeleteOptions::default() })
        };
        self.api.admitted(&Origin::default(), write).await
    }

    /// Who was asked about what.
    fn asked(&self) -> Vec<String> {
        let asked = self.fake.asked.lock();
        let line = |(hook, request): &(String, Value)| {
            let text = |field: &str| request[field].as_str().unwrap_or_default().to_string();
            let resource = request["resource"]["resource"].as_str().unwrap_or_default();
            let sub = text("subResource");
            let slash = if sub.is_empty() { "" } else { "/" };
            format!("{hook}: {} {resource}{slash}{sub} {:?}", text("operation"), text("name"))
        };
        asked.iter().map(line).collect()
    }

    fn last(&self) -> Value {
        self.fake.asked.lock().last().expect("somebody was asked").1.clone()
    }
}

fn config_map(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": "default" },
        "data": { "a": "1" } })
}

fn pod(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "default" },
        "spec": { "containers": [{ "name": "c", "image": "i" }] } })
}

fn deployment(name: &str) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "namespace": "default" },
        "spec": { "replicas": 1, "selector": { "matchLabels": { "app": name } }, "template": {
            "metadata": { "labels": { "app": name } },
            "spec": { "containers": [{ "name": "c", "image": "i" }] } } } })
}

fn told<T>(result: Result<T>, expected: &Expect) {
    let text = match result {
        Ok(_) => "done".to_string(),
        Err(error) => format!("{} {} {}", error.code, error.status()["reason"], error.message),
    };
    expected.assert_eq(&text);
}

fn add(path: &str, value: Value) -> Value {
    json!({ "op": "add", "path": path, "value": value })
}

#[tokio::test]
async fn a_sidecar_is_completed_like_any_container() {
    let world = world(&[(true, "inject", json!({}))], |_, request| {
        assert_eq!(request["object"]["spec"]["restartPolicy"], "Always", "defaults are there");
        assert!(request["object"]["spec"]["volumes"][0]["projected"].is_object(), "its token is there");
        assert!(request["object"]["metadata"].get("uid").is_none());
        patch(&json!([
            add("/spec/containers/-", json!({ "name": "proxy", "image": "proxy:1", "unknown": 1 })),
            add("/metadata/labels", json!({ "injected": "yes" })),
        ]))
    });
    let made = world.create("pods", &pod("p"), &by()).await.expect("made");
    let proxy = &made["spec"]["containers"][1];
    assert_eq!(made["metadata"]["labels"]["injected"], "yes");
    assert_eq!(proxy["terminationMessagePath"], "/dev/termination-log");
    assert_eq!(proxy["volumeMounts"][0]["mountPath"], "/var/run/secrets/kubernetes.io/serviceaccount");
    assert!(proxy.get("unknown").is_none());
    assert_eq!(made["spec"]["volumes"].as_array().map(Vec::len), Some(1));
    assert_eq!(world.asked(), ["inject: CREATE pods \"p\""]);
    let owned = made["metadata"]["managedFields"].to_string();
    assert!(
        !owned.contains("injected") && !owned.contains("proxy"),
        "what a webhook adds is nobody's: {owned}"
    );
}

#[tokio::test]
async fn what_a_webhook_is_told() {
    let world = world(&[(false, "look", json!({}))], |_, _| allow());
    let mut user = UserInfo { username: "eve".into(), groups: vec!["dev".into()], ..UserInfo::default() };
    user.extra.insert("scopes".into(), vec!["a".into()]);
    let mut origin = Origin::of(Arc::new(user));
    origin.options.insert("fieldManager".into(), "test".into());
    let options = WriteOptions { origin, ..by() };
    world.create("configmaps", &config_map("x"), &options).await.expect("made");
    let mut told = world.last();
    told["uid"] = "UID".into();
    let meta = &mut told["object"]["metadata"];
    (meta["uid"], meta["creationTimestamp"]) = ("OBJECT".into(), "NOW".into());
    meta["managedFields"][0]["time"] = "NOW".into();
    expect![[r#"{"uid":"UID","kind":{"group":"","version":"v1","kind":"ConfigMap"},"resource":{"group":"","version":"v1","resource":"configmaps"},"requestKind":{"group":"","version":"v1","kind":"ConfigMap"},"requestResource":{"group":"","version":"v1","resource":"configmaps"},"name":"x","namespace":"default","operation":"CREATE","userInfo":{"username":"eve","groups":["dev"],"extra":{"scopes":["a"]}},"object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","namespace":"default","uid":"OBJECT","creationTimestamp":"NOW","managedFields":[{"manager":"test","operation":"Update","apiVersion":"v1","time":"NOW","fieldsType":"FieldsV1","fieldsV1":{"f:data":{".":{},"f:a":{}}}}]},"data":{"a":"1"}},"oldObject":null,"dryRun":false,"options":{"kind":"CreateOptions","apiVersion":"meta.k8s.io/v1","fieldManager":"test"}}"#]].assert_eq(&told.to_string());
}

#[tokio::test]
async fn refusals() {
    let world = world(&[(false, "guard", json!({})), (true, "mend", json!({}))], |hook, request| {
        match (hook, request["name"].as_str().unwrap_or_default()) {
            ("guard", "bad") => deny("it is bad"),
            ("mend", "worse") => Ok((
                200,
                json!({ "response": { "allowed": false,
                "status": { "code": 409, "reason": "Conflict", "message": "worse" } } }),
            )),
            ("guard", "silent") => Ok((200, json!({ "response": { "allowed": false } }))),
            _ => allow(),
        }
    });
    let create = async |name: &str| world.create("configmaps", &config_map(name), &by()).await;
    told(create("good").await, &expect!["done"]);
    told(
        create("bad").await,
        &expect![[r#"400 null admission webhook "guard.example.com" denied the request: it is bad"#]],
    );
    told(
        create("worse").await,
        &expect![[r#"409 "Conflict" admission webhook "mend.example.com" denied the request: worse"#]],
    );
    told(
        create("silent").await,
        &expect![[
            r#"400 null admission webhook "guard.example.com" denied the request without explanation"#
        ]],
    );
    assert!(world.api.get("configmaps", "default", "bad").is_err());
    expect![[r#"
        mend: CREATE configmaps "good"
        guard: CREATE configmaps "good"
        mend: CREATE configmaps "bad"
        guard: CREATE configmaps "bad"
        mend: CREATE configmaps "worse"
        mend: CREATE configmaps "silent"
        guard: CREATE configmaps "silent""#]]
    .assert_eq(&world.asked().join("\n"));
}

#[tokio::test]
async fn failures() {
    let world = world(
        &[
            (true, "a", json!({ "timeoutSeconds": 7 })),
            (true, "b", json!({ "failurePolicy": "Ignore" })),
            (false, "c", json!({ "timeoutSeconds": 1 })),
        ],
        |hook, request| match (hook, request["name"].as_str().unwrap_or_default()) {
            ("a", "down") | ("b", "ignored") => {
                Err("dial tcp 10.0.0.1:443: connect: connection refused".into())
            }
            ("a", "broken") => Ok((500, json!("oh"))),
            ("a", "nonsense") => Ok((200, json!([]))),
            ("a", "undecodable") => Ok((
                200,
                json!({ "response": { "allowed": true, "patch": "e30=", "patchType": "JSONPatch" } }),
            )),
            ("a", "misplaced") => patch(&json!([{ "op": "remove", "path": "/spec/nothing" }])),
            ("a", "mistyped") => patch(&json!([add("/data", json!("text"))])),
            ("c", "late") => Ok((200, json!({ "never": true }))),
            _ => allow(),
        },
    );
    let mut text = String::new();
    for name in ["down", "ignored", "broken", "nonsense", "undecodable", "misplaced", "mistyped", "late"] {
        let line = match world.create("configmaps", &config_map(name), &by()).await {
            Ok(_) => "made".to_string(),
            Err(error) => format!("{} {}", error.code, error.message),
        };
        text += &format!("{name}: {line}\n");
    }
    expect![[r#"
        down: 500 Internal error occurred: failed calling webhook "a.example.com": failed to call webhook: Post "https://hooks/a?timeout=7s": dial tcp 10.0.0.1:443: connect: connection refused
        ignored: made
        broken: 500 Internal error occurred: failed calling webhook "a.example.com": failed to call webhook: an error on the server ("\"oh\"") has prevented the request from succeeding
        nonsense: 500 Internal error occurred: failed calling webhook "a.example.com": received invalid webhook response: webhook response was absent
        undecodable: 500 Internal error occurred: failed calling webhook "a.example.com": received undecodable patch in webhook response: json: cannot unmarshal object into Go value of type jsonpatch.Patch
        misplaced: 500 Internal error occurred: remove operation does not apply: doc is missing path: "/spec/nothing": missing value
        mistyped: 500 Internal error occurred: ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal string into Go struct field ConfigMap.data of type map[string]string
        late: 500 Internal error occurred: failed calling webhook "c.example.com": failed to call webhook: Post "https://hooks/c?timeout=1s": context deadline exceeded
    "#]].assert_eq(&text);
}

#[tokio::test]
async fn those_who_want_are_asked_again() {
    let again = json!({ "reinvocationPolicy": "IfNeeded" });
    let world =
        world(&[(true, "a", again.clone()), (true, "b", json!({})), (true, "c", again)], |hook, request| {
            let count = request["object"]["data"].as_object().map_or(0, serde_json::Map::len);
            match hook {
                "c" => allow(),
                hook => patch(&json!([add(&format!("/data/{hook}{count}"), json!("x"))])),
            }
        });
    let made = world.create("configmaps", &config_map("x"), &by()).await.expect("made");
    expect![[r#"{"a":"1","a1":"x","b2":"x","a3":"x"}"#]].assert_eq(&made["data"].to_string());
    // `a` is asked again because `b` changed the object after it, and `c` because `a` does it again.
    expect![[r#"
        a: CREATE configmaps "x"
        b: CREATE configmaps "x"
        c: CREATE configmaps "x"
        a: CREATE configmaps "x"
        c: CREATE configmaps "x""#]]
    .assert_eq(&world.asked().join("\n"));
}

#[tokio::test]
async fn what_changes_meanwhile_is_asked_about_again() {
    let (api, _dir) = bench();
    let other = api.clone();
    api.create("configmaps", config_map("x"), &by()).expect("made");
    let (resource, object) = configuration(true, "slow", &json!({}));
    api.create(resource, object, &by()).expect("a configuration");
    let first = std::sync::atomic::AtomicBool::new(true);
    let fake = Arc::new(Fake {
        hook: Box::new(move |_, request| {
            if first.swap(false, std::sync::atomic::Ordering::SeqCst) {
                // Somebody is faster; writes without a dialogue ask nobody.
                let change = json!({ "data": { "fast": "1" } });
                let key = Key::new("configmaps", "default", "x");
                other.patch(&key, PatchKind::Merge, "", &change, &by()).expect("changed");
            }
            let seen: Vec<&str> = request["object"]["data"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| name.as_str())
                .collect();
            patch(&json!([add("/data/seen", json!(seen.join(",")))]))
        }),
        asked: Mutex::default(),
    });
    api.set_webhook_caller(fake.clone());
    let world = World { api, fake, _dir };
    let key = Key::new("configmaps", "default", "x");
    let made = world.merge(&key, "", &json!({ "data": { "mine": "1" } })).await.expect("changed");
    expect![[r#"{"a":"1","fast":"1","mine":"1","seen":"a,fast,mine"}"#]].assert_eq(&made["data"].to_string());
    assert_eq!(world.asked().len(), 2);
}

#[tokio::test]
async fn dry_runs_need_webhooks_without_effects() {
    let world = world(&[(false, "effects", json!({ "sideEffects": "NoneOnDryRun" }))], |_, _| allow());
    let dry = WriteOptions { dry_run: true, ..by() };
    told(world.create("configmaps", &config_map("x"), &dry).await, &expect!["done"]);
    assert_eq!(world.last()["dryRun"], true);
    assert_eq!(world.last()["options"]["dryRun"], json!(["All"]));
    let (resource, mut object) = configuration(false, "old", &json!({}));
    // As v1beta1 allowed it: today's validation does not let it in.
    object["webhooks"][0]["sideEffects"] = "Some".into();
    assert!(world.api.create(resource, object, &by()).is_err());
}

#[tokio::test]
async fn warnings_are_told_once() {
    let world = world(&[(true, "m", json!({})), (false, "v", json!({}))], |hook, _| {
        Ok((200, json!({ "response": { "allowed": true, "warnings": [format!("{hook} warns")] } })))
    });
    let mut options = by();
    options.origin.warnings = options.warnings.clone();
    options.warnings.push("from the start");
    let mut object = config_map("x");
    object["spec"] = json!({});
    world.create("configmaps", &object, &options).await.expect("made");
    expect![[r#"
        from the start
        unknown field "spec"
        m warns
        v warns"#]]
    .assert_eq(&options.warnings.take().join("\n"));
}

#[tokio::test]
async fn every_kind_of_write() {
    let world = world(&[(true, "m", json!({})), (false, "v", json!({}))], |_, _| allow());
    let key = |resource: &str, name: &str| Key::new(resource, "default", name);
    world.create("apps/deployments", &deployment("d"), &by()).await.expect("made");
    let d = key("apps/deployments", "d");
    world.merge(&d, "", &json!({ "spec": { "paused": true } })).await.expect("changed");
    world.merge(&d, "status", &json!({ "status": { "replicas": 1 } })).await.expect("status");
    world.merge(&d, "scale", &json!({ "spec": { "replicas": 3 } })).await.expect("scaled");
    let scaled = world.last();
    assert_eq!(
        (&scaled["kind"]["kind"], &scaled["object"]["spec"]["replicas"]),
        (&json!("Scale"), &json!(3))
    );
    assert_eq!(scaled["oldObject"]["spec"]["replicas"], 1);
    world.create("pods", &pod("p"), &by()).await.expect("made");
    let p = key("pods", "p");
    world.merge(&p, "binding", &json!({ "target": { "name": "n" } })).await.expect("bound");
    assert_eq!(world.last()["object"]["target"]["name"], "n");
    let debug = json!({ "spec": { "ephemeralContainers": [{ "name": "e", "image": "i" }] } });
    world.merge(&p, "ephemeralcontainers", &debug).await.expect("debugged");
    let evict = |origin: &Origin| {
        let options = DeleteOptions { origin: origin.clone(), ..DeleteOptions::default() };
        world.api.evict("default", "p", &options)
    };
    world.api.admitted(&Origin::default(), evict).await.expect("evicted");
    world.delete(&d).await.expect("deleted");
    assert_eq!(
        (&world.last()["object"], &world.last()["oldObject"]["kind"]),
        (&Value::Null, &json!("Deployment"))
    );
    let exec = json!({ "kind": "PodExecOptions", "apiVersion": "v1", "command": ["sh"] });
    let connect = |origin: &Origin| world.api.ask(Operation::Connect, &p, "exec", exec.clone(), origin);
    world.api.admitted(&Origin::default(), connect).await.expect("connected");
    let apply = |origin: &Origin| {
        let options = WriteOptions { origin: origin.clone(), ..by() };
        let how = PatchKind::Apply { force: false };
        world.api.patch(&key("configmaps", "applied"), how, "", &config_map("applied"), &options)
    };
    world.api.admitted(&Origin::default(), apply).await.expect("applied");
    expect![[r#"
        m: CREATE deployments "d"
        v: CREATE deployments "d"
        m: UPDATE deployments "d"
        v: UPDATE deployments "d"
        m: UPDATE deployments/status "d"
        v: UPDATE deployments/status "d"
        m: UPDATE deployments/scale "d"
        v: UPDATE deployments/scale "d"
        m: CREATE pods "p"
        v: CREATE pods "p"
        m: CREATE pods/binding "p"
        v: CREATE pods/binding "p"
        m: UPDATE pods/ephemeralcontainers "p"
        v: UPDATE pods/ephemeralcontainers "p"
        m: CREATE pods/eviction "p"
        v: CREATE pods/eviction "p"
        m: DELETE deployments "d"
        v: DELETE deployments "d"
        m: CONNECT pods/exec "p"
        v: CONNECT pods/exec "p"
        m: CREATE configmaps "applied"
        v: CREATE configmaps "applied""#]]
    .assert_eq(&world.asked().join("\n"));
}

#[tokio::test]
async fn names_that_the_server_finds() {
    let world = world(&[(true, "m", json!({})), (false, "v", json!({}))], |_, _| allow());
    let mut generated = config_map("");
    generated["metadata"] = json!({ "generateName": "x-", "namespace": "default" });
    let made = world.create("configmaps", &generated, &by()).await.expect("made");
    let asked = world.fake.asked.lock();
    let (mutating, validating) = (&asked[0].1, &asked[1].1);
    assert_eq!((mutating.get("name"), mutating["object"]["metadata"].get("name")), (None, None));
    assert_eq!(validating["name"], made["metadata"]["name"]);
    assert_eq!(validating["object"]["metadata"]["uid"], made["metadata"]["uid"]);
    assert_eq!(asked.len(), 2);
}

#[tokio::test]
async fn configurations_are_beyond_webhooks() {
    let world = world(&[(true, "m", json!({})), (false, "v", json!({}))], |_, _| deny("never"));
    let (resource, object) = configuration(false, "other", &json!({}));
    world.create(resource, &object, &by()).await.expect("made");
    told(world.delete(&Key::new(resource, "", "other")).await, &expect!["done"]);
    assert_eq!(world.asked(), Vec::<String>::new());
    let m = Key::new("admissionregistration.k8s.io/mutatingwebhookconfigurations", "", "m");
    world.delete(&m).await.expect("deleted");
    world.delete(&Key::new(resource, "", "v")).await.expect("deleted");
    assert!(!world.api.has_webhooks());
}

#[tokio::test]
async fn deletions_cannot_be_changed() {
    let world = world(
        &[(true, "m", json!({ "objectSelector": { "matchLabels": { "held": "yes" } } }))],
        |_, request| match request["operation"].as_str() {
            Some("DELETE") => patch(&json!([add("/data", json!({}))])),
            _ => allow(),
        },
    );
    let mut held = config_map("x");
    held["metadata"]["labels"] = json!({ "held": "yes" });
    world.create("configmaps", &held, &by()).await.expect("made");
    world.create("configmaps", &config_map("free"), &by()).await.expect("made");
    told(
        world.delete(&Key::new("configmaps", "default", "x")).await,
        &expect![[
            r#"500 "InternalError" Internal error occurred: admission webhook "m.example.com" attempted to modify the object, which is not supported for this operation"#
        ]],
    );
    told(world.delete(&Key::new("configmaps", "default", "free")).await, &expect!["done"]);
}
