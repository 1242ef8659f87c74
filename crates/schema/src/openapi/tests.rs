use super::*;

/// Every `$ref` of a document.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(map) => {
            if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
                found.push(reference);
            }
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

fn assert_closed(document: &Value, root: &str) {
    let mut all = Vec::new();
    references(document, &mut all);
    assert!(!all.is_empty());
    for reference in all {
        let pointer = format!("{root}{}", reference.rsplit('/').next().expect("a name").replace('~', "~0"));
        assert!(document.pointer(&pointer).is_some_and(Value::is_object), "{reference} is not there");
    }
}

#[test]
fn documents_are_closed() {
    let paths = v3_paths(&[]);
    assert_eq!(paths[0], "api/v1");
    assert!(paths.contains(&"apis/apps/v1".to_string()));
    for path in paths {
        assert_closed(&v3(&path, &[]).expect("a document"), "/components/schemas/");
    }
    assert_closed(&v2(&[]), "/definitions/");
    assert_eq!(v3("apis/nope/v1", &[]), None);
}

#[test]
fn what_kubectl_looks_for() {
    let apps = v3("apis/apps/v1", &[]).expect("a document");
    let patch = &apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(
        patch["x-kubernetes-group-version-kind"],
        json!({"group":"apps","version":"v1","kind":"Deployment"})
    );
    let names: Vec<_> =
        patch["parameters"].as_array().expect("a list").iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["dryRun", "fieldManager", "fieldValidation", "force"]);
    let schemas = &apps["components"]["schemas"];
    let strategy = &schemas["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]["strategy"];
    let expected = json!({
        "allOf": [{"$ref": "#/components/schemas/io.k8s.api.apps.v1.DeploymentStrategy"}],
        "description": "The deployment strategy to use to replace existing pods with new ones.",
        "x-kubernetes-patch-strategy": "retainKeys",
    });
    assert_eq!(*strategy, expected);
    let described = |ty: &str| schemas[ty]["description"].as_str().is_some_and(|text| !text.is_empty());
    assert!(described("io.k8s.api.apps.v1.Deployment"));
    assert!(described("io.k8s.apimachinery.pkg.apis.meta.v1.Time"));
    assert!(described("io.k8s.apimachinery.pkg.api.resource.Quantity"));
    let containers = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
    assert_eq!(containers["x-kubernetes-list-map-keys"], json!(["name"]));
    let list = &schemas["io.k8s.api.apps.v1.DeploymentList"]["x-kubernetes-group-version-kind"][0]["kind"];
    assert_eq!(*list, "DeploymentList");
    assert!(
        apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"]["put"].is_object()
    );
}

#[test]
fn custom_kinds_are_published() {
    let kind = Kind {
        group: "example.com".into(),
        versions: vec!["v1".into()],
        kind: "Widget".into(),
        plural: "widgets".into(),
        singular: "widget".into(),
        short_names: vec![],
        categories: vec![],
        namespaced: true,
        subresources: vec!["status".into()],
    };
    let schema = json!({"type":"object","properties":{"spec":{"type":"object","nullable":true,"properties":{"size":{"type":"integer"}}}}});
    let custom = [Custom { kind: &kind, version: "v1", schema: Some(&schema), is_read_only: false }];
    assert!(v3_paths(&custom).contains(&"apis/example.com/v1".to_string()));
    let document = v3("apis/example.com/v1", &custom).expect("a document");
    let widget = &document["components"]["schemas"]["com.example.v1.Widget"];
    assert_eq!(widget["properties"]["spec"]["properties"]["size"]["type"], "integer");
    assert!(widget["properties"]["metadata"]["$ref"].is_string());
    let v2 = super::v2(&custom);
    assert_eq!(v2["definitions"]["com.example.v1.Widget"]["properties"]["spec"], json!({}));
}

#[test]
fn what_is_measured_is_published() {
    let custom: Vec<Custom<'_>> = measured().collect();
    let document = v3("apis/metrics.k8s.io/v1beta1", &custom).expect("a document");
    let schemas = &document["components"]["schemas"];
    let pod = &schemas["io.k8s.metrics.v1beta1.PodMetrics"];
    assert_eq!(pod["x-kubernetes-group-version-kind"][0]["kind"], "PodMetrics");
    let usage = &pod["properties"]["containers"]["items"]["properties"]["usage"];
    assert_eq!(usage["additionalProperties"]["type"], "string");
    let paths = document["paths"].as_object().expect("paths");
    let shown: Vec<String> = paths
        .iter()
        .map(|(path, item)| {
            let methods = item.as_object().into_iter().flatten().map(|(method, _)| method.as_str());
            format!(
                "{path} {}",
                methods.filter(|method| *method != "parameters").collect::<Vec<_>>().join(" ")
            )
        })
        .collect();
    expect_test::expect![[r#"
        /apis/metrics.k8s.io/v1beta1/nodes get
        /apis/metrics.k8s.io/v1beta1/nodes/{name} get
        /apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods get
        /apis/metrics.k8s.io/v1beta1/pods get
        /apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods/{name} get"#]]
    .assert_eq(&shown.join("\n"));
    let v2 = super::v2(&custom);
    let usage = &v2["definitions"]["io.k8s.metrics.v1beta1.NodeMetrics"]["properties"]["usage"];
    assert_eq!(usage["additionalProperties"]["type"], "string");
}
