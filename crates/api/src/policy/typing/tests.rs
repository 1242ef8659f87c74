use crate::tests::{bench, by, things_of};
use crate::*;
use expect_test::expect;
use serde_json::json;
use std::fmt::Write as _;

const POLICIES: &str = crate::policy::VALIDATING;

fn definition() -> Value {
    let schema = json!({ "type": "object", "properties": { "spec": { "type": "object", "properties": {
        "size": { "type": "integer" }, "either": { "x-kubernetes-int-or-string": true },
        "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
    } } } });
    things_of(schema)
}

fn rule(group: &str, version: &str, resources: &[&str]) -> Value {
    json!({ "apiGroups": [group], "apiVersions": [version], "operations": ["*"], "resources": resources })
}

fn policy(rules: &[Value], more: Value) -> Value {
    let mut spec = json!({ "matchConstraints": { "resourceRules": rules } });
    for (field, value) in more.as_object().expect("an object") {
        spec[field] = value.clone();
    }
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": { "generateName": "p-" }, "spec": spec,
    })
}

fn told(made: &Value) -> String {
    let status = &made["status"]["typeChecking"];
    let warnings = status["expressionWarnings"].as_array().cloned().unwrap_or_default();
    let lines = warnings.iter().map(|warning| {
        format!(
            "{}: {}",
            warning["fieldRef"].as_str().unwrap_or(""),
            warning["warning"].as_str().unwrap_or("")
        )
    });
    if warnings.is_empty() { format!("{status}\n") } else { lines.collect() }
}

