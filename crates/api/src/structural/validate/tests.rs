use super::validate;
use serde_json::{Value, json};

/// What is said about a `spec` with one schema for each of its fields.
fn said(fields: Value, spec: Value) -> Vec<String> {
    let schema =
        json!({ "type": "object", "properties": { "spec": { "type": "object", "properties": fields } } });
    let object = json!({ "apiVersion": "e/v1", "kind": "W", "metadata": { "name": "w" }, "spec": spec });
    validate(&schema, &object, None).into_iter().map(|(field, _, text)| format!("{field}: {text}")).collect()
}

#[test]
fn values_are_checked() {
    let duplicate_keys = json!([{ "n": "a", "v": 1 }, { "n": "b" }, { "n": "a" }]);
    let of_map = json!({ "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"],
        "items": { "type": "object", "properties": { "n": { "type": "string" } } } });
    for (schema, value, expected) in [
        (
            json!({ "type": "integer" }),
            json!("2"),
            "spec.x: Invalid value: \"string\": spec.x in body must be of type integer: \"string\"",
        ),
        (
            json!({ "type": "string" }),
            json!(null),
            "spec.x: Invalid value: \"null\": spec.x in body must be of type string: \"null\"",
        ),
        (json!({ "type": "string", "nullable": true }), json!(null), ""),
        (json!({ "type": "integer" }), json!(2.0), ""),
        (
            json!({ "type": "integer", "maximum": 3 }),
            json!(4),
            "spec.x: Invalid value: 4: spec.x in body should be less than or equal to 3",
        ),
        (
            json!({ "type": "integer", "maximum": 3, "exclusiveMaximum": true }),
            json!(3),
            "spec.x: Invalid value: 3: spec.x in body should be less than 3",
        ),
        (
            json!({ "type": "integer", "minimum": 1 }),
            json!(0),
            "spec.x: Invalid value: 0: spec.x in body should be greater than or equal to 1",
        ),
        (
            json!({ "type": "integer", "format": "int32" }),
            json!(2_147_483_648_i64),
            "<nil>: Invalid value: \"\": Checked value must be of type integer with format int32 in spec.x",
        ),
        (json!({ "type": "number", "multipleOf": 0.1 }), json!(0.3), ""),
        (
            json!({ "type": "number", "multipleOf": 2 }),
            json!(3),
            "spec.x: Invalid value: 3: spec.x in body should be a multiple of 2",
        ),
        (
            json!({ "type": "string", "enum": ["a", "b"] }),
            json!("c"),
            "spec.x: Unsupported value: \"c\": supported values: \"a\", \"b\"",
        ),
        (
            json!({ "type": "integer", "enum": [1, 2] }),
            json!(3),
            "spec.x: Unsupported value: 3: supported values: \"1\", \"2\"",
        ),
        (
            json!({ "type": "string", "pattern": "^x" }),
            json!("y"),
            "spec.x: Invalid value: \"y\": spec.x in body should match '^x'",
        ),
        (
            json!({ "type": "string", "maxLength": 2 }),
            json!("abc"),
            "spec.x: Too long: may not be more than 2 bytes",
        ),
        (
            json!({ "type": "string", "minLength": 2 }),
            json!("é"),
            "spec.x: Invalid value: \"é\": spec.x in body should be at least 2 chars long",
        ),
        (
            json!({ "type": "string", "format": "date-time" }),
            json!("now"),
            "spec.x: Invalid value: \"now\": spec.x in body must be of type date-time: \"now\"",
        ),
        (
            json!({ "type": "string", "format": "date-time" }),
            json!(7),
            "spec.x: Invalid value: \"int64\": spec.x in body must be of type date-time: \"int64\"",
        ),
        (
            json!({ "type": "integer", "format": "int64" }),
            json!(1.5),
            "spec.x: Invalid value: \"float64\": spec.x in body must be of type int64: \"float64\"",
        ),
        (
            json!({ "type": "integer", "format": "int64" }),
            json!("7"),
            "spec.x: Invalid value: \"string\": spec.x in body must be of type integer: \"string\"",
        ),
        (
            json!({ "type": "string", "format": "odd" }),
            json!(true),
            "spec.x: Invalid value: \"boolean\": spec.x in body must be of type string: \"boolean\"",
        ),
        (json!({ "type": "string", "format": "quantity" }), json!("10Gi"), ""),
        (
            json!({ "type": "string", "format": "quantity" }),
            json!("10GG"),
            "spec.x: Invalid value: \"10GG\": spec.x in body must be of type quantity: \"10GG\"",
        ),
        (
            json!({ "x-kubernetes-int-or-string": true }),
            json!(true),
            "spec.x: Invalid value: \"boolean\": spec.x in body must be of type integer,string: \"boolean\"",
        ),
        (
            json!({ "type": "array", "maxItems": 1, "items": { "type": "string" } }),
            json!(["a", "b"]),
            "spec.x: Too many: 2: must have at most 1 items",
        ),
        (
            json!({ "type": "array", "minItems": 1, "items": { "type": "string" } }),
            json!([]),
            "spec.x: Invalid value: 0: spec.x in body should have at least 1 items",
        ),
        (
            json!({ "type": "object", "maxProperties": 1, "additionalProperties": { "type": "string" } }),
            json!({ "a": "", "b": "" }),
            "spec.x: Too many: 2: must have at most 1 items",
        ),
        (
            json!({ "type": "object", "minProperties": 1, "additionalProperties": { "type": "string" } }),
            json!({}),
            "spec.x: Invalid value: 1: spec.x in body should have at least 1 properties",
        ),
        (json!({ "type": "object", "required": ["a"] }), json!({}), "spec.x.a: Required value"),
        (
            json!({ "type": "array", "x-kubernetes-list-type": "set", "items": { "type": "string" } }),
            json!(["a", "a"]),
            "spec.x[1]: Duplicate value: \"a\"",
        ),
        (of_map, duplicate_keys, "spec.x[2]: Duplicate value: {\"n\":\"a\"}"),
    ] {
        let is = said(json!({ "x": schema }), json!({ "x": value }));
        assert_eq!(is.join("\n"), expected, "{schema} {value}");
    }
}

