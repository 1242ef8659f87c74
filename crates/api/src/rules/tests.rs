use crate::tests::{bench, by};
use crate::*;
use expect_test::{Expect, expect};
use serde_json::json;

fn definition(spec: Value, root: Value) -> Value {
    let schema =
        json!({ "type": "object", "x-kubernetes-validations": root, "properties": { "spec": spec } });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "things.example.com" },
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": { "plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema } }],
        },
    })
}

fn spec() -> Value {
    let rule = |rule: &str| json!([{ "rule": rule }]);
    json!({
        "type": "object",
        "x-kubernetes-validations": [
            { "rule": "self.min <= self.max", "message": "min must not exceed max" },
            { "rule": "!has(oldSelf.min) || self.min >= oldSelf.min", "message": "min may not shrink" },
            { "rule": "self.max < 100", "messageExpression": "'max is ' + string(self.max)", "reason": "FieldValueForbidden", "fieldPath": ".max" },
            { "rule": "!has(self.free) || self.free.known > 1" },
        ],
        "properties": {
            "min": { "type": "integer", "default": 0 }, "max": { "type": "integer", "default": 10 },
            "memory": { "type": "string", "x-kubernetes-validations": rule("quantity(self).isLessThan(quantity('1Gi'))") },
            "list": { "type": "array", "items": { "type": "object", "properties": { "n": { "type": "string", "x-kubernetes-validations": rule("self != 'bad'") } } } },
            "map": { "type": "object", "additionalProperties": { "type": "integer", "x-kubernetes-validations": rule("self > 0") } },
            "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
            "loops": { "type": "array", "items": { "type": "integer" }, "x-kubernetes-validations": rule("self.all(a, self.all(b, self.all(c, a + b + c >= 0)))") },
        },
    })
}

fn create(api: &Api, spec: Value) -> Result<Object> {
    let object =
        json!({ "apiVersion": "example.com/v1", "kind": "Thing", "metadata": { "name": "t" }, "spec": spec });
    api.create("example.com/things", object, &by())
}

fn refused(spec_given: Value, expected: Expect) {
    let (api, _dir) = bench();
    let root = json!([{ "rule": "self.metadata.name.startsWith('t')" }]);
    api.create(crate::crds::RESOURCE, definition(spec(), root), &by()).expect("the definition");
    let text = create(&api, spec_given).map_or_else(|error| error.message, |made| made["spec"].to_string());
    expected.assert_eq(&text);
}

