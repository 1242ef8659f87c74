//! Custom kinds with several versions, each with a schema of its own.

use crate::tests::{bench, by};
use crate::*;
use async_trait::async_trait;
use expect_test::expect;
use parking_lot::Mutex;
use serde_json::json;

const WIDGETS: &str = "example.com/widgets";

/// v1 says `size`, v2 says `replicas`; v2 is stored.
fn definition(conversion: &Value) -> Value {
    let version = |name: &str, storage: bool, spec: Value| {
        json!({ "name": name, "served": true, "storage": storage, "subresources": { "status": {} },
            "schema": { "openAPIV3Schema": { "type": "object", "properties": {
                "spec": { "type": "object", "properties": spec },
                "status": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } } } })
    };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "widgets.example.com" },
        "spec": {
            "group": "example.com", "scope": "Namespaced", "conversion": conversion,
            "names": { "kind": "Widget", "plural": "widgets" },
            "versions": [
                version("v1", false, json!({
                    "size": { "type": "integer", "maximum": 20 }, "mode": { "type": "string", "default": "old" },
                    "shared": { "type": "string" },
                })),
                version("v2", true, json!({
                    "replicas": { "type": "integer", "maximum": 10 }, "mode": { "type": "string", "default": "new" },
                    "shared": { "type": "string" },
                })),
            ],
        },
    })
}

fn widget(version: &str, name: &str, spec: Value) -> Value {
    json!({ "apiVersion": format!("example.com/{version}"), "kind": "Widget",
        "metadata": { "name": name, "namespace": "default" }, "spec": spec })
}

/// Renames the field, or does what its test wants.
struct Converter {
    broken: Box<dyn Fn(&mut Value) + Send + Sync>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl WebhookCaller for Converter {
    async fn call(&self, call: WebhookCall) -> std::result::Result<(u16, Vec<u8>), String> {
        let review: Value = serde_json::from_slice(&call.body).expect("JSON");
        let request = &review["request"];
        let wanted = request["desiredAPIVersion"].as_str().expect("a version");
        let objects = request["objects"].as_array().expect("objects");
        self.asked.lock().push(format!("{} to {wanted}", objects.len()));
        let (old, new) = if wanted.ends_with("/v2") { ("size", "replicas") } else { ("replicas", "size") };
        let convert = |object: &Value| {
            let mut object = object.clone();
            object["apiVersion"] = wanted.into();
            let spec = object["spec"].as_object_mut().expect("a spec");
            if let Some(number) = spec.shift_remove(old) {
                spec.insert(new.into(), number);
            }
            object["metadata"]["annotations"] = json!({ "converted": "yes" });
            object
        };
        let objects: Vec<Value> = objects.iter().map(convert).collect();
        let mut answer = json!({ "apiVersion": review["apiVersion"], "kind": "ConversionReview", "response": {
            "uid": request["uid"], "result": { "status": "Success" }, "convertedObjects": objects } });
        (self.broken)(&mut answer);
        Ok((200, answer.to_string().into_bytes()))
    }
}

struct World {
    api: Api,
    converter: Arc<Converter>,
    _dir: tempfile::TempDir,
}

fn world(conversion: &Value, broken: impl Fn(&mut Value) + Send + Sync + 'static) -> World {
    let (api, dir) = bench();
    api.create(crds::RESOURCE, definition(conversion), &by()).expect("a definition");
    let converter = Arc::new(Converter { broken: Box::new(broken), asked: Mutex::default() });
    api.set_webhook_caller(converter.clone());
    World { api, converter, _dir: dir }
}

fn webhook() -> Value {
    json!({ "strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v1"], "clientConfig": { "url": "https://hooks/convert" } } })
}

impl World {
    async fn create(&self, object: &Value) -> Result<Object> {
        let write = |origin: &Origin| {
            let options = WriteOptions { origin: origin.clone(), ..by() };
            self.api.create(WIDGETS, object.clone(), &options)
        };
        self.api.admitted(&Origin::default(), write).await
    }