#[test]
fn schemas_are_combined() {
    let of = |how: &str| {
        let schema = json!({ "type": "object",
            "properties": { "a": { "type": "string" }, "b": { "type": "string" } },
            how: [{ "required": ["a"] }, { "required": ["b"], "properties": { "b": { "pattern": "^b" } } }] });
        json!({ "x": schema })
    };
    let any = "<nil>: Invalid value: \"\": \"spec.x\" must validate at least one schema (anyOf)";
    let none = "<nil>: Invalid value: \"\": \"spec.x\" must validate one and only one schema (oneOf). Found none valid";
    let two = "<nil>: Invalid value: \"\": \"spec.x\" must validate one and only one schema (oneOf). Found 2 valid alternatives";
    let all = "<nil>: Invalid value: \"\": \"spec.x\" must validate all the schemas (allOf)";
    for (how, value, expected) in [
        ("anyOf", json!({ "a": "" }), vec![]),
        ("anyOf", json!({}), vec![any, "spec.x.a: Required value"]),
        (
            "anyOf",
            json!({ "b": "c" }),
            vec![any, "spec.x.b: Invalid value: \"c\": spec.x.b in body should match '^b'"],
        ),
        ("oneOf", json!({ "a": "" }), vec![]),
        ("oneOf", json!({}), vec![none, "spec.x.a: Required value"]),
        ("oneOf", json!({ "a": "", "b": "b" }), vec![two]),
        ("allOf", json!({ "a": "", "b": "b" }), vec![]),
        ("allOf", json!({ "a": "" }), vec!["spec.x.b: Required value", all]),
    ] {
        assert_eq!(said(of(how), json!({ "x": value })), expected, "{how} {value}");
    }
    let not = json!({ "x": { "type": "object", "not": { "required": ["a"] } } });
    assert_eq!(
        said(not, json!({ "x": { "a": 1 } })),
        ["<nil>: Invalid value: \"\": \"spec.x\" must not validate the schema (not)"]
    );
}

#[test]
fn names_of_objects_may_be_restricted() {
    let schema = json!({ "type": "object", "properties": { "metadata": { "type": "object",
        "properties": { "name": { "type": "string", "maxLength": 3 } } } } });
    let said = validate(
        &schema,
        &json!({ "apiVersion": "e/v1", "kind": "W", "metadata": { "name": "long" } }),
        None,
    );
    assert_eq!(said[0].0, "metadata.name");
}

#[test]
fn what_is_as_it_was_is_taken() {
    let schema = json!({ "type": "object", "properties": { "spec": { "type": "object", "required": ["new"], "properties": {
        "size": { "type": "integer", "maximum": 3 },
        "mode": { "type": "string", "enum": ["a"] },
        "list": { "type": "array", "items": { "type": "string", "maxLength": 2 } },
        "set": { "type": "array", "x-kubernetes-list-type": "set", "items": { "type": "string" } },
        "keyed": { "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"],
            "items": { "type": "object", "properties": { "n": { "type": "string" }, "v": { "type": "integer", "maximum": 3 } } } },
    } } } });
    let before = json!({ "size": 5, "mode": "b", "list": ["long", "a"], "set": ["a", "a"], "keyed": [{ "n": "x", "v": 9 }, { "n": "y", "v": 1 }] });
    for (field, value, expected) in [
        ("size", json!(5), "spec.new: Required value"),
        (
            "size",
            json!(6),
            "spec.size: Invalid value: 6: spec.size in body should be less than or equal to 3; spec.new: Required value",
        ),
        (
            "list",
            json!(["long", "b"]),
            "spec.list[0]: Too long: may not be more than 2 bytes; spec.new: Required value",
        ),
        ("set", json!(["a", "a", "b"]), "spec.new: Required value"),
        (
            "keyed",
            json!([{ "n": "y", "v": 4 }, { "n": "x", "v": 9 }]),
            "spec.keyed[0].v: Invalid value: 4: spec.keyed[0].v in body should be less than or equal to 3; spec.new: Required value",
        ),
    ] {
        let mut after = before.clone();
        after[field] = value;
        // Something else has changed.
        after["other"] = json!(1);
        let (old, new) = (json!({ "spec": before }), json!({ "spec": after }));
        let mut said: Vec<String> = validate(&schema, &new, Some(&old))
            .into_iter()
            .map(|(field, _, text)| format!("{field}: {text}"))
            .collect();
        said.sort_by_key(|line| line.starts_with("spec.new"));
        assert_eq!(said.join("; "), expected, "{field}");
    }
}