#[test]
fn rules_refuse_in_upstreams_words() {
    refused(json!({ "min": 1, "max": 2 }), expect![[r#"{"min":1,"max":2}"#]]);
    refused(
        json!({ "min": 11 }),
        expect![[
            r#"Thing.example.com "t" is invalid: spec: Invalid value: "object": min must not exceed max"#
        ]],
    );
    refused(
        json!({ "max": 300 }),
        expect![[r#"Thing.example.com "t" is invalid: spec.max: Forbidden: max is 300"#]],
    );
    refused(
        json!({ "memory": "2Gi" }),
        expect![[
            r#"Thing.example.com "t" is invalid: spec.memory: Invalid value: "string": failed rule: quantity(self).isLessThan(quantity('1Gi'))"#
        ]],
    );
    refused(
        json!({ "list": [{ "n": "good" }, { "n": "bad" }], "map": { "k": 0 } }),
        expect![[
            r#"Thing.example.com "t" is invalid: [spec.list[1].n: Invalid value: "string": failed rule: self != 'bad', spec.map[k]: Invalid value: "integer": failed rule: self > 0]"#
        ]],
    );
    refused(
        json!({ "free": {} }),
        expect![[
            r#"Thing.example.com "t" is invalid: spec: Invalid value: "object": no such key: known evaluating rule: !has(self.free) || self.free.known > 1"#
        ]],
    );
    refused(
        json!({ "max": "text", "min": 11 }),
        expect![[
            r#"Thing.example.com "t" is invalid: [spec.max: Invalid value: "string": spec.max in body must be of type integer: "string", <nil>: Invalid value: "null": some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]"#
        ]],
    );
    refused(
        json!({ "loops": vec![1; 50] }),
        expect![[
            r#"{"loops":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"min":0,"max":10}"#
        ]],
    );
    refused(
        json!({ "loops": vec![1; 500] }),
        expect![[
            r#"Thing.example.com "t" is invalid: <nil>: Invalid value: "object": validation failed due to running out of cost budget, no further validation rules will be run"#
        ]],
    );
}

#[test]
fn transitions_are_looked_at_when_there_is_a_before() {
    let (api, _dir) = bench();
    api.create(crate::crds::RESOURCE, definition(spec(), json!([])), &by()).expect("the definition");
    create(&api, json!({ "min": 5 })).expect("a first object");
    let key = Key::new("example.com/things", "default", "t");
    let change = |min: i64| api.patch(&key, PatchKind::Merge, "", &json!({ "spec": { "min": min } }), &by());
    change(6).expect("it may grow");
    expect![[r#"Thing.example.com "t" is invalid: spec: Invalid value: "object": min may not shrink"#]]
        .assert_eq(&change(5).expect_err("it may not shrink").message);
}

#[test]
fn rules_that_do_not_compile_are_refused_with_their_place() {
    let (api, _dir) = bench();
    let mut spec = spec();
    spec["properties"]["list"]["items"]["x-kubernetes-validations"] =
        json!([{ "rule": "self.n == " }, { "rule": " " }]);
    let error = api
        .create(crate::crds::RESOURCE, definition(spec, json!([])), &by())
        .expect_err("it does not compile");
    let lines: Vec<&str> = error.message.lines().take(1).collect();
    expect![[r#"CustomResourceDefinition.apiextensions.k8s.io "things.example.com" is invalid: [spec.versions[0].schema.openAPIV3Schema.properties[spec].properties[list].items.x-kubernetes-validations[0].rule: Invalid value: "self.n == ": compilation failed: ERROR: <input>:1:11: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"#]].assert_eq(&lines.join(""));
}

#[test]
fn a_changed_definition_counts_at_once() {
    let (api, _dir) = bench();
    api.create(crate::crds::RESOURCE, definition(spec(), json!([])), &by()).expect("the definition");
    create(&api, json!({ "max": 300 })).expect_err("too large");
    let key = Key::new(crate::crds::RESOURCE, "", "things.example.com");
    let schema =
        definition(json!({ "type": "object", "properties": { "max": { "type": "integer" } } }), json!([]));
    let change = json!({ "spec": { "versions": schema["spec"]["versions"] } });
    api.patch(&key, PatchKind::Merge, "", &change, &by()).expect("the new definition");
    create(&api, json!({ "max": 300 })).expect("no rule any more");
}

#[test]
fn rules_are_looked_at_unless_the_shape_is_wrong() {
    let (api, _dir) = bench();
    let mut spec = spec();
    spec["properties"]["name"] = json!({ "type": "string", "pattern": "^x" });
    spec["oneOf"] =
        json!([{ "required": ["max"] }, { "required": ["name"], "not": { "required": ["max"] } }]);
    api.create(crate::crds::RESOURCE, definition(spec, json!([])), &by()).expect("the definition");
    expect![[r#"Thing.example.com "t" is invalid: [spec.name: Invalid value: "y": spec.name in body should match '^x', spec: Invalid value: "object": min must not exceed max]"#]]
        .assert_eq(&create(&api, json!({ "name": "y", "min": 20 })).expect_err("two reasons").message);
}

#[test]
fn paths_are_in_the_order_of_their_numbers() {
    let mut paths = ["spec.b", "spec.a[10].n", "spec.a[9]", "spec.a[9].n", "spec", "<nil>"];
    paths.sort_by_cached_key(|path| super::sortable(path));
    assert_eq!(paths, ["<nil>", "spec", "spec.a[9]", "spec.a[9].n", "spec.a[10].n", "spec.b"]);
}