    async fn patch(&self, version: &str, how: PatchKind, name: &str, patch: &Value) -> Result<Object> {
        let write = |origin: &Origin| {
            let api_version = format!("example.com/{version}");
            let options = WriteOptions { origin: origin.clone(), api_version, ..by() };
            self.api.patch(&Key::new(WIDGETS, "default", name), how, "", patch, &options)
        };
        self.api.admitted(&Origin::default(), write).await
    }

    async fn shown(&self, version: &str) -> Result<Vec<Object>> {
        let kind = self.api.kinds().by_resource(WIDGETS).expect("a kind");
        self.api.shown(&kind, &format!("example.com/{version}"), self.api.list(WIDGETS, "default")).await
    }

    async fn specs(&self, version: &str) -> String {
        let all = self.shown(version).await.expect("converted");
        let line =
            |object: &Object| format!("{} {}", object["apiVersion"].as_str().unwrap_or(""), object["spec"]);
        all.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

fn told<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => "done".into(),
        Err(error) => format!("{} {}", error.code, error.message),
    }
}

#[tokio::test]
async fn each_version_has_its_own_schema() {
    let world = world(&json!({ "strategy": "None" }), |_| {});
    let made = world.create(&widget("v1", "a", json!({ "size": 15, "replicas": 1, "shared": "x" }))).await;
    let made = made.expect("fits v1");
    expect![[r#""example.com/v1" {"size":15,"shared":"x","mode":"old"}"#]]
        .assert_eq(&format!("{} {}", made["apiVersion"], made["spec"]));
    // What v2 does not know is not stored.
    expect![[r#"example.com/v2 {"shared":"x","mode":"old"}"#]].assert_eq(&world.specs("v2").await);
    expect![[r#"example.com/v1 {"shared":"x","mode":"old"}"#]].assert_eq(&world.specs("v1").await);
    expect![[r#"422 Widget.example.com "b" is invalid: spec.size: Invalid value: 21: spec.size in body should be less than or equal to 20"#]].assert_eq(&told(world.create(&widget("v1", "b", json!({ "size": 21 }))).await));
    expect![[r#"422 Widget.example.com "b" is invalid: spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal to 10"#]].assert_eq(&told(world.create(&widget("v2", "b", json!({ "replicas": 11 }))).await));
    let patched = world.patch("v1", PatchKind::Merge, "a", &json!({ "spec": { "shared": "y" } })).await;
    let managers = patched.expect("patched")["metadata"]["managedFields"].to_string();
    assert!(managers.contains("\"apiVersion\":\"example.com/v1\""), "{managers}");
}

#[tokio::test]
async fn a_webhook_converts_both_ways() {
    let world = world(&webhook(), |_| {});
    let made = world.create(&widget("v1", "a", json!({ "size": 5 }))).await.expect("made");
    expect![[r#""example.com/v1" {"size":5,"mode":"old"}"#]]
        .assert_eq(&format!("{} {}", made["apiVersion"], made["spec"]));
    assert_eq!(made["metadata"]["resourceVersion"], world.api.version().to_string());
    let stored = world.api.get(WIDGETS, "default", "a").expect("there");
    expect![[r#""example.com/v2" {"mode":"old","replicas":5}"#]]
        .assert_eq(&format!("{} {}", stored["apiVersion"], stored["spec"]));
    assert_eq!(stored["metadata"]["annotations"], json!({ "converted": "yes" }));
    assert_eq!(stored["metadata"]["uid"], made["metadata"]["uid"]);
    let patched = world.patch("v1", PatchKind::Merge, "a", &json!({ "spec": { "size": 7 } })).await;
    assert_eq!(patched.expect("patched")["spec"]["size"], 7);
    let applied = widget("v1", "a", json!({ "size": 8 }));
    let how = PatchKind::Apply { force: true };
    assert_eq!(world.patch("v1", how, "a", &applied).await.expect("applied")["spec"]["size"], 8);
    world.create(&widget("v2", "b", json!({ "replicas": 1 }))).await.expect("made");
    world.converter.asked.lock().clear();
    expect![[r#"
        example.com/v1 {"mode":"old","size":8}
        example.com/v1 {"mode":"new","size":1}"#]]
    .assert_eq(&world.specs("v1").await);
    // A list is converted in one go.
    assert_eq!(*world.converter.asked.lock(), ["2 to example.com/v1"]);
    assert_eq!(world.api.get(WIDGETS, "default", "a").expect("there")["spec"]["replicas"], 8);
    // A limit of the other version is none of this one.
    assert_eq!(told(world.create(&widget("v1", "c", json!({ "size": 15 }))).await), "done");
}

#[tokio::test]
async fn wrong_answers() {
    let mut lines = Vec::new();
    type Break = fn(&mut Value);
    let cases: [Break; 12] = [
        |answer| answer["response"]["result"] = json!({ "status": "Failure", "message": "no thirteen" }),
        |answer| answer["response"]["result"] = json!({ "status": "Failure" }),
        |answer| answer["response"]["uid"] = "other".into(),
        |answer| answer["response"] = Value::Null,
        |answer| answer["apiVersion"] = "apiextensions.k8s.io/v1beta1".into(),
        |answer| answer["response"]["convertedObjects"] = json!([]),
        |answer| answer["response"]["convertedObjects"][0]["apiVersion"] = "example.com/v3".into(),
        |answer| answer["response"]["convertedObjects"][0]["kind"] = "Gadget".into(),
        |answer| answer["response"]["convertedObjects"][0]["metadata"]["name"] = "b".into(),
        |answer| {
            answer["response"]["convertedObjects"][0]
                .as_object_mut()
                .expect("an object")
                .shift_remove("metadata");
        },
        |answer| answer["response"]["convertedObjects"][0]["metadata"]["labels"] = json!({ "a b": "c" }),
        |answer| answer["response"]["convertedObjects"][0]["metadata"]["finalizers"] = json!(["ignored"]),
    ];
    for broken in cases {
        let world = world(&webhook(), broken);
        let result = world.create(&widget("v1", "a", json!({ "size": 1 }))).await;
        let line = told(result);
        let uid = line.split("response.uid=\"").nth(1).and_then(|rest| rest.split('"').next());
        lines.push(uid.map_or_else(|| line.clone(), |uid| line.replace(uid, "UID")));
    }
    expect![[r#"
        500 conversion webhook for example.com/v1, Kind=Widget failed: no thirteen
        500 conversion webhook for example.com/v1, Kind=Widget failed: response.result.status was 'Failure', not 'Success'
        500 conversion webhook for example.com/v1, Kind=Widget failed: expected response.uid="UID", got "other"
        500 conversion webhook for example.com/v1, Kind=Widget failed: no response provided
        500 conversion webhook for example.com/v1, Kind=Widget failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got apiextensions.k8s.io/v1beta1, Kind=ConversionReview
        500 conversion webhook for example.com/v1, Kind=Widget returned 0 objects, expected 1
        500 conversion webhook for example.com/v1, Kind=Widget returned invalid object at index 0: invalid groupVersion (expected example.com/v2, received example.com/v3)
        500 conversion webhook for example.com/v1, Kind=Widget returned invalid object at index 0: invalid kind (expected Widget, received Gadget)
        500 conversion webhook for example.com/v1, Kind=Widget returned invalid object: must have the same name: a != b
        500 conversion webhook for example.com/v1, Kind=Widget returned invalid object: must have the same name: a != 
        500 conversion webhook for example.com/v1, Kind=Widget returned invalid metadata: metadata.labels: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
        done
    "#]].assert_eq(&(lines.join("\n") + "\n"));
}

#[test]
fn nobody_asks_where_nobody_waits() {
    let world = world(&webhook(), |_| {});
    let refused = world.api.create(WIDGETS, widget("v1", "a", json!({ "size": 1 })), &by());
    expect!["500 conversion webhook for example.com/v1, Kind=Widget failed: nobody asks it here"]
        .assert_eq(&told(refused));
    assert_eq!(told(world.api.create(WIDGETS, widget("v2", "a", json!({ "replicas": 1 })), &by())), "done");
}
