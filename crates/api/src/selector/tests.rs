//! Selectors of labels and fields: what they match and how they are refused.

use super::*;
use crate::tests::{bench, by};
use expect_test::expect;
use serde_json::json;

#[test]
fn label_selectors() {
    let labels = json!({ "app": "web", "tier": "b", "n": "7", "none": "", "in": "notin" });
    for (text, expected) in [
        ("", true),
        (" ", true),
        ("app=web", true),
        ("app = web , tier == b", true),
        ("app==web,tier!=a", true),
        ("app in (web, api),tier notin (a)", true),
        ("app in (web,api)", true),
        ("app", true),
        ("!app", false),
        ("! app", false),
        ("other!=x", true),
        ("!other", true),
        ("n>6,n<8", true),
        ("n>7", false),
        ("app>1", false),
        ("app=api", false),
        ("none=", true),
        ("none=,app=web", true),
        ("none in ()", true),
        ("none in (,x)", true),
        ("none in (x,)", true),
        ("none in (x,,y)", true),
        ("app in (x,y)", false),
        ("in in (in,notin)", true),
        ("in=notin", true),
    ] {
        assert_eq!(Selector::parse(text).expect(text).matches(&labels), expected, "{text}");
    }
    assert!(!Selector::of_object(&Value::Null).matches(&labels));
    assert!(Selector::of_object(&json!({})).matches(&labels));
    let object = json!({ "matchLabels": { "app": "web" },
        "matchExpressions": [{ "key": "tier", "operator": "In", "values": ["a", "b"] }] });
    assert!(Selector::of_object(&object).matches(&labels));
}

