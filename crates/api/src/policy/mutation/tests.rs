use crate::tests::{bench, by};
use crate::*;
use expect_test::expect;
use serde_json::json;

const POLICIES: &str = super::MUTATING;
const BINDINGS: &str = super::MUTATING_BINDINGS;

fn policy(name: &str, more: Value) -> Value {
    let mut spec = json!({ "reinvocationPolicy": "Never", "matchConstraints": { "resourceRules": [{
        "apiGroups": ["", "apps", "autoscaling"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"],
        "resources": ["pods", "configmaps", "deployments", "deployments/scale"],
    }] } });
    for (field, value) in more.as_object().expect("an object") {
        spec[field] = value.clone();
    }
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy",
        "metadata": { "name": name }, "spec": spec,
    })
}

fn apply(expression: &str) -> Value {
    json!({ "patchType": "ApplyConfiguration", "applyConfiguration": { "expression": expression } })
}

fn operations(expression: &str) -> Value {
    json!({ "patchType": "JSONPatch", "jsonPatch": { "expression": expression } })
}

fn put(api: &Api, name: &str, more: Value) -> Result<Object> {
    let made = api.create(POLICIES, policy(name, more), &by())?;
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding",
        "metadata": { "name": name }, "spec": { "policyName": name },
    });
    api.create(BINDINGS, binding, &by())?;
    Ok(made)
}

fn pod() -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p", "namespace": "default", "labels": { "app": "web" } },
        "spec": { "containers": [{ "name": "c", "image": "a" }, { "name": "d", "image": "b" }], "nodeSelector": { "a": "b" } } })
}

/// What becomes of a pod: its labels, annotations and the parts of its specification that are named.
fn outcome(mutations: Value) -> String {
    let (api, _dir) = bench();
    if let Err(error) = put(&api, "p", json!({ "mutations": mutations })) {
        return error.message;
    }
    match api.create("pods", pod(), &by()) {
        Err(error) => format!("{} {}: {}", error.code, error.reason, error.message),
        Ok(made) => {
            let names = |list: &Value| {
                let items = list.as_array().into_iter().flatten();
                let told = items.map(|item| format!("{}={}", item["name"], item["image"]).replace('"', ""));
                told.collect::<Vec<_>>().join(" ")
            };
            let spec = &made["spec"];
            format!(
                "{} {} | {} | {} | {}",
                made["metadata"]["labels"],
                made["metadata"]["annotations"],
                names(&spec["initContainers"]),
                names(&spec["containers"]),
                spec["nodeSelector"]
            )
        }
    }
}

