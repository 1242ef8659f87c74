//! Which writes concern a webhook, and in which form it is told of them.

use super::*;
use crate::Origin;
use crate::admission::Operation;
use expect_test::expect;
use schema::Kind;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Namespaces with their labels.
#[derive(Default)]
struct World(BTreeMap<String, Value>);

impl View for World {
    fn get(&self, resource: &str, _: &str, name: &str) -> Option<store::Object> {
        let labels = self.0.get(name).filter(|_| resource == "namespaces")?;
        Some(Arc::new(json!({ "metadata": { "name": name, "labels": labels } })))
    }

    fn list(&self, _: &str, _: &str) -> Vec<store::Object> {
        Vec::new()
    }

    fn owned_by(&self, _: &str) -> Vec<(store::Key, store::Object)> {
        Vec::new()
    }
}

fn kind(resource: &str) -> Kind {
    if resource == "example.com/widgets" {
        return Kind {
            group: "example.com".into(),
            versions: vec!["v1".into(), "v1beta1".into()],
            kind: "Widget".into(),
            plural: "widgets".into(),
            singular: "widget".into(),
            short_names: Vec::new(),
            categories: Vec::new(),
            namespaced: true,
            subresources: vec!["status".into(), "scale".into()],
        };
    }
    let kinds = crate::link::kinds();
    kinds.into_iter().find(|kind| kind.resource() == resource).expect("a kind")
}

/// A write: `OPERATION [api/version] resource[/subresource] [namespace/]name`.
fn asked(api: &Api, hook: &Value, write: &str, object: &Value, old: &Value) -> String {
    let words: Vec<&str> = write.split(' ').collect();
    let (operation, api_version, resource, name) = match words.as_slice() {
        [operation, resource, name] => (*operation, "", *resource, *name),
        [operation, api_version, resource, name] => (*operation, *api_version, *resource, *name),
        _ => panic!("{write}"),
    };
    let (resource, subresource) = resource.split_once(':').unwrap_or((resource, ""));
    let (namespace, name) = name.split_once('/').unwrap_or(("", name));
    let kind = kind(resource);
    let mut origin = Origin::default();
    origin.api_version = api_version.into();
    let operations = [Operation::Create, Operation::Update, Operation::Delete, Operation::Connect];
    let attributes = Attributes {
        operation: operations.into_iter().find(|known| known.name() == operation).expect("an operation"),
        kind: &kind,
        subresource,
        namespace: if resource == "namespaces" { name } else { namespace },
        name,
        old: Some(old).filter(|old| !old.is_null()),
        dry_run: false,
        origin: &origin,
    };
    let labels = |labels: Value| labels;
    let world = World(BTreeMap::from([
        ("default".into(), labels(json!({ "team": "a" }))),
        ("kube-system".into(), labels(json!({ "control": "yes" }))),
    ]));
    let hook = Hook::read("c/0", hook);
    match hook.invocation(api, &world, &attributes, Some(object).filter(|object| !object.is_null())) {
        Ok(None) => "-".into(),
        Ok(Some(Concern { resource, kind })) => {
            format!(
                "{} {} as {} {}",
                resource.2,
                resource.0 + "/" + &resource.1,
                kind.2,
                kind.0 + "/" + &kind.1
            )
        }
        Err(error) => format!("{} {}", error.code, error.message),
    }
}

fn rule(operations: &str, group: &str, version: &str, resources: &str, scope: &str) -> Value {
    let list = |text: &str| text.split(',').map(str::to_string).collect::<Vec<_>>();
    json!({
        "operations": list(operations), "apiGroups": list(group), "apiVersions": list(version),
        "resources": list(resources), "scope": scope,
    })
}