#[test]
fn expressions_that_do_not_fit_a_kind_are_told_of() {
    let (api, _dir) = bench();
    api.create(crate::crds::RESOURCE, definition(), &by()).expect("the definition");
    let deployments = [rule("apps", "v1", &["deployments"])];
    let two = [
        rule("apps", "v1", &["statefulsets", "deployments", "deployments/scale"]),
        rule("", "v1", &["pods"]),
    ];
    let things = [rule("example.com", "v1", &["things"])];
    let vague = [rule("apps", "*", &["deployments"]), rule("*", "v1", &["pods"]), rule("apps", "v1", &["*"])];
    let one = |expression: &str| json!({ "validations": [{ "expression": expression }] });
    let cases: [(&[Value], Value); 17] = [
        (&deployments, one("object.spec.replicas <= 5")),
        (&deployments, one("object.replicas > 1")),
        (&deployments, one("object.spec.replicas == 'a'")),
        (
            &deployments,
            one("object.spec.template.spec.containers.all(c, c.image.startsWith('a') && c.nam == '')"),
        ),
        (
            &deployments,
            one("has(object.metadata.labels.app) && object.metadata.namespace != '' && oldObject == null"),
        ),
        (
            &deployments,
            one(
                "object.spec.template.spec.containers.all(c, quantity(c.resources.limits['cpu']).isLessThan(quantity('1')))",
            ),
        ),
        (&deployments, one("object.metadata.creationTimestamp < timestamp('2030-01-01T00:00:00Z')")),
        (&two, one("object.spec.replicas > 1")),
        (&things, one("object.spec.size > 1 && object.spec.either == 'a' && object.metadata.name == 'a'")),
        (&things, one("object.spec.sise > 1")),
        (&things, one("object.spec.free.anything == 1")),
        (&vague, one("object.nothing == 1")),
        (
            &things,
            one(
                "authorizer.requestResource.check('update').allowed() && authorizer.path('/x').check('get').reason() == ''",
            ),
        ),
        (
            &deployments,
            json!({ "validations": [{ "expression": "true", "messageExpression": "object.kind + 1" }] }),
        ),
        (
            &deployments,
            json!({ "variables": [{ "name": "n", "expression": "object.spec.replicas" }],
            "validations": [{ "expression": "variables.n == 'a'" }] }),
        ),
        (
            &deployments,
            json!({ "paramKind": { "apiVersion": "v1", "kind": "ConfigMap" },
            "validations": [{ "expression": "params.data.x == params.dat" }] }),
        ),
        (
            &deployments,
            json!({ "paramKind": { "apiVersion": "example.com/v1", "kind": "Unknown" },
            "validations": [{ "expression": "params.x == 1" }] }),
        ),
    ];
    let mut text = String::new();
    for (rules, more) in cases {
        let shown = more["validations"][0].to_string();
        let made = api.create(POLICIES, policy(rules, more), &by()).expect("the policy");
        write!(text, "{shown}\n  {}", told(&made)).expect("a String takes everything");
    }
    expect![[r#"
        {"expression":"object.spec.replicas <= 5"}
          {}
        {"expression":"object.replicas > 1"}
          spec.validations[0].expression: apps/v1, Kind=Deployment: ERROR: <input>:1:7: undefined field 'replicas'
         | object.replicas > 1
         | ......^
        {"expression":"object.spec.replicas == 'a'"}
          spec.validations[0].expression: apps/v1, Kind=Deployment: ERROR: <input>:1:22: found no matching overload for '_==_' applied to '(int, string)'
         | object.spec.replicas == 'a'
         | .....................^
        {"expression":"object.spec.template.spec.containers.all(c, c.image.startsWith('a') && c.nam == '')"}
          spec.validations[0].expression: apps/v1, Kind=Deployment: ERROR: <input>:1:73: undefined field 'nam'
         | object.spec.template.spec.containers.all(c, c.image.startsWith('a') && c.nam == '')
         | ........................................................................^
        {"expression":"has(object.metadata.labels.app) && object.metadata.namespace != '' && oldObject == null"}
          {}
        {"expression":"object.spec.template.spec.containers.all(c, quantity(c.resources.limits['cpu']).isLessThan(quantity('1')))"}
          {}
        {"expression":"object.metadata.creationTimestamp < timestamp('2030-01-01T00:00:00Z')"}
          {}
        {"expression":"object.spec.replicas > 1"}
          spec.validations[0].expression: /v1, Kind=Pod: ERROR: <input>:1:12: undefined field 'replicas'
         | object.spec.replicas > 1
         | ...........^
        {"expression":"object.spec.size > 1 && object.spec.either == 'a' && object.metadata.name == 'a'"}
          {}
        {"expression":"object.spec.sise > 1"}
          spec.validations[0].expression: example.com/v1, Kind=Thing: ERROR: <input>:1:12: undefined field 'sise'
         | object.spec.sise > 1
         | ...........^
        {"expression":"object.spec.free.anything == 1"}
          spec.validations[0].expression: example.com/v1, Kind=Thing: ERROR: <input>:1:17: undefined field 'anything'
         | object.spec.free.anything == 1
         | ................^
        {"expression":"object.nothing == 1"}
          {}
        {"expression":"authorizer.requestResource.check('update').allowed() && authorizer.path('/x').check('get').reason() == ''"}
          {}
        {"expression":"true","messageExpression":"object.kind + 1"}
          spec.validations[0].messageExpression: apps/v1, Kind=Deployment: ERROR: <input>:1:13: found no matching overload for '_+_' applied to '(string, int)'
         | object.kind + 1
         | ............^
        {"expression":"variables.n == 'a'"}
          spec.validations[0].expression: apps/v1, Kind=Deployment: ERROR: <input>:1:13: found no matching overload for '_==_' applied to '(int, string)'
         | variables.n == 'a'
         | ............^
        {"expression":"params.data.x == params.dat"}
          spec.validations[0].expression: apps/v1, Kind=Deployment: ERROR: <input>:1:24: undefined field 'dat'
         | params.data.x == params.dat
         | .......................^
        {"expression":"params.x == 1"}
          spec.validations[0].expression: apps/v1, Kind=Deployment: ERROR: <input>:1:1: undeclared reference to 'params' (in container '')
         | params.x == 1
         | ^
    "#]].assert_eq(&text);
}

#[test]
fn a_changed_policy_is_looked_at_again() {
    let (api, _dir) = bench();
    let rules = [rule("", "v1", &["configmaps"])];
    let bad = json!({ "validations": [{ "expression": "object.dat.x == 'a'" }] });
    let made = api.create(POLICIES, policy(&rules, bad), &by()).expect("the policy");
    assert!(told(&made).contains("undefined field 'dat'"));
    let mut next = (*made).clone();
    next["spec"]["validations"][0]["expression"] = "object.data.x == 'a'".into();
    let made = api.update(POLICIES, next, &by()).expect("changed");
    assert_eq!(made["status"], json!({ "observedGeneration": 2, "typeChecking": {} }));
}