#[test]
fn configurations_are_merged_and_operations_carried_out() {
    let said = [
        json!([apply("Object{metadata: Object.metadata{labels: {'team': 'a'}, annotations: {'by': request.userInfo.username}}}")]),
        json!([apply("Object{spec: Object.spec{initContainers: [Object.spec.initContainers{name: 'mesh', image: 'm:1'}]}}")]),
        json!([apply("Object{spec: Object.spec{containers: object.spec.containers.map(c, Object.spec.containers{name: c.name, image: 'registry/' + c.image})}}")]),
        json!([operations("[JSONPatch{op: 'test', path: '/spec/containers/0/image', value: 'a'}, JSONPatch{op: 'replace', path: '/spec/containers/0/image', value: 'c'}, JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('x/y'), value: 'z'}]")]),
        // A test that fails leaves everything as it is.
        json!([operations("[JSONPatch{op: 'add', path: '/metadata/labels/a', value: 'b'}, JSONPatch{op: 'test', path: '/spec/containers/0/image', value: 'x'}]")]),
        json!([operations("[JSONPatch{op: 'add', path: '/spec/initContainers', value: [Object.spec.initContainers{name: 'i', image: 'j'}]}]")]),
        // Each sees what those before it have made.
        json!([apply("Object{metadata: Object.metadata{labels: {'n': '1'}}}"), operations("[JSONPatch{op: 'add', path: '/metadata/labels/m', value: object.metadata.labels['n'] + '2'}]")]),
        json!([apply("has(object.metadata.labels) ? Object{} : Object{metadata: Object.metadata{labels: {'new': 'x'}}}")]),
    ]
    .map(outcome);
    expect![[r#"
        {"app":"web","team":"a"} {"by":"system:apiserver"} |  | c=a d=b | {"a":"b"}
        {"app":"web"} null | mesh=m:1 | c=a d=b | {"a":"b"}
        {"app":"web"} null |  | c=registry/a d=registry/b | {"a":"b"}
        {"app":"web","x/y":"z"} null |  | c=c d=b | {"a":"b"}
        {"app":"web"} null |  | c=a d=b | {"a":"b"}
        {"app":"web"} null | i=j | c=a d=b | {"a":"b"}
        {"app":"web","n":"1","m":"12"} null |  | c=a d=b | {"a":"b"}
        {"app":"web"} null |  | c=a d=b | {"a":"b"}"#]]
    .assert_eq(&said.join("\n"));
}

#[test]
fn what_cannot_be_carried_out_is_refused() {
    let said = [
        json!([apply("Object{spec: Object.spec{nodeSelector: {'c': 'd'}}}")]),
        json!([apply("Object{spec: Object.spec{nothing: 1}}")]),
        json!([apply("Object{spec: Object.spec{containers: [Object.spec.containers{image: 'x'}]}}")]),
        json!([apply("Object{spec: Object.wrong{}}")]),
        json!([apply("'text'")]),
        json!([apply("Object{metadata: Object.metadata{labels: {'a': object.nothing}}}")]),
        json!([operations("[JSONPatch{op: 'remove', path: '/spec/nothing/x'}]")]),
        json!([operations("'text'")]),
        json!([operations("[JSONPatch{op: 'add', where: '/a'}]")]),
        // What results must be valid.
        json!([operations("[JSONPatch{op: 'replace', path: '/spec/containers/0/name', value: 'No_Name'}]")]),
    ]
    .map(outcome);
    expect![[r#"
        403 Invalid: policy 'p' with binding 'p' denied request: error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.nodeSelector
        403 Invalid: policy 'p' with binding 'p' denied request: error applying patch: failed to convert patch object to typed object: .spec.nothing: field not declared in schema
        403 Invalid: policy 'p' with binding 'p' denied request: error applying patch: failed to convert patch object to typed object: .spec.containers: element 0: associative list with keys has an element that omits key field "name" (and doesn't have default value)
        MutatingAdmissionPolicy.admissionregistration.k8s.io "p" is invalid: spec.mutations[0].applyConfiguration.expression: Invalid value: "Object{spec: Object.wrong{}}": compilation failed: ERROR: <input>:1:26: type mismatch: unexpected type name "Object.wrong", expected "Object.spec", which matches field name path from root Object type
         | Object{spec: Object.wrong{}}
         | .........................^
        MutatingAdmissionPolicy.admissionregistration.k8s.io "p" is invalid: spec.mutations[0].applyConfiguration.expression: Invalid value: "'text'": must evaluate to Object
        403 Invalid: policy 'p' with binding 'p' denied request: expression 'Object{metadata: Object.metadata{labels: {'a': object.nothing}}}' resulted in error: no such key: nothing
        403 Invalid: policy 'p' with binding 'p' denied request: JSONPath: remove operation does not apply: doc is missing path: "/spec/nothing/x": missing value
        MutatingAdmissionPolicy.admissionregistration.k8s.io "p" is invalid: spec.mutations[0].jsonPatch.expression: Invalid value: "'text'": must evaluate to list(JSONPatch)
        MutatingAdmissionPolicy.admissionregistration.k8s.io "p" is invalid: spec.mutations[0].jsonPatch.expression: Invalid value: "[JSONPatch{op: 'add', where: '/a'}]": compilation failed: ERROR: <input>:1:30: undefined field 'where'
         | [JSONPatch{op: 'add', where: '/a'}]
         | .............................^
        422 Invalid: Pod "p" is invalid: spec.containers[0].name: Invalid value: "No_Name": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"#]].assert_eq(&said.join("\n"));
}

#[test]
fn policies_are_asked_again_when_others_change_the_object_after_them() {
    let count = |name: &str| {
        let at = format!("object.metadata.annotations[?'{name}'].orValue('')");
        apply(&format!("Object{{metadata: Object.metadata{{annotations: {{'{name}': {at} + 'x'}}}}}}"))
    };
    let with = |name: &str, again: &str| {
        (name.to_string(), json!({ "reinvocationPolicy": again, "mutations": [count(name)] }))
    };
    let counted = |policies: Vec<(String, Value)>| {
        let (api, _dir) = bench();
        policies.into_iter().for_each(|(name, spec)| drop(put(&api, &name, spec).expect("the policy")));
        let mut object = pod();
        object["metadata"]["annotations"] = json!({});
        api.create("pods", object, &by()).expect("made")["metadata"]["annotations"].to_string()
    };
    let said = [
        counted(vec![with("a", "IfNeeded")]),
        counted(vec![with("a", "IfNeeded"), with("b", "Never")]),
        counted(vec![with("a", "Never"), with("b", "IfNeeded")]),
        counted(vec![with("a", "IfNeeded"), with("b", "IfNeeded")]),
    ];
    expect![[r#"
        {"a":"x"}
        {"a":"xx","b":"x"}
        {"a":"x","b":"x"}
        {"a":"xx","b":"xx"}"#]]
    .assert_eq(&said.join("\n"));
}

#[test]
fn other_forms_of_objects() {
    let (api, _dir) = bench();
    let spec = json!({ "matchConditions": [{ "name": "scales", "expression": "request.subResource == 'scale'" }],
        "mutations": [apply("Object{spec: Object.spec{replicas: object.spec.replicas > 3 ? 3 : object.spec.replicas}}")] });
    let constraints = json!({ "resourceRules": [{ "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments/scale"] }] });
    let mut spec = spec;
    spec["matchConstraints"] = constraints;
    put(&api, "p", spec).expect("the policy");
    let labels = json!({ "app": "d" });
    let deployment = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "d", "namespace": "default" },
        "spec": { "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "c", "image": "a" }] } } } });
    api.create("apps/deployments", deployment, &by()).expect("made");
    let key = Key::new("apps/deployments", "default", "d");
    api.patch(&key, PatchKind::Merge, "scale", &json!({ "spec": { "replicas": 9 } }), &by()).expect("scaled");
    assert_eq!(api.get("apps/deployments", "default", "d").expect("there")["spec"]["replicas"], 3);
    // Nobody owns what a policy has made, and the next write says so again.
    let managers =
        api.get("apps/deployments", "default", "d").expect("there")["metadata"]["managedFields"].to_string();
    assert!(!managers.contains("policy"), "{managers}");
}

#[test]
fn a_failure_may_be_ignored() {
    let (api, _dir) = bench();
    let spec = json!({ "failurePolicy": "Ignore", "mutations": [apply("Object{metadata: Object.metadata{labels: {'a': object.nothing}}}")] });
    put(&api, "p", spec).expect("the policy");
    assert_eq!(
        api.create("pods", pod(), &by()).expect("made")["metadata"]["labels"],
        json!({ "app": "web" })
    );
}