#[test]
fn rules() {
    let (api, _dir) = crate::tests::bench();
    let cases = [
        (rule("CREATE", "", "v1", "pods", "*"), "CREATE pods default/p"),
        (rule("CREATE", "", "v1", "pods", "*"), "UPDATE pods default/p"),
        (rule("CREATE,UPDATE", "", "v1", "pods", "*"), "UPDATE pods default/p"),
        (rule("*", "*", "*", "*", "*"), "DELETE apps/deployments default/d"),
        (rule("*", "*", "*", "*", "*"), "UPDATE apps/deployments:status default/d"),
        (rule("*", "*", "*", "*/*", "*"), "UPDATE apps/deployments:status default/d"),
        (rule("*", "*", "*", "*/*", "*"), "UPDATE apps/deployments default/d"),
        (rule("*", "*", "*", "*/scale", "*"), "UPDATE apps/deployments:scale default/d"),
        (rule("*", "*", "*", "*/scale", "*"), "UPDATE apps/deployments:status default/d"),
        (rule("*", "*", "*", "pods/*", "*"), "CREATE pods:eviction default/p"),
        (rule("*", "*", "*", "pods/*", "*"), "CREATE pods:binding default/p"),
        (rule("*", "*", "*", "pods/*", "*"), "UPDATE pods:ephemeralcontainers default/p"),
        (rule("CONNECT", "", "v1", "pods/exec", "*"), "CONNECT pods:exec default/p"),
        (rule("CONNECT", "", "v1", "pods/exec", "*"), "CONNECT pods:attach default/p"),
        (rule("CREATE", "", "*", "serviceaccounts/token", "*"), "CREATE serviceaccounts:token default/s"),
        (rule("CREATE", "apps", "v1", "deployments", "Namespaced"), "CREATE apps/deployments default/d"),
        (rule("CREATE", "apps", "v1", "deployments", "Cluster"), "CREATE apps/deployments default/d"),
        (rule("CREATE", "*", "*", "*", "Cluster"), "CREATE namespaces n"),
        (rule("CREATE", "*", "*", "*", "Namespaced"), "CREATE namespaces n"),
        (rule("CREATE", "*", "*", "*", "Cluster"), "CREATE storage.k8s.io/storageclasses s"),
        (rule("CREATE", "*", "*", "*", "Namespaced"), "CREATE storage.k8s.io/storageclasses s"),
        (rule("CREATE", "extensions", "v1beta1", "deployments", "*"), "CREATE apps/deployments default/d"),
        (rule("CREATE", "", "v1", "deployments", "*"), "CREATE apps/deployments default/d"),
    ];
    let mut text = String::new();
    for (rule, write) in cases {
        let short = |field: &str| rule[field].to_string().replace('"', "");
        let hook = json!({ "name": "h", "rules": [rule] });
        let answer = asked(&api, &hook, write, &json!({ "kind": "K", "metadata": {} }), &Value::Null);
        let fields = ["operations", "apiGroups", "apiVersions", "resources"].map(short).join(" ");
        writeln!(text, "{fields} {}: {write}: {answer}", rule["scope"].as_str().unwrap_or_default())
            .expect("text");
    }
    expect![[r#"
        [CREATE] [] [v1] [pods] *: CREATE pods default/p: pods /v1 as Pod /v1
        [CREATE] [] [v1] [pods] *: UPDATE pods default/p: -
        [CREATE,UPDATE] [] [v1] [pods] *: UPDATE pods default/p: pods /v1 as Pod /v1
        [*] [*] [*] [*] *: DELETE apps/deployments default/d: deployments apps/v1 as Deployment apps/v1
        [*] [*] [*] [*] *: UPDATE apps/deployments:status default/d: -
        [*] [*] [*] [*/*] *: UPDATE apps/deployments:status default/d: deployments apps/v1 as Deployment apps/v1
        [*] [*] [*] [*/*] *: UPDATE apps/deployments default/d: deployments apps/v1 as Deployment apps/v1
        [*] [*] [*] [*/scale] *: UPDATE apps/deployments:scale default/d: deployments apps/v1 as Scale autoscaling/v1
        [*] [*] [*] [*/scale] *: UPDATE apps/deployments:status default/d: -
        [*] [*] [*] [pods/*] *: CREATE pods:eviction default/p: pods /v1 as Eviction policy/v1
        [*] [*] [*] [pods/*] *: CREATE pods:binding default/p: pods /v1 as Binding /v1
        [*] [*] [*] [pods/*] *: UPDATE pods:ephemeralcontainers default/p: pods /v1 as Pod /v1
        [CONNECT] [] [v1] [pods/exec] *: CONNECT pods:exec default/p: pods /v1 as PodExecOptions /v1
        [CONNECT] [] [v1] [pods/exec] *: CONNECT pods:attach default/p: -
        [CREATE] [] [*] [serviceaccounts/token] *: CREATE serviceaccounts:token default/s: serviceaccounts /v1 as TokenRequest authentication.k8s.io/v1
        [CREATE] [apps] [v1] [deployments] Namespaced: CREATE apps/deployments default/d: deployments apps/v1 as Deployment apps/v1
        [CREATE] [apps] [v1] [deployments] Cluster: CREATE apps/deployments default/d: -
        [CREATE] [*] [*] [*] Cluster: CREATE namespaces n: namespaces /v1 as Namespace /v1
        [CREATE] [*] [*] [*] Namespaced: CREATE namespaces n: -
        [CREATE] [*] [*] [*] Cluster: CREATE storage.k8s.io/storageclasses s: storageclasses storage.k8s.io/v1 as StorageClass storage.k8s.io/v1
        [CREATE] [*] [*] [*] Namespaced: CREATE storage.k8s.io/storageclasses s: -
        [CREATE] [extensions] [v1beta1] [deployments] *: CREATE apps/deployments default/d: -
        [CREATE] [] [v1] [deployments] *: CREATE apps/deployments default/d: -
    "#]].assert_eq(&text);
}

#[test]
fn equivalent_resources() {
    let (api, _dir) = crate::tests::bench();
    let autoscalers = "autoscaling/horizontalpodautoscalers";
    let cases = [
        (
            "Equivalent",
            "autoscaling",
            "v1",
            "horizontalpodautoscalers",
            format!("CREATE {autoscalers} default/a"),
        ),
        ("Exact", "autoscaling", "v1", "horizontalpodautoscalers", format!("CREATE {autoscalers} default/a")),
        (
            "Exact",
            "autoscaling",
            "v1",
            "horizontalpodautoscalers",
            format!("CREATE autoscaling/v1 {autoscalers} default/a"),
        ),
        (
            "Equivalent",
            "autoscaling",
            "v2",
            "horizontalpodautoscalers",
            format!("CREATE autoscaling/v1 {autoscalers} default/a"),
        ),
        (
            "Equivalent",
            "autoscaling",
            "*",
            "horizontalpodautoscalers",
            format!("CREATE autoscaling/v1 {autoscalers} default/a"),
        ),
        ("Equivalent", "events.k8s.io", "v1", "events", "CREATE v1 events default/e".into()),
        ("Equivalent", "", "v1", "events", "CREATE events.k8s.io/v1 events default/e".into()),
        ("Exact", "", "v1", "events", "CREATE events.k8s.io/v1 events default/e".into()),
        ("Exact", "events.k8s.io", "v1", "events", "CREATE events.k8s.io/v1 events default/e".into()),
        (
            "Equivalent",
            "example.com",
            "v1beta1",
            "widgets",
            "UPDATE example.com/v1 example.com/widgets default/w".into(),
        ),
        (
            "Equivalent",
            "example.com",
            "v1beta1",
            "widgets/scale",
            "UPDATE example.com/v1 example.com/widgets:scale default/w".into(),
        ),
        (
            "Equivalent",
            "example.com",
            "v2",
            "widgets",
            "UPDATE example.com/v1 example.com/widgets default/w".into(),
        ),
    ];
    let mut text = String::new();
    for (policy, group, version, resources, write) in cases {
        let rule = rule("*", group, version, resources, "*");
        let hook = json!({ "name": "h", "matchPolicy": policy, "rules": [rule] });
        let answer = asked(&api, &hook, &write, &json!({ "kind": "K", "metadata": {} }), &Value::Null);
        writeln!(text, "{policy} {group}/{version} {resources}: {write}: {answer}").expect("text");
    }
    expect![[r#"
        Equivalent autoscaling/v1 horizontalpodautoscalers: CREATE autoscaling/horizontalpodautoscalers default/a: horizontalpodautoscalers autoscaling/v1 as HorizontalPodAutoscaler autoscaling/v1
        Exact autoscaling/v1 horizontalpodautoscalers: CREATE autoscaling/horizontalpodautoscalers default/a: -
        Exact autoscaling/v1 horizontalpodautoscalers: CREATE autoscaling/v1 autoscaling/horizontalpodautoscalers default/a: horizontalpodautoscalers autoscaling/v1 as HorizontalPodAutoscaler autoscaling/v1
        Equivalent autoscaling/v2 horizontalpodautoscalers: CREATE autoscaling/v1 autoscaling/horizontalpodautoscalers default/a: horizontalpodautoscalers autoscaling/v2 as HorizontalPodAutoscaler autoscaling/v2
        Equivalent autoscaling/* horizontalpodautoscalers: CREATE autoscaling/v1 autoscaling/horizontalpodautoscalers default/a: horizontalpodautoscalers autoscaling/v1 as HorizontalPodAutoscaler autoscaling/v1
        Equivalent events.k8s.io/v1 events: CREATE v1 events default/e: events events.k8s.io/v1 as Event events.k8s.io/v1
        Equivalent /v1 events: CREATE events.k8s.io/v1 events default/e: events /v1 as Event /v1
        Exact /v1 events: CREATE events.k8s.io/v1 events default/e: -
        Exact events.k8s.io/v1 events: CREATE events.k8s.io/v1 events default/e: events events.k8s.io/v1 as Event events.k8s.io/v1
        Equivalent example.com/v1beta1 widgets: UPDATE example.com/v1 example.com/widgets default/w: widgets example.com/v1beta1 as Widget example.com/v1beta1
        Equivalent example.com/v1beta1 widgets/scale: UPDATE example.com/v1 example.com/widgets:scale default/w: widgets example.com/v1beta1 as Scale autoscaling/v1
        Equivalent example.com/v2 widgets: UPDATE example.com/v1 example.com/widgets default/w: -
    "#]].assert_eq(&text);
}

#[test]
fn selectors() {
    let (api, _dir) = crate::tests::bench();
    let labelled = |labels: Value| json!({ "kind": "K", "metadata": { "labels": labels } });
    let (team, none) = (labelled(json!({ "team": "a" })), labelled(json!({})));
    let by_name = json!({ "matchExpressions": [{ "key": "control", "operator": "DoesNotExist" }] });
    let team_a = json!({ "matchLabels": { "team": "a" } });
    let cases = [
        ("namespaceSelector", &team_a, "CREATE pods default/p", &none, &Value::Null),
        ("namespaceSelector", &team_a, "CREATE pods kube-system/p", &none, &Value::Null),
        ("namespaceSelector", &by_name, "CREATE pods kube-system/p", &none, &Value::Null),
        ("namespaceSelector", &by_name, "CREATE pods default/p", &none, &Value::Null),
        ("namespaceSelector", &by_name, "CREATE pods nowhere/p", &none, &Value::Null),
        ("namespaceSelector", &team_a, "CREATE storage.k8s.io/storageclasses s", &none, &Value::Null),
        ("namespaceSelector", &team_a, "CREATE namespaces n", &team, &Value::Null),
        ("namespaceSelector", &team_a, "CREATE namespaces n", &none, &Value::Null),
        ("namespaceSelector", &team_a, "UPDATE namespaces default", &none, &team),
        ("namespaceSelector", &team_a, "DELETE namespaces default", &Value::Null, &team),
        ("namespaceSelector", &team_a, "DELETE namespaces kube-system", &Value::Null, &none),
        ("objectSelector", &team_a, "CREATE pods default/p", &team, &Value::Null),
        ("objectSelector", &team_a, "CREATE pods default/p", &none, &Value::Null),
        ("objectSelector", &team_a, "UPDATE pods default/p", &none, &team),
        ("objectSelector", &team_a, "UPDATE pods default/p", &team, &none),
        ("objectSelector", &team_a, "DELETE pods default/p", &Value::Null, &team),
        (
            "objectSelector",
            &by_name,
            "CONNECT pods:exec default/p",
            &json!({ "kind": "PodExecOptions" }),
            &Value::Null,
        ),
        (
            "objectSelector",
            &json!({}),
            "CONNECT pods:exec default/p",
            &json!({ "kind": "PodExecOptions" }),
            &Value::Null,
        ),
    ];
    let mut text = String::new();
    for (field, selector, write, object, old) in cases {
        let hook = json!({ "name": "h", field: selector, "rules": [rule("*", "*", "*", "*/*", "*")] });
        let answer = asked(&api, &hook, write, object, old);
        let labels = |object: &Value| object["metadata"]["labels"].to_string();
        writeln!(text, "{field} {selector}: {write} {} {}: {answer}", labels(object), labels(old))
            .expect("text");
    }
    expect![[r#"
        namespaceSelector {"matchLabels":{"team":"a"}}: CREATE pods default/p {} null: pods /v1 as Pod /v1
        namespaceSelector {"matchLabels":{"team":"a"}}: CREATE pods kube-system/p {} null: -
        namespaceSelector {"matchExpressions":[{"key":"control","operator":"DoesNotExist"}]}: CREATE pods kube-system/p {} null: -
        namespaceSelector {"matchExpressions":[{"key":"control","operator":"DoesNotExist"}]}: CREATE pods default/p {} null: pods /v1 as Pod /v1
        namespaceSelector {"matchExpressions":[{"key":"control","operator":"DoesNotExist"}]}: CREATE pods nowhere/p {} null: 404 namespaces "nowhere" not found
        namespaceSelector {"matchLabels":{"team":"a"}}: CREATE storage.k8s.io/storageclasses s {} null: storageclasses storage.k8s.io/v1 as StorageClass storage.k8s.io/v1
        namespaceSelector {"matchLabels":{"team":"a"}}: CREATE namespaces n {"team":"a"} null: namespaces /v1 as Namespace /v1
        namespaceSelector {"matchLabels":{"team":"a"}}: CREATE namespaces n {} null: -
        namespaceSelector {"matchLabels":{"team":"a"}}: UPDATE namespaces default {} {"team":"a"}: -
        namespaceSelector {"matchLabels":{"team":"a"}}: DELETE namespaces default null {"team":"a"}: namespaces /v1 as Namespace /v1
        namespaceSelector {"matchLabels":{"team":"a"}}: DELETE namespaces kube-system null {}: -
        objectSelector {"matchLabels":{"team":"a"}}: CREATE pods default/p {"team":"a"} null: pods /v1 as Pod /v1
        objectSelector {"matchLabels":{"team":"a"}}: CREATE pods default/p {} null: -
        objectSelector {"matchLabels":{"team":"a"}}: UPDATE pods default/p {} {"team":"a"}: pods /v1 as Pod /v1
        objectSelector {"matchLabels":{"team":"a"}}: UPDATE pods default/p {"team":"a"} {}: pods /v1 as Pod /v1
        objectSelector {"matchLabels":{"team":"a"}}: DELETE pods default/p null {"team":"a"}: pods /v1 as Pod /v1
        objectSelector {"matchExpressions":[{"key":"control","operator":"DoesNotExist"}]}: CONNECT pods:exec default/p null null: -
        objectSelector {}: CONNECT pods:exec default/p null null: pods /v1 as PodExecOptions /v1
    "#]].assert_eq(&text);
}

#[test]
fn conditions() {
    let (api, _dir) = crate::tests::bench();
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p", "labels": { "a": "b" } },
        "spec": { "containers": [{ "name": "c" }, { "name": "d" }] } });
    let cases = [
        ("Fail", &["object.metadata.name == 'p'"][..]),
        ("Fail", &["object.metadata.name != 'p'"]),
        ("Fail", &["request.operation == 'CREATE'", "!(request.userInfo.username.startsWith('system:'))"]),
        ("Fail", &["'system:masters' in request.userInfo.groups"]),
        ("Fail", &["oldObject == null && object != null"]),
        ("Fail", &["object.spec.containers.size() > 1 && object.spec.containers.exists(c, c.name == 'd')"]),
        (
            "Fail",
            &[
                "request.resource.group == '' && request.resource.resource == 'pods' && request.namespace == 'default'",
            ],
        ),
        ("Fail", &["object.metadata.annotations['x'] == 'y'"]),
        ("Ignore", &["object.metadata.annotations['x'] == 'y'"]),
        // What does not hold outweighs what fails.
        ("Fail", &["object.metadata.annotations['x'] == 'y'", "1 == 2"]),
        ("Fail", &["object.metadata.annotations['x'] == 'y'", "object.spec.nothing"]),
        ("Fail", &["has(object.metadata.labels) && object.metadata.labels.exists(l, l == 'a')"]),
        // What is no truth is not false.
        ("Fail", &["object.metadata.name"]),
        ("Fail", &["authorizer.group('').resource('pods').check('delete').allowed()"]),
        ("Fail", &["!authorizer.group('').resource('pods').name('p').check('breakglass').allowed()"]),
        ("Fail", &["authorizer.requestResource.check('create').allowed()", "namespaceObject == null"]),
        ("Fail", &["lists.range(1000).all(i, lists.range(1000).all(j, i + j >= 0))"]),
    ];
    let mut text = String::new();
    for (policy, expressions) in cases {
        let conditions: Vec<Value> =
            expressions.iter().map(|text| json!({ "name": "n", "expression": text })).collect();
        let hook = json!({ "name": "h", "failurePolicy": policy, "matchConditions": conditions,
            "rules": [rule("*", "*", "*", "*/*", "*")] });
        let answer = asked(&api, &hook, "CREATE pods default/p", &pod, &Value::Null);
        writeln!(text, "{policy} {}: {answer}", expressions.join(" AND ")).expect("text");
    }
    expect![[r#"
        Fail object.metadata.name == 'p': pods /v1 as Pod /v1
        Fail object.metadata.name != 'p': -
        Fail request.operation == 'CREATE' AND !(request.userInfo.username.startsWith('system:')): -
        Fail 'system:masters' in request.userInfo.groups: pods /v1 as Pod /v1
        Fail oldObject == null && object != null: pods /v1 as Pod /v1
        Fail object.spec.containers.size() > 1 && object.spec.containers.exists(c, c.name == 'd'): pods /v1 as Pod /v1
        Fail request.resource.group == '' && request.resource.resource == 'pods' && request.namespace == 'default': pods /v1 as Pod /v1
        Fail object.metadata.annotations['x'] == 'y': 403 pods "p" is forbidden: expression 'object.metadata.annotations['x'] == 'y'' resulted in error: no such key: annotations
        Ignore object.metadata.annotations['x'] == 'y': -
        Fail object.metadata.annotations['x'] == 'y' AND 1 == 2: -
        Fail object.metadata.annotations['x'] == 'y' AND object.spec.nothing: 403 pods "p" is forbidden: [expression 'object.metadata.annotations['x'] == 'y'' resulted in error: no such key: annotations, expression 'object.spec.nothing' resulted in error: no such key: nothing]
        Fail has(object.metadata.labels) && object.metadata.labels.exists(l, l == 'a'): pods /v1 as Pod /v1
        Fail object.metadata.name: pods /v1 as Pod /v1
        Fail authorizer.group('').resource('pods').check('delete').allowed(): pods /v1 as Pod /v1
        Fail !authorizer.group('').resource('pods').name('p').check('breakglass').allowed(): -
        Fail authorizer.requestResource.check('create').allowed() AND namespaceObject == null: pods /v1 as Pod /v1
        Fail lists.range(1000).all(i, lists.range(1000).all(j, i + j >= 0)): 403 pods "p" is forbidden: expression 'lists.range(1000).all(i, lists.range(1000).all(j, i + j >= 0))' resulted in error: operation cancelled: actual cost limit exceeded
    "#]].assert_eq(&text);
}

#[test]
fn addresses() {
    let mut text = String::new();
    for config in [
        json!({ "url": "https://example.com:9443/validate" }),
        json!({ "service": { "namespace": "n", "name": "s", "path": "/mutate" } }),
        json!({ "service": { "namespace": "n", "name": "s", "port": 8443 } }),
    ] {
        writeln!(text, "{}", WebhookTarget::read(&config).url(Duration::from_secs(5))).expect("text");
    }
    expect![[r#"
        https://example.com:9443/validate?timeout=5s
        https://s.n.svc:443/mutate?timeout=5s
        https://s.n.svc:8443/?timeout=5s
    "#]]
    .assert_eq(&text);
}

#[test]
fn conditions_are_checked_when_they_are_written() {
    let (api, _dir) = crate::tests::bench();
    let written = |expression: &str| {
        let hook = json!({
            "name": "h.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "clientConfig": { "url": "https://example.com/" },
            "rules": [{ "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"] }],
            "matchConditions": [{ "name": "n", "expression": expression }],
        });
        let object = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": { "generateName": "c-" }, "webhooks": [hook],
        });
        let result = api.create(VALIDATING, object, &crate::tests::by());
        result.map_or_else(|error| error.details["causes"].to_string(), |_| "accepted".into())
    };
    let mut text = String::new();
    for expression in [
        "authorizer.path('/x').check('get').allowed()",
        "params.x == 1",
        "variables.a",
        "1 + 1",
        "request.nam",
        "authorizer.allowed()",
        "authorizer.requestResource.check(1).allowed()",
        "authorizer",
    ] {
        writeln!(text, "{expression}: {}", written(expression)).expect("text");
    }
    expect![[r#"
        authorizer.path('/x').check('get').allowed(): accepted
        params.x == 1: [{"reason":"FieldValueInvalid","message":"Invalid value: \"params.x == 1\": compilation failed: ERROR: <input>:1:1: undeclared reference to 'params' (in container '')\n | params.x == 1\n | ^","field":"webhooks[0].matchConditions[0].expression"}]
        variables.a: [{"reason":"FieldValueInvalid","message":"Invalid value: \"variables.a\": compilation failed: ERROR: <input>:1:1: undeclared reference to 'variables' (in container '')\n | variables.a\n | ^","field":"webhooks[0].matchConditions[0].expression"}]
        1 + 1: [{"reason":"FieldValueInvalid","message":"Invalid value: \"1 + 1\": must evaluate to bool","field":"webhooks[0].matchConditions[0].expression"}]
        request.nam: [{"reason":"FieldValueInvalid","message":"Invalid value: \"request.nam\": compilation failed: ERROR: <input>:1:8: undefined field 'nam'\n | request.nam\n | .......^","field":"webhooks[0].matchConditions[0].expression"}]
        authorizer.allowed(): [{"reason":"FieldValueInvalid","message":"Invalid value: \"authorizer.allowed()\": compilation failed: ERROR: <input>:1:19: found no matching overload for 'allowed' applied to 'kubernetes.authorization.Authorizer.()'\n | authorizer.allowed()\n | ..................^","field":"webhooks[0].matchConditions[0].expression"}]
        authorizer.requestResource.check(1).allowed(): [{"reason":"FieldValueInvalid","message":"Invalid value: \"authorizer.requestResource.check(1).allowed()\": compilation failed: ERROR: <input>:1:33: found no matching overload for 'check' applied to 'kubernetes.authorization.ResourceCheck.(int)'\n | authorizer.requestResource.check(1).allowed()\n | ................................^","field":"webhooks[0].matchConditions[0].expression"}]
        authorizer: [{"reason":"FieldValueInvalid","message":"Invalid value: \"authorizer\": must evaluate to bool","field":"webhooks[0].matchConditions[0].expression"}]
    "#]].assert_eq(&text);
}