#[test]
fn bad_label_selectors_in_upstreams_words() {
    let errors: Vec<String> = [
        "a b",
        "a in (b",
        "a in b",
        "a in (b c)",
        "a in (=)",
        "a in (b,=)",
        "a=b,",
        "a=b,,c",
        ",a",
        "=a",
        "a=b c",
        "a!b",
        "!",
        "!=a",
        "a=(",
        "a in",
        "a,!",
        "a)",
        "-a",
        "a/b/c",
        "/a",
        "a=-",
        "a in (-,b,*)",
        "a>x",
        "a>-*",
        "a.b/c=é",
        "!a=b",
    ]
    .into_iter()
    .map(|text| format!("{text:9} {}", Selector::parse(text).expect_err(text).message))
    .collect();
    let shown = errors
        .join("\n")
        .replace("must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')", "NAME")
        .replace("a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')", "VALUE");
    expect![[r#"
        a b       unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt
        a in (b   unable to parse requirement: found '', expected: ',' or ')'
        a in b    unable to parse requirement: found 'b' expected: '('
        a in (b c) unable to parse requirement: found 'c', expected: ',' or ')'
        a in (=)  unable to parse requirement: found '=', expected: ',', ')' or identifier
        a in (b,=) unable to parse requirement: found '=', expected: ',', or identifier
        a=b,      found '', expected: identifier after ','
        a=b,,c    found ',', expected: identifier after ','
        ,a        found ',', expected: !, identifier, or 'end of string'
        =a        found '=', expected: !, identifier, or 'end of string'
        a=b c     found 'c', expected: ',' or 'end of string'
        a!b       unable to parse requirement: found '!', expected: in, notin, =, ==, !=, gt, lt
        !         unable to parse requirement: found '', expected: identifier
        !=a       found '!=', expected: !, identifier, or 'end of string'
        a=(       unable to parse requirement: found '(', expected: identifier
        a in      unable to parse requirement: found '' expected: '('
        a,!       unable to parse requirement: found '', expected: identifier
        a)        unable to parse requirement: found ')', expected: in, notin, =, ==, !=, gt, lt
        -a        unable to parse requirement: <nil>: Invalid value: "-a": name part NAME
        a/b/c     unable to parse requirement: <nil>: Invalid value: "a/b/c": a qualified name NAME with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')
        /a        unable to parse requirement: <nil>: Invalid value: "/a": prefix part must be non-empty
        a=-       unable to parse requirement: values[0][a]: Invalid value: "-": VALUE
        a in (-,b,*) unable to parse requirement: [values[0][a]: Invalid value: "*": VALUE, values[1][a]: Invalid value: "-": VALUE]
        a>x       unable to parse requirement: values[0]: Invalid value: "x": for 'Gt', 'Lt' operators, the value must be an integer
        a>-*      unable to parse requirement: [values[0]: Invalid value: "-*": for 'Gt', 'Lt' operators, the value must be an integer, values[0][a]: Invalid value: "-*": VALUE]
        a.b/c=é   unable to parse requirement: values[0][a.b/c]: Invalid value: "é": VALUE
        !a=b      found '=', expected: ',' or 'end of string'
    "#]].assert_eq(&(shown + "\n"));
}

fn objects() -> Value {
    json!({
        "pods": { "metadata": { "name": "x", "namespace": "n" }, "spec": { "nodeName": "a" },
            "status": { "phase": "Running", "podIPs": [{ "ip": "10.0.0.1" }] } },
        "nodes": { "metadata": { "name": "x" }, "spec": {} },
        "namespaces": { "metadata": { "name": "x" }, "status": { "phase": "Active" } },
        "batch/jobs": { "metadata": { "name": "x" }, "status": { "succeeded": 2 } },
        "replicationcontrollers": { "metadata": { "name": "x" }, "status": {} },
        "events": { "metadata": { "name": "x" }, "involvedObject": { "kind": "Pod", "name": "p" }, "reportingComponent": "r" },
        "secrets": { "metadata": { "name": "x" }, "type": "a,b=\\c" },
        "configmaps": { "metadata": { "name": "x", "namespace": "n" } },
        "storage.k8s.io/storageclasses": { "metadata": { "name": "x" } },
    })
}

#[test]
fn field_selectors() {
    let objects = objects();
    for (resource, text, expected) in [
        ("pods", "metadata.name=x,status.phase!=Failed", true),
        ("pods", "spec.nodeName=", false),
        ("pods", "spec.host=a", true),
        ("pods", "spec.hostNetwork=false", true),
        ("pods", "spec.hostNetwork=true", false),
        ("pods", "spec.hostNetwork=", false),
        ("pods", "status.phase==Running", true),
        ("pods", "status.podIPs=10.0.0.1", false),
        ("pods", "status.podIPs=", true),
        ("pods", "spec.schedulerName=", true),
        ("pods", "", true),
        ("pods", ",,metadata.namespace=n,", true),
        ("nodes", "spec.unschedulable=false", true),
        ("nodes", "spec.unschedulable!=true", true),
        ("namespaces", "status.phase=Active", true),
        ("batch/jobs", "status.successful=2", true),
        ("replicationcontrollers", "status.replicas=0", true),
        ("events", "source=r", true),
        ("events", "involvedObject.name=p,involvedObject.kind=Pod", true),
        ("events.k8s.io/events", "regarding.name=p,reportingController=r", true),
        ("events.k8s.io/events", "regarding.name=q", false),
        ("secrets", r"type=a\,b\=\\c", true),
        ("secrets", r"type!=a\,b\=\\c", false),
        ("configmaps", "metadata.namespace=n", true),
        ("storage.k8s.io/storageclasses", "metadata.namespace=", true),
    ] {
        let selector = FieldSelector::parse(text).expect(text);
        let kinds = schema::builtin_kinds();
        let kind = kinds.iter().find(|kind| kind.resource() == resource).expect("built in");
        let filter = selector.on(kind).expect(text);
        let stored = if kind.group == "events.k8s.io" { "events" } else { resource };
        assert_eq!(filter.matches(&objects[stored]), expected, "{resource} {text}");
    }
    let selector = FieldSelector::parse("a!=b,metadata.name==x").expect("parses");
    assert_eq!((selector.exact("metadata.name"), selector.exact("a")), (Some("x"), None));
}

#[test]
fn bad_field_selectors_in_upstreams_words() {
    let mut errors = Vec::new();
    for text in ["nonsense", "b,a=1", r"a=\x", r"a=\", "a=b=c", "a!b", "é", "é!=é=", "=x"] {
        let parsed = FieldSelector::parse(text);
        errors.push(format!("{text}: {}", parsed.map_or_else(|e| e.message, |s| format!("{s:?}"))));
    }
    for (resource, text) in [
        ("pods", "spec.foo=a"),
        ("pods", "metadata.labels=a"),
        ("nodes", "metadata.namespace=a"),
        ("namespaces", "name=a"),
        ("batch/jobs", "status.succeeded=1"),
        ("batch/cronjobs", "status.successful=1"),
        ("apps/deployments", "status.replicas!=1"),
        ("events", "regarding.name=p"),
        ("events.k8s.io/events", "source=r"),
    ] {
        let kinds = schema::builtin_kinds();
        let kind = kinds.iter().find(|kind| kind.resource() == resource).expect("built in");
        let refused = FieldSelector::parse(text).expect(text).on(kind).expect_err(text);
        assert_eq!((refused.code, refused.reason), (400, "BadRequest"));
        errors.push(format!("{resource}: {}", refused.message));
    }
    expect![[r#"
        nonsense: invalid selector: 'nonsense'; can't understand 'nonsense'
        b,a=1: invalid selector: 'b,a=1'; can't understand 'b'
        a=\x: invalid field selector: invalid escape sequence: \x
        a=\: invalid field selector: invalid escape sequence: \
        a=b=c: invalid field selector: unescaped character in value: 61
        a!b: invalid selector: 'a!b'; can't understand 'a!b'
        é: invalid selector: 'é'; can't understand 'é'
        é!=é=: invalid field selector: unescaped character in value: 61
        =x: FieldSelector { terms: [Term { field: "", equal: true, value: "x" }] }
        pods: field label not supported: spec.foo
        pods: field label not supported: metadata.labels
        nodes: field label not supported: metadata.namespace
        namespaces: field label not supported: name
        batch/jobs: field label "status.succeeded" not supported for Job
        batch/cronjobs: "status.successful" is not a known field selector: only "metadata.name", "metadata.namespace"
        apps/deployments: "status.replicas" is not a known field selector: only "metadata.name", "metadata.namespace"
        events: field label not supported: regarding.name
        events.k8s.io/events: field label not supported: source
    "#]].assert_eq(&(errors.join("\n") + "\n"));
}

#[test]
fn custom_kinds_declare_their_fields() {
    let (api, _dir) = bench();
    let string = json!({ "type": "string" });
    let version = |name: &str, fields: Value| {
        json!({ "name": name, "served": true, "storage": name == "v1", "selectableFields": fields,
            "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": { "type": "object",
                "properties": { "color": string, "size": { "type": "integer" }, "on": { "type": "boolean" } } } } } } })
    };
    let fields =
        json!([{ "jsonPath": ".spec.color" }, { "jsonPath": ".spec.size" }, { "jsonPath": ".spec.on" }]);
    let definition = crate::tests::things(json!([version("v1", fields), version("v2", json!([]))]));
    api.create("apiextensions.k8s.io/customresourcedefinitions", definition, &by()).expect("a definition");
    let kind = api.kinds().by_resource("example.com/things").expect("served");
    let thing = json!({ "metadata": { "name": "t", "namespace": "n" }, "spec": { "color": "red", "size": 3, "on": true } });
    for (text, expected) in [
        ("spec.color=red,spec.size=3,spec.on=true", true),
        ("spec.color!=red", false),
        ("metadata.name=t,metadata.namespace=n", true),
    ] {
        let filter = api.field_filter(&kind, "v1", &FieldSelector::parse(text).expect(text)).expect(text);
        assert_eq!(filter.matches(&thing), expected, "{text}");
    }
    for (version, text) in [("v1", "spec.shape=round"), ("v2", "spec.color=red")] {
        let refused =
            api.field_filter(&kind, version, &FieldSelector::parse(text).expect(text)).expect_err(text);
        let field = text.split_once('=').map(|(field, _)| field).unwrap_or_default();
        assert_eq!(refused.message, format!("field label not supported: {field}"));
    }
}
