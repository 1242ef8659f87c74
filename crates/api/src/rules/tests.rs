use crate::tests::{bench, by, things_of};
use crate::*;
use expect_test::{Expect, expect};
use serde_json::json;

fn definition(spec: Value, root: Value) -> Value {
    things_of(json!({ "type": "object", "x-kubernetes-validations": root, "properties": { "spec": spec } }))
}

fn spec() -> Value {
    let rule = |rule: &str| json!([{ "rule": rule }]);
    json!({
        "type": "object",
        "x-kubernetes-validations": [
            { "rule": "self.min <= self.max", "message": "min must not exceed max" },
            { "rule": "!has(oldSelf.min) || self.min >= oldSelf.min", "message": "min may not shrink" },
            { "rule": "self.max < 100", "messageExpression": "'max is %d'.format([self.max])", "reason": "FieldValueForbidden", "fieldPath": ".max" },
            { "rule": "!has(self.list) || self.list.size() > 1 || self.list[1].n == ''" },
        ],
        "properties": {
            "min": { "type": "integer", "default": 0 }, "max": { "type": "integer", "default": 10 },
            "memory": { "type": "string", "x-kubernetes-validations": rule("quantity(self).isLessThan(quantity('1Gi'))") },
            "list": { "type": "array", "items": { "type": "object", "properties": { "n": { "type": "string", "x-kubernetes-validations": rule("self != 'bad'") } } } },
            "map": { "type": "object", "additionalProperties": { "type": "integer", "x-kubernetes-validations": rule("self > 0") } },
            "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
            "loops": { "type": "array", "maxItems": 90, "items": { "type": "integer" }, "x-kubernetes-validations": rule("self.all(a, self.all(b, self.all(c, a + b + c >= 0)))") },
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
    refused(json!({ "free": {} }), expect![[r#"{"free":{},"min":0,"max":10}"#]]);
    refused(
        json!({ "max": "text", "min": 11 }),
        expect![[
            r#"Thing.example.com "t" is invalid: [spec.max: Invalid value: "string": spec.max in body must be of type integer: "string", <nil>: Invalid value: "null": some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]"#
        ]],
    );
    refused(
        json!({ "list": [{ "n": "good" }] }),
        expect![[
            r#"Thing.example.com "t" is invalid: spec: Invalid value: "object": index out of bounds: 1 evaluating rule: !has(self.list) || self.list.size() > 1 || self.list[1].n == ''"#
        ]],
    );
    refused(
        json!({ "loops": vec![1; 30] }),
        expect![[
            r#"{"loops":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"min":0,"max":10}"#
        ]],
    );
    refused(
        json!({ "loops": vec![1; 90] }),
        expect![[
            r#"Thing.example.com "t" is invalid: spec.loops: Invalid value: "array": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: self.all(a, self.all(b, self.all(c, a + b + c >= 0)))"#
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
    expect![[r#"CustomResourceDefinition.apiextensions.k8s.io "things.example.com" is invalid: [spec.validation.openAPIV3Schema.properties[spec].properties[list].items.x-kubernetes-validations[0].rule: Invalid value: apiextensions.ValidationRule{Rule:"self.n == ", Message:"", MessageExpression:"", Reason:(*apiextensions.FieldValueErrorReason)(nil), FieldPath:"", OptionalOldSelf:(*bool)(nil)}: compilation failed: ERROR: <input>:1:11: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"#]].assert_eq(&lines.join(""));
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

/// What a definition with this schema of `spec` says to an object, and to what it is changed to.
fn changed(spec: Value, before: Value, after: Value) -> String {
    let (api, _dir) = bench();
    if let Err(error) = api.create(crate::crds::RESOURCE, definition(spec, json!([])), &by()) {
        return error.message;
    }
    if let Err(error) = create(&api, before) {
        return error.message;
    }
    let key = Key::new("example.com/things", "default", "t");
    let change = api.patch(&key, PatchKind::Merge, "", &json!({ "spec": after }), &by());
    change.map_or_else(|error| error.message, |made| made["spec"].to_string())
}

#[test]
fn what_was_before_is_found_again() {
    let rule = |rule: &str| json!([{ "rule": rule }]);
    let item = json!({ "type": "object", "required": ["name"], "properties": {
        "name": { "type": "string" },
        "size": { "type": "integer", "x-kubernetes-validations": rule("self >= oldSelf") },
    } });
    let list = json!({ "type": "object", "properties": { "list": {
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": item,
    } } });
    let before = json!({ "list": [{ "name": "a", "size": 5 }, { "name": "b", "size": 1 }] });
    // The order does not count, new items have no before.
    let after = json!({ "list": [{ "name": "c", "size": 0 }, { "name": "b", "size": 2 }, { "name": "a", "size": 5 }] });
    expect![[r#"{"list":[{"name":"c","size":0},{"name":"b","size":2},{"name":"a","size":5}]}"#]]
        .assert_eq(&changed(list.clone(), before.clone(), after));
    let after = json!({ "list": [{ "name": "b", "size": 0 }, { "name": "a", "size": 5 }] });
    expect![[r#"Thing.example.com "t" is invalid: spec.list[0].size: Invalid value: "integer": failed rule: self >= oldSelf"#]].assert_eq(&changed(list.clone(), before.clone(), after));
    let mut set = list;
    set["properties"]["list"]["x-kubernetes-list-type"] = "atomic".into();
    set["properties"]["list"].as_object_mut().expect("a schema").remove("x-kubernetes-list-map-keys");
    expect![[r#"CustomResourceDefinition.apiextensions.k8s.io "things.example.com" is invalid: spec.validation.openAPIV3Schema.properties[spec].properties[list].items.properties[size].x-kubernetes-validations[0].rule: Invalid value: apiextensions.ValidationRule{Rule:"self >= oldSelf", Message:"", MessageExpression:"", Reason:(*apiextensions.FieldValueErrorReason)(nil), FieldPath:"", OptionalOldSelf:(*bool)(nil)}: oldSelf cannot be used on the uncorrelatable portion of the schema within spec.validation.openAPIV3Schema.properties[spec].properties[list]"#]].assert_eq(&changed(set, before, json!({})));
}

#[test]
fn an_old_value_may_be_optional() {
    let spec = json!({ "type": "object", "x-kubernetes-validations": [
        { "rule": "oldSelf.hasValue() || self.n == 1", "optionalOldSelf": true, "message": "the first is 1" },
        { "rule": "self.n <= oldSelf.?n.orValue(1) + 1", "optionalOldSelf": true, "messageExpression": "'at most one more than %d'.format([oldSelf.?n.orValue(0)])" },
    ], "properties": { "n": { "type": "integer" } } });
    expect![[r#"Thing.example.com "t" is invalid: spec: Invalid value: "object": the first is 1"#]]
        .assert_eq(&changed(spec.clone(), json!({ "n": 2 }), json!({})));
    expect![[r#"{"n":2}"#]].assert_eq(&changed(spec.clone(), json!({ "n": 1 }), json!({ "n": 2 })));
    expect![[r#"Thing.example.com "t" is invalid: spec: Invalid value: "object": at most one more than 1"#]]
        .assert_eq(&changed(spec, json!({ "n": 1 }), json!({ "n": 3 })));
}

#[test]
fn what_has_not_changed_is_not_refused() {
    let (api, _dir) = bench();
    let spec = |rule: &str| {
        json!({ "type": "object", "properties": {
            "n": { "type": "integer", "x-kubernetes-validations": [{ "rule": rule }] }, "m": { "type": "integer" },
        } })
    };
    api.create(crate::crds::RESOURCE, definition(spec("self > 0"), json!([])), &by())
        .expect("the definition");
    create(&api, json!({ "n": 1 })).expect("an object");
    let key = Key::new(crate::crds::RESOURCE, "", "things.example.com");
    let stricter =
        json!({ "spec": { "versions": definition(spec("self > 5"), json!([]))["spec"]["versions"] } });
    api.patch(&key, PatchKind::Merge, "", &stricter, &by()).expect("a stricter definition");
    let key = Key::new("example.com/things", "default", "t");
    let change = |spec: Value| api.patch(&key, PatchKind::Merge, "", &json!({ "spec": spec }), &by());
    change(json!({ "m": 1 })).expect("n is as it was");
    expect![[r#"Thing.example.com "t" is invalid: spec.n: Invalid value: "integer": failed rule: self > 5"#]]
        .assert_eq(&change(json!({ "n": 2 })).expect_err("n changes").message);
}

#[test]
fn rules_are_checked_against_their_schema() {
    let said = |rule: Value| {
        let spec = json!({ "type": "object", "x-kubernetes-validations": [rule], "properties": {
            "size": { "type": "integer" }, "snake_case": { "type": "string" }, "dash-ed": { "type": "string" },
        } });
        let (api, _dir) = bench();
        let made = api.create(crate::crds::RESOURCE, definition(spec, json!([])), &by());
        let message = made.map_or_else(|error| error.message, |_| "accepted".to_string());
        message
            .replace("CustomResourceDefinition.apiextensions.k8s.io \"things.example.com\" is invalid: ", "")
    };
    let said: Vec<String> = [
        json!({ "rule": "self.snake_case != self.dash__dash__ed" }),
        json!({ "rule": "self.?size.orValue(1) > 0 && self.size in [1, 2]" }),
        json!({ "rule": "self.sise > 0" }),
        json!({ "rule": "self.size" }),
        json!({ "rule": "self.size > 0", "messageExpression": "self.size" }),
        json!({ "rule": "self.size > 0", "messageExpression": "self.sise" }),
        json!({ "rule": "object.size > 0" }),
        json!({ "rule": "self.size > 0", "reason": "Bad", "message": "two\nlines" }),
        json!({ "rule": "self.size > 0", "optionalOldSelf": true }),
    ]
    .map(said)
    .to_vec();
    expect![[r#"
        accepted
        accepted
        spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule: Invalid value: apiextensions.ValidationRule{Rule:"self.sise > 0", Message:"", MessageExpression:"", Reason:(*apiextensions.FieldValueErrorReason)(nil), FieldPath:"", OptionalOldSelf:(*bool)(nil)}: compilation failed: ERROR: <input>:1:5: undefined field 'sise'
         | self.sise > 0
         | ....^
        spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule: Invalid value: apiextensions.ValidationRule{Rule:"self.size", Message:"", MessageExpression:"", Reason:(*apiextensions.FieldValueErrorReason)(nil), FieldPath:"", OptionalOldSelf:(*bool)(nil)}: cel expression must evaluate to a bool
        spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].messageExpression: Invalid value: apiextensions.ValidationRule{Rule:"self.size > 0", Message:"", MessageExpression:"self.size", Reason:(*apiextensions.FieldValueErrorReason)(nil), FieldPath:"", OptionalOldSelf:(*bool)(nil)}: messageExpression must evaluate to a string
        spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].messageExpression: Invalid value: apiextensions.ValidationRule{Rule:"self.size > 0", Message:"", MessageExpression:"self.sise", Reason:(*apiextensions.FieldValueErrorReason)(nil), FieldPath:"", OptionalOldSelf:(*bool)(nil)}: messageExpression compilation failed: ERROR: <input>:1:5: undefined field 'sise'
         | self.sise
         | ....^
        spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule: Invalid value: apiextensions.ValidationRule{Rule:"object.size > 0", Message:"", MessageExpression:"", Reason:(*apiextensions.FieldValueErrorReason)(nil), FieldPath:"", OptionalOldSelf:(*bool)(nil)}: compilation failed: ERROR: <input>:1:1: undeclared reference to 'object' (in container '')
         | object.size > 0
         | ^
        [spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].message: Invalid value: "two\nlines": message must not contain line breaks, spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].reason: Unsupported value: "Bad": supported values: "FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"]
        spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule"#]].assert_eq(&said.join("\n"));
}

#[test]
fn formats_that_nobody_knows_are_told_of() {
    let (api, _dir) = bench();
    let spec = json!({ "type": "object", "properties": {
        "known": { "type": "string", "format": "date-time" }, "number": { "type": "integer", "format": "int64" },
        "odd": { "type": "string", "format": "int-or-string" }, "again": { "type": "array", "items": { "type": "integer", "format": "uint8" } },
        "twice": { "type": "integer", "format": "uint8" }, "format": { "type": "string" },
    } });
    let options = by();
    let made =
        api.create(crate::crds::RESOURCE, definition(spec, json!([])), &options).expect("the definition");
    expect![[r#"
        unrecognized format "int-or-string"
        unrecognized format "uint8""#]]
    .assert_eq(&options.warnings.take().join("\n"));
    let mut next = (*made).clone();
    next["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["known"]["format"] =
        "day".into();
    api.update(crate::crds::RESOURCE, next, &options).expect("changed");
    assert_eq!(options.warnings.take(), ["unrecognized format \"day\""]);
}

#[test]
fn names_that_the_language_keeps_need_no_escape() {
    let spec = json!({ "type": "object", "properties": { "namespace": { "type": "string" }, "if": { "type": "integer" } },
        "x-kubernetes-validations": [{ "rule": "!has(self.namespace) || self.namespace.size() > 2 && self.__if__ == self.if" }] });
    expect![[r#"Thing.example.com "t" is invalid: spec: Invalid value: "object": failed rule: !has(self.namespace) || self.namespace.size() > 2 && self.__if__ == self.if"#]]
        .assert_eq(&changed(spec.clone(), json!({ "namespace": "ab", "if": 1 }), json!({})));
    expect![[r#"{"if":1,"namespace":"abc"}"#]].assert_eq(&changed(
        spec,
        json!({ "if": 2 }),
        json!({ "namespace": "abc", "if": 1 }),
    ));
}
